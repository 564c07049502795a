"""A cause chain as people read it: the result first, below it what it came from."""

from collections.abc import Iterator
from typing import Any, cast

from libs.local.output import pairs

_SHOWN = ("version", "attempt", "metrics", "counts", "boxes_per_class", "splits", "hyperparameters", "measures",
          "duplicate_of", "annotation_revision", "licence", "waits_for", "hint", "missing_steps", "total_seconds")  # fmt: skip
_FIRST = 5


def picture(why: dict[str, Any]) -> str:
    """The answer of the console's `why`, as text."""
    return "\n".join(_lines(why))


def _lines(why: dict[str, Any]) -> Iterator[str]:
    yield f"{why['kind'].replace('_', ' ')} {why['subject']}: {why['summary']}"
    if why.get("waits_for"):
        yield f"it waits for {why['waits_for']}"
    for number, node in enumerate(why["chain"]):
        last = number == len(why["chain"]) - 1
        yield from _node(node, "└─" if last else "├─", "  " if last else "│ ")
    later: list[dict[str, Any]] = why.get("led_to") or []
    letters: list[dict[str, Any]] = why.get("dead_letters") or []
    for node in later:
        yield f"-> {node['what']} {node['subject']}"
    for letter in letters:
        yield f"!! {letter['consumer']} gave up ({letter['state']}): {letter['error']}"
        yield f"   uv run camloop dlq show {letter['id']}"


def _node(node: dict[str, Any], mark: str, margin: str) -> Iterator[str]:
    at = f"  {str(node['at'])[:19]}" if node.get("at") else ""
    yield f"{mark} {node['what']}  {node['subject']}{at}"
    said = [str(node["reason"])] if node.get("reason") else []
    said += [f"by {node['who']}"] if node.get("who") and node["who"] not in "".join(said) else []
    if said:
        yield f"{margin}    {'; '.join(said)}"
    details: dict[str, Any] = node.get("details") or {}
    for name in _SHOWN:
        if name in details:
            yield f"{margin}    {name}: {_value(details[name])}"
    yield from (f"{margin}    {line}" for line in _first_of(details))


def _value(value: Any) -> str:
    return pairs(cast("dict[str, object]", value)) if isinstance(value, dict) else str(value)


def _first_of(details: dict[str, Any]) -> Iterator[str]:
    """The first few of many: ids of snapshots, or samples with their camera and split."""
    first: list[Any] = details.get("first") or []
    for each in first[:_FIRST]:
        yield each if isinstance(each, str) else f"{each['sample_id']}  {each['camera_id']}  {each['split'] or ''}"
    left = details.get("count", 0) - _FIRST
    if left > 0:
        yield f"and {left} more"
