"""A panel as camloop draws it: a title in both languages, a unit, and expressions with what to call their series."""

from collections.abc import Mapping
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync

# The name under which deploy/grafana/provisioning makes Prometheus known.
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
COLUMNS = 24
Series = Mapping[str, str]
"""Expression -> name of its series, with {{labels}}."""


def curves(title: str, unit: str, series: Series, *, width: int = 8, about: str = "") -> timeseries.Panel:
    """Values over time; `unit` is one of Grafana's (`s`, `bytes`, `short`, `percentunit`, `reqps`)."""
    legend = common.VizLegendOptions().show_legend(True).display_mode("list").placement("bottom").calcs([])
    panel = timeseries.Panel().title(title).description(about).unit(unit).span(width).height(8).legend(legend)
    return _with_targets(panel.datasource(SOURCE).min(0), series)


def numbers(title: str, unit: str, series: Series, *, width: int = 6, about: str = "") -> stat.Panel:
    """The last values, large."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"])
    panel = stat.Panel().title(title).description(about).unit(unit).span(width).height(4).reduce_options(reduce)
    return _with_targets(panel.datasource(SOURCE), series)


def mark(name: str, colour: str, expression: str, text: str) -> dashboard.AnnotationQuery:
    """A line through every panel whenever the expression has a value."""
    query = dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour)
    return query.expr(expression).title_format(name).text_format(text).step("30s")


def sheet(uid: str, title: str, rows: Mapping[str, list[Any]]) -> dashboard.Dashboard:
    """A dashboard: rows with their panels."""
    built = (
        dashboard.Dashboard(title).uid(uid).tags(["camloop"]).refresh("30s").time("now-6h", "now").timezone("browser")
    )
    built = built.tooltip(DashboardCursorSync.CROSSHAIR).editable()
    ids = count(1)
    for heading, panels in rows.items():
        built = built.with_row(dashboard.Row(heading).id(next(ids)))
        for panel in panels:
            built = built.with_panel(panel.id(next(ids)))
    return built


def _with_targets(panel: Any, series: Series) -> Any:
    for letter, (expression, name) in zip("ABCDEFGH", series.items(), strict=False):
        panel = panel.with_target(prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(name))
    return panel
