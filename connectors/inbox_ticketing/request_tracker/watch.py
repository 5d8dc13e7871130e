"""What agents answered and changed in our tickets since the last look.

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
MERGED_DAYS = 180
"""How long after a merge answers in the other ticket are still looked for."""
PER_PAGE = 100
"""The most that RT gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """One changed ticket. `ours` are the ids that the core knows it by: its own, or those merged into it."""

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
        watched = await self._changed(since, now)
        agents: dict[str, bool] = {}
        found: list[TicketUpdate] = []
        for transaction in await self._transactions(sorted(watched, key=int), since):
            ticket = watched[transaction.ticket]
            update = await self._update(ticket, transaction, agents)
            if update is not None:
                found += [TicketUpdate(ticket=TicketId(number), **update) for number in ticket.ours]
        return sorted(found, key=lambda one: (one.at, int(one.entry or 0))), after

    async def _changed(self, since: datetime, now: datetime) -> dict[str, _Watched]:
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
        return {number: _Watched(ours=tuple(known[number]), requestors=row.requestors) for number, row in rows.items()}

    async def _tickets(self, query: str, since: datetime) -> list[parse.Row]:
        """Rows changed since then. For tickets RT checks rights inside the search, so that no page is cut short."""
        rows: list[parse.Row] = []
        params = {"fields": "EffectiveId,Requestor,Status,LastUpdated", "orderby": "LastUpdated", "order": "DESC"}
        for page in itertools.count(1):
            paged = {**params, "query": query, "per_page": str(PER_PAGE), "page": str(page)}
            items = _items(await self._rest.get("/tickets", paged))
            seen = [parse.read_row(item, self._settings.reference_field) for item in items]
            new = [row for row in seen if parse.read_time(row.last_updated) >= since]
            rows += new
            if len(new) < PER_PAGE:
                break
        return rows

    async def _transactions(self, tickets: Sequence[str], since: datetime) -> list[parse.Transaction]:
        found: list[parse.Transaction] = []
        for some in _chunks(tickets):
            filters = [
                {"field": "ObjectType", "value": "RT::Ticket"},
                {"field": "Created", "operator": ">=", "value": f"{since:%Y-%m-%d %H:%M:%S}"},
                *_any_of("ObjectId", some),
                *_any_of("Type", KINDS),
            ]
            for page in itertools.count(1):
                params = {
                    "fields": "Type,Creator,Created,NewValue,ObjectId",
                    "fields[Creator]": "RealName",
                    "orderby": "id",
                    "per_page": str(PER_PAGE),
                    "page": str(page),
                }
                items = _items(await self._rest.search("/transactions", filters, params))
                found += [parse.read_transaction(item) for item in items]
                if len(items) < PER_PAGE:
                    break
        return found

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


def _any_of(field: str, values: Sequence[str]) -> list[dict[str, str]]:
    return [{"field": field, "operator": "=", "value": value, "entry_aggregator": "OR"} for value in values]


def _chunks(numbers: Sequence[str]) -> list[Sequence[str]]:
    return [numbers[start : start + 50] for start in range(0, len(numbers), 50)]


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
