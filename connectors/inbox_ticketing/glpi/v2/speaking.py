"""The adapter's words over the high-level API of GLPI 11."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import Reference
from inbox_daemon.plugins import Answer, Context
from inbox_ticketing.glpi.parse import Remark, Row, Turn, number, text_of
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import PER_PAGE, Copy, Opening, Speech
from inbox_ticketing.glpi.v2 import outcome, parse, rsql
from inbox_ticketing.glpi.v2.client import Client
from inbox_ticketing.glpi.v2.files import Files
from inbox_ticketing.glpi.v2.outcome import NO_RIGHT, NOT_FOUND
from inbox_ticketing.glpi.v2.people import UNSEEN, People
from inbox_ticketing.glpi.v2.places import Places

SON_OF = 3
TIMELINE = 1_000
"""`ITILController::getITILTimelineItems` answers no more of a kind, and says nothing of the rest."""
CLOCK = timedelta(minutes=10)


class HighLevel:
    """A `Speech`. `older` speaks `apirest.php`, for files only; None where it is not configured."""

    def __init__(self, settings: GlpiSettings, context: Context, older: Speech | None) -> None:
        self._settings = settings
        self._instance = context.instance
        self._in_title = settings.reference_in == "title"
        self._client = Client(settings, context)
        self._places = Places(settings, self._client, context)
        self._people = People(settings, self._client)
        self._older = older
        self.files = Files(self._client, older.files if older else None, context)

    async def aclose(self) -> None:
        """Let go of both APIs."""
        await self._client.aclose()
        if self._older is not None:
            await self._older.aclose()

    async def begin_anew(self) -> None:
        """Forget the token."""
        await self._client.begin_anew()
        if self._older is not None:
            await self._older.begin_anew()

    def reading(self, what: str) -> AbstractContextManager[None]:
        """See `Client.reading`."""
        return self._client.reading(what)

    def time(self, value: str) -> datetime:
        """A time with its offset."""
        return parse.read_time(value)

    async def now(self) -> datetime:
        """From the `Date` header."""
        answer = await self._client.get("/session")
        return answer.server_time or datetime.now(UTC)

    # ------------------------------------------------------------ the check

    async def prove(self) -> None:
        """The account and its preferences, who is an agent, then each configured name."""
        answer = await self._client.get("/session")
        with self.reading("its session"):
            told = self.time(str(answer.part("current_time")))
        now = answer.server_time or datetime.now(UTC)
        if abs(told - now) > CLOCK:
            raise Credentials(f"{self._instance}: GLPI's clock and that of its web server differ. Set the clock of PHP")
        mine = await self._client.get("/Administration/User/Me/Preference")
        if mine.part("set_followup_tech"):
            raise Credentials(
                f"{self._instance}: each followup would make the service account the technician. Switch off "
                '"Add me as a technician when adding a ticket follow-up" in its preferences'
            )
        if not await self._people.profiles(await self.me()):
            raise Credentials(
                f"{self._instance}: it cannot be seen who is an agent. Give the service account the right to read "
                "users, and GLPI a version whose API shows their authorizations (2.2)"
            )
        for name in self._settings.agent_profiles:
            await self._places.profile(name)
        await self._names()

    async def _names(self) -> None:
        await self._places.entity()
        await self._places.category()
        await self._places.requester()
        for channel in self._settings.request_sources:
            await self._places.source(channel)
        if self._older is not None and await self._older.me() != await self.me():
            raise Credentials(
                f"{self._instance}: `user_token` is not of the account `username`. Make it in that user's own form"
            )

    async def prove_in(self, ticket: int, key: str) -> None:
        """Merges and files can be asked for."""
        await self.copies(ticket)
        await self.sons(ticket)
        await self._client.ask("Followup", rsql.equals("source_item_id", ticket), "id itemtype items_id")
        await self._client.ask("Document_Item", rsql.equals("items_id", ticket), "id itemtype items_id documents_id")
        if self._older is not None:
            await self._older.prove_in(ticket, key)

    async def finds(self, reference: str) -> int:
        """Of all, in the bin too. GLPI answers a field that it does not know with 400 (`Search@e934661`); its parser
        alone would pass the filter over, and let all tickets through."""
        _, total = await self._client.page("/Assistance/Ticket", self._carries(reference))
        return total

    # ------------------------------------------------------------ tickets

    def _carries(self, part: str) -> str:
        return rsql.holds("name", part) if self._in_title else rsql.equals("external_id", part)

    async def create(self, opening: Opening) -> int:
        """`POST /Assistance/Ticket`, which passes over people (issues 21159, 25139): see `complete`."""
        fields: dict[str, object] = {
            "name": opening.title,
            "content": opening.content,
            "type": opening.type,
            "entity": {"id": await self._places.entity()},
        }
        if opening.external_id:
            fields["external_id"] = opening.external_id
        if (category := await self._places.category()) is not None:
            fields["category"] = {"id": category}
        if (source := await self._places.source(opening.channel)) is not None:
            fields["request_type"] = {"id": source}
        private = text_of(f"{opening.title}\n{opening.content}")
        answer = await self._client.send("POST", "/Assistance/Ticket", fields, private=private)
        return self._made(answer, "a creation")

    def _made(self, answer: Answer, what: str) -> int:
        """The number of what was created, with status 201 or 200 (`AbstractController::getItemLinkResponse`)."""
        ident = number(answer.part("id"))
        if answer.status not in {200, 201} or not ident or "/" not in str(answer.part("href")):
            raise Uncertain(f"{self._instance}: GLPI answered {what} without a number")
        return ident

    async def complete(self, ticket: int) -> None:
        """Put the requester into the ticket's team, unless it is there: a second time would add it twice."""
        requester = await self._places.requester()
        if requester is not None and requester not in await self.requesters(ticket):
            await self._people.ask_for(ticket, requester)

    async def ticket(self, number: int) -> Row:
        """`GET /Assistance/Ticket/N`; what is out of sight is not told from what is not there."""
        answer = await self._client.get(f"/Assistance/Ticket/{number}", accept=(NOT_FOUND,))
        if answer.status == 404:
            raise Gone(f"{self._instance}: ticket {number} is not there, or out of sight", reason="deleted")
        with self.reading("a ticket"):
            return parse.read_row(answer.json, in_title=self._in_title)

    async def put_status(self, ticket: int, status: int) -> None:
        """`PATCH`; GLPI answers with the ticket also where a rule or a right kept it from changing."""
        await self._client.send("PATCH", f"/Assistance/Ticket/{ticket}", {"status": {"id": status}})

    async def carrying(self, reference: Reference, *, deleted: bool) -> list[int]:
        """Searched by RSQL, which is the database's comparison; each row is compared here."""
        condition = rsql.every(self._carries(reference), rsql.equals("is_deleted", int(deleted)))
        items, total = await self._client.page("/Assistance/Ticket", condition)
        if total > PER_PAGE:
            raise Permanent(f"{self._instance}: GLPI's search answers {total} tickets for one reference")
        found: list[int] = []
        for item in items:
            with self.reading("a ticket"):
                row = parse.read_row(item, in_title=self._in_title)
            if reference in row.references and row.deleted is deleted:
                found.append(row.id)
        return found

    async def listed(self, since: datetime, *, deleted: bool) -> dict[int, str]:
        """Sorted by change, and compared here: a filter by time is in the database's zone."""
        ours = rsql.holds("name", "[") if self._in_title else rsql.holds("external_id", "-")
        condition = rsql.every(ours, rsql.equals("is_deleted", int(deleted)))
        found: dict[int, str] = {}
        for start in itertools.count(0, PER_PAGE):
            items, total = await self._client.page("/Assistance/Ticket", condition, start=start, sort="date_mod:desc")
            for item in items:
                with self.reading("a ticket"):
                    row = parse.read_row(item, in_title=self._in_title)
                    if self.time(row.changed) < since:
                        return found
                if row.deleted is deleted:
                    found[row.id] = row.changed
            if start + PER_PAGE >= total or not items:
                break
        return found

    async def copies(self, ticket: int) -> list[Copy]:
        """By questions: no path leads to links of tickets, nor to followups by the ticket they came from."""
        found: list[Copy] = []
        for target in await self._linked("ticket_1", "ticket_2", ticket):
            condition = rsql.every(rsql.equals("items_id", target), rsql.equals("source_item_id", ticket))
            fields = "id itemtype items_id source_item_id content"
            for item in await self._client.ask("Followup", condition, fields):
                mine = number(item.get("source_item_id")) == ticket and number(item.get("items_id")) == target
                if mine and item.get("itemtype") == "Ticket":
                    copy = Copy(id=number(item.get("id")), ticket=target, content=str(item.get("content") or ""))
                    found.append(copy)
        return found

    async def sons(self, ticket: int) -> list[int]:
        """By the links that name it as the second ticket."""
        return await self._linked("ticket_2", "ticket_1", ticket)

    async def _linked(self, near: str, far: str, ticket: int) -> list[int]:
        condition = rsql.every(rsql.equals(f"{near}.id", ticket), rsql.equals("link", SON_OF))
        rows = await self._client.ask("Ticket_Ticket", condition, "id link ticket_1 { id } ticket_2 { id }")
        mine = [row for row in rows if row.get("link") == SON_OF and parse.ident(row.get(near)) == ticket]
        return sorted({parse.ident(row.get(far)) for row in mine} - {0})

    # ------------------------------------------------------------ entries

    async def add(self, row: Row, content: str, *, public: bool, wakes: bool) -> int:
        """`POST …/Timeline/Followup`, which can't be asked to reopen: who wants that looks at the ticket after it."""
        path = f"/Assistance/Ticket/{row.id}/Timeline/Followup"
        fields = {"content": content, "is_private": not public}
        answer = await self._client.send("POST", path, fields, private=text_of(content), accept=(NO_RIGHT,))
        if answer.status == 403 and row.status == parse.CLOSED:
            raise Permanent(f"{self._instance}: ticket {row.id} is closed and takes no followup")
        outcome.raise_for(answer, self._client.where, write=True)
        return self._made(answer, "a followup")

    async def remarks(self, ticket: int, kind: str, *, holding: str = "") -> list[Remark]:
        """In portions of a thousand, each after the last one's highest number."""
        found: dict[int, Remark] = {}
        last = 0
        while True:
            narrow = [rsql.holds("content", holding)] if holding else []
            condition = rsql.every(rsql.above("id", last), *narrow)
            answer = await self._client.get(
                f"/Assistance/Ticket/{ticket}/Timeline/{parse.PARTS[kind]}", {"filter": condition}
            )
            items = self._client.listed(answer)
            for item in items:
                with self.reading("an entry"):
                    one = parse.read_remark(item["item"], kind)
                found[one.id] = one
            highest = max(found, default=0)
            if len(items) < TIMELINE or highest <= last:
                break
            last = highest
        if holding and not found:
            await self._really_absent(ticket, kind, holding)
        return [found[ident] for ident in sorted(found) if found[ident].ticket == ticket]

    async def _really_absent(self, ticket: int, kind: str, holding: str) -> None:
        """A timeline leaves out what may not be seen, without a word, so that a lost right would double what is looked
        up. A question says that it is denied: an absence is one where both tell it."""
        condition = rsql.every(rsql.equals("items_id", ticket), rsql.holds("content", holding))
        rows = await self._client.ask(parse.PARTS[kind], condition, "id itemtype items_id")
        if any(row.get("itemtype") == "Ticket" and number(row.get("items_id")) == ticket for row in rows):
            raise Transient(f"{self._instance}: GLPI does not show an entry of ticket {ticket} that it has")

    async def remark(self, kind: str, number: int, tickets: tuple[int, ...]) -> Remark | None:
        """Paths to an entry lead through its ticket: each is tried."""
        for ticket in tickets:
            path = f"/Assistance/Ticket/{ticket}/Timeline/{parse.PARTS[kind]}/{number}"
            answer = await self._client.get(path, accept=UNSEEN)
            if answer.status >= 400:
                continue
            with self.reading("an entry"):
                return parse.read_remark(answer.json, kind)
        return None

    async def turns(self, row: Row) -> list[Turn]:
        """The last one: this API has no history."""
        with self.reading("a ticket"):
            turn = parse.turn_of(row)
        return [turn] if turn else []

    # ------------------------------------------------------------ people

    async def me(self) -> int:
        """See `Places.me`."""
        return await self._places.me()

    async def agent(self, user: int) -> str:
        """See `People.agent`."""
        return await self._people.agent(user)

    async def requesters(self, ticket: int) -> frozenset[int]:
        """See `People.requesters`."""
        return await self._people.requesters(ticket)
