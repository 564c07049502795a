"""Dataset versions, model versions, and what their aliases went through."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.common.events import (
    DatasetBuilt,
    ModelPromoted,
    ModelRegistered,
    ModelRolledBack,
    PromotionRejected,
    as_values,
)
from services.console.domain.facts import Fact, in_order


@dataclass(frozen=True)
class DatasetVersion:
    """A dataset version as it was built; `reused_times`: how often a build ended in it again."""

    dataset_version_id: UUID
    workflow: str
    version: int
    task: str
    classes: tuple[str, ...]
    manifest: dict[str, Any]
    counts: dict[str, int]
    boxes_per_class: dict[str, int]
    parent_version: int | None
    requested_by: str | None
    added: int
    removed: int
    changed: int
    left_out: dict[str, int]
    built_at: datetime
    event_id: UUID
    reused_times: int = 0


def dataset_version_of(facts: Iterable[Fact]) -> DatasetVersion | None:
    """The version its events describe: the first that built it, then those that found nothing new."""
    built = [(fact, fact.event) for fact in in_order(facts) if isinstance(fact.event, DatasetBuilt)]
    if not built:
        return None
    fact, event = next((pair for pair in built if not pair[1].reused), built[0])
    return DatasetVersion(
        event.dataset_version_id, event.workflow, event.version, event.task, event.classes, as_values(event.manifest),
        {str(split): number for split, number in event.counts.items()}, event.boxes_per_class, event.parent_version,
        event.requested_by, event.added, event.removed, event.changed, event.left_out, fact.at, fact.event_id,
        sum(other.reused for _, other in built),
    )  # fmt: skip


@dataclass(frozen=True)
class ModelVersion:
    """A registered model version with its newest evaluation."""

    model: str
    version: int
    workflow: str
    training_run_id: UUID
    evaluation_id: UUID
    dataset_version_id: UUID
    metrics: dict[str, float | None]
    gate: dict[str, Any]
    licence: str
    lineage: dict[str, Any]
    artifacts: tuple[dict[str, Any], ...]
    registered_at: datetime
    evaluated_at: datetime
    event_id: UUID


def model_version_of(facts: Iterable[Fact], version: int) -> ModelVersion | None:
    """The version its events describe; registered once, evaluated perhaps again."""
    found: ModelVersion | None = None
    for fact in in_order(facts):
        if isinstance(fact.event, ModelRegistered) and fact.event.version == version:
            now = _registered(fact.event, fact)
            found = now if found is None else replace(now, registered_at=found.registered_at)
    return found


def _registered(event: ModelRegistered, fact: Fact) -> ModelVersion:
    return ModelVersion(
        event.model, event.version, event.workflow, event.training_run_id, event.evaluation_id,
        event.dataset_version_id, event.metrics, as_values(event.gate), event.licence, event.lineage,
        tuple(as_values(artifact) for artifact in event.artifacts), fact.at, fact.at, fact.event_id,
    )  # fmt: skip


@dataclass(frozen=True)
class AliasChange:
    """A line in the history of an alias; a refusal is one too."""

    event_id: UUID
    model: str
    alias: str
    deed: str
    before_version: int | None
    after_version: int | None
    by: str
    reason: str
    at: datetime


def alias_change_of(fact: Fact) -> AliasChange | None:
    """The line an event adds to the history."""
    match fact.event:
        case ModelPromoted() as event:
            versions = (event.previous_version, event.version)
            return AliasChange(
                fact.event_id, event.model, event.alias, "promoted", *versions, event.by, event.reason, fact.at
            )
        case ModelRolledBack() as event:
            versions = (event.from_version, event.to_version)
            return AliasChange(
                fact.event_id, event.model, event.alias, "rolled back", *versions, event.by, event.reason, fact.at
            )
        case PromotionRejected() as event:
            reason = "; ".join(event.reasons)
            return AliasChange(
                fact.event_id, event.model, event.alias, "refused", None, event.version, event.by, reason, fact.at
            )
        case _:
            return None


def aliases_of(changes: Iterable[AliasChange]) -> dict[str, int]:
    """Where a model's aliases point after all that happened; `previous` follows the champion."""
    aliases: dict[str, int] = {}
    for change in sorted(changes, key=lambda change: (change.at, change.event_id)):
        if change.deed == "refused" or change.after_version is None:
            continue
        if change.alias == "champion" and change.before_version not in (None, change.after_version):
            aliases["previous"] = change.before_version  # pyright: ignore[reportArgumentType]  # not None: asked above
        aliases[change.alias] = change.after_version
    return aliases
