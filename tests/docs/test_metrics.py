"""Metrics, their table for operators, the alert rules and the dashboard name the same things."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from inbox_daemon.observability import Metrics
from inbox_daemon.observability.metrics import ProcessUse

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "systemd" / "README.md"
RULES = ROOT / "config" / "alerts.rules.yml"
DASHBOARD = ROOT / "config" / "dashboard.json"
ENDINGS = {"counter": "_total", "info": "_info"}
LABELS = {"instance", "channel", "destination", "outcome", "reason", "type", "what", "job", "grave"}
NAME = re.compile(r"\b(?:inbox|process)_[a-z0-9_]+\b")
Row = tuple[str, str, str, str]


def declared() -> list[Row]:
    """Name on the wire, type, labels and help of every metric."""
    metrics = Metrics.create()
    rows = []
    for field in fields(metrics):
        if field.name != "registry":
            collector: MetricWrapperBase = getattr(metrics, field.name)
            [family] = collector.describe()
            labels = ", ".join(collector._labelnames) or "–"
            rows.append((family.name + ENDINGS.get(family.type, ""), family.type, labels, family.documentation))
    rows += [(f.name + ENDINGS.get(f.type, ""), f.type, "–", f.documentation) for f in ProcessUse().collect()]
    return rows


def documented() -> list[Row]:
    row = re.compile(r"^\| `([a-z_]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
    return [(name, kind, labels, text) for name, kind, labels, text in row.findall(TABLE.read_text(encoding="utf-8"))]


def on_the_wire() -> set[str]:
    """Every name of a series that a query may use."""
    names = set()
    for name, kind, _, _ in declared():
        names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"} if kind == "histogram" else {name}
    return names


def rule_expressions() -> list[str]:
    found = re.findall(r"^ {8}expr: (?:>-\n((?: {10}.+\n)+)|(.+)$)", RULES.read_text(encoding="utf-8"), re.MULTILINE)
    return [folded or single for folded, single in found]


def panel_expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_the_table_says_exactly_what_there_is() -> None:
    assert documented() == declared()


@pytest.mark.parametrize("row", declared(), ids=lambda row: row[0])
def test_every_metric_is_explained_and_bounded(row: Row) -> None:
    name, kind, labels, text = row
    assert name.startswith(("inbox_", "process_"))
    assert len(text) > 10
    assert text.endswith(".")
    assert labels == "–" or set(labels.split(", ")) <= LABELS
    assert kind != "histogram" or name.endswith(("_seconds", "_bytes"))


def test_every_rule_has_an_expression_a_severity_and_a_remedy() -> None:
    text = RULES.read_text(encoding="utf-8")
    alerts = re.split(r"^ {6}- alert: ", text, flags=re.MULTILINE)[1:]
    assert len(alerts) == len(rule_expressions()) >= 12
    for alert in alerts:
        assert re.search(r"labels: \{severity: (page|ticket)\}", alert), alert
        assert re.search(r"^ {10}summary: ", alert, re.MULTILINE), alert
        assert re.search(r"^ {10}remedy: ", alert, re.MULTILINE), alert


@pytest.mark.parametrize("expression", [*rule_expressions(), *panel_expressions()])
def test_every_name_in_a_query_exists(expression: str) -> None:
    named = set(NAME.findall(expression))
    assert named, expression
    assert named <= on_the_wire()


@pytest.mark.parametrize("expression", [*rule_expressions(), *panel_expressions()])
def test_every_label_in_a_query_exists(expression: str) -> None:
    known = {name: set(labels.split(", ")) for name, _, labels, _ in declared()}
    available = {"le", "job"}.union(
        *(known[re.sub("_(bucket|count|sum)$", "", name)] for name in NAME.findall(expression))
    )
    for group in re.findall(r"\b(?:by|on) \(([^)]+)\)", expression):
        assert set(group.split(", ")) <= available, group
    for label in re.findall(r"[{,]\s*([a-z_]+)\s*(?:=|!=|=~|!~)", expression):
        assert label in available
    assert expression.count("(") == expression.count(")")


def test_what_has_to_wake_somebody_does() -> None:
    asked = " ".join(rule_expressions())
    for name in (
        "inbox_parked",
        "inbox_queue_oldest_seconds",
        "inbox_answers_oldest_seconds",
        "inbox_answers_total",
        "inbox_instance_up",
        "inbox_instance_stopped",
        "inbox_instance_notices",
        "inbox_ledger_imbalance",
        "inbox_last_received_timestamp_seconds",
        "inbox_last_poll_timestamp_seconds",
        "inbox_disk_free_bytes",
    ):
        assert name in asked
