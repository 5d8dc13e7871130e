"""What agents answered and changed in our tickets: since the last look, in one ticket, and of one entry now.

Tickets that carry a reference are listed, the last changed first, until one is old enough; then the entries and the
history of the changed ones are read. Times are compared here: GLPI tells them without a zone, and a search by time in
the wrong one would find too little without a word.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketUpdate
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.lineage import Lineage, Path
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.reading import ITEMTYPES, Look, Reader
from inbox_ticketing.glpi.rest import PER_PAGE, RestClient
from inbox_ticketing.glpi.settings import GlpiSettings

MERGED_DAYS = 180
"""How long after a merge answers in the other ticket are still looked for."""


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(
        self, settings: GlpiSettings, rest: RestClient, places: Places, lineage: Lineage, reader: Reader
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._places = places
        self._lineage = lineage
        self._reader = reader

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look.

        Time is GLPI's own (its `Date` header), so that two clocks need not agree.
        """
        answer = await self._rest.get("/getActiveProfile")
        now = answer.server_time or datetime.now(UTC)
        after = Cursor(json.dumps({"since": now.isoformat()}))
        if cursor is None:
            return (), after
        since = _since(cursor) - timedelta(seconds=self._settings.overlap_seconds)
        look = Look()
        found: list[TicketUpdate] = []
        for path in await self._changed(since, now):
            found += await self._told(path, since, look)
        return sorted(found, key=_order), after

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one ticket; none where it is not to be seen."""
        try:
            path = await self._lineage.path(parse.number(ticket)) if parse.number(ticket) else None
        except Gone:
            return ()
        return sorted(await self._told(path, None, Look()), key=_order) if path else ()

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One entry as it stands now; None also where it is not one of this ticket, or the ticket is out of sight."""
        kind, number = entry[:1], parse.number(entry[1:])
        if kind not in ITEMTYPES or not number or not parse.number(ticket):
            return None
        remark = await self._reader.remark(kind, number)
        if remark is None:
            return None
        try:
            path = await self._lineage.path(parse.number(ticket))
        except Gone:
            return None
        if not any(stretch.holds(remark) for stretch in path.stretches):
            return None
        return await self._reader.tell(remark, path, Look())

    async def _told(self, path: Path, since: datetime | None, look: Look) -> list[TicketUpdate]:
        found: list[TicketUpdate] = []
        for stretch in path.stretches:
            for kind in ITEMTYPES:
                remarks = [one for one in await self._reader.remarks(stretch.ticket, kind) if stretch.holds(one)]
                new = [one for one in remarks if since is None or one.changed >= since]
                found += [await self._reader.tell(one, path, look) for one in new]
            for turn in await self._reader.turns(stretch.ticket):
                if stretch.covers(turn) and (since is None or turn.at >= since):
                    told = await self._reader.tell_turn(turn, path)
                    found += [told] if told else []
        return found

    async def _changed(self, since: datetime, now: datetime) -> list[Path]:
        """Our tickets in which, or in whose continuation, something changed."""
        numbers = await self._listed(since, deleted=False)
        binned = await self._listed(now - timedelta(days=MERGED_DAYS), deleted=True)
        moved = {one: text for one, text in binned.items() if not self._lineage.ends_there(one, text)}
        found: list[Path] = []
        for number in {**numbers, **moved}:
            try:
                path = await self._lineage.path(number)
            except Gone:
                continue
            with self._rest.reading("a ticket"):
                changed = max(parse.read_time(row.changed, self._reader.zone) for row in path.rows)
            if changed >= since:
                found.append(path)
        return found

    async def _listed(self, since: datetime, *, deleted: bool) -> dict[int, str]:
        """Tickets of ours changed since then, with the time that GLPI tells."""
        field = await self._places.option(self._places.reference_field)
        ident, changed = await self._places.option("id"), await self._places.option("date_mod")
        params = {
            "criteria[0][field]": str(field),
            "criteria[0][searchtype]": "contains",
            "criteria[0][value]": "[" if self._settings.reference_in == "title" else "-",
            "forcedisplay[0]": str(ident),
            "forcedisplay[1]": str(field),
            "forcedisplay[2]": str(changed),
            "sort": str(changed),
            "order": "DESC",
            "is_deleted": str(int(deleted)),
        }
        found: dict[int, str] = {}
        for start in itertools.count(0, PER_PAGE):
            rows, total, _ = await self._rest.search("Ticket", params, start)
            for row in rows:
                if self._time(row, changed) < since:
                    return found
                if number := parse.number(row.get(str(ident))):
                    found[number] = str(row[str(changed)])
            if start + PER_PAGE >= total:
                break
        return found

    def _time(self, row: dict[str, Any], option: int) -> datetime:
        with self._rest.reading("a search"):
            return parse.read_time(row[str(option)], self._reader.zone)


def _order(update: TicketUpdate) -> tuple[datetime, str, int]:
    entry = update.entry or ""
    return update.at, entry[:1], parse.number(entry[1:])


def _since(cursor: Cursor) -> datetime:
    try:
        return datetime.fromisoformat(json.loads(cursor)["since"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent("the stored cursor of a GLPI destination cannot be read") from error
