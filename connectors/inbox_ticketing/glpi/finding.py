"""Finding our tickets by their reference and our entries by their key, wherever a merge has moved them."""

from __future__ import annotations

from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import EntryId, MessageKey, Reference, Ticket, TicketId, Written
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.lineage import Lineage
from inbox_ticketing.glpi.parse import Row
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import Speech


class Several(Permanent):
    """More than one ticket carries the reference: these, the first opened first."""

    def __init__(self, message: str, tickets: tuple[Ticket, ...]) -> None:
        super().__init__(message, told="hay dos casos con la misma referencia en GLPI")
        self.tickets = tickets


class Finder:
    """Looks up in one GLPI; every row found is compared here."""

    def __init__(self, settings: GlpiSettings, speech: Speech, lineage: Lineage, context: Context) -> None:
        self._settings = settings
        self._speech = speech
        self._lineage = lineage
        self._instance = context.instance

    def ticket_of(self, row: Row) -> Ticket:
        """A ticket as the core knows it."""
        base = self._settings.link_base or self._settings.url
        return Ticket(
            id=TicketId(str(row.id)),
            number=str(row.id),
            url=f"{base}/front/ticket.form.php?id={row.id}",
            open=not row.state.ends,
        )

    async def find(self, reference: Reference) -> Ticket | None:
        """Search the living and the bin: a merge puts a ticket there, and its target is answered. Raises `Several`."""
        found: dict[int, Row] = {}
        for deleted in (False, True):
            for number in await self._speech.carrying(reference, deleted=deleted):
                try:
                    row = (await self._lineage.path(number)).row
                except Gone:
                    continue
                if not row.deleted:
                    found[row.id] = row
        if len(found) > 1:
            numbers = ", ".join(str(number) for number in sorted(found))
            raise Several(
                f"{self._instance}: tickets {numbers} carry the reference {reference}. Merge them in GLPI",
                tuple(self.ticket_of(found[number]) for number in sorted(found)),
            )
        for row in found.values():
            if not row.state.ends:
                await self._speech.complete(row.id)  # an opening may have ended half way
            return self.ticket_of(row)
        return None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """The entry in the ticket, in those that it went on in, or in those merged into it.

        Copies that GLPI made in merges are passed over: the entry keeps its number where it was written.
        """
        try:
            path = await self._lineage.path(parse.number(ticket.id))
        except Gone:
            return None
        seen: set[int] = set()
        for row in path.rows:
            seen.add(row.id)
            if (entry := await self._in(row, key)) is not None:
                return Written(ticket=self.ticket_of(path.row), entry=entry)
        todo = [path.row.id]
        while todo:
            for number in await self._speech.sons(todo.pop()):
                if number in seen:
                    continue
                seen.add(number)
                todo.append(number)
                try:
                    row = await self._speech.ticket(number)
                except Gone:
                    continue
                if row.deleted and (entry := await self._in(row, key)) is not None:
                    return Written(ticket=self.ticket_of(path.row), entry=entry)
        return None

    async def _in(self, row: Row, key: MessageKey) -> EntryId | None:
        me = await self._speech.me()
        if row.recipient == me and parse.is_entry(row.content, key):
            return EntryId(f"T{row.id}")
        for remark in await self._speech.remarks(row.id, "F", holding=key):
            if remark.author == me and not remark.copied and parse.is_entry(remark.content, key):
                return EntryId(f"F{remark.id}")
        return None
