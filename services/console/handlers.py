"""What the console hears: everything. It keeps every event and shows what they come to."""

from datetime import UTC, datetime
from typing import Annotated, Any

from aiokafka import ConsumerRecord
from faststream.kafka.message import KafkaMessage

from libs.common import inbox
from libs.common.envelope import Envelope
from libs.common.events import all_events
from libs.common.injection import Given
from libs.common.kafka import Subscriptions
from libs.common.postgres import Pool
from services.console.store.log import arrival_of
from services.console.store.projection import keep_and_apply

NAME = "console"
subscriptions = Subscriptions(NAME)


@subscriptions.hears(*all_events())
async def show(
    body: dict[str, Any],
    envelope: Annotated[Envelope, Given()],
    message: Annotated[KafkaMessage, Given()],
    pool: Annotated[Pool, Given()],
) -> None:
    """Keep an event and bring what it is about up to date."""
    arrived_at = datetime.fromtimestamp(_record(message).timestamp / 1000, UTC)
    async with inbox.transaction(pool, NAME, envelope) as unit:
        await keep_and_apply(unit, arrival_of(body, envelope, arrived_at))


def _record(message: KafkaMessage) -> "ConsumerRecord[bytes, bytes]":
    raw = message.raw_message
    assert not isinstance(raw, tuple)  # we never consume in batches
    return raw
