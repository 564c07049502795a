"""Builds the cleaner: the only place that knows what it is wired from."""

from functools import partial

from libs.common.children import Limits
from libs.common.service import Runtime, Service
from libs.common.warm_child import WarmChild
from services.cleaner.handlers import subscriptions
from services.cleaner.runner import measure_queue
from services.cleaner.settings import Settings
from services.cleaner.store import CleanerStore


def create_app(settings: Settings) -> Service:
    """The cleaner, ready to run."""

    async def wire(runtime: Runtime) -> None:
        store = CleanerStore(runtime.pool)
        decoder = WarmChild(Limits(settings.decoder_memory_bytes, settings.decoder_seconds))
        runtime.provide(store=store, decoder=decoder)
        runtime.loops.append(decoder.run)
        runtime.loops.append(partial(measure_queue, store, every_seconds=settings.queue_measure_seconds))

    return Service("cleaner", settings, subscriptions, wire)
