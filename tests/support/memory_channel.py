"""A channel in memory that can lie, hang and forget: what citizens' phones really received, whatever its caller heard.

`faults` are taken one at a time, oldest first, each for the next `send` (None: it works).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain, WindowClosed
from inbox_daemon.model import (
    ExternalId,
    Handle,
    RemoteId,
    Reply,
    SendState,
    Sent,
    StatusEvent,
    Window,
)
from inbox_daemon.plugins import FileRule, SendingRules

RULES = SendingRules(max_chars=200, max_caption_chars=50, files=(FileRule(max_bytes=1000),), max_buttons=3)


class Fault(Enum):
    """What goes wrong with one send."""

    REFUSED = "provably not taken"
    LOST_ANSWER = "taken, and the answer is lost"
    LOST_REQUEST = "not taken, and nobody knows"
    PERMANENT = "refused for good"
    CREDENTIALS = "not allowed"
    WINDOW = "only a template goes"
    PAIR = "too many to one person"
    CRASH = "a bug after it was taken"
    HANG = "never answers, and it was taken"
    DEATH_BEFORE = "the caller's process dies before the request is out"
    DEATH_AFTER = "the caller's process dies after it was taken"


class MemoryChannel:
    """A `Replying` channel."""

    def __init__(self, rules: SendingRules = RULES, *, hours: float | None = None, template: str | None = None) -> None:
        self.rules = rules
        self.hours = hours
        self.template = template
        self.received: list[Reply] = []
        self.ids: dict[str, list[str]] = {}
        self.faults: deque[Fault | None] = deque()
        self.kill: Callable[[], None] = lambda: None
        self.closed_told = ""
        self.answerable = True
        self.calls = 0

    async def check(self) -> None:
        """Fine."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def window(self, to: Handle, last_inbound: datetime | None) -> Window:
        """So many hours after the citizen's last message."""
        if self.hours is None:
            return Window()
        begin = last_inbound or datetime.min.replace(tzinfo=UTC)
        return Window(open_until=begin + timedelta(hours=self.hours), template=self.template)

    def address(self, handles: Sequence[Handle]) -> Handle | None:
        """The first."""
        return handles[0] if handles and self.answerable else None

    async def send(self, reply: Reply) -> Sent:
        """Take it, or whatever is the fault of the moment."""
        self.calls += 1
        fault = self.faults.popleft() if self.faults else None
        if fault is Fault.DEATH_BEFORE:
            self.kill()
            await asyncio.sleep(3600)
        refusals = {
            Fault.REFUSED: Transient("connection refused"),
            Fault.LOST_REQUEST: Uncertain("reset"),
            Fault.PERMANENT: Permanent("it is refused", told="el número no recibe mensajes"),
            Fault.CREDENTIALS: Credentials("the token is refused"),
            Fault.WINDOW: WindowClosed("re-engagement", told=self.closed_told),
            Fault.PAIR: Transient("pair limit", retry_after=timedelta(seconds=0.1), only_this=True),
        }
        if fault in refusals:
            raise refusals[fault]
        self.received.append(reply)
        remote = f"out.{len(self.received)}"
        self.ids.setdefault(reply.tag, []).append(remote)
        if fault is Fault.LOST_ANSWER:
            raise Uncertain("no answer")
        if fault is Fault.CRASH:
            raise RuntimeError("a bug")
        if fault is Fault.DEATH_AFTER:
            self.kill()
            await asyncio.sleep(3600)
        if fault is Fault.HANG:
            await asyncio.sleep(3600)
        return Sent(id=RemoteId(remote))

    def texts(self) -> list[str]:
        """What all phones received, in order."""
        return [one.template or one.text for one in self.received]

    def status(self, reply: Reply, state: SendState, *, at: datetime, tag: bool = True, **more: Any) -> StatusEvent:
        """What the channel would tell of something it took."""
        remote = self.ids[reply.tag][0]
        return StatusEvent(
            external_id=ExternalId(f"{remote}:{state}"),
            sent_at=at,
            target=RemoteId(remote),
            state=state,
            tag=reply.tag if tag else None,
            **more,
        )
