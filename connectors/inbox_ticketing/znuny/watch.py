"""What agents answered and changed in our tickets: since the last look, in one ticket, and of one entry now.

Tickets with a reference that changed are searched, the first changed first; those that were merged lie still, so the
ones that they went on in are looked at as well. Times are the server's own (its `Date` header), so that two clocks
need not agree; its zone is configured, as the interface tells none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from inbox_daemon.errors import Gone
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketState, TicketUpdate
from inbox_daemon.plugins import cursor_at, moment_of
from inbox_ticketing.znuny import parse
from inbox_ticketing.znuny.lineage import hearers
from inbox_ticketing.znuny.quoting import own_words
from inbox_ticketing.znuny.reading import Family, Reader
from inbox_ticketing.znuny.rest import Client
from inbox_ticketing.znuny.settings import ZnunySettings

MERGED_DAYS = 180
"""How long after a merge answers in the other ticket are still looked for."""
PAGE = 1000
"""Tickets of one look; what is beyond waits for the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What one family is read with: who we are, and of which kind each article's history line is."""

    family: Family
    us: str
    kinds: dict[int, str]


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(self, settings: ZnunySettings, client: Client, reader: Reader) -> None:
        self._settings = settings
        self._client = client
        self._reader = reader

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look."""
        if cursor is None:
            return (), cursor_at(await self._client.now())
        since = moment_of(cursor) - timedelta(seconds=self._settings.overlap_seconds)
        rows, until = await self._changed(since)
        found: list[TicketUpdate] = []
        for row in rows:
            look = await self._look(row)
            found += self._told(look, look.family.ours, since)
        return _in_order(found), cursor_at(until)

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one ticket; none where it is not to be seen.

        What concerns the tickets that were merged with it is told for each of them, too: whoever hears of an answer
        has to hear at once that it stands in the ticket of several people.
        """
        try:
            row = await self._reader.final(ticket, articles=True)
        except Gone:
            return ()
        look = await self._look(row)
        return _in_order(self._told(look, look.family.ours | {str(ticket)}, None))

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One article as it stands now; None also where it is not one of this ticket, or the ticket is out of sight."""
        if not parse.is_number(entry):
            return None
        try:
            row = await self._reader.final(ticket, articles=True)
        except Gone:
            return None
        article = next((one for one in row.articles if one.number == int(entry)), None)
        if article is None:
            return None
        look = await self._look(row)
        if ticket not in hearers(article, row.id, look.family.merges):
            return None
        return replace(self._tell(article, look), ticket=ticket)

    # ------------------------------------------------------------ which tickets

    async def _changed(self, since: datetime) -> tuple[list[parse.Row], datetime]:
        """Tickets that go on, changed since then, with their articles; and until when nothing was left out."""
        field = f"DynamicField_{self._settings.reference_field}"
        newer = {"TicketLastChangeTimeNewerDate": parse.write_time(since, self._reader.shape.zone)}
        wanted: dict[str, object] = {field: {"Empty": "0"}, "SortBy": "Changed", "OrderBy": "Up"}
        page = PAGE
        while True:
            numbers, answer = await self._reader.search(wanted | newer, limit=page)
            rows = await self._reader.rows(numbers, articles=True)
            until = answer.at or datetime.now(UTC)
            if len(numbers) < page or not rows:
                break
            until = rows[-1].changed
            if until > since + timedelta(seconds=2 * self._settings.overlap_seconds):
                break
            page *= 2  # so many at once that the next look would begin where this one did
        last = {"TicketLastChangeTimeNewerDate": self._merged_since(answer.at)}
        merged, _ = await self._reader.search(wanted | last | {"StateType": ["merged"]}, limit=20 * PAGE)
        seen = {row.id for row in rows}
        others = [one for one in await self._reader.changed_ends(merged, newer) if one not in seen]
        rows += await self._reader.rows(others, articles=True)
        return [row for row in rows if row.state_type != "merged"], until

    def _merged_since(self, now: datetime | None) -> str:
        since = (now or datetime.now(UTC)) - timedelta(days=MERGED_DAYS)
        return parse.write_time(since, self._reader.shape.zone)

    async def _look(self, row: parse.Row) -> _Look:
        family = await self._reader.family(row)
        kinds: dict[int, str] = {}
        for line in family.history:
            if line.article:  # the first line of an article says how it was made
                kinds.setdefault(line.article, line.kind)
        return _Look(family=family, us=await self._client.user(), kinds=kinds)

    # ------------------------------------------------------------ what is told

    def _told(self, look: _Look, ours: frozenset[str], since: datetime | None) -> list[TicketUpdate]:
        family = look.family
        found: list[TicketUpdate] = []
        for article in family.row.articles:
            if since is not None and max(article.created, article.changed) < since:
                continue
            hearing = hearers(article, family.row.id, family.merges) & ours
            told = self._tell(article, look)
            found += [replace(told, ticket=TicketId(one)) for one in hearing]
        for number in ours:
            turns = self._turns(number, look)
            found += [one for one in turns if since is None or one.at >= since]
        return found

    def _tell(self, article: parse.Article, look: _Look) -> TicketUpdate:
        """What an article means.

        Public is what an agent wrote and made visible to customers, by a way that is an answer: not forwarded to
        somebody else, not the note of a call; in a ticket that is not removed.
        """
        row = look.family.row
        own = bool(article.key) or article.created_by == look.us
        automatic = article.sender not in {"agent", "customer"}
        text = own_words(article.body)
        return TicketUpdate(
            ticket=TicketId(row.id),
            entry=EntryId(str(article.number)),
            at=article.created,
            author=article.author,
            text="" if own else text,
            own=own,
            automatic=automatic,
            attachments=() if own else article.files,
            public=not own
            and article.sender == "agent"
            and article.visible
            and look.kinds.get(article.number) in self._settings.public_kinds
            and bool(text.strip() or article.files)
            and self._reader.state_of(row) is not TicketState.DELETED,
        )

    def _turns(self, number: str, look: _Look) -> list[TicketUpdate]:
        """Changes of state that concern ticket `number`: its own, and after a merge those of where it went on."""
        path = number
        after: datetime | None = None
        found: list[TicketUpdate] = []
        while True:
            turns = (line for line in look.family.histories.get(path, ()) if parse.new_state(line))
            for count, line in enumerate(turns):
                state = self._settings.states.get(parse.new_state(line))
                if state is not None and (after is None or line.at > after):
                    found.append(_turn(number, f"{path}s{count}", line, state, own=line.by == look.us))
            merge = look.family.merges.get(path)
            if merge is None:
                return found
            path, after = merge.target, merge.at


def _turn(number: str, entry: str, line: parse.Line, state: TicketState, *, own: bool) -> TicketUpdate:
    return TicketUpdate(ticket=TicketId(number), entry=EntryId(entry), at=line.at, own=own, state=state)


def _in_order(found: Iterable[TicketUpdate]) -> list[TicketUpdate]:
    def place(one: TicketUpdate) -> tuple[datetime, int]:
        return one.at, int(one.entry) if one.entry and one.entry.isdigit() else 0

    return sorted(found, key=place)
