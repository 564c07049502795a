"""Builds ingest: the only place that knows what it is wired from."""

from datetime import UTC, datetime

from libs.common.multipart_uploads import MultipartUploads
from libs.common.service import Runtime, Service
from services.ingest.api.routes import router
from services.ingest.handlers import subscriptions
from services.ingest.settings import Settings
from services.ingest.store import IngestStore


def utc_now() -> datetime:
    """The clock cameras are held against."""
    return datetime.now(UTC)


def create_app(settings: Settings) -> Service:
    """Ingest, ready to run."""

    async def wire(runtime: Runtime) -> None:
        runtime.provide(store=IngestStore(runtime.pool), clock=utc_now, uploads=MultipartUploads(runtime.objects))

    return Service("ingest", settings, subscriptions, wire, routes=router)
