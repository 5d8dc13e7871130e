"""How often a self-check may write. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from inbox_daemon.errors import EdgeError, Transient

T = TypeVar("T")
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=1)


class Pace:
    """Lets the checks of one instance write ever more rarely what they then do not find.

    A lane that is refused asks for a check every half minute: each would leave another ticket in the office's system.
    The check at start-up, and `check --online`, write at once.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._failed: EdgeError | None = None
        self._pause = SHORTEST / 2
        self._again_at = datetime.min.replace(tzinfo=UTC)

    async def write(self, writing: Callable[[], Awaitable[T]]) -> T:
        """Write and look; raises what came of the last time where it is too early. `writing` raises what is wrong; with
        `Transient` it says that nothing was written."""
        if self._failed is not None and self._now() < self._again_at:
            raise self._failed.with_traceback(None)
        try:
            return await writing()
        except Transient:
            raise
        except EdgeError as error:
            self._pause = min(self._pause * 2, LONGEST)
            self._again_at = self._now() + self._pause
            self._failed = error
            raise
