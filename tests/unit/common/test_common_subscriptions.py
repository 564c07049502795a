"""Subscriptions start in the order in which they are declared."""

from libs.common.events import all_events
from libs.common.kafka import Subscriptions, make_broker
from libs.common.retry import Parking
from libs.common.settings import CommonSettings


def test_what_is_declared_first_starts_first() -> None:
    heard = Subscriptions("cleaner")
    topics = [event.topic for event in all_events()][:9]
    for event in list(all_events())[:9]:
        heard.hears(event)(_nothing)
    settings = CommonSettings(
        _env_file=None, KAFKA_BOOTSTRAP_SERVERS="-", DATABASE_URL="-", CAMLOOP_ADMIN_TOKEN="x" * 24,
        S3_ENDPOINT="-", S3_ACCESS_KEY="-", S3_SECRET_KEY="-",
    )  # fmt: skip
    broker = make_broker(settings, Parking("cleaner", None, 1.0, 5))  # pyright: ignore[reportArgumentType]
    broker.include_router(heard.router)
    started = [subscriber.topics[0].name for subscriber in broker.subscribers]
    assert started == topics


async def _nothing() -> None:
    """Hears."""
