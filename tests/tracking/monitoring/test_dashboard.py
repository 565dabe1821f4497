"""Every metric that dashboard, alerts and manual name exists."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tracking import metrics
from tracking.monitoring.exposition import exposition
from tracking.runtime import get_runtime

from ..fakes import within_deadline

PROJECT = Path(__file__).resolve().parents[3]
DEPLOY = PROJECT / "deploy"
NAME = re.compile(r"\b(?:tracking|process)_[a-z_]+")
# Prometheus adds these to each target.
TARGET_LABELS = {"job", "instance", "worker"}


@pytest.fixture
async def shown(app_layer, transactional_db):
    """Return the sample names that `/metrics/` shows, each with its labels."""
    metrics.refusals.add("set-tracking", "forbidden")
    metrics.connections_opened.add("set-tracking")
    metrics.connections_ended.add("set-tracking", "1000")
    metrics.fixes_conflated.add("storage")
    text = (await exposition(get_runtime())).decode()
    await within_deadline(get_runtime().close())
    found = {}
    for family in text_string_to_metric_families(text):
        # A gauge without a value exists too.
        found.setdefault(family.name, set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    found["tracking_connections"].add("route")
    return found


def expressions():
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    alerts = (DEPLOY / "alerts.yml").read_text()
    return [
        *(target["expr"] for target in targets),
        *(variable["query"] for variable in dashboard["templating"]["list"]),
        *(part.replace("\n", " ") for part in alerts.split("expr:")[1:]),
    ]


async def test_every_metric_that_is_asked_for_exists(shown):
    asked = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(asked) > 20
    assert asked <= set(shown)


async def test_every_label_that_is_asked_for_exists(shown):
    for expression in expressions():
        labels = {label for name in NAME.findall(expression) for label in shown.get(name, ())}
        for group in re.findall(r"by \(([\w, ]+)\)", expression):
            assert set(group.split(", ")) <= labels | TARGET_LABELS, expression
        for label in re.findall(r"[{,]\s*(\w+)=", expression):
            assert label in labels | TARGET_LABELS, expression


async def test_every_metric_of_ours_is_on_the_dashboard(shown):
    dashboard = (DEPLOY / "grafana-dashboard.json").read_text()
    ours = {name.removesuffix("_created") for name in shown if name.startswith("tracking_")}
    bases = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in ours}
    assert [base for base in sorted(bases) if base not in dashboard] == []


def test_proxy_that_closes_all_connections_each_minute_is_an_alert():
    alerts = (DEPLOY / "alerts.yml").read_text()
    part = re.search(r"alert: ClientsLost.+?> ([\d.]+) \* sum", alerts, re.DOTALL)[1]
    each_minute, each_ten_minutes = 1 / 60, 1 / 600
    assert each_ten_minutes * 2 < float(part) < each_minute / 1.5


def test_panels_do_not_overlap():
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_manual_names_metrics_that_exist_and_every_alert():
    manual = (PROJECT / "docs" / "operations.md").read_text()
    for alert in re.findall(r"alert: (\w+)", (DEPLOY / "alerts.yml").read_text()):
        assert f"`{alert}`" in manual
