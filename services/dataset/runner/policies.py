"""Looks at every workflow's policy again and again, and orders a build when it is due."""

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog

from libs.common import jobs
from libs.common.configuration import Configuration
from libs.common.envelope import stable_id
from libs.common.errors import CamloopError
from libs.common.postgres import DATABASE_TROUBLE
from libs.common.workflows import Workflow
from services.dataset.domain.orders import KIND, BuildOrder
from services.dataset.domain.policy import Decision, build_due, shortage
from services.dataset.store.samples import PendingWork, SampleStore
from services.dataset.store.versions import VersionStore

log = structlog.get_logger()


@dataclass
class PolicyLoop:
    """Cheap when nothing happens: one query on an empty table. `wake` tells this process's runner of a new job."""

    samples: SampleStore
    versions: VersionStore
    configuration: Configuration
    wake: asyncio.Event
    poll_seconds: float = 0.5
    _settled: dict[str, UUID] = field(default_factory=dict[str, UUID])

    async def run(self) -> None:
        """Look for ever; a database that is away for a while is waited for."""
        while True:
            try:
                await self.look()
            except DATABASE_TROUBLE as error:
                log.warning("policy_loop_interrupted", error=str(error) or type(error).__name__)
            await asyncio.sleep(self.poll_seconds)

    async def look(self) -> None:
        """Order the builds that are due, and say of the others why they wait."""
        for work in await self.samples.pending_work():
            try:
                workflow = await self.configuration.workflow(work.workflow)
                reason = await self._judge(workflow, work)
            except CamloopError as error:
                reason = str(error)
            if reason is not None:
                await self._say(work.workflow, reason)

    async def _judge(self, workflow: Workflow, work: PendingWork) -> str | None:
        """Why there is no build; None if there is one, or if that has been said."""
        decision = await self._decide(workflow, work)
        # The same changes under the same rules are ordered once, whatever becomes of the build.
        build_id = stable_id(KIND, workflow.name, work.number, workflow.dataset.model_dump_json(), workflow.class_names)
        if not decision.build or self._settled.get(workflow.name) == build_id:
            return None if decision.build else decision.reason
        stock = await self.samples.stock(workflow.name, workflow.given_labels)
        reason = shortage(workflow.dataset, workflow.given_labels, *stock)
        if reason is not None or await self._order(workflow.name, build_id, decision.reason):
            self._settled[workflow.name] = build_id
        return reason

    async def _decide(self, workflow: Workflow, work: PendingWork) -> Decision:
        policy, enough_at = workflow.dataset, None
        if work.changes.count >= policy.build_after_samples:
            enough_at = await self.samples.changed_at(workflow.name, policy.build_after_samples)
        newest = await self.versions.newest(workflow.name)
        changes = replace(work.changes, enough_at=enough_at)
        return build_due(policy, changes, newest.built_at if newest else None, work.now)

    async def _order(self, workflow: str, build_id: UUID, reason: str) -> bool:
        """Enqueue the build unless one is under way or another replica is about to; False if so."""
        trigger = await self.samples.last_trigger(workflow)
        if trigger is None:
            return False
        order = BuildOrder(build_id, workflow, reason, trigger.event_id, trigger.correlation_id)
        async with self.versions.pool.acquire() as connection, connection.transaction():
            if not await self.versions.may_order(connection, workflow):
                return False
            ordered = await jobs.enqueue(
                connection,
                job_id=build_id,
                kind=KIND,
                spec=order.spec(),
                dedupe_key=f"policy:{build_id}",
                reason=f"the policy says so: {reason}",
            )
            if ordered:
                await self.versions.put_outlook(connection, workflow, f"building: {reason}")
                log.info("build_ordered", workflow=workflow, reason=reason)
        self.wake.set()
        return True

    async def _say(self, workflow: str, reason: str) -> None:
        async with self.versions.pool.acquire() as connection:
            await self.versions.put_outlook(connection, workflow, reason)
