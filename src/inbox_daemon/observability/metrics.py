"""Every number the daemon shows to Prometheus, in one registry of its own.

Labels are bounded: names of configured instances and destinations, and short words of the code. Never a person, an
id, an address or a text. Counters get `_total` appended on the wire. The table in systemd/README.md lists them all.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

FAST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""For work in this process: Meta wants its acknowledgement within 0.25 s on the median, 1 s at most for 1 %."""
SLOW_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""For calls to somebody else's server."""


class ProcessUse(Collector):
    """Memory, files and processor time of this process under their customary names.

    The library's own collector shows nothing without /proc/stat, which the hardened unit hides (`ProcSubset=pid`).
    """

    def __init__(self) -> None:
        self._started_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + _start_after_boot_seconds()

    def collect(self) -> Iterable[Metric]:
        """Read everything now; what can't be read is left out."""
        use = resource.getrusage(resource.RUSAGE_SELF)
        yield CounterMetricFamily(
            "process_cpu_seconds", "User and system processor time spent.", value=use.ru_utime + use.ru_stime
        )
        yield GaugeMetricFamily("process_start_time_seconds", "When the process started.", value=self._started_at)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        yield GaugeMetricFamily("process_max_fds", "Most files that may be open.", value=limit)
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only, no stat for each
        except OSError:
            return
        yield GaugeMetricFamily("process_resident_memory_bytes", "Memory in use.", value=pages * resource.getpagesize())
        yield GaugeMetricFamily("process_open_fds", "Files and sockets that are open.", value=files)


def _start_after_boot_seconds() -> float:
    try:
        ticks = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return int(ticks) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return time.clock_gettime(time.CLOCK_BOOTTIME)  # not Linux, or no /proc: counted from now


def _version() -> str:
    try:
        return version("inbox-daemon")
    except PackageNotFoundError:
        return "unknown"  # run from a source tree that is not installed


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """The numbers, by name; made by `Metrics.create()`. Gauges about the store are set by the application."""

    registry: CollectorRegistry

    envelopes_received: Counter
    requests_refused: Counter
    receive_seconds: Histogram
    events: Counter
    ignored: Counter
    intake_seconds: Histogram
    last_received: Gauge

    polls: Counter
    poll_seconds: Histogram
    passed_over: Counter
    last_poll: Gauge

    attachments: Counter
    attachment_bytes: Counter

    dispatches: Counter
    dispatch_seconds: Histogram
    last_delivery: Gauge

    answers: Counter
    answer_seconds: Histogram

    queue_depth: Gauge
    queue_oldest_seconds: Gauge
    answers_waiting: Gauge
    answers_held: Gauge
    answers_oldest_seconds: Gauge
    unread_envelopes: Gauge
    parked: Gauge
    ledger_imbalance: Gauge

    instance_up: Gauge
    instance_stopped: Gauge
    instance_notices: Gauge

    ready: Gauge
    disk_free_bytes: Gauge
    database_writable: Gauge
    jobs: Counter
    clock_steps: Counter
    build: Info

    @classmethod
    def create(cls) -> Metrics:
        """A fresh set in a registry of its own: two of them (as in tests) don't know each other."""
        registry = CollectorRegistry(auto_describe=True)
        registry.register(ProcessUse())
        made = cls(
            registry=registry,
            **_receiving(registry),
            **_polling(registry),
            **_delivering(registry),
            **_answering(registry),
            **_standing(registry),
            **_process(registry),
        )
        made.build.info({"version": _version(), "python": platform.python_version(), "platform": sys.platform})
        return made


def _receiving(registry: CollectorRegistry) -> dict[str, Any]:
    instance = ["instance"]
    return {
        "envelopes_received": Counter(
            "inbox_envelopes_received", "Envelopes on disk, pushed or polled.", instance, registry=registry
        ),
        "requests_refused": Counter(
            "inbox_requests_refused",
            "Requests to the public listener that made no envelope; instance is empty where none is meant.",
            ["instance", "reason"],
            registry=registry,
        ),
        "receive_seconds": Histogram(
            "inbox_receive_seconds",
            "From a whole body to its commit, the longest of each group that shares one.",
            instance,
            registry=registry,
            buckets=FAST_SECONDS,
        ),
        "events": Counter(
            "inbox_events", "Events that parsing made of envelopes, by type.", ["instance", "type"], registry=registry
        ),
        "ignored": Counter(
            "inbox_ignored",
            "Things received that make no message, by reason.",
            ["instance", "reason"],
            registry=registry,
        ),
        "intake_seconds": Histogram(
            "inbox_intake_seconds",
            "Taking one envelope in: parsing, identity, conversation, route, steps.",
            instance,
            registry=registry,
            buckets=FAST_SECONDS,
        ),
        "last_received": Gauge(
            "inbox_last_received_timestamp_seconds",
            "When the last envelope came; the start of the process until then.",
            instance,
            registry=registry,
        ),
        "attachments": Counter(
            "inbox_attachments", "Attachments by what became of them.", ["instance", "outcome"], registry=registry
        ),
        "attachment_bytes": Counter(
            "inbox_attachment_bytes", "Bytes of attachments fetched.", instance, registry=registry
        ),
    }


