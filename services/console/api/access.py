"""What routes reach for: stores by name, the caller, the scopes."""

from typing import Annotated

from fastapi import Depends, Query, Request

from libs.common.http import Principal, requires
from libs.common.objects import Objects
from libs.common.postgres import Pool
from services.console.settings import Settings
from services.console.store.dead_letters import DeadLetterStore
from services.console.store.log import EventLog
from services.console.store.views import Views
from services.console.store.washes import WashViews
from services.console.store.why import Causes
from services.console.store.workflows import WorkflowStore

Reader = Depends(requires("read"))
Trainer = Annotated[Principal, Depends(requires("train"))]
Promoter = Annotated[Principal, Depends(requires("promote"))]
Admin = Annotated[Principal, Depends(requires("admin"))]
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0)]


def views(request: Request) -> Views:
    return request.app.state.views


def washes(request: Request) -> WashViews:
    return request.app.state.washes


def event_log(request: Request) -> EventLog:
    return request.app.state.event_log


def causes(request: Request) -> Causes:
    return request.app.state.causes


def dead_letters(request: Request) -> DeadLetterStore:
    return request.app.state.dead_letters


def workflows(request: Request) -> WorkflowStore:
    return request.app.state.workflow_store


def pool(request: Request) -> Pool:
    return request.app.state.pool


def objects(request: Request) -> Objects:
    return request.app.state.objects


def settings(request: Request) -> Settings:
    return request.app.state.settings
