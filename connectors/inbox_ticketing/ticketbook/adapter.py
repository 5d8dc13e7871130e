"""The ticketing adapter over the daemon's own book of cases; agents work on the case's page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from inbox_daemon.errors import Gone, Permanent, SettingsError
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
from inbox_daemon.plugins import Capabilities, Case, CaseEntry, Context, WebhookRequest
from inbox_ticketing.ticketbook.notice import compose
from inbox_ticketing.ticketbook.settings import TicketbookSettings

CAPABILITIES: Final = Capabilities(idempotency="unique", find="immediate", find_entry="immediate", parallel=4)

OUR_NAME = "El sistema"
"""Who closed or reopened the case, when we did; the page shows it."""

IS_OPEN: Final = {
    TicketState.OPEN: True,
    TicketState.IN_PROGRESS: True,
    TicketState.REOPENED: True,
    TicketState.SOLVED: False,
    TicketState.CLOSED: False,
    TicketState.DUPLICATE: False,
    TicketState.NOT_COMPETENT: False,
}
"""A case is open or closed, and no more: it can't wait for the citizen or be referred."""

PAGE = 500
SETTLE = timedelta(seconds=60)
"""On PostgreSQL an entry may become visible after one with a higher id, so the last minute is told again."""

_UNKEPT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_UNFIT_FOR_A_NAME = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")


