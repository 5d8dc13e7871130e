"""What agents answered and changed in our tickets: since the last look, in one ticket, and of one entry now.

RT has no webhooks. Tickets that carry a reference are listed, the last changed first, until one is old enough; then
the transactions of the changed ones are read. Two things seen on 5.0.3 shape this (2026-11-24):

* A time in TicketSQL or TransactionSQL is read in the account's own time zone, whatever zone is written behind it,
  and `2026-11-24T08:43:00Z` filters nothing at all. So tickets are compared here, and transactions are filtered by
  JSON, which compares with the database's UTC.
* A list of transactions is cut into pages before rights are checked, and tells no total. So only tickets that the
  search has shown are asked for, and only kinds that whoever sees a ticket sees: then a page cut short is the last.
  Comments are not read; they never concern a citizen.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inbox_daemon.errors import Gone
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketUpdate
from inbox_daemon.plugins import cursor_at, moment_of
from inbox_ticketing.request_tracker import parse
from inbox_ticketing.request_tracker.lineage import Stretch, stretches_of
from inbox_ticketing.request_tracker.reading import PER_PAGE, Reader, items
from inbox_ticketing.request_tracker.rest import RestClient
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings

MERGED_DAYS = 180
"""How long after a merge answers in the other ticket are still looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """One changed ticket. `ours` are the ids that the core knows it by: its own, or those merged into it."""

    ours: tuple[str, ...]
    row: parse.Row


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listener:
    """Ticket `number` of the core, which is `row` by now, is told what stands in `stretch`."""

    number: str
    stretch: Stretch
    row: parse.Row


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(self, settings: RequestTrackerSettings, rest: RestClient, reader: Reader) -> None:
        self._settings = settings
        self._rest = rest
        self._reader = reader

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look.

        Time is RT's own (its `Date` header), so that two clocks need not agree.
        """
        answer = await self._rest.get("/rt")
        now = answer.server_time or datetime.now(UTC)
        after = cursor_at(now)
        if cursor is None:
            return (), after
        since = moment_of(cursor) - timedelta(seconds=self._settings.overlap_seconds)
        return await self._told(await self._listeners(await self._changed(since, now)), since), after

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one ticket; none where it is not to be seen.

        What concerns tickets that were merged into it is told for them, too: a hint names the one that is left only,
        and whoever hears of an answer has to hear at once that it stands in the ticket of several people.
        """
        if not _is_number(ticket):
            return ()
        try:
            row = await self._reader.row(ticket)
        except Gone:
            return ()
        ours = dict.fromkeys((ticket, row.id, *await self._merged_into(row)))
        return await self._told(await self._listeners([_Watched(ours=tuple(ours), row=row)]), None)

    async def _merged_into(self, row: parse.Row) -> list[str]:
        ours = f"CF.{{{self._settings.reference_field}}} IS NOT NULL"
        ever = datetime.min.replace(tzinfo=UTC)
        found = await self._tickets(f"{ours} AND EffectiveId = {row.id} AND EffectiveId != id", ever)
        return [one.id for one in found]

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One entry as it stands now; None also where it is not one of this ticket, or the ticket is out of sight."""
        if not (_is_number(ticket) and _is_number(entry)):
            return None
        transaction = await self._reader.transaction(entry)
        if transaction is None:
            return None
        try:
            row = await self._reader.row(ticket)
        except Gone:
            return None
        listeners = await self._listeners([_Watched(ours=(ticket,), row=row)])
        if not any(one.stretch.holds(transaction) for one in listeners):
            return None
        told = await self._reader.tell(transaction, row, {})
        return None if told is None else replace(told, ticket=ticket)

    async def _told(self, listeners: Sequence[_Listener], since: datetime | None) -> list[TicketUpdate]:
        by_ticket: dict[str, list[_Listener]] = {}
        for one in listeners:
            by_ticket.setdefault(one.stretch.ticket, []).append(one)
        agents: dict[str, bool] = {}
        found: list[TicketUpdate] = []
        for transaction in await self._reader.transactions(sorted(by_ticket, key=int), since=since):
            hearing = [one for one in by_ticket.get(transaction.ticket, ()) if one.stretch.holds(transaction)]
            told = await self._reader.tell(transaction, hearing[0].row, agents) if hearing else None
            if told is not None:
                found += [replace(told, ticket=TicketId(one.number)) for one in hearing]
        return sorted(found, key=lambda one: (one.at, int(one.entry or 0)))

    async def _listeners(self, watched: Sequence[_Watched]) -> list[_Listener]:
        moved = {number for one in watched for number in one.ours if number != one.row.id}
        merges = await self._reader.merges(sorted(moved, key=int))
        return [
            _Listener(number=number, stretch=stretch, row=one.row)
            for one in watched
            for number in one.ours
            for stretch in stretches_of(number, one.row, merges)
        ]

    async def _changed(self, since: datetime, now: datetime) -> list[_Watched]:
        ours = f"CF.{{{self._settings.reference_field}}} IS NOT NULL"
        rows = {row.id: row for row in await self._tickets(ours, since)}
        known = {number: [number] for number in rows}
        merged: dict[str, list[str]] = {}
        for row in await self._tickets(f"{ours} AND EffectiveId != id", now - timedelta(days=MERGED_DAYS)):
            merged.setdefault(row.effective, []).append(row.id)
        for some in _chunks(sorted(merged, key=int)):
            either = " OR ".join(f"id = {number}" for number in some)
            for row in await self._tickets(f"({either})", since):
                rows[row.id] = row
                known.setdefault(row.id, []).extend(merged[row.id])
        return [_Watched(ours=tuple(known[number]), row=row) for number, row in rows.items()]

    async def _tickets(self, query: str, since: datetime) -> list[parse.Row]:
        """Rows changed since then. For tickets RT checks rights inside the search, so that no page is cut short."""
        rows: list[parse.Row] = []
        params = {"fields": "EffectiveId,Requestor,Status,LastUpdated", "orderby": "LastUpdated", "order": "DESC"}
        for page in itertools.count(1):
            paged = {**params, "query": query, "per_page": str(PER_PAGE), "page": str(page)}
            seen = [self._reader.as_row(item) for item in items(await self._rest.get("/tickets", paged))]
            new = [row for row in seen if parse.read_time(row.last_updated) >= since]
            rows += new
            if len(new) < PER_PAGE:
                break
        return rows


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _chunks(numbers: Sequence[str]) -> list[Sequence[str]]:
    return [numbers[start : start + 50] for start in range(0, len(numbers), 50)]
