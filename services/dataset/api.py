"""Read-only HTTP: versions, what each one changed and left out, and why there is no newer one."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel

from libs.common.events import Media
from libs.common.http import PROBLEMS, requires
from services.dataset.store.versions import Version, VersionStore

router = APIRouter(prefix="/v1", dependencies=[Depends(requires("read"))], responses=PROBLEMS)
Limit = Annotated[int, Query(ge=1, le=10_000)]


class VersionView(BaseModel):
    """A dataset version."""

    dataset_version_id: UUID
    workflow: str
    version: int
    parent_version: int | None
    task: str
    classes: tuple[str, ...]
    manifest: Media
    counts: dict[str, int]
    boxes_per_class: dict[str, int]
    seconds_per_step: dict[str, float]
    left_out: dict[str, int]
    added: int
    removed: int
    changed: int
    requested_by: str | None
    reason: str
    built_at: datetime | None


class ChangeView(BaseModel):
    """What a version did to a sample: added, removed or changed."""

    sample_id: UUID
    what: str


class LeftOutView(BaseModel):
    """A sample a version left out, and why."""

    sample_id: UUID
    reason: str


class OutlookView(BaseModel):
    """Why a workflow has no newer version."""

    workflow: str
    reason: str
    since: datetime


def versions_of(request: Request) -> VersionStore:
    """The store the app was wired with."""
    return request.app.state.versions


Versions = Annotated[VersionStore, Depends(versions_of)]


@router.get("/dataset-versions")
async def list_versions(versions: Versions, workflow: str | None = None) -> list[VersionView]:
    """Versions of one workflow or of all, newest first."""
    return [_view(version) for version in await versions.all_of(workflow)]


@router.get("/dataset-versions/{version_id}")
async def read_version(versions: Versions, version_id: UUID) -> VersionView:
    """One version."""
    return _view(await versions.find(version_id))


@router.get("/dataset-versions/{version_id}/changes")
async def list_changes(
    versions: Versions, version_id: UUID, after: UUID | None = None, limit: Limit = 1000
) -> list[ChangeView]:
    """What the version changed against its parent, by sample id; `after` is the last id of the page before."""
    version = await versions.find(version_id)
    return [ChangeView(sample_id=i, what=what) for i, what in await versions.changes(version, after=after, limit=limit)]


@router.get("/dataset-versions/{version_id}/left-out")
async def list_left_out(
    versions: Versions, version_id: UUID, after: UUID | None = None, limit: Limit = 1000
) -> list[LeftOutView]:
    """Which samples the version left out and why, by sample id; `after` is the last id of the page before."""
    version = await versions.find(version_id)
    rows = await versions.left_out(version.id, after=after, limit=limit)
    return [LeftOutView(sample_id=i, reason=reason) for i, reason in rows]


@router.get("/outlooks")
async def list_outlooks(versions: Versions) -> list[OutlookView]:
    """What each workflow's next version waits for."""
    return [OutlookView(workflow=w, reason=reason, since=since) for w, reason, since in await versions.outlooks()]


def _view(version: Version) -> VersionView:
    return VersionView(
        dataset_version_id=version.id,
        workflow=version.workflow,
        version=version.number,
        parent_version=version.parent,
        task=version.task,
        classes=version.classes,
        manifest=version.manifest,
        counts=version.counts,
        boxes_per_class=version.boxes_per_class,
        seconds_per_step=version.seconds_per_step,
        left_out=version.left_out,
        added=version.added,
        removed=version.removed,
        changed=version.changed,
        requested_by=version.requested_by,
        reason=version.reason,
        built_at=version.built_at,
    )
