"""What goes wrong with a call of the ticketing system in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from enum import Enum

from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain


class Fault(Enum):
    """What goes wrong with one write."""

    REFUSED = "provably not done"
    LOST_ANSWER = "done, and the answer is lost"
    LOST_REQUEST = "not done, and nobody knows"
    PERMANENT = "refused for good"
    CREDENTIALS = "not allowed"
    CRASH = "the adapter has a bug after the work was done"
    HANG = "never answers, and the work was done"
    LATE = "given up, and done a moment later"
    ZOMBIE = "done, and the caller hears of it only after its lease, whatever it does meanwhile"
    DEATH_BEFORE = "the caller's process dies before the request is out"
    DEATH_AFTER = "the caller's process dies after the work was done"


REFUSALS: Mapping[Fault | None, Exception] = {
    Fault.REFUSED: Transient("connection refused"),
    Fault.LOST_REQUEST: Uncertain("reset"),
    Fault.PERMANENT: Permanent("the body is not accepted"),
    Fault.CREDENTIALS: Credentials("the token is refused"),
}


async def deaf(seconds: float) -> None:
    """Wait without hearing that the task is cancelled: the process was frozen meanwhile."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue
