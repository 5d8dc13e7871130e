"""Finding our tickets by their reference and our entries by their key, wherever a merge has moved them."""

from __future__ import annotations

from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import EntryId, MessageKey, Reference, Ticket, TicketId, Written
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.lineage import Lineage
from inbox_ticketing.glpi.parse import Row
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.reading import Reader
from inbox_ticketing.glpi.rest import PER_PAGE, RestClient
from inbox_ticketing.glpi.settings import GlpiSettings


class Finder:
    """Looks up in one GLPI; every row found is compared here."""

    def __init__(
        self,
        settings: GlpiSettings,
        rest: RestClient,
        places: Places,
        lineage: Lineage,
        reader: Reader,
        context: Context,
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._places = places
        self._lineage = lineage
        self._reader = reader
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
        """Search the living and the bin: a merge puts a ticket there, and its target is answered."""
        found: dict[int, Row] = {}
        for deleted in (False, True):
            for number in await self._numbers(reference, deleted=deleted):
                try:
                    row = (await self._lineage.path(number)).row
                except Gone:
                    continue
                if not row.deleted:
                    found[row.id] = row
        if len(found) > 1:
            numbers = ", ".join(str(number) for number in sorted(found))
            raise Permanent(
                f"{self._instance}: tickets {numbers} carry the reference {reference}. Merge them in GLPI",
                told="hay dos casos con la misma referencia en GLPI",
            )
        return next((self.ticket_of(row) for row in found.values()), None)

    async def _numbers(self, reference: Reference, *, deleted: bool) -> list[int]:
        ident = str(await self._places.option("id"))
        field = str(await self._places.option(self._places.reference_field))
        params = {
            "criteria[0][field]": field,
            "criteria[0][searchtype]": "contains",
            "criteria[0][value]": reference,
            "forcedisplay[0]": ident,
            "forcedisplay[1]": field,
            "is_deleted": str(int(deleted)),
        }
        rows, total, _ = await self._rest.search("Ticket", params, 0)
        if total > PER_PAGE:
            raise Permanent(f"{self._instance}: GLPI's search answers {total} tickets for one reference")
        in_title = self._settings.reference_in == "title"
        return [
            parse.number(row.get(ident)) for row in rows if parse.carries(row.get(field), reference, in_title=in_title)
        ]

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
            for number in await self._lineage.sons(todo.pop()):
                if number in seen:
                    continue
                seen.add(number)
                todo.append(number)
                try:
                    row = await self._lineage.ticket(number)
                except Gone:
                    continue
                if row.deleted and (entry := await self._in(row, key)) is not None:
                    return Written(ticket=self.ticket_of(path.row), entry=entry)
        return None

    async def _in(self, row: Row, key: MessageKey) -> EntryId | None:
        me = await self._places.me()
        if row.recipient == me and parse.is_entry(row.content, key):
            return EntryId(f"T{row.id}")
        for remark in await self._reader.remarks(row.id, "F", holding=key):
            if remark.author == me and not remark.copied and parse.is_entry(remark.content, key):
                return EntryId(f"F{remark.id}")
        return None
