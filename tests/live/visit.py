"""What the steps of a trial share: the adapter, the ticket, what was written into it, and how to wait for a look-up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from contract.ticketing_words import reference
from inbox_daemon.errors import EdgeError
from inbox_daemon.model import Cursor, Entry, MessageKey, Reference, Ticket, Written
from inbox_daemon.plugins import Capabilities, TicketingAdapter
from live.record import Record

T = TypeVar("T")
HEADING = "WhatsApp · Prueba de inbox-daemon · +54 9 362 400-0001"
LOOK_SECONDS = 0.5
LOOKS = "at the first look", "later"
Answering = Callable[[Ticket], Awaitable[None]]


@dataclass(slots=True, kw_only=True)
class Visit:
    """`answer` has an agent answer, or asks one to, who may take `answer_seconds`; None: nobody will.

    `limits`: one text and one file are written as large as the sheet allows. `patience` is how long a look-up is
    waited for. `written` and `bodies` are by the name of the entry, `contents` are of files.
    """

    adapter: TicketingAdapter
    folder: Path
    answer: Answering | None = None
    answer_seconds: float = 30.0
    limits: bool = False
    patience: float = 60.0
    record: Record = field(default_factory=Record)
    case: Reference = field(default_factory=reference)
    written: dict[str, Written] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    contents: list[bytes] = field(default_factory=list)
    cursor: Cursor | None = None

    @property
    def sheet(self) -> Capabilities:
        """What this instance says it can do."""
        return self.adapter.capabilities

    def key(self, name: str) -> MessageKey:
        """The key of an entry."""
        return MessageKey(f"{self.case}.{name}")

    def entry(self, name: str, body: str) -> Entry:
        """An entry that says that it is a test."""
        return Entry(
            key=self.key(name),
            heading=HEADING,
            body=body,
            author_name="Prueba de inbox-daemon",
            sent_at=datetime.now(UTC),
        )

    async def step(self, name: str, work: Awaitable[object]) -> bool:
        """Do it; an error that nothing was prepared for is a broken promise with its words."""
        begun = time.monotonic()
        try:
            await work
        except EdgeError as error:
            self.record.broken.append(f"{name}: {type(error).__name__}: {error}")
            return False
        finally:
            self.record.seconds[name] = time.monotonic() - begun
        return True

    async def look(self, what: str, promise: str, ask: Callable[[], Awaitable[T | None]]) -> T | None:
        """Ask until something is found; hold the lag against what the sheet says (`promise`: `find`, `find_entry`)."""
        begun, looks = time.monotonic(), 0
        while (found := await ask()) is None and time.monotonic() - begun < self.patience:
            looks += 1
            await asyncio.sleep(LOOK_SECONDS)
        lag = time.monotonic() - begun
        self.record.facts[f"{what} is found"] = "not at all" if found is None else LOOKS[bool(looks)]
        if found is None:
            self.patience = min(self.patience, 1.0)  # what is missing once is not waited for again and again
            self.record.expect(promise == "none", f"{what} is not found within {lag:.0f} s; the sheet says {promise}")
            return None
        if looks:
            self.record.seconds[f"lag until {what} was found"] = lag
            self.record.expect(promise != "immediate", f"{what} is found {lag:.1f} s late; the sheet says immediate")
            bound = self.sheet.index_lag_seconds
            late = promise == "lagging" and lag > bound
            self.record.expect(not late, f"{what} is found {lag:.1f} s late; the sheet says at most {bound:g} s")
        return found
