"""Reading requests and updates.

Lists can be narrowed by time only, and are cut at some number of rows without a word (the specification allows 1000).
So a list that comes full is asked again in halves, until no part is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from inbox_daemon.errors import Gone, Transient, Uncertain
from inbox_daemon.model import EntryId, TicketId, TicketState
from inbox_daemon.plugins import Answer, Context
from inbox_ticketing.open311 import parse
from inbox_ticketing.open311.calls import Calls
from inbox_ticketing.open311.settings import Open311Settings

LONGEST = timedelta(days=89)
"""The specification lets an endpoint answer no more than 90 days at a time."""
SHORTEST = timedelta(seconds=2)
AHEAD = timedelta(days=2)
"""How far behind the endpoint's our clock may be: what lay after the end of a list would be neither told nor found."""
EARLIER = timedelta(hours=1)
"""An update may bear an earlier time than its request by so much."""
REMEMBERED = 20_000


class Reader:
    """Reads one endpoint. It remembers when updates were made, as they can be asked for by time only; no more."""

    def __init__(self, settings: Open311Settings, calls: Calls, context: Context) -> None:
        self._settings = settings
        self._calls = calls
        self._context = context
        self._times: OrderedDict[EntryId, datetime] = OrderedDict()

    def state_of(self, status: str) -> TicketState:
        """What a status means; one that nobody configured is taken for work going on."""
        return self._settings.states.get(status, TicketState.IN_PROGRESS)

    async def request(self, ticket: TicketId) -> parse.Request:
        """One request. Raises `Gone` where it is not shown (any more)."""
        gone = Gone(f"{self._context.instance}: request {ticket[:40]!r} is not there", reason="deleted")
        if not ticket.strip() or ticket.strip(".") == "":
            raise gone
        answer = await self._calls.get(f"/requests/{quote(ticket, safe='')}.json", gone=(400, 404, 410))
        rows = [] if answer.status != 200 else self._rows(answer)
        found: list[parse.Request] = [one for one in self._read(rows, parse.read_request) if one.id == ticket]
        if answer.status == 200 and rows and not found:
            raise Transient(f"{self._context.instance}: the endpoint answered another request than the one asked for")
        if not found or self.state_of(found[0].status) is TicketState.DELETED:
            raise gone
        return found[0]

    async def requests(self, since: datetime, until: datetime) -> list[parse.Request]:
        """Requests made in that time."""
        rows = await self._list("/requests.json", since, until)
        return list({one.id: one for one in self._read(rows, parse.read_request)}.values())

    async def changes(self, since: datetime, until: datetime | None = None) -> list[parse.Change]:
        """Updates made in that time, oldest first."""
        end = until or self._context.now() + AHEAD
        rows = await self._list("/servicerequestupdates.json", since, end)
        found = {one.id: one for one in self._read(rows, parse.read_change) if since <= one.at <= end}
        for one in found.values():
            self._remember(one)
        return sorted(found.values(), key=lambda one: one.at)

    async def changes_of(self, request: parse.Request) -> list[parse.Change]:
        """All updates of one request, oldest first."""
        return [one for one in await self.changes(self._beginning(request)) if one.request == request.id]

    async def change(self, request: parse.Request, entry: EntryId) -> parse.Change | None:
        """One update as it is now: looked for at its own time first, then since the request was made."""
        if (known := self._times.get(entry)) is not None:
            near = await self.changes(known - SHORTEST, known + SHORTEST)
            if found := [one for one in near if one.id == entry and one.request == request.id]:
                return found[0]
        return next((one for one in await self.changes_of(request) if one.id == entry), None)

    def _beginning(self, request: parse.Request) -> datetime:
        since = request.requested or self._context.now() - timedelta(days=self._settings.look_back_days)
        return since - EARLIER

    def _remember(self, one: parse.Change) -> None:
        self._times[one.id] = one.at
        self._times.move_to_end(one.id)
        while len(self._times) > REMEMBERED:
            self._times.popitem(last=False)

    async def _list(self, path: str, since: datetime, until: datetime) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        todo = [(since, until)]
        while todo:
            start, end = todo.pop()
            if end - start > LONGEST:
                todo += [(start, start + LONGEST), (start + LONGEST, end)]
                continue
            question = {"start_date": parse.instant(start), "end_date": parse.instant(end + timedelta(seconds=1))}
            rows = self._rows(await self._calls.get(path, question))
            if len(rows) >= self._settings.most_rows:
                if end - start <= SHORTEST:
                    raise Uncertain(
                        f"{self._context.instance}: the endpoint answers {len(rows)} rows for two seconds. It ignores "
                        "the time asked for, or `most_rows` is too low"
                    )
                middle = start + (end - start) / 2
                todo += [(start, middle), (middle, end)]
                continue
            found += rows
        return found

    def _rows(self, answer: Answer) -> list[Mapping[str, Any]]:
        try:
            return parse.rows_of(answer.json)
        except parse.NotUnderstood as error:
            raise Transient(f"{self._context.instance}: the Open311 endpoint makes no sense: {error}") from None

    def _read(self, rows: Sequence[Mapping[str, Any]], read: Any) -> list[Any]:
        found = []
        for row in rows:
            try:
                found.append(read(row))
            except parse.NotUnderstood as error:
                self._context.log.warning("open311.row_not_understood", reason=str(error))
        return found
