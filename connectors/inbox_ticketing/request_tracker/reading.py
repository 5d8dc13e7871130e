"""Reading single things from Request Tracker, and what a transaction means for a citizen.

Asking for a transaction or an attachment by a number that is not there ends in status 500 (seen on 5.0.3, 2026-11-24);
a search by the number finds it or does not, and tells the ticket in which it was made, after merges, too.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any
from urllib.parse import quote as url_quote

from inbox_daemon.errors import Gone, Transient, Uncertain
from inbox_daemon.model import Attachment, EntryId, TicketId, TicketState, TicketUpdate
from inbox_daemon.plugins import Answer, Context
from inbox_ticketing.request_tracker import parse
from inbox_ticketing.request_tracker.download import ContentReader
from inbox_ticketing.request_tracker.lineage import LINK, Stretch, merges_in
from inbox_ticketing.request_tracker.quoting import own_words
from inbox_ticketing.request_tracker.rest import RestClient
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings

KINDS = ("Correspond", "Status")
"""All of them are seen with ShowTicket. Mails that RT sends, comments and forwards are of other kinds, and not read."""
PER_PAGE = 100
"""The most that RT gives."""
_NOT_PEOPLE = frozenset({"rt_system", "nobody"})
_PART_FIELDS = "TransactionId,ContentType,Filename,Headers,MessageId,Creator"


class Reader:
    """Reads one RT; keeps nothing between two calls."""

    def __init__(self, settings: RequestTrackerSettings, rest: RestClient, context: Context) -> None:
        self._settings = settings
        self._rest = rest
        self._instance = context.instance

    # ------------------------------------------------------------ tickets

    async def row(self, number: str) -> parse.Row:
        """The ticket, after merges. Raises `Gone`."""
        answer = await self._rest.get(f"/ticket/{url_quote(number, safe='')}", accept=(403, 404))
        if answer.status == 404:
            raise Gone(f"{self._instance}: ticket {number} is not there", reason="deleted")
        if answer.status == 403:  # an agent moved this one; a right lost for all shows when the next is opened
            raise Gone(f"{self._instance}: ticket {number} is in a queue closed to us", reason="moved")
        return self.as_row(answer.json)

    def as_row(self, item: object) -> parse.Row:
        """One ticket of an answer."""
        try:
            return parse.read_row(item, self._settings.reference_field)
        except (KeyError, TypeError, AttributeError) as error:
            raise Uncertain(f"{self._instance}: Request Tracker's answer is not a ticket") from error

    def state_of(self, status: str) -> TicketState:
        """What a status means; one that nobody configured is taken for work going on."""
        word = status.lower()
        default = TicketState.DELETED if word == "deleted" else TicketState.IN_PROGRESS
        return self._settings.states.get(word, default)

    # ------------------------------------------------------------ transactions

    async def transactions(
        self, tickets: Sequence[str], *, since: datetime | None = None, kinds: Sequence[str] = KINDS, field: str = ""
    ) -> list[parse.Transaction]:
        """Those made in these tickets, by their own numbers from before any merge, oldest first."""
        found: list[parse.Transaction] = []
        for some in _chunks(tickets):
            filters = [*_any_of("ObjectId", some), *_any_of("Type", kinds)]
            if since is not None:
                filters.append({"field": "Created", "operator": ">=", "value": f"{since:%Y-%m-%d %H:%M:%S}"})
            if field:
                filters.append({"field": "Field", "value": field})
            found += await self._search(filters)
        return sorted(found, key=lambda one: int(one.id))

    async def transaction(self, number: str) -> parse.Transaction | None:
        """The one with this number, if it is there and we may see it."""
        found = await self._search([{"field": "id", "value": number}])
        return next((one for one in found if one.id == number), None)

    async def _search(self, filters: Sequence[dict[str, str]]) -> list[parse.Transaction]:
        params = {
            "fields": "Type,Creator,Created,Field,NewValue,ObjectId",
            "fields[Creator]": "RealName",
            "orderby": "id",
            "per_page": str(PER_PAGE),
        }
        wanted = [{"field": "ObjectType", "value": "RT::Ticket"}, *filters]
        found: list[parse.Transaction] = []
        for page in itertools.count(1):
            seen = items(await self._rest.search("/transactions", wanted, {**params, "page": str(page)}))
            found += [parse.read_transaction(item) for item in seen]
            if len(seen) < PER_PAGE:
                return found
        return found

    async def merges(self, tickets: Sequence[str]) -> dict[str, Stretch]:
        """Where each of these merged tickets went on, and those that it went on in."""
        known: dict[str, Stretch] = {}
        asked: set[str] = set()
        while todo := sorted(({*tickets} | {one.ticket for one in known.values()}) - asked, key=int):
            known |= merges_in(await self.transactions(todo, kinds=(LINK,), field="MergedInto"))
            asked.update(todo)
        return known

    async def tell(
        self, transaction: parse.Transaction, row: parse.Row, agents: dict[str, bool]
    ) -> TicketUpdate | None:
        """What `transaction` means, told for `row`, the ticket in which it stands by now; None for what means nothing.

        Public is the correspondence, of a person's own hand, of a privileged user who is not a requestor of the ticket.
        `agents` remembers who is privileged during one look.
        """
        own = transaction.creator.lower() == self._settings.account.lower()
        shared: dict[str, Any] = {
            "ticket": TicketId(row.id),
            "entry": EntryId(transaction.id),
            "at": transaction.at,
            "author": transaction.creator_name or transaction.creator,
        }
        if transaction.kind == "Status":
            state = self._settings.states.get(transaction.new_value.lower())
            return TicketUpdate(**shared, own=own, state=state) if state else None
        if own or transaction.kind != "Correspond":
            return TicketUpdate(**shared, own=own)
        parts = await self._parts(transaction.id)
        if any(parse.our_key(part) for part in parts):
            return TicketUpdate(**shared, own=True)
        body = parse.body_part(parts)
        html = body is not None and body.media_type == "text/html"
        text = own_words(await self._text(body), html=html, by_mail=parse.is_by_mail(parts)) if body else ""
        files, automatic = parse.files_of(parts), parse.is_automatic(parts)
        return TicketUpdate(
            **shared,
            text=text,
            html=html,
            attachments=files,
            automatic=automatic,
            public=not automatic
            and bool(text.strip() or files)
            and transaction.creator.lower() not in row.requestors
            and self.state_of(row.status) is not TicketState.DELETED
            and await self._is_agent(transaction.creator, agents),
        )

    async def _is_agent(self, name: str, agents: dict[str, bool]) -> bool:
        """Whether RT calls the author privileged. Citizens and outsiders who write by mail are not."""
        if name not in agents:
            answer = await self._rest.get(f"/user/{url_quote(name, safe='')}", accept=(403, 404))
            seen = answer.json if answer.status == 200 and isinstance(answer.json, dict) else {}
            agents[name] = str(seen.get("Privileged") or "0") == "1" and name.lower() not in _NOT_PEOPLE
        return agents[name]

    # ------------------------------------------------------------ texts and files

    async def _parts(self, transaction: str) -> list[parse.Part]:
        wanted = [{"field": "TransactionId", "value": transaction}]
        params = {"fields": _PART_FIELDS, "orderby": "id", "per_page": str(PER_PAGE)}
        return [parse.read_part(item) for item in items(await self._rest.search("/attachments", wanted, params))]

    async def _text(self, part: parse.Part) -> str:
        answer = await self._rest.get(f"/attachment/{part.id}", accept=(403, 404))
        if answer.status != 200:  # moved out of our sight this very moment
            return ""
        return parse.read_content(answer.json).decode("utf-8", "replace")

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """Stream the bytes of a file, never more than one piece of the answer in memory."""
        number = attachment.remote
        wanted = [{"field": "id", "value": number}]
        found = items(await self._rest.search("/attachments", wanted, {"fields": _PART_FIELDS}))
        if not (number.isascii() and number.isdigit() and found):
            raise Gone(f"{self._instance}: file {number[:20]!r} is not there any more", reason="no_file")
        size = parse.read_part(found[0]).size
        content = ContentReader()
        try:
            async with aclosing(self._rest.stream(f"/attachment/{number}", size or 0)) as pieces:
                async for piece in pieces:
                    if decoded := content.feed(piece):
                        yield decoded
        except ValueError as error:
            raise Transient(f"{self._instance}: Request Tracker's answer is not a file") from error
        if not content.complete:
            raise Transient(f"{self._instance}: Request Tracker's answer ended before the file did")


def items(answer: Answer) -> list[dict[str, Any]]:
    """Rows of a list. Raises `Transient` for what is none."""
    rows = answer.json.get("items") if isinstance(answer.json, dict) else None
    if not isinstance(rows, list):
        raise Transient("Request Tracker's answer is not a list")
    return [row for row in rows if isinstance(row, dict)]


def _any_of(field: str, values: Sequence[str]) -> list[dict[str, str]]:
    return [{"field": field, "operator": "=", "value": value, "entry_aggregator": "OR"} for value in values]


def _chunks(numbers: Sequence[str]) -> list[Sequence[str]]:
    return [numbers[start : start + 50] for start in range(0, len(numbers), 50)]
