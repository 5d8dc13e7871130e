"""A ticketing system in memory that can lie, hang and forget: the oracle for tests of the dispatcher.

It keeps what really happened (`tickets`), whatever it told its caller. `faults` are taken one at a time, oldest first,
each for the next write (None: it works). Its capability sheet is what it does: with an idempotency it swallows repeats,
with a lagging find it finds late, without one it finds nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import (
    Attachment,
    Cursor,
    Draft,
    Entry,
    EntryId,
    Hint,
    MessageKey,
    Reference,
    StoredFile,
    Ticket,
    TicketId,
    TicketState,
    TicketUpdate,
    Written,
)
from inbox_daemon.plugins import Capabilities, WebhookRequest

T = TypeVar("T")


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


_REFUSALS: Mapping[Fault | None, Exception] = {
    Fault.REFUSED: Transient("connection refused"),
    Fault.LOST_REQUEST: Uncertain("reset"),
    Fault.PERMANENT: Permanent("the body is not accepted"),
    Fault.CREDENTIALS: Credentials("the token is refused"),
}


@dataclass(slots=True)
class Kept:
    """A ticket as it really stands."""

    id: str
    reference: str
    subject: str
    entries: list[tuple[str, str, str]] = field(default_factory=list)
    """(kind, key, body)"""
    open: bool = True
    gone: bool = False


class MemoryAdapter:
    """One ticketing system."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.capabilities = capabilities or Capabilities()
        self.tickets: list[Kept] = []
        self.faults: deque[Fault | None] = deque()
        self.lookup_faults: deque[Fault | None] = deque()
        self.kill: Callable[[], None] = lambda: None
        self.zombie_seconds = 0.0
        self.late_seconds = 0.03
        self.writes = 0
        self.lookups = 0
        self.down = False
        self.delay_seconds = 0.0
        self.in_flight = 0
        self.most_in_flight = 0
        self._listed_at: dict[str, float] = {}

    async def check(self) -> None:
        """Fine."""

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create."""

        def work() -> Kept:
            known = [kept for kept in self.tickets if kept.reference == draft.reference and self._swallows]
            if known:
                return known[0]
            self._list(draft.reference)
            self._list(draft.first.key)
            kept = Kept(id=str(len(self.tickets) + 1), reference=draft.reference, subject=draft.subject)
            kept.entries.append(("open", draft.first.key, draft.first.body))
            self.tickets.append(kept)
            return kept

        return self._ticket(await self._write(work))

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a citizen's entry."""
        return await self._add("append", ticket, entry)

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a note."""
        return await self._add("note", ticket, entry)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Add a file."""
        return await self._add("attach", ticket, entry)

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Open or close."""
        self._kept(ticket).open = not state.ends

    async def find(self, reference: Reference) -> Ticket | None:
        """Look up by reference."""
        await self._look()
        assert self.capabilities.find != "none"
        found = [kept for kept in self.tickets if kept.reference == reference and self._listed(reference)]
        if len(found) > 1:
            raise Permanent("several tickets carry this reference")
        return self._ticket(found[0]) if found else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """Look up by key."""
        await self._look()
        assert self.capabilities.find_entry != "none"
        kept = self._kept(ticket)
        if not self._listed(key):
            return None
        position = next((i for i, (_, own, _) in enumerate(kept.entries) if own == key), None)
        return None if position is None else self._written(kept, position)

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Nothing new."""
        return [], cursor

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """Nothing."""
        return []

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """Nothing."""
        return None

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Nothing."""
        raise Gone("no such file", reason="no_file")
        yield b""

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """None."""
        return None

    async def aclose(self) -> None:
        """Nothing to let go."""

    async def _add(self, kind: str, ticket: Ticket, entry: Entry) -> Written:
        kept = self._kept(ticket)
        if kept.gone:
            self._reached()
            raise Gone("closed for good", reason="closed")

        def work() -> int:
            known = [i for i, (_, own, _) in enumerate(kept.entries) if own == entry.key and self._swallows]
            if known:
                return known[0]
            self._list(entry.key)
            kept.entries.append((kind, entry.key, entry.body))
            return len(kept.entries) - 1

        return self._written(kept, await self._write(work))

    async def _write(self, work: Callable[[], T]) -> T:
        self._reached()
        self.writes += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay_seconds)
            return await self._faulty(work)
        finally:
            self.in_flight -= 1

    async def _faulty(self, work: Callable[[], T]) -> T:
        fault = self.faults.popleft() if self.faults else None
        if fault in _REFUSALS:
            raise _REFUSALS[fault]
        match fault:
            case Fault.LATE:
                asyncio.get_running_loop().call_later(self.late_seconds, work)
                raise Uncertain("no answer in time")
            case Fault.DEATH_BEFORE:
                await self._die()
        done = work()
        match fault:
            case Fault.ZOMBIE:
                await _deaf(self.zombie_seconds)
            case Fault.DEATH_AFTER:
                await self._die()
            case Fault.LOST_ANSWER:
                raise Uncertain("reset after the work")
            case Fault.CRASH:
                raise RuntimeError("a bug")
            case Fault.HANG:
                await asyncio.sleep(3600)
        return done

    async def _look(self) -> None:
        self._reached()
        self.lookups += 1
        fault = self.lookup_faults.popleft() if self.lookup_faults else None
        if fault in _REFUSALS:
            raise _REFUSALS[fault]
        if fault is Fault.DEATH_BEFORE:
            await self._die()
        if fault is Fault.HANG:
            await asyncio.sleep(3600)

    async def _die(self) -> None:
        self.kill()
        await asyncio.sleep(3600)

    @property
    def _swallows(self) -> bool:
        return self.capabilities.idempotency != "none"

    def _list(self, mark: str) -> None:
        lag = self.capabilities.index_lag_seconds if self.capabilities.find == "lagging" else 0.0
        self._listed_at.setdefault(mark, time.monotonic() + lag)

    def _listed(self, mark: str) -> bool:
        return self._listed_at.get(mark, 0.0) <= time.monotonic()

    def _reached(self) -> None:
        if self.down:
            raise Transient("connection refused")

    def _kept(self, ticket: Ticket) -> Kept:
        return next(kept for kept in self.tickets if kept.id == ticket.id)

    def _ticket(self, kept: Kept) -> Ticket:
        return Ticket(id=TicketId(kept.id), number=f"T{kept.id}", url=f"http://tickets.test/{kept.id}", open=kept.open)

    def _written(self, kept: Kept, position: int) -> Written:
        return Written(ticket=self._ticket(kept), entry=EntryId(f"{kept.id}/{position}"))


async def _deaf(seconds: float) -> None:
    """Wait without hearing that the task is cancelled: the process was frozen meanwhile."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            continue