class Ticketbook:
    """`Notifying` and `Proving` for an office that has no ticketing system."""

    capabilities = CAPABILITIES

    def __init__(self, settings: TicketbookSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._book = context.casebook
        self._office = context.instance
        self._mail = context.mail if settings.mail_to else None
        if settings.mail_to and self._mail is None:
            raise SettingsError(
                "no mail server is configured to send it by",
                key=f"destinations.{context.instance}.mail_to",
                remedy="add an [smtp] table, or take mail_to out",
            )

    @property
    def notifies(self) -> bool:
        """See `Notifying.notifies`."""
        return self._mail is not None

    async def check(self) -> None:
        """See `TicketingAdapter.check`. The mail server is not asked: no case has to wait for a notice."""
        await self._book.find(self._office, Reference("check"))

    async def prove(self) -> None:
        """See `Proving.prove`: the mail server is asked, too, where one is configured."""
        await self.check()
        if self._mail is not None:
            await self._mail.check()

    async def open_ticket(self, draft: Draft) -> Ticket:
        """See `TicketingAdapter.open_ticket`."""
        case = await self._book.open_case(
            office=self._office,
            number=draft.case_number,
            reference=draft.reference,
            subject=" ".join(_keepable(draft.subject).split()) or draft.case_number,
            key=draft.first.key,
            heading=_keepable(draft.first.heading),
            body=_keepable(draft.first.body),
        )
        return self._ticket(case)

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """See `TicketingAdapter.append`."""
        return await self._write(ticket, entry, "citizen")

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """See `TicketingAdapter.note`."""
        return await self._write(ticket, entry, "note")

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """See `TicketingAdapter.attach`. The bytes stay where they are; the page hands them out."""
        name = _UNFIT_FOR_A_NAME.sub("_", file.filename).strip(". ")[-200:] or "archivo"
        entry_id = await self._book.add_file(ticket.id, key=entry.key, file=replace(file, filename=name))
        return Written(ticket=self._ticket(await self._read(ticket.id)), entry=EntryId(str(entry_id)))

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """See `TicketingAdapter.set_state`."""
        is_open = IS_OPEN.get(state)
        if is_open is None:
            raise Permanent(f"{self._office}: a case of the book is open or closed, and cannot be {state.value}")
        await self._read(ticket.id)  # of this office
        await self._book.set_open(ticket.id, is_open=is_open, by=OUR_NAME)

    async def find(self, reference: Reference) -> Ticket | None:
        """See `TicketingAdapter.find`."""
        case = await self._book.find(self._office, reference)
        return None if case is None else self._ticket(case)

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """See `TicketingAdapter.find_entry`."""
        entry_id = await self._book.find_entry(ticket.id, key)
        if entry_id is None:
            return None
        return Written(ticket=self._ticket(await self._read(ticket.id)), entry=EntryId(str(entry_id)))

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """See `TicketingAdapter.updates`. The cursor is the id of an entry."""
        if cursor is None:
            return (), Cursor(str(await self._last_entry()))
        changes = await self._book.changes(self._office, int(cursor), PAGE)
        if not changes:
            return (), cursor
        newest = changes[-1][1].at
        settled = [entry.id for _, entry in changes if newest - entry.at > SETTLE]
        if len(changes) == PAGE:  # more than a page in a minute: the page's end has to do
            settled = [changes[-1][1].id]
        after = Cursor(str(settled[-1])) if settled else cursor
        return [_update(case, entry) for case, entry in changes], after

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """See `TicketingAdapter.thread`."""
        case = await self._case(ticket)
        return () if case is None else [_update(case.id, entry) for entry in case.entries]

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """See `TicketingAdapter.entry`. An answer that its agent took back is not public any more."""
        return next((update for update in await self.thread(ticket) if update.entry == entry), None)

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Agents add no files on the page, so there is none to fetch."""
        raise Gone(f"{self._office}: answers in the book have no files", reason="no_file")
        yield b""

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """Nobody posts to this adapter."""
        return None

    async def notify(self, ticket: Ticket, key: MessageKey, *, opened: bool) -> None:
        """See `Notifying.notify`. Mails a fresh link to the case."""
        if self._mail is None or not (opened or self._settings.mail_each_message):
            return
        case = await self._read(ticket.id)
        notice = compose(
            self._settings,
            case,
            key,
            from_address=self._mail.from_address,
            link=self._context.case_link(case.id),
            at=self._context.now().astimezone(self._context.zone),
            opened=opened,
        )
        await self._mail.send(notice)

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _write(self, ticket: Ticket, entry: Entry, direction: str) -> Written:
        entry_id, reopened = await self._book.add_entry(
            ticket.id,
            key=entry.key,
            direction=direction,
            heading=_keepable(entry.heading),
            body=_keepable(entry.body),
        )
        case = await self._read(ticket.id)
        return Written(ticket=self._ticket(case), entry=EntryId(str(entry_id)), reopened=reopened)

    async def _read(self, ticket: TicketId) -> Case:
        case = await self._case(ticket)
        if case is None:
            raise Gone("this case is not in the book", reason="deleted")
        return case

    async def _case(self, ticket: TicketId) -> Case | None:
        """The case with this id, if it is this office's."""
        case = await self._book.read(ticket)
        return case if case is not None and case.office == self._office else None

    async def _last_entry(self) -> int:
        last = 0
        while changes := await self._book.changes(self._office, last, PAGE):
            last = changes[-1][1].id
        return last

    def _ticket(self, case: Case) -> Ticket:
        return Ticket(id=TicketId(case.id), number=case.number, url=self._context.case_link(case.id), open=case.open)


def _update(case: str, entry: CaseEntry) -> TicketUpdate:
    """What an entry means: only what an agent wrote on the page, and did not take back, is public."""
    is_state = entry.direction == "system"
    is_agent = entry.direction in {"agent", "withdrawn"}
    return TicketUpdate(
        ticket=TicketId(case),
        entry=EntryId(str(entry.id)),
        at=entry.at,
        author=entry.heading if is_agent or is_state else "",
        text="" if is_state else entry.body,
        public=entry.direction == "agent",
        own=entry.heading == OUR_NAME if is_state else not is_agent,
        state=(TicketState.REOPENED if entry.body == "open" else TicketState.CLOSED) if is_state else None,
    )


def _keepable(text: str) -> str:
    """Text without what some database refuses, and with our line ends."""
    return _UNKEPT.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
