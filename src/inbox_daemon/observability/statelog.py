"""Logs the change, not the state: one line when something goes down, one when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

REMIND_SECONDS = 3600.0


@dataclass(slots=True, kw_only=True)
class _Outage:
    since: float
    told: float
    failures: int = 0
    reasons: set[str] = field(default_factory=set)


class StateLog:
    """The states of everything that can be down (instances, destinations, the disk), by name.

    `reason` is a short word of a bounded set (`unreachable`, `credentials`): a reason new in this outage gets a line
    too, repeated ones are only counted. What stays down is told again once an hour, so that it isn't forgotten.
    """

    def __init__(
        self, log: structlog.stdlib.BoundLogger, *, noun: str = "instance", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._noun = noun
        self._clock = clock
        self._outages: dict[str, _Outage] = {}

    def down(self, name: str, reason: str, **more: Any) -> bool:
        """Say that `name` does not work. True when this is a change."""
        now = self._clock()
        outage = self._outages.get(name)
        fresh = outage is None
        if outage is None:
            outage = self._outages[name] = _Outage(since=now, told=now)
        outage.failures += 1
        if reason not in outage.reasons:
            outage.reasons.add(reason)
            self._tell("went_down" if fresh else "failed_otherwise", name, outage, now, reason=reason, **more)
        elif now - outage.told >= REMIND_SECONDS:
            self._tell("stayed_down", name, outage, now, reason=reason, **more)
        return fresh

    def up(self, name: str, **more: Any) -> bool:
        """Say that `name` works. True when it did not before."""
        outage = self._outages.pop(name, None)
        if outage is None:
            return False
        seconds = round(self._clock() - outage.since, 1)
        self._log.info(
            f"{self._noun}.recovered", name=name, down_seconds=seconds, failures_count=outage.failures, **more
        )
        return True

    def down_seconds(self, name: str) -> float | None:
        """For how long `name` has been down; None while it works."""
        outage = self._outages.get(name)
        return None if outage is None else self._clock() - outage.since

    def names_down(self) -> dict[str, float]:
        """Everything that is down, with the seconds since."""
        now = self._clock()
        return {name: now - outage.since for name, outage in self._outages.items()}

    def _tell(self, verb: str, name: str, outage: _Outage, now: float, **more: Any) -> None:
        outage.told = now
        seconds = round(now - outage.since, 1)
        self._log.warning(
            f"{self._noun}.{verb}", name=name, down_seconds=seconds, failures_count=outage.failures, **more
        )
