"""Facts: events with when and by whom they were said, in one order everybody agrees on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from libs.common.events import Event, TokenChanged, event_class


@dataclass(frozen=True)
class LoggedEvent:
    """A row of the event log: what was said, as it was said."""

    seq: int
    event_id: UUID
    topic: str
    key: str
    workflow: str | None
    source: str
    at: datetime
    correlation_id: str
    causation_id: str | None
    body: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Fact:
    """An event that could be read as its type."""

    event: Event
    at: datetime
    event_id: UUID
    source: str = "unknown"
    seq: int = 0


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """By the time they were said; the id settles ties, so that every reader sees the same order."""
    return sorted(facts, key=lambda fact: (fact.at, fact.event_id))


def read_event(topic: str, body: Mapping[str, Any]) -> tuple[Event | None, str | None]:
    """The event a body is, or why it is none: a line for people, without the whole body in it."""
    try:
        return event_class(topic).model_validate(body), None
    except KeyError:
        return None, f"camloop knows no event {topic!r}"
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        return None, f"no valid {topic}: {places}"


def fact_of(logged: LoggedEvent) -> Fact | None:
    """A row of the log as a fact; None if its body does not fit its type."""
    event, _ = read_event(logged.topic, logged.body)
    return None if event is None else Fact(event, logged.at, logged.event_id, logged.source, logged.seq)


def shown_body(topic: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A body as readers get it: no token's digest leaves the console."""
    hidden = {"sha256"} if topic == TokenChanged.topic else set[str]()
    return {name: value for name, value in body.items() if name not in hidden}
