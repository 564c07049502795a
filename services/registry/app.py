"""Wires the registry: stores, shelf, routes, gauges."""

from datetime import timedelta

from fastapi import APIRouter

from libs.common.service import Runtime, Service
from services.registry.api import moving, reading
from services.registry.handlers import subscriptions
from services.registry.runner import AliasGauges
from services.registry.settings import Settings
from services.registry.store.aliases import AliasStore
from services.registry.store.predictions import PredictionStore
from services.registry.store.shelf import Shelf
from services.registry.store.versions import VersionStore

routes = APIRouter()
routes.include_router(reading.router)
routes.include_router(moving.router)


def create_app(settings: Settings) -> Service:
    """The registry, ready to run."""

    async def wire(runtime: Runtime) -> None:
        aliases = AliasStore(runtime.pool)
        runtime.provide(
            versions=VersionStore(runtime.pool),
            aliases=aliases,
            predictions=PredictionStore(runtime.pool),
            shelf=Shelf(runtime.objects),
            link_lifetime=timedelta(minutes=settings.link_minutes),
        )
        runtime.loops.append(AliasGauges(aliases, settings.gauge_seconds).run)

    return Service("registry", settings, subscriptions, wire, routes=routes)
