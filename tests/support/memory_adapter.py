"""A ticketing system in memory that can lie, hang and forget: the oracle for tests of the dispatcher.

It keeps what really happened (`tickets`), whatever it told its caller. `faults` are taken one at a time, oldest first,
each for the next write (None: it works); notes and changes of state have their own. Its capability sheet is what it
does: with an idempotency it swallows repeats, with a lagging find it finds late, without one it finds nothing.

Agents work through `office`, or the methods of the same names here. `before_entry` is
called with the id before an entry is read again, for what an agent does at the last moment. Lies: `tells_each` (how
often an update is told), `takes_ours_for_an_agents` (what we wrote is told as an agent's public answer).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
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
from support.memory_faults import REFUSALS, deaf
from support.memory_faults import Fault as Fault
from support.memory_office import AGENT, NewFile, Office

T = TypeVar("T")
OVERLAP = 5
"""Lines of the journal that each look for updates tells again."""
SIGNATURE = "x-inbox-signature"


@dataclass(slots=True)
class Kept:
    """A ticket as it really stands."""

    id: str
    reference: str
    subject: str
    entries: list[tuple[str, str, str]] = field(default_factory=list)
    """(kind, key, body)"""
    state: TicketState = TicketState.OPEN
    open: bool = True
    gone: bool = False


class MemoryAdapter:
    """One ticketing system."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.capabilities = capabilities or Capabilities()
        self.tickets: list[Kept] = []
        self.faults: deque[Fault | None] = deque()
        self.lookup_faults: deque[Fault | None] = deque()
        self.note_faults: deque[Fault | None] = deque()
        self.state_faults: deque[Fault | None] = deque()
        self.update_faults: deque[Fault | None] = deque()
        self.entry_faults: deque[Fault | None] = deque()
        self.fetch_faults: deque[Fault | None] = deque()
        self.check_faults: deque[Fault | None] = deque()
        self.checks = 0
        self.before_entry: Callable[[EntryId], None] = lambda entry: None
        self.tells_each = 1
        self.takes_ours_for_an_agents = False
        self.office = Office()
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
        """Fine, unless `check_faults` says otherwise."""
        self.checks += 1
        match self.check_faults.popleft() if self.check_faults else None:
            case Fault.HANG:
                await asyncio.sleep(3600)
            case Fault.CRASH:
                raise KeyError("queue")
            case fault if fault is not None:
                raise REFUSALS[fault]

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
            self.office.wrote(kept.id, EntryId(f"{kept.id}/0"), draft.first.body)
            return kept

        return self._ticket(await self._write(work, self.faults))

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
        """Set what a ticket is in; twice the same is once."""
        kept = self._alive(ticket.id)

        def work() -> None:
            if kept.state is not state:
                kept.open, kept.state = not state.ends, state
                self.office.turn(kept.id, state, own=True)

        await self._write(work, self.state_faults)

    async def find(self, reference: Reference) -> Ticket | None:
        """Look up by reference."""
        await self._look(self.lookup_faults)
        assert self.capabilities.find != "none"
        found = [kept for kept in self.tickets if kept.reference == reference and self._listed(reference)]
        if len(found) > 1:
            raise Permanent("several tickets carry this reference")
        return self._ticket(self._kept(found[0].id)) if found else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """Look up by key."""
        await self._look(self.lookup_faults)
        assert self.capabilities.find_entry != "none"
        if not self._listed(key):
            return None
        kept = self._kept(ticket.id)
        for one in self.tickets:
            for position, (_, own, _) in enumerate(one.entries):
                if own == key and self._kept(one.id) is kept:
                    return self._written(kept, EntryId(f"{one.id}/{position}"))
        return None

    # ------------------------------------------------------------ the way back

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """What happened since, the last few again."""
        await self._look(self.update_faults)
        end = len(self.office.journal)
        since = end if cursor is None else max(int(cursor) - OVERLAP, 0)
        return self._told([kept.id for kept in self.tickets], since), Cursor(str(end))

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All of one ticket."""
        await self._look(self.update_faults)
        return self._told([kept.id for kept in self.tickets if kept.id == ticket and not kept.gone])

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One entry as it stands."""
        self.before_entry(entry)
        await self._look(self.entry_faults)
        known = [kept.id for kept in self.tickets if kept.id == ticket and not kept.gone]
        return next((told for told in self._told(known) if told.entry == entry), None)

    def _told(self, known: Sequence[str], since: int = 0) -> list[TicketUpdate]:
        told = [self._lie(one) for one in self.office.told(known, since)]
        return [one for one in told for _ in range(self.tells_each)]

    def _lie(self, told: TicketUpdate) -> TicketUpdate:
        if self.takes_ours_for_an_agents and told.own and told.state is None:
            return replace(told, own=False, public=True, author=AGENT)
        return told

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """The bytes, in small pieces."""
        await self._look(self.fetch_faults)
        entry, _, number = attachment.remote.partition("#")
        found = [one for one in self.office.journal if one.entry == entry and not one.removed]
        if not found or int(number) >= len(found[0].files):
            raise Gone("no such file", reason="no_file")
        content = found[0].files[int(number)].content
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """`{"ticket": "1"}`, as `hint` makes it."""
        if request.headers.get(SIGNATURE) != "good":
            raise Credentials("a hint came with a wrong signature")
        return Hint(tickets=(TicketId(json.loads(request.body)["ticket"]),))

    def hint(self, ticket: str, signature: str = "good") -> WebhookRequest:
        """What the system posts when a ticket changed; whether and how often it arrives is up to the test."""
        body = json.dumps({"ticket": ticket}).encode()
        return WebhookRequest(method="POST", query={}, headers={SIGNATURE: signature}, body=body)

    # ------------------------------------------------------------ agents

    def say(
        self,
        ticket: str,
        text: str,
        *,
        public: bool = True,
        own: bool = False,
        automatic: bool = False,
        html: bool = False,
        files: Sequence[NewFile] = (),
    ) -> EntryId:
        """See `Office.say`."""
        return self.office.say(ticket, text, public=public, own=own, automatic=automatic, html=html, files=files)

    def hide(self, entry: EntryId) -> None:
        """See `Office.hide`."""
        self.office.hide(entry)

    def remove(self, entry: EntryId) -> None:
        """See `Office.remove`."""
        self.office.remove(entry)

    def turn(self, ticket: str, state: TicketState) -> EntryId:
        """An agent changes the state."""
        kept = self._alive(ticket)
        kept.open, kept.state = not state.ends, state
        return self.office.turn(ticket, state)

    def merge(self, ticket: str, into: str) -> None:
        """An agent merges `ticket` into the other one: what is written there now concerns both."""
        self.office.merge(ticket, into)

    async def aclose(self) -> None:
        """Nothing to let go."""

    async def _add(self, kind: str, ticket: Ticket, entry: Entry) -> Written:
        kept = self._alive(ticket.id)

        def work() -> EntryId:
            known = [i for i, (_, own, _) in enumerate(kept.entries) if own == entry.key and self._swallows]
            if known:
                return EntryId(f"{kept.id}/{known[0]}")
            self._list(entry.key)
            kept.entries.append((kind, entry.key, entry.body))
            made = EntryId(f"{kept.id}/{len(kept.entries) - 1}")
            self.office.wrote(kept.id, made, entry.body)
            return made

        faults = self.note_faults if kind == "note" and self.note_faults else self.faults
        return self._written(kept, await self._write(work, faults))

    async def _write(self, work: Callable[[], T], faults: deque[Fault | None]) -> T:
        self._reached()
        self.writes += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.delay_seconds)
            return await self._faulty(work, faults)
        finally:
            self.in_flight -= 1

    async def _faulty(self, work: Callable[[], T], faults: deque[Fault | None]) -> T:
        fault = faults.popleft() if faults else None
        if fault in REFUSALS:
            raise REFUSALS[fault]
        match fault:
            case Fault.LATE:
                asyncio.get_running_loop().call_later(self.late_seconds, work)
                raise Uncertain("no answer in time")
            case Fault.DEATH_BEFORE:
                await self._die()
        done = work()
        match fault:
            case Fault.ZOMBIE:
                await deaf(self.zombie_seconds)
            case Fault.DEATH_AFTER:
                await self._die()
            case Fault.LOST_ANSWER:
                raise Uncertain("reset after the work")
            case Fault.CRASH:
                raise RuntimeError("a bug")
            case Fault.HANG:
                await asyncio.sleep(3600)
        return done

    async def _look(self, faults: deque[Fault | None]) -> None:
        self._reached()
        self.lookups += faults is self.lookup_faults
        fault = faults.popleft() if faults else None
        if fault in REFUSALS:
            raise REFUSALS[fault]
        if fault is Fault.DEATH_BEFORE:
            await self._die()
        if fault is Fault.HANG:
            await asyncio.sleep(3600)
        if fault is Fault.CRASH:
            raise RuntimeError("a bug")

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

    def _kept(self, ticket: str) -> Kept:
        """The ticket with this id, after merges."""
        return next(kept for kept in self.tickets if kept.id == self.office.final(ticket))

    def _alive(self, ticket: str) -> Kept:
        kept = self._kept(ticket)
        if kept.gone:
            self._reached()
            raise Gone("closed for good", reason="closed")
        return kept

    def _ticket(self, kept: Kept) -> Ticket:
        return Ticket(id=TicketId(kept.id), number=f"T{kept.id}", url=f"http://tickets.test/{kept.id}", open=kept.open)

    def _written(self, kept: Kept, entry: EntryId) -> Written:
        return Written(ticket=self._ticket(kept), entry=entry)
