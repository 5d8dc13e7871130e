"""What agents answered and changed in our issues: since the last look, in one issue, and of one entry now.

Issues with a reference that changed are listed, then each is read with its journals. The cursor is the newest
`updated_on` that was seen, so that no clock but Redmine's own matters (puma sends no `Date`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from inbox_daemon.errors import Gone, Permanent, Transient
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketUpdate
from inbox_ticketing.redmine import parse
from inbox_ticketing.redmine.reading import PER_PAGE, Reader, is_number, rows_of
from inbox_ticketing.redmine.rest import RestClient
from inbox_ticketing.redmine.settings import RedmineSettings

PAGE_OVERLAP = 10
"""Rows that each page repeats of the one before: an issue that is deleted meanwhile moves the others up."""


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(self, settings: RedmineSettings, rest: RestClient, reader: Reader) -> None:
        self._settings = settings
        self._rest = rest
        self._reader = reader

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look."""
        await self._reader.log_in()  # with a wrong key the list would be empty, and the cursor moved on
        if cursor is None:
            return (), _cursor(await self._newest())
        since = _since(cursor)
        after = since - timedelta(seconds=self._settings.overlap_seconds) if since else None
        changed = await self._changed(after)
        agents: dict[int, frozenset[int]] = {}
        found: list[TicketUpdate] = []
        for number in changed:
            try:
                issue = await self._reader.issue(str(number))
            except Gone:
                continue  # deleted in this moment
            found += await self._told(issue, agents, after)
        newest = max([*changed.values(), *([since] if since else [])], default=None)
        return sorted(found, key=_order), _cursor(newest)

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one issue; none where it is not to be seen."""
        if not is_number(ticket):
            return ()
        try:
            issue = await self._reader.issue(ticket)
        except Gone:
            return ()
        return sorted(await self._told(issue, {}, None), key=_order)

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One journal as it stands now; None also where it is private by now, or the issue is out of sight."""
        if not (is_number(ticket) and is_number(entry)):
            return None
        try:
            issue = await self._reader.issue(ticket)
        except Gone:
            return None
        journal = next((one for one in issue.journals if str(one.id) == entry), None)
        if journal is None or str(issue.id) != ticket:
            return None
        return await self._reader.tell(
            issue, journal, await self._reader.agents(issue.project), await self._reader.me()
        )

    async def _told(
        self, issue: parse.Issue, agents: dict[int, frozenset[int]], since: datetime | None
    ) -> list[TicketUpdate]:
        new = [one for one in issue.journals if since is None or one.at >= since]
        if new and issue.project not in agents:
            agents[issue.project] = await self._reader.agents(issue.project)
        me = await self._reader.me()
        return [await self._reader.tell(issue, one, agents[issue.project], me) for one in new]

    async def _newest(self) -> datetime | None:
        """When the last change of any issue was; None where there is no issue."""
        params = {"status_id": "*", "sort": "updated_on:desc", "limit": "1"}
        rows = rows_of(await self._rest.get("/issues.json", params), "issues")
        return self._reader.as_issue(rows[0]).updated if rows else None

    async def _changed(self, since: datetime | None) -> dict[int, datetime]:
        """Number and time of the changed issues that carry a reference. By number: those keep their order."""
        field = f"cf_{self._settings.reference_field}"
        params = {"status_id": "*", field: "*", "sort": "id", "limit": str(PER_PAGE)}
        if since is not None:
            params["updated_on"] = f">={parse.filter_time(since)}"
        found: dict[int, datetime] = {}
        offset = 0
        while True:
            answer = await self._rest.get("/issues.json", {**params, "offset": str(offset)})
            rows = [self._reader.as_issue(row) for row in rows_of(answer, "issues")]
            found.update((row.id, row.updated) for row in rows if row.references)
            total = int(answer.part("total_count") or 0)
            if offset + len(rows) >= total:
                return found
            if len(rows) <= PAGE_OVERLAP:
                raise Transient("Redmine gave fewer issues than it counts")
            offset += len(rows) - PAGE_OVERLAP


def _order(update: TicketUpdate) -> tuple[datetime, int]:
    return update.at, int(update.entry or 0)


def _cursor(newest: datetime | None) -> Cursor:
    return Cursor(json.dumps({"since": newest.isoformat() if newest else None}))


def _since(cursor: Cursor) -> datetime | None:
    try:
        since = json.loads(cursor)["since"]
        return datetime.fromisoformat(since).astimezone(UTC) if since is not None else None
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent("the stored cursor of a Redmine destination cannot be read") from error
