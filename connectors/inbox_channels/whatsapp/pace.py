"""How fast a number may send: so many a second in all, and whoever Meta holds back is held alone. No I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from inbox_daemon.errors import Transient

_FIRST = timedelta(seconds=6)
"""Meta takes one message in 6 seconds to one person, so nothing goes sooner."""
_LONGEST = 6
"""4 to the 6th is a little more than an hour."""
_MOST = 10_000
"""People held at one time; beyond that the one held longest is forgotten, and Meta says it again."""


class Throughput:
    """At most `per_second` turns, evenly spread. Needs a running loop."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for the next turn; who is cancelled while waiting leaves their turn empty."""
        now = asyncio.get_running_loop().time()
        due = max(self._next, now)
        self._next = due + self._gap
        if due > now:
            await asyncio.sleep(due - now)


class Holds:
    """Who is held after Meta's 131056, and until when: 4^X seconds after the X-th refusal in a row.

    Source: whatsapp/about-the-platform (December 2025). Kept in memory only: after a restart Meta says it again.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._held: dict[str, tuple[int, datetime]] = {}

    def check(self, person: str) -> None:
        """Raise `Transient` where `person` is still held: asking Meta again would only make it longer."""
        _, until = self._held.get(person, (0, None))
        if until is not None and self._now() < until:
            wait = until - self._now()
            raise Transient("sending an answer: this person is held for now", retry_after=wait, only_this=True)

    def refused(self, person: str, wanted: timedelta | None) -> timedelta:
        """Meta refuses to send to `person` for now; returns how long to wait, at least `wanted`."""
        times, _ = self._held.pop(person, (0, None))
        wait = max(_FIRST, timedelta(seconds=4 ** min(times, _LONGEST)), wanted or _FIRST)
        self._held[person] = (times + 1, self._now() + wait)
        if len(self._held) > _MOST:
            del self._held[next(iter(self._held))]
        return wait

    def taken(self, person: str) -> None:
        """A message to `person` was taken: the row of refusals is over."""
        self._held.pop(person, None)
