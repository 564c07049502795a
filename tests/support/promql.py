"""What an expression of Prometheus asks for: enough of its grammar to hold selectors against series that exist."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
OWN = {"up": {"job", "instance"}}
"""Series Prometheus makes itself."""
TARGET = {"job", "instance"}
"""Labels that every scraped series gets."""
_WORDS = {"and", "or", "unless", "bool", "inf", "nan"}
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_DURATION = re.compile(r"\[[^\]]*\]|\boffset\s+-?\w+")
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?(?!\s*\(|[a-zA-Z0-9_:])")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True)
class Selector:
    """A metric's name and the labels it is matched by."""

    name: str
    labels: frozenset[str]


def selectors(expression: str) -> list[Selector]:
    """Every selector of an expression."""
    bare = _DURATION.sub("", _GROUPING.sub("", expression))
    found = [(match[1], match[2] or "") for match in _SELECTOR.finditer(bare)]
    return [Selector(name, frozenset(_MATCHER.findall(labels))) for name, labels in found if name not in _WORDS]


def grouping_labels(expression: str) -> set[str]:
    """Every label an expression groups or joins by."""
    return {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",") if label.strip()}


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of the shipped files."""
    for path in sorted((DEPLOY / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]:
            yield from group["rules"]


@cache
def alerts() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def recorded() -> dict[str, set[str]]:
    """Series the rules record, with their labels."""
    return {rule["record"]: set(rule.get("labels", {})) for rule in rules() if "record" in rule}


def dashboard_expressions() -> dict[str, str]:
    """Every expression of the committed dashboards, by dashboard and panel."""
    found: dict[str, str] = {}
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text("utf-8"))
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
        for mark in dashboard.get("annotations", {}).get("list", []):
            found[f"{path.stem}: {mark['name']}"] = mark["expr"]
    return {where: text.replace("$__rate_interval", "5m") for where, text in found.items()}


@cache
def expressions() -> dict[str, str]:
    """Every expression that is shipped, by where it stands."""
    return {f"alert {name}": rule["expr"] for name, rule in alerts().items()} | dashboard_expressions()


def troubles(expression: str, series: dict[str, set[str]]) -> list[str]:
    """What an expression asks for and no series has; `series` are label names by metric name."""
    known = series | OWN | recorded()
    asked = selectors(expression)
    wrong = [f"no series {each.name}" for each in asked if each.name not in known]
    present = [each for each in asked if each.name in known]
    wrong += [
        f"{each.name} has no label {label}"
        for each in present
        for label in sorted(each.labels - known[each.name] - TARGET)
    ]
    offered = TARGET.union(*(known[each.name] for each in present))
    return wrong + [f"nothing here has a label {label}" for label in sorted(grouping_labels(expression) - offered)]
