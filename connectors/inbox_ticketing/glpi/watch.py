"""What agents answered and changed in our tickets: since the last look, in one ticket, and of one entry now.

Tickets that carry a reference are listed, the last changed first, until one is old enough; then the entries and the
history of the changed ones are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from inbox_daemon.errors import Gone
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketUpdate
from inbox_daemon.plugins import cursor_at, moment_of
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.lineage import Lineage, Path
from inbox_ticketing.glpi.reading import Look, Reader
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import Speech

KINDS = ("F", "S")
"""Followups and solutions: the first letter of an entry's id."""
MERGED_DAYS = 180
"""How long after a merge answers in the other ticket are still looked for."""


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(self, settings: GlpiSettings, speech: Speech, lineage: Lineage, reader: Reader) -> None:
        self._settings = settings
        self._speech = speech
        self._lineage = lineage
        self._reader = reader

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look.

        Time is GLPI's own, so that two clocks need not agree.
        """
        now = await self._speech.now()
        after = cursor_at(now)
        if cursor is None:
            return (), after
        since = moment_of(cursor) - timedelta(seconds=self._settings.overlap_seconds)
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
        if kind not in KINDS or not number or not parse.number(ticket):
            return None
        try:
            path = await self._lineage.path(parse.number(ticket))
        except Gone:
            return None
        remark = await self._speech.remark(kind, number, tuple(one.ticket for one in path.stretches))
        if remark is None or not any(stretch.holds(remark) for stretch in path.stretches):
            return None
        return await self._reader.tell(remark, path, Look())

    async def _told(self, path: Path, since: datetime | None, look: Look) -> list[TicketUpdate]:
        found: list[TicketUpdate] = []
        for stretch, row in zip(path.stretches, path.rows, strict=True):
            for kind in KINDS:
                remarks = [one for one in await self._speech.remarks(stretch.ticket, kind) if stretch.holds(one)]
                new = [one for one in remarks if since is None or one.changed >= since]
                found += [await self._reader.tell(one, path, look) for one in new]
            for turn in await self._speech.turns(row):
                if stretch.covers(turn) and (since is None or turn.at >= since):
                    told = await self._reader.tell_turn(turn, path)
                    found += [told] if told else []
        return found

    async def _changed(self, since: datetime, now: datetime) -> list[Path]:
        """Our tickets in which, or in whose continuation, something changed."""
        numbers = await self._speech.listed(since, deleted=False)
        binned = await self._speech.listed(now - timedelta(days=MERGED_DAYS), deleted=True)
        moved = {one: text for one, text in binned.items() if not self._lineage.ends_there(one, text)}
        found: list[Path] = []
        for number in {**numbers, **moved}:
            try:
                path = await self._lineage.path(number)
            except Gone:
                continue
            with self._speech.reading("a ticket"):
                changed = max(self._speech.time(row.changed) for row in path.rows)
            if changed >= since:
                found.append(path)
        return found


def _order(update: TicketUpdate) -> tuple[datetime, str, int]:
    entry = update.entry or ""
    return update.at, entry[:1], parse.number(entry[1:])
