"""What stands between a crash and a lost or doubled effect, each with the mutation that takes it away: for gates alone.

A protection is taken away in this process (`take_away(names, monkeypatch.setattr)`) or in a service's
(`tests/support/unprotected.py`, which calls `take_away(names)` before the service is imported).
"""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from faststream import AckPolicy

from libs.common import inbox, jobs, kafka, outbox, retry
from libs.common.envelope import Envelope
from libs.common.postgres import Connection, Pool

Replace = Callable[[Any, str, Any], None]


@dataclass(frozen=True)
class Protection:
    """What it does, in a table's words, and how it is taken away."""

    text: str
    remove: Callable[[Replace], None]


async def _nothing(*_: Any, **__: Any) -> None:
    return None


def _without_inbox(replace: Replace) -> None:
    async def never(*_: Any, **__: Any) -> bool:
        return False

    replace(inbox, "claim", _nothing)
    replace(inbox, "has_handled", never)


def _without_one_transaction(replace: Replace) -> None:
    @asynccontextmanager
    async def claimed_before(pool: Pool, consumer: str, envelope: Envelope) -> AsyncIterator[Connection]:
        async with pool.acquire() as connection:
            await inbox.claim(connection, consumer, envelope)  # committed, whatever becomes of the work
            async with connection.transaction():
                yield connection

    replace(inbox, "transaction", claimed_before)


def _without_acks_of_the_relay(replace: Replace) -> None:
    async def forgetful(self: outbox.Relay, rows: Any) -> None:
        for row in rows:
            headers = [(name, str(text).encode()) for name, text in row["headers"].items()]
            await self.publisher.send(row["topic"], row["value"], row["key"], headers=headers)  # and no look back

    replace(outbox.Relay, "_publish", forgetful)


def _without_hold(replace: Replace) -> None:
    handled = retry.RetryOrDeadLetter.after_processed

    async def acked_anyway(self: Any, exc_type: Any = None, exc_val: Any = None, exc_tb: Any = None) -> bool:
        with suppress(Exception):
            return await handled(self, exc_type, exc_val, exc_tb)
        return True

    replace(retry.RetryOrDeadLetter, "after_processed", acked_anyway)


def _without_dead_letters(replace: Replace) -> None:
    async def raised(self: Any, *_: Any) -> bool:
        return False

    replace(retry.RetryOrDeadLetter, "after_processed", raised)


def _without_lenient_headers(replace: Replace) -> None:
    async def strict(record: Any, original: Any) -> Any:
        return await original(record)

    replace(kafka, "lenient_parser", strict)


def _without_breaker(replace: Replace) -> None:
    replace(retry.Breaker, "is_open", lambda self, partition: False)


def _without_fence(replace: Replace) -> None:
    for name in ("HEARTBEAT", "FINISH", "FAIL", "GIVE_BACK"):
        replace(jobs, name, getattr(jobs, name).replace("lease_token = $2", "$2::uuid is not null"))


def _without_checkpoints(replace: Replace) -> None:
    replace(jobs, "HEARTBEAT", jobs.HEARTBEAT.replace("coalesce($5, checkpoint_uri)", "nullif($5::text, $5::text)"))


def _without_snapshot_guard(replace: Replace) -> None:
    guard = "and xid < pg_snapshot_xmin(pg_current_snapshot())\n    order by xid, seq"
    replace(outbox, "SELECT_READY", outbox.SELECT_READY.replace(guard, "order by seq"))


def _without_delete_by_row(replace: Replace) -> None:
    replace(outbox, "SELECT_READY", _CURSOR)


def _without_folding(replace: Replace) -> None:
    from services.console.store import projection

    facts_of = projection.facts_of

    async def last_arrival_only(*arguments: Any) -> list[Any]:
        facts = await facts_of(*arguments)
        return [max(facts, key=lambda fact: fact.seq)] if facts else []

    replace(projection, "facts_of", last_arrival_only)


# A relay that remembers the last number it has sent instead of deleting what it sent.
_CURSOR = """
    select seq, topic, key, headers, value from outbox
    where seq > coalesce(nullif(current_setting('gate.last_seen', true), ''), '0')::bigint order by seq limit $1
"""

PROTECTIONS = {
    "late ack": Protection(
        "a message is acknowledged after its handler", lambda replace: replace(kafka, "ACK_POLICY", AckPolicy.ACK_FIRST)
    ),
    "inbox": Protection("an event id is handled once", _without_inbox),
    "one transaction": Protection("inbox row and effect commit together", _without_one_transaction),
    "drain": Protection(
        "partitions are given up after the running handler",
        lambda replace: replace(kafka.DrainOnRevoke, "on_partitions_revoked", _nothing),
    ),
    "relay's acks": Protection("an outbox row goes when Kafka has it", _without_acks_of_the_relay),
    "hold": Protection("a message that cannot be parked stays in Kafka", _without_hold),
    "dead letters": Protection("a message that cannot be handled is put aside", _without_dead_letters),
    "lenient headers": Protection("odd headers are read as text", _without_lenient_headers),
    "breaker": Protection("dead-lettering stops after 20 in a row", _without_breaker),
    "fence": Protection("only the newest lease may write", _without_fence),
    "checkpoints": Protection("the job knows its newest checkpoint", _without_checkpoints),
    "snapshot guard": Protection("rows wait for older transactions", _without_snapshot_guard),
    "delete by row": Protection("the relay keeps no cursor", _without_delete_by_row),
    "folding": Protection("a row follows from all its facts, in any order", _without_folding),
}


def take_away(names: Iterable[str], replace: Replace = setattr) -> None:
    """Remove protections from this process; `replace` may remember what it replaced."""
    for name in names:
        PROTECTIONS[name].remove(replace)


def _after_commit(replace: Replace) -> None:
    transaction = inbox.transaction

    @asynccontextmanager
    async def and_die(pool: Pool, consumer: str, envelope: Envelope) -> AsyncIterator[Connection]:
        async with transaction(pool, consumer, envelope) as connection:
            yield connection
        os._exit(9)

    replace(inbox, "transaction", and_die)


def _after_publish(replace: Replace) -> None:
    publish = outbox.Relay._publish

    async def and_die(self: outbox.Relay, rows: Any) -> None:
        await publish(self, rows)
        os._exit(9)

    replace(outbox.Relay, "_publish", and_die)


# Where a process ends itself with code 9, as a kill at that very moment would.
DEATHS: dict[str, Callable[[Replace], None]] = {
    "between commit and ack": _after_commit,
    "between publish and delete": _after_publish,
}
