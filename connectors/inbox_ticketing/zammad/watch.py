"""What agents answered and changed: since the last look, in one ticket, and of one entry now.

Every changed ticket that the account sees is looked at, not only those with a reference: ours may have been merged into
one that has none. Its history tells which of ours stand in it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from re import fullmatch

from inbox_daemon.errors import Gone
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketUpdate
from inbox_daemon.plugins import Context, cursor_at, moment_of
from inbox_ticketing.zammad import parse
from inbox_ticketing.zammad.lineage import Lineage, sources_of
from inbox_ticketing.zammad.reading import PER_PAGE, Reader
from inbox_ticketing.zammad.settings import ZammadSettings
from inbox_ticketing.zammad.telling import tell_article, tell_turn

_MAX_PAGES = 500
_BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One ticket with all that stands in it."""

    row: parse.Row
    articles: Sequence[parse.Article]
    lineage: Lineage
    me: int
    settings: ZammadSettings

    def told(self, number: str, since: datetime = _BEGINNING) -> list[TicketUpdate]:
        """What is to be told for ticket `number`, oldest first. A note that was made public later counts as new."""
        found = [
            tell_article(one, self.row, number=number, me=self.me, settings=self.settings)
            for one in self.articles
            if max(one.at, one.changed_at) >= since and self.lineage.holds(number, one.id)
        ]
        turns = (
            tell_turn(event, number=number, me=self.me, settings=self.settings)
            for event in self.lineage.turns(number)
            if event.at >= since
        )
        return in_order([*found, *(one for one in turns if one is not None)])


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(self, settings: ZammadSettings, reader: Reader, context: Context) -> None:
        self._settings = settings
        self._reader = reader
        self._context = context

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look.

        Time is Zammad's own (its `Date` header), so that two clocks need not agree.
        """
        _, server_time = await self._reader.now()
        after = cursor_at(server_time or self._context.now())
        if cursor is None:
            return (), after
        since = moment_of(cursor) - timedelta(seconds=self._settings.overlap_seconds)
        found: list[TicketUpdate] = []
        for row in await self._changed(since):
            try:
                found += await self._news_in(row, since)
            except Gone:  # deleted or moved this very moment
                continue
        return in_order(found), after

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one ticket; none where it is not to be seen."""
        view = await self._view_of(ticket)
        return () if view is None else view.told(ticket)

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One entry as it stands now; None also where it is not one of this ticket, or the ticket is out of sight."""
        if not fullmatch(r"h?[0-9]{1,18}", entry):
            return None
        view = await self._view_of(ticket)
        told = () if view is None else view.told(ticket)
        return next((one for one in told if one.entry == entry), None)

    async def _view_of(self, ticket: str) -> _View | None:
        if not fullmatch(r"[0-9]{1,18}", ticket):
            return None
        try:
            return await self._view(await self._reader.final(await self._reader.row(ticket)))
        except Gone:
            return None

    async def _view(self, row: parse.Row) -> _View:
        """Articles before histories: then an article without a birth is a new one, and not told this time."""
        me = await self._reader.me()
        articles = await self._reader.articles(row.id)
        lineage = await self._reader.lineage(row.id)
        return _View(row=row, articles=articles, lineage=lineage, me=me, settings=self._settings)

    async def _news_in(self, row: parse.Row, since: datetime) -> list[TicketUpdate]:
        if row.merged:  # the ticket that took it in has changed, too
            return []
        if not row.reference and not sources_of(await self._reader.history(row.id), row.id):
            return []
        view = await self._view(row)
        return [update for number in view.lineage.members for update in view.told(number, since)]

    async def _changed(self, since: datetime) -> list[parse.Row]:
        """The last changed first: a ticket that changes while pages are turned comes twice, and none is missed."""
        condition = {"ticket.updated_at": {"operator": "after (absolute)", "value": _stamp(since)}}
        rows: dict[str, parse.Row] = {}
        for page in itertools.count(1):
            order = {"sort_by": "updated_at", "order_by": "desc", "per_page": str(PER_PAGE), "page": str(page)}
            seen = await self._reader.search(condition, **order)
            rows |= {row.id: row for row in seen if row.updated_at >= since}
            old = any(row.updated_at < since for row in seen)  # a condition that filters nothing ends here, too
            if not seen or old or page >= _MAX_PAGES:
                break
        return list(rows.values())


def in_order(updates: Sequence[TicketUpdate]) -> list[TicketUpdate]:
    """`updates` by time, then by number."""
    return sorted(updates, key=lambda one: (one.at, int((one.entry or "0").lstrip("h"))))


def _stamp(moment: datetime) -> str:
    """A second earlier and without fractions, so that "after" leaves nothing out."""
    return f"{moment.astimezone(UTC) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
