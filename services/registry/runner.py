"""Keeps the gauges of what runs now: every replica shows the same, whichever moved the alias."""

import asyncio
from dataclasses import dataclass

import structlog

from libs.common import telemetry
from libs.common.postgres import DATABASE_TROUBLE
from services.registry.store.aliases import AliasStore

log = structlog.get_logger()


@dataclass(frozen=True)
class AliasGauges:
    """`camloop_model_metric` per alias, read from the tables."""

    aliases: AliasStore
    seconds: float

    async def run(self) -> None:
        """Refresh for ever; a database that is away for a while is waited for."""
        while True:
            try:
                await self.refresh()
            except DATABASE_TROUBLE as error:
                log.warning("alias_gauges_interrupted", error=str(error) or type(error).__name__)
            await asyncio.sleep(self.seconds)

    async def refresh(self) -> None:
        """Show number, gate and metrics of every version behind an alias, and of no other."""
        standing = await self.aliases.standing()
        for gauge in (telemetry.model_metric, telemetry.model_version, telemetry.model_gate_passed):
            gauge.clear()
        for each in standing:
            telemetry.model_version.labels(each.model, each.alias).set(each.version)
            telemetry.model_gate_passed.labels(each.model, each.alias).set(each.gate_passed)
            for name, value in each.metrics.items():
                if value is not None:
                    telemetry.model_metric.labels(each.model, each.alias, name).set(value)
