"""Every event parses from a stored sample, for ever. Samples are never edited; a new field adds no sample."""

import json
from pathlib import Path

import pytest

from libs.common.events import Event, all_events, event_class, to_json

SAMPLES = Path(__file__).parent / "samples"


def test_every_event_has_a_stored_sample() -> None:
    assert {path.stem for path in SAMPLES.glob("*.json")} == {event.topic for event in all_events()}


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_stored_sample_still_parses_and_keeps_every_field(path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    again = json.loads(to_json(event_class(path.stem).model_validate(stored)))
    assert _covers(again, stored) == []


@pytest.mark.parametrize("event", list(all_events()), ids=lambda event: event.topic)
def test_unknown_fields_are_ignored(event: type[Event]) -> None:
    stored = json.loads((SAMPLES / f"{event.topic}.json").read_text(encoding="utf-8"))
    assert event.model_validate(stored | {"field_of_a_later_release": 1}) == event.model_validate(stored)


@pytest.mark.parametrize("event", list(all_events()), ids=lambda event: event.topic)
def test_a_topic_is_noun_and_participle_and_the_key_is_a_field(event: type[Event]) -> None:
    noun, _, participle = event.topic.partition(".")
    assert noun
    assert participle
    assert event.key_field in event.model_fields


def _covers(new: object, old: object, path: str = "") -> list[str]:
    """Places where the parsed event lost or changed what the stored sample says."""
    if isinstance(old, dict) and isinstance(new, dict):
        lost = [f"{path}.{key}" for key in old if key not in new]
        return lost + [place for key in old if key in new for place in _covers(new[key], old[key], f"{path}.{key}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [place for i, (a, b) in enumerate(zip(new, old, strict=True)) for place in _covers(a, b, f"{path}[{i}]")]
    return [] if new == old else [path]
