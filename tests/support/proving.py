"""Crash gates as tests: `@pytest.mark.gate(number, "protection", ...)`, each guarding what its protections promise.

Run as usual a gate must hold. With `--prove` it runs once more for each protection with that one taken away (several at
once where they back each other up: "drain + inbox"), and must then be crossed: raise `Crossed`. A table tells what was seen.
"""

from collections.abc import Callable
from typing import Any

import pytest

OUTCOMES: list[tuple[int, str, str, str]] = []


class Crossed(AssertionError):
    """A gate did not hold; the text says what was lost or doubled."""


def hold(what: str, *, expected: object, seen: object) -> None:
    """Raises `Crossed` unless what was seen is what the gate promises."""
    if seen != expected:
        raise Crossed(f"{what}: {seen} instead of {expected}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--prove`."""
    parser.addoption("--prove", action="store_true", help="run each crash gate with its protections taken away, too")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`without`: the protections that are gone in this run of a gate."""
    mark = metafunc.definition.get_closest_marker("gate")
    if mark is None or "without" not in metafunc.fixturenames:
        return
    cases: list[Any] = [pytest.param((), id="protected")]
    if metafunc.config.getoption("--prove"):
        crossed = pytest.mark.xfail(raises=Crossed, strict=True)
        cases += [pytest.param(tuple(each.split(" + ")), id=f"without {each}", marks=crossed) for each in mark.args[1:]]
    metafunc.parametrize("without", cases)


def keep_gates(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--prove`, leave everything else out."""
    if config.getoption("--prove"):
        items[:] = [item for item in items if item.get_closest_marker("gate")]


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Say what a gate saw when it held."""
    return lambda text: record_property("seen", text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Write down what each gate saw."""
    report = yield
    mark = item.get_closest_marker("gate")
    if mark is not None and report.when == "call":
        without = " + ".join(getattr(item, "callspec").params.get("without", ()))  # noqa: B009 not on every item
        # A property: with several workers the table is printed by another process.
        told = (mark.args[0], item.name.partition("[")[0], without, _outcome(report))
        report.user_properties.append(("gate outcome", told))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what the gates saw, from every worker."""
    if report.when == "call":
        OUTCOMES.extend(tuple(told) for name, told in report.user_properties if name == "gate outcome")


def _outcome(report: Any) -> str:
    if report.passed:
        return f"holds: {dict(report.user_properties).get('seen', 'as promised')}"
    crash = getattr(report.longrepr, "reprcrash", None)
    what = str(crash.message if crash else report.longrepr).partition("\n")[0]
    crossed = what.partition("Crossed: ")[2]
    return f"crossed: {crossed}" if hasattr(report, "wasxfail") else f"FAILED: {what}"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table of `docs/reliability.md`."""
    if config.getoption("--prove") and OUTCOMES:
        terminalreporter.section("crash gates")
        terminalreporter.write_line("| gate | test | protection taken away | seen |\n|---|---|---|---|")
        for number, name, without, outcome in sorted(OUTCOMES):
            terminalreporter.write_line(f"| {number} | `{name}` | {without or 'none'} | {outcome} |")
