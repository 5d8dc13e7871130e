"""Reading single things from Zammad: who we are, a ticket, its thread, its history, and tickets by condition."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from re import fullmatch
from typing import Any

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient
from inbox_daemon.model import Attachment, Reference, TicketState
from inbox_daemon.plugins import Answer, Context
from inbox_ticketing.zammad import parse
from inbox_ticketing.zammad.lineage import Lineage, sources_of, target_of
from inbox_ticketing.zammad.rest import RestClient, words_of
from inbox_ticketing.zammad.settings import ZammadSettings

PER_PAGE = 200
"""The most that a search gives."""
MAX_MERGED = 50
"""Tickets in one: beyond it no history is read, and what cannot be told apart is not told."""
MAX_HOPS = 10
FIND_ROWS = 50
ONE_DENIED = (403, 404)
"""Statuses that may concern one ticket only: deleted, or moved to a group in which we may not."""
MAKE_ATTRIBUTE = "Make that ticket attribute (text), update the database and restart Zammad (README, step 2)"
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)


class Reader:
    """Reads one Zammad; keeps nothing between two calls but the number of our own account."""

    def __init__(self, settings: ZammadSettings, rest: RestClient, context: Context) -> None:
        self._settings = settings
        self._rest = rest
        self._instance = context.instance
        self._me: int | None = None

    async def me(self) -> int:
        """The number of the account that the token belongs to."""
        return self._me if self._me is not None else (await self.now())[0]

    async def now(self) -> tuple[int, datetime | None]:
        """The number of our account, and the time by Zammad's clock."""
        answer = await self._rest.get("/users/me")
        try:
            self._me = int(answer.json["id"])
        except _UNREADABLE as error:
            raise self._unreadable("our account", error) from error
        return self._me, answer.server_time

    # ------------------------------------------------------------ tickets

    async def row(self, number: str) -> parse.Row:
        """The ticket as it is, also where it was merged. Raises `Gone`."""
        answer = await self._rest.get(f"/tickets/{number}", accept=ONE_DENIED)
        self.see_ticket(number, answer)
        return self.as_row(answer.json)

    def see_ticket(self, number: str, answer: Answer) -> None:
        """Raise `Gone` where `answer` says that this ticket takes or shows nothing."""
        if answer.status == 404:
            raise Gone(f"{self._instance}: ticket {number} is not there", reason="deleted")
        if self._is_closed_to_us(answer):
            raise Gone(f"{self._instance}: ticket {number} is in a group closed to us", reason="moved")

    def _is_closed_to_us(self, answer: Answer) -> bool:
        """Whether this one ticket is denied; what is denied as a whole says so in other words, and is raised."""
        said = words_of(answer)
        if answer.status == 403 and (not said or "maintenance" in said.lower()):
            raise Transient(f"{self._instance}: Zammad is in maintenance mode, or a proxy before it says no")
        if answer.status == 403 and "token" in said.lower():
            raise Credentials(
                f"{self._instance}: Zammad denies the token ({said}). Give it ticket.agent, and switch on API "
                "token access"
            )
        return answer.status == 403

    async def final(self, row: parse.Row) -> parse.Row:
        """Where the articles of `row` stand after merges. Raises `Gone` where the trail is lost."""
        for _ in range(MAX_HOPS):
            if not row.merged:
                return row
            target = target_of(await self.history(row.id), row.id)
            if target is None:
                break
            row = await self.row(target)
        raise Gone(f"{self._instance}: ticket {row.id} was merged, and nothing says into which", reason="merged")

    def as_row(self, item: object) -> parse.Row:
        """One ticket of an answer."""
        try:
            return parse.read_row(item, self._settings.reference_field)
        except _UNREADABLE as error:
            raise self._unreadable("a ticket", error) from error

    async def search(self, condition: Mapping[str, object], **params: str) -> list[parse.Row]:
        """Tickets that meet `condition`, one page."""
        try:
            rows = (await self._rest.search(condition, params)).json
        except Permanent as error:  # newer ones refuse a column that is not there instead of giving everything
            raise Credentials(
                f"{self._instance}: Zammad does not search by {self._settings.reference_field!r}. {MAKE_ATTRIBUTE}"
            ) from error
        if not isinstance(rows, list):
            raise self._unreadable("a list", None)
        return [self.as_row(item) for item in rows]

    async def bearer(self, reference: Reference) -> parse.Row | None:
        """The ticket in which the one that bears exactly `reference` stands by now.

        Searched by condition, which Zammad answers from its database. A condition that it does not understand filters
        nothing: so any row with another reference is taken for that, and never for "not there".
        """
        field = self._settings.reference_field
        condition = {f"ticket.{field}": {"operator": "is", "value": reference}}
        rows = await self.search(condition, per_page=str(FIND_ROWS), page="1")
        if any((row.reference or "").lower() != reference.lower() for row in rows):
            raise Credentials(f"{self._instance}: Zammad's search by {field!r} filters nothing. {MAKE_ATTRIBUTE}")
        bearing = [row for row in rows if row.reference == reference]
        targets = {final.id: final for row in bearing if (final := await self._standing(row)) is not None}
        if len(targets) > 1:
            numbers = ", ".join(sorted(row.number for row in targets.values()))
            raise Permanent(
                f"{self._instance}: tickets {numbers} carry the reference {reference}. Merge them in Zammad"
            )
        return next(iter(targets.values()), None)

    async def _standing(self, row: parse.Row) -> parse.Row | None:
        try:
            final = await self.final(row)
        except Gone:
            return None
        return None if self._settings.meaning_of(final.state) is TicketState.DELETED else final

    # ------------------------------------------------------------ threads

    async def articles(self, ticket: str) -> list[parse.Article]:
        """All articles that stand in `ticket`, oldest first; Zammad knows no pages here."""
        answer = await self._rest.get(f"/ticket_articles/by_ticket/{ticket}", accept=ONE_DENIED)
        self.see_ticket(ticket, answer)
        try:
            found = [parse.read_article(item) for item in _list(answer.json)]
        except _UNREADABLE as error:
            raise self._unreadable("a thread", error) from error
        return sorted((one for one in found if one.ticket == ticket), key=lambda one: int(one.id))

    async def history(self, ticket: str) -> list[parse.Event]:
        """What happened in `ticket`; nothing where it is out of sight."""
        answer = await self._rest.get(f"/ticket_history/{ticket}", accept=ONE_DENIED)
        if self._is_closed_to_us(answer) or answer.status == 404:
            return []
        try:
            rows = answer.json["history"] if isinstance(answer.json, dict) else answer.json
            return [parse.read_event(item, ticket) for item in _list(rows)]
        except _UNREADABLE as error:
            raise self._unreadable("a history", error) from error

    async def lineage(self, ticket: str) -> Lineage:
        """Histories of `ticket` and of all that were merged into it."""
        histories: dict[str, list[parse.Event]] = {}
        todo = [ticket]
        while todo and len(histories) < MAX_MERGED:
            number = todo.pop(0)
            if number not in histories:
                histories[number] = await self.history(number)
                todo += sources_of(histories[number], number)
        return Lineage(final=ticket, histories=histories)

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """Stream the bytes of a file."""
        if not fullmatch(r"[0-9]{1,12}/[0-9]{1,12}/[0-9]{1,12}", attachment.remote):
            raise Gone(f"{self._instance}: a file is not there", reason="no_file")
        size, seen = attachment.size, 0
        async with aclosing(self._rest.stream(f"/ticket_attachment/{attachment.remote}", size or 0)) as pieces:
            async for piece in pieces:
                seen += len(piece)
                yield piece
        if size is not None and seen != size:  # a login page, a proxy's page, or an answer cut off
            raise Transient(f"{self._instance}: Zammad gave {seen} bytes of a file of {size}")

    def _unreadable(self, what: str, error: Exception | None) -> Transient:
        kind = f" ({type(error).__name__})" if error is not None else ""
        return Transient(f"{self._instance}: Zammad's answer is not {what}{kind}")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value
