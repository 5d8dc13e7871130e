"""Counts what the parts tell of their work into the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from inbox_daemon.model import Envelope
from inbox_daemon.observability import Metrics
from inbox_daemon.pipeline.intake import Taken
from inbox_daemon.plugins import Page

OUTCOMES = {"transient": "again", "uncertain": "unknown", "permanent": "parked", "credentials": "refused"}
"""What a failed try at a destination means for its step."""


class Counts:
    """The parts' view of the metrics: each method is what one of them calls.

    The times of the last success of each instance begin with the process: a silence is measured from there.
    """

    def __init__(self, metrics: Metrics, channels: Sequence[str], destinations: Sequence[str]) -> None:
        self._metrics = metrics
        for name in channels:
            metrics.last_received.labels(name).set_to_current_time()
            metrics.last_poll.labels(name).set_to_current_time()
        for name in destinations:
            metrics.last_delivery.labels(name).set_to_current_time()

    def received(self, envelopes: Sequence[Envelope], seconds: float | None = None) -> None:
        """A group of envelopes is on disk, the longest waiting of which waited `seconds` for it."""
        for instance, number in Counter(one.instance for one in envelopes).items():
            self._metrics.envelopes_received.labels(instance).inc(number)
            self._metrics.last_received.labels(instance).set_to_current_time()
            if seconds is not None:
                self._metrics.receive_seconds.labels(instance).observe(seconds)

    def refused(self, instance: str, reason: str) -> None:
        """The public listener refused a request."""
        self._metrics.requests_refused.labels(instance, reason).inc()

    def polled(self, instance: str, outcome: str, page: Page | None, seconds: float) -> None:
        """A poll ended."""
        self._metrics.polls.labels(instance, outcome).inc()
        if page is None:
            return
        self._metrics.poll_seconds.labels(instance).observe(seconds)
        self._metrics.last_poll.labels(instance).set_to_current_time()
        self._metrics.passed_over.labels(instance).inc(page.passed_over)
        self.received(page.envelopes)

    def taken_in(self, instance: str, taken: Taken, seconds: float) -> None:
        """An envelope was taken in."""
        self._metrics.intake_seconds.labels(instance).observe(seconds)
        for type_, number in taken.types.items():
            self._metrics.events.labels(instance, type_).inc(number)
        for reason, number in taken.ignored.items():
            self._metrics.ignored.labels(instance, reason).inc(number)

    def fetched(self, instance: str, outcome: str, size: int) -> None:
        """An attachment was fetched, or not."""
        self._metrics.attachments.labels(instance, outcome).inc()
        self._metrics.attachment_bytes.labels(instance).inc(size)

    def answered(self, channel: str, outcome: str, seconds: float) -> None:
        """A try to send something to a citizen ended."""
        self._metrics.answers.labels(channel, OUTCOMES.get(outcome, outcome)).inc()
        self._metrics.answer_seconds.labels(channel).observe(seconds)

    def dispatched(self, destination: str, outcome: str, seconds: float) -> None:
        """A try at a destination ended."""
        self._metrics.dispatches.labels(destination, OUTCOMES.get(outcome, outcome)).inc()
        self._metrics.dispatch_seconds.labels(destination).observe(seconds)
        if outcome == "done":
            self._metrics.last_delivery.labels(destination).set_to_current_time()
