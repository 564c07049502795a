"""The shapes the registry answers with."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from libs.common.events import Artifact, Gate, Metrics
from services.registry.domain import ModelVersion, Outcome


class Answer(BaseModel):
    """Built from our own values."""

    model_config = ConfigDict(from_attributes=True)


class ModelAnswer(Answer):
    """A model: how many versions it has, the newest, and where its aliases point."""

    name: str
    workflow: str
    versions: int
    newest: int
    aliases: dict[str, int]


class ModelsAnswer(BaseModel):
    """All models."""

    models: list[ModelAnswer]


class VersionAnswer(Answer):
    """A model version with its lineage."""

    model: str
    version: int
    workflow: str
    training_run_id: UUID
    evaluation_id: UUID
    dataset_version_id: UUID
    dataset_version: int
    abi: str
    artifacts: list[Artifact]
    metrics: Metrics
    per_class: dict[str, Metrics]
    per_camera: dict[str, Metrics]
    gate: Gate
    licence: str
    lineage: dict[str, JsonValue]
    operating_confidence: dict[str, float]
    evaluated_at: datetime
    registered_at: datetime | None


class VersionsAnswer(BaseModel):
    """All registered versions of a model, newest first."""

    versions: list[VersionAnswer]


class AliasAnswer(BaseModel):
    """Where an alias points."""

    model: str
    alias: str
    version: VersionAnswer


class MoveAnswer(Answer):
    """A line of the audit trail."""

    alias: str
    before_version: int | None
    after_version: int
    deed: str
    forced: bool
    by: str
    reason: str
    asked_at: datetime
    moved_at: datetime


class MovesAnswer(BaseModel):
    """The audit trail, newest first."""

    moves: list[MoveAnswer]


class CameraAnswer(Answer):
    """What a camera reported of a version, all windows added up; latency is that of the newest."""

    camera_id: str
    windows: int
    images: int
    seconds: float
    last_at: datetime
    detections_per_class: dict[str, int]
    latency_ms: dict[str, float]


class CamerasAnswer(BaseModel):
    """Cameras that reported about a version."""

    cameras: list[CameraAnswer]


class LinkAnswer(BaseModel):
    """A file and a link it can be fetched with for a while. Check the digest after fetching."""

    name: str
    url: str
    sha256: str
    bytes: int


class ResolveAnswer(BaseModel):
    """What a camera should run now."""

    model: str
    version: int
    workflow: str
    abi: str
    alias: str
    artifacts: list[LinkAnswer]
    operating_confidence: dict[str, float]


class OutcomeAnswer(BaseModel):
    """What became of a request. `moved` is false when the alias pointed there already."""

    request_id: UUID
    model: str
    alias: str
    version: int
    previous_version: int | None
    moved: bool


def version_answer(version: ModelVersion) -> VersionAnswer:
    """A version as it is shown."""
    return VersionAnswer.model_validate(version)


def outcome_answer(model: str, request_id: UUID, outcome: Outcome) -> OutcomeAnswer:
    """An accepted request as it is shown."""
    values: dict[str, Any] = {"version": outcome.after, "previous_version": outcome.before, "moved": outcome.moved}
    return OutcomeAnswer(request_id=request_id, model=model, alias=outcome.alias, **values)
