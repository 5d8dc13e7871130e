"""What agents answered and changed in our tickets since the last look.

RT has no webhooks. Tickets that carry a reference are listed by `LastUpdated`, then each one's history is read: a
list of all transactions is cut into pages before rights are checked, and can't tell its own end. Comments are not
read: they never concern a citizen, and what ShowTicketComments hides would shorten pages again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote as url_quote

from inbox_daemon.errors import Permanent, Transient
from inbox_daemon.model import Cursor, EntryId, TicketId, TicketUpdate
from inbox_ticketing.request_tracker import parse
from inbox_ticketing.request_tracker.rest import Answer, RestClient
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings

KINDS = ("Correspond", "Status")
"""All of them are seen with ShowTicket, which the search for tickets has already asked for."""
PARALLEL = 4
MERGED_DAYS = 180
"""How long after a merge answers in the other ticket are still looked for."""
PER_PAGE = 100
"""The most that RT gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """One ticket to read. `ours` are the ids that the core knows it by: its own, or those merged into it."""

    id: str
    ours: tuple[str, ...]
    requestors: frozenset[str]


class Watch:
    """Reads updates; keeps nothing between two calls."""

    def __init__(self, settings: RequestTrackerSettings, rest: RestClient) -> None:
        self._settings = settings
        self._rest = rest

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """Updates since `cursor` minus the overlap, oldest first, and the cursor for the next look.

        Time is RT's own (its `Date` header), so that two clocks need not agree.
        """
        answer = await self._rest.get("/rt")
        now = answer.server_time or datetime.now(UTC)
        after = Cursor(json.dumps({"since": now.isoformat()}))
        if cursor is None:
            return (), after
        since = _since(cursor) - timedelta(seconds=self._settings.overlap_seconds)
        agents: dict[str, bool] = {}
        gate = asyncio.Semaphore(PARALLEL)

        async def read(watched: _Watched) -> list[TicketUpdate]:
            async with gate:
                return await self._read(watched, since, agents)

        pages = await asyncio.gather(*[read(watched) for watched in await self._changed(since, now)])
        found = sorted((update for page in pages for update in page), key=lambda one: (one.at, int(one.entry or 0)))
        return found, after

    async def _changed(self, since: datetime, now: datetime) -> list[_Watched]:
        ours = f"CF.{{{self._settings.reference_field}}} IS NOT NULL"
        recent = f"LastUpdated > '{since:%Y-%m-%dT%H:%M:%SZ}'"
        rows = {row.id: row for row in await self._tickets(f"{ours} AND {recent}")}
        known: dict[str, list[str]] = {number: [number] for number in rows}
        horizon = f"{now - timedelta(days=MERGED_DAYS):%Y-%m-%dT%H:%M:%SZ}"
        merged: dict[str, list[str]] = {}
        for row in await self._tickets(f"{ours} AND EffectiveId != id AND LastUpdated > '{horizon}'"):
            merged.setdefault(row.effective, []).append(row.id)
        targets = sorted(merged, key=int)
        for start in range(0, len(targets), 50):
            either = " OR ".join(f"id = {number}" for number in targets[start : start + 50])
            for row in await self._tickets(f"({either}) AND {recent}"):
                rows[row.id] = row
                known.setdefault(row.id, []).extend(merged[row.id])
        return [
            _Watched(id=number, ours=tuple(known[number]), requestors=row.requestors) for number, row in rows.items()
        ]

    async def _tickets(self, query: str) -> list[parse.Row]:
        """All rows. For tickets RT checks rights inside the search, so `pages` is true here."""
        rows: list[parse.Row] = []
        page = 1
        while True:
            answer = await self._rest.get(
                "/tickets",
                {
                    "query": query,
                    "fields": "EffectiveId,Requestor,Status,LastUpdated",
                    "orderby": "id",
                    "per_page": str(PER_PAGE),
                    "page": str(page),
                },
            )
            items = _items(answer)
            rows += [parse.read_row(item, self._settings.reference_field) for item in items]
            if not items or page >= int(answer.json.get("pages") or 0):
                return rows
            page += 1

    async def _read(self, watched: _Watched, since: datetime, agents: dict[str, bool]) -> list[TicketUpdate]:
        updates: list[TicketUpdate] = []
        for transaction in await self._history(watched.id, since):
            update = await self._update(watched, transaction, agents)
            if update is not None:
                updates += [TicketUpdate(ticket=TicketId(number), **update) for number in watched.ours]
        return updates

    async def _history(self, number: str, since: datetime) -> list[parse.Transaction]:
        """Correspondence and status changes since `since`. RT tells no total here, but a page cut short is the last."""
        filters = [{"field": "Created", "operator": ">=", "value": f"{since:%Y-%m-%d %H:%M:%S}"}]
        filters += [{"field": "Type", "operator": "=", "value": kind, "entry_aggregator": "OR"} for kind in KINDS]
        found: list[parse.Transaction] = []
        page = 1
        while True:
            params = {
                "fields": "Type,Creator,Created,Field,NewValue",
                "fields[Creator]": "RealName",
                "orderby": "id",
                "per_page": str(PER_PAGE),
                "page": str(page),
            }
            items = _items(await self._rest.search(f"/ticket/{number}/history", filters, params))
            found += [parse.read_transaction(item) for item in items]
            if len(items) < PER_PAGE:
                return found
            page += 1

    async def _update(
        self, watched: _Watched, transaction: parse.Transaction, agents: dict[str, bool]
    ) -> dict[str, Any] | None:
        shared: dict[str, Any] = {
            "entry": EntryId(transaction.id),
            "at": transaction.at,
            "author": transaction.creator_name or transaction.creator,
            "own": transaction.creator.lower() == self._settings.account.lower(),
        }
        if transaction.kind == "Status":
            state = self._settings.states.get(transaction.new_value.lower())
            return {**shared, "state": state} if state else None
        if shared["own"]:
            return shared
        parts = await self._parts(transaction.id)
        if any(parse.our_key(part) for part in parts):
            return {**shared, "own": True}
        public = transaction.creator.lower() not in watched.requestors and await self._is_agent(
            transaction.creator, agents
        )
        body = parse.body_part(parts)
        return {
            **shared,
            "public": public,
            "text": await self._text(body) if body else "",
            "html": body is not None and body.media_type == "text/html",
            "automatic": parse.is_automatic(parts),
            "attachments": parse.files_of(parts),
        }

    async def _parts(self, transaction: str) -> list[parse.Part]:
        params = {"fields": "TransactionId,ContentType,Filename,Headers,MessageId", "per_page": str(PER_PAGE)}
        answer = await self._rest.get(f"/transaction/{transaction}/attachments", params)
        return [parse.read_part(item) for item in _items(answer)]

    async def _text(self, part: parse.Part) -> str:
        answer = await self._rest.get(f"/attachment/{part.id}")
        return parse.read_content(answer.json).decode("utf-8", "replace")

    async def _is_agent(self, name: str, agents: dict[str, bool]) -> bool:
        """Whether RT calls the author privileged. Citizens and outsiders who write by mail are not."""
        if name not in agents:
            answer = await self._rest.get(f"/user/{url_quote(name, safe='')}", accept=(403, 404))
            seen = answer.json if answer.status == 200 and isinstance(answer.json, dict) else {}
            agents[name] = str(seen.get("Privileged") or "0") == "1" and name != "RT_System"
        return agents[name]


def _since(cursor: Cursor) -> datetime:
    try:
        return datetime.fromisoformat(json.loads(cursor)["since"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent("the stored cursor of a Request Tracker destination cannot be read") from error


def _items(answer: Answer) -> list[dict[str, Any]]:
    items = answer.json.get("items") if isinstance(answer.json, dict) else None
    if not isinstance(items, list):
        raise Transient("Request Tracker's answer is not a list")
    return [item for item in items if isinstance(item, dict)]