def _polling(registry: CollectorRegistry) -> dict[str, Any]:
    instance = ["instance"]
    return {
        "polls": Counter("inbox_polls", "Polls by outcome.", ["instance", "outcome"], registry=registry),
        "poll_seconds": Histogram(
            "inbox_poll_seconds", "One poll, with its commit.", instance, registry=registry, buckets=SLOW_SECONDS
        ),
        "passed_over": Counter(
            "inbox_passed_over", "Things a poll saw and left out on purpose (too old).", instance, registry=registry
        ),
        "last_poll": Gauge(
            "inbox_last_poll_timestamp_seconds",
            "When a poll last succeeded; the start of the process until then.",
            instance,
            registry=registry,
        ),
    }


def _delivering(registry: CollectorRegistry) -> dict[str, Any]:
    destination = ["destination"]
    return {
        "dispatches": Counter(
            "inbox_dispatches",
            "Tries to carry out a step, by outcome (done, again, unknown, parked).",
            ["destination", "outcome"],
            registry=registry,
        ),
        "dispatch_seconds": Histogram(
            "inbox_dispatch_seconds",
            "One try at a destination.",
            destination,
            registry=registry,
            buckets=SLOW_SECONDS,
        ),
        "last_delivery": Gauge(
            "inbox_last_delivery_timestamp_seconds",
            "When a step was last done; the start of the process until then.",
            destination,
            registry=registry,
        ),
    }


def _answering(registry: CollectorRegistry) -> dict[str, Any]:
    return {
        "answers": Counter(
            "inbox_answers",
            "Tries to send something to a citizen, by outcome (done, again, unknown, parked, refused).",
            ["channel", "outcome"],
            registry=registry,
        ),
        "answer_seconds": Histogram(
            "inbox_answer_seconds", "One try at a channel.", ["channel"], registry=registry, buckets=SLOW_SECONDS
        ),
        "answers_waiting": Gauge(
            "inbox_answers_waiting", "Answers and notices that are to go now.", ["channel"], registry=registry
        ),
        "answers_held": Gauge(
            "inbox_answers_held", "Answers that wait for the citizen to write.", ["channel"], registry=registry
        ),
        "answers_oldest_seconds": Gauge(
            "inbox_answers_oldest_seconds",
            "Age of the oldest answer or notice that is to go now; 0 when there is none.",
            ["channel"],
            registry=registry,
        ),
    }


def _standing(registry: CollectorRegistry) -> dict[str, Any]:
    """How things stand in the store: read from it by the application now and then."""
    return {
        "queue_depth": Gauge(
            "inbox_queue_depth", "Steps that are not done and not parked.", ["destination"], registry=registry
        ),
        "queue_oldest_seconds": Gauge(
            "inbox_queue_oldest_seconds",
            "Age of the oldest step that is not done and not parked; 0 when there is none.",
            ["destination"],
            registry=registry,
        ),
        "unread_envelopes": Gauge(
            "inbox_unread_envelopes", "Envelopes on disk that are not taken in yet.", ["instance"], registry=registry
        ),
        "parked": Gauge(
            "inbox_parked",
            "What waits for a person: what is envelope, item or step; instance a channel or destination.",
            ["instance", "what"],
            registry=registry,
        ),
        "ledger_imbalance": Gauge(
            "inbox_ledger_imbalance",
            "Received less everything accounted for, over the days kept; anything but 0 is a bug.",
            ["instance"],
            registry=registry,
        ),
        "instance_up": Gauge(
            "inbox_instance_up",
            "1 while a channel or destination works, 0 while it fails.",
            ["instance"],
            registry=registry,
        ),
        "instance_stopped": Gauge(
            "inbox_instance_stopped",
            "1 while a channel or destination is stopped because its credentials are refused.",
            ["instance"],
            registry=registry,
        ),
        "instance_notices": Gauge(
            "inbox_instance_notices",
            "What a channel or its provider tells of its standing; grave is true for what stops messages or soon will.",
            ["instance", "grave"],
            registry=registry,
        ),
    }


def _process(registry: CollectorRegistry) -> dict[str, Any]:
    return {
        "ready": Gauge("inbox_ready", "1 while the daemon may receive, as /readyz says.", registry=registry),
        "disk_free_bytes": Gauge(
            "inbox_disk_free_bytes", "Room left where the database and attachments are.", registry=registry
        ),
        "database_writable": Gauge("inbox_database_writable", "1 while the database takes writes.", registry=registry),
        "jobs": Counter("inbox_jobs", "Runs of local duties, by outcome.", ["job", "outcome"], registry=registry),
        "clock_steps": Counter(
            "inbox_clock_steps", "How often the wall clock jumped against the monotonic one.", registry=registry
        ),
        "build": Info("inbox_build", "Version of the daemon and of Python.", registry=registry),
    }
