"""Alerts and dashboards ask for series that camloop declares, say what to do in two languages, and are tested."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
import typer.main
import yaml
from faststream.kafka.prometheus import KafkaPrometheusMiddleware
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.metrics import MetricWrapperBase

from libs.common import telemetry
from libs.local.cli import app
from libs.local.plan import HTTP_PORTS
from tests.support.promql import DEPLOY, alerts, expressions, grouping_labels, recorded, selectors, troubles

ANNOTATIONS = ("summary", "summary_zh", "action", "action_zh")
CHINESE = re.compile(r"[\u4e00-\u9fff]")
TESTS = [yaml.safe_load(path.read_text("utf-8")) for path in sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml"))]
CASES = [(test, case) for file in TESTS for test in file["tests"] for case in test["promql_expr_test"]]


def declared() -> dict[str, set[str]]:
    """Every series a service can export, with its label names."""
    faststream = CollectorRegistry()
    KafkaPrometheusMiddleware(registry=faststream, app_name="any")
    wrappers = [*telemetry.REGISTRY._collector_to_names, *faststream._collector_to_names]
    series = {sample.name: set(sample.labels) for family in telemetry.REGISTRY.collect() for sample in family.samples}
    for each in wrappers:
        if isinstance(each, MetricWrapperBase):
            series |= dict.fromkeys(_series_of(each), set(each._labelnames) | {"le"})
    return series


def _series_of(metric: MetricWrapperBase) -> list[str]:
    if isinstance(metric, Histogram):
        return [f"{metric._name}{suffix}" for suffix in ("_bucket", "_sum", "_count")]
    return [f"{metric._name}_total" if metric._type == "counter" else metric._name]


SERIES = declared()


@pytest.mark.parametrize("where", sorted(expressions()))
def test_every_expression_asks_for_what_is_declared(where: str) -> None:
    assert troubles(expressions()[where], SERIES) == []


def test_a_misspelt_name_or_label_is_found() -> None:
    assert troubles("sum by (workflw) (camloop_jobz)", SERIES) == [
        "no series camloop_jobz",
        "nothing here has a label workflw",
    ]
    assert troubles('rate(camloop_jobs{sort="train"}[5m]) > 0', SERIES) == ["camloop_jobs has no label sort"]


def test_selectors_are_read_as_prometheus_reads_them() -> None:
    text = 'sum by (a) (rate(x_total{b=~"c|d", e!="f"}[5m])) / on (a) group_left (g) max(y offset 5m) > 0.5 and up == 1'
    assert [(each.name, set(each.labels)) for each in selectors(text)] == [
        ("x_total", {"b", "e"}),
        ("y", set()),
        ("up", set()),
    ]
    assert grouping_labels(text) == {"a", "g"}


def test_every_expression_parses(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(
            "promtool is not installed (Debian: prometheus): expressions of alerts and dashboards are not parsed"
        )
    listed = [{"record": f"e:{number}", "expr": text} for number, text in enumerate(expressions().values())]
    rules = tmp_path / "expressions.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": listed}]}))
    done = subprocess.run([promtool, "check", "rules", str(rules)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_what_happened_and_what_to_do_in_both_languages(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in ("page", "warn")
    assert tuple(rule["annotations"]) == ANNOTATIONS
    assert [bool(CHINESE.search(rule["annotations"][each])) for each in ANNOTATIONS] == [False, True, False, True]


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_commands_that_exist(name: str) -> None:
    for text in alerts()[name]["annotations"].values():
        for words in re.findall(r"camloop ([a-z]+(?: [a-z]+)?)", text):
            assert _is_command(words.split()), words


def _is_command(words: list[str]) -> bool:
    root: click.Command = typer.main.get_command(app)
    first = root.commands.get(words[0]) if hasattr(root, "commands") else None
    if first is None:
        return False
    return (
        not hasattr(first, "commands") or len(words) == 1 or words[1] in first.commands or first.invoke_without_command
    )


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_fires_in_one_test_and_is_quiet_in_a_neighbouring_case(name: str) -> None:
    fired = [(test, case) for test, case in CASES if f'alertname="{name}"' in str(case["exp_samples"])]
    assert fired, f"no test fires {name}"
    silent = [case for _, case in CASES if name in case["expr"] and not case["exp_samples"]]
    neighbours = [test for test, case in fired if len(test["input_series"]) > len(case["exp_samples"])]
    assert silent or neighbours, f"no test keeps {name} quiet"


def test_every_service_is_asked_and_missed() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    asked = {job["job_name"]: (job["dns_sd_configs"][0]["names"], job["dns_sd_configs"][0]["port"]) for job in jobs}
    assert asked == {name: ([name], port) for name, port in HTTP_PORTS.items()}
    missed = re.findall(r'absent\(up\{job="(\w+)"\}\)', alerts()["ServiceMissing"]["expr"])
    assert sorted(missed) == sorted(HTTP_PORTS)


def test_what_is_expected_is_expected_of_stages_that_exist() -> None:
    assert recorded() == {"camloop_pipeline_expected_interval_seconds": {"stage"}}


def test_operations_explain_every_series_and_every_alert() -> None:
    text = (DEPLOY.parent / "docs" / "operations.md").read_text("utf-8")
    declared = {each._name for each in telemetry.REGISTRY._collector_to_names if isinstance(each, MetricWrapperBase)}
    own = {name for name in declared if name.startswith("camloop_")}  # FastStream's join once a broker was made
    silent = {name for name in own if not re.search(rf"`{name}(_total)?`", text)}
    assert silent == set(), "add a line to the table in docs/operations.md"
    assert {name for name in alerts() if f"| `{name}` |" not in text} == set()
