"""The adapter's words over `apirest.php`, which GLPI 10 and 11 have."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from inbox_daemon.errors import Credentials, Gone, Permanent, Uncertain
from inbox_daemon.model import Reference
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.files import ITEMTYPES, Files
from inbox_ticketing.glpi.outcome import Answer
from inbox_ticketing.glpi.parse import Remark, Row, Turn
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.rest import RestClient
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import PER_PAGE, Copy, Opening

REQUESTER = 1
CLOCK = timedelta(minutes=10)
_UNSEEN = ("ERROR_ITEM_NOT_FOUND", "ERROR_RIGHT_MISSING")


class Legacy:
    """A `Speech`. GLPI tells times without a zone here: `zone` is the service account's."""

    def __init__(self, settings: GlpiSettings, context: Context, zone: ZoneInfo) -> None:
        self._settings = settings
        self._instance = context.instance
        self._zone = zone
        self._in_title = settings.reference_in == "title"
        self._rest = RestClient(settings, context)
        self._places = Places(settings, self._rest, context)
        self.files = Files(settings, self._rest, self._places, context)

    async def aclose(self) -> None:
        """End the session."""
        await self._rest.aclose()

    async def begin_anew(self) -> None:
        """Forget the session."""
        await self._rest.begin_anew()

    def reading(self, what: str) -> AbstractContextManager[None]:
        """See `RestClient.reading`."""
        return self._rest.reading(what)

    def time(self, value: str) -> datetime:
        """A time without a zone."""
        return parse.read_time(value, self._zone)

    async def now(self) -> datetime:
        """From the `Date` header, so that two clocks need not agree."""
        answer = await self._rest.get("/getActiveProfile")
        return answer.heard.server_time or datetime.now(UTC)

    # ------------------------------------------------------------ the check

    async def prove(self) -> None:
        """The account, its preferences and its clock; then each configured name."""
        await self._account()
        await self._places.entity()
        await self._places.category()
        await self._places.requester()
        for channel in self._settings.request_sources:
            await self._places.source(channel)

    async def _account(self) -> None:
        session = await self._places.session()
        if str(session.get("glpiset_followup_tech") or "0") != "0":
            raise Credentials(
                f"{self._instance}: each followup would make the service account the technician. Switch off "
                '"Add me as a technician when adding a ticket follow-up" in its preferences'
            )
        if not await self.agent(await self.me()):
            raise Credentials(
                f"{self._instance}: it cannot be seen who is an agent. Give the service account a profile of the "
                "standard interface with the rights to read users and profiles"
            )
        told, now = session.get("glpi_currenttime"), await self.now()
        if told is None:
            return
        with self.reading("the time"):
            moment = self.time(str(told))
        if abs(moment - now) > CLOCK:
            raise Credentials(
                f"{self._instance}: GLPI's clock does not say the time of {self._zone.key}. Configure `zone` as the "
                "time zone of the service account in GLPI (its preferences, else the server's)"
            )

    async def prove_in(self, ticket: int, key: str) -> None:
        """History and documents can be read."""
        await self.turns(await self.ticket(ticket))
        await self._rest.rows("/Document", {"searchText[name]": key, "is_deleted": "0"})

    async def finds(self, reference: str) -> int:
        """Among the living."""
        _, total, _ = await self._rest.search("Ticket", await self._search(reference), 0)
        return total

    # ------------------------------------------------------------ tickets

    async def create(self, opening: Opening) -> int:
        """`POST /Ticket`; the requester goes along."""
        fields: dict[str, object] = {
            "name": opening.title,
            "content": opening.content,
            "type": opening.type,
            "entities_id": await self._places.entity(),
            "_users_id_requester": await self._places.requester() or 0,
        }
        if opening.external_id:
            fields["externalid"] = opening.external_id
        if (category := await self._places.category()) is not None:
            fields["itilcategories_id"] = category
        if (source := await self._places.source(opening.channel)) is not None:
            fields["requesttypes_id"] = source
        return self._made(await self._rest.send("POST", "/Ticket", fields), "a creation")

    async def complete(self, ticket: int) -> None:
        """Nothing is left to do: the requester went along."""

    async def ticket(self, number: int) -> Row:
        """`GET /Ticket/N`."""
        answer = await self._rest.get(f"/Ticket/{number}", accept=_UNSEEN)
        if answer.code == "ERROR_ITEM_NOT_FOUND":
            raise Gone(f"{self._instance}: ticket {number} is not there", reason="deleted")
        if answer.code:  # an agent moved this one; a right lost for all shows when the next is opened
            raise Gone(f"{self._instance}: ticket {number} is in an entity closed to us", reason="moved")
        with self.reading("a ticket"):
            return parse.read_row(answer.json, in_title=self._in_title)

    async def put_status(self, ticket: int, status: int) -> None:
        """GLPI answers true also where a rule or a right kept it from changing."""
        await self._rest.send("PUT", f"/Ticket/{ticket}", {"status": status})

    async def _search(self, value: str) -> dict[str, str]:
        return {
            "criteria[0][field]": str(await self._places.option(self._places.reference_field)),
            "criteria[0][searchtype]": "contains",
            "criteria[0][value]": value,
        }

    async def carrying(self, reference: Reference, *, deleted: bool) -> list[int]:
        """Searched with `contains`; each row is compared here."""
        ident = str(await self._places.option("id"))
        field = str(await self._places.option(self._places.reference_field))
        shown = {"forcedisplay[0]": ident, "forcedisplay[1]": field, "is_deleted": str(int(deleted))}
        rows, total, _ = await self._rest.search("Ticket", await self._search(reference) | shown, 0)
        if total > PER_PAGE:
            raise Permanent(f"{self._instance}: GLPI's search answers {total} tickets for one reference")
        return [
            parse.number(row.get(ident))
            for row in rows
            if parse.carries(row.get(field), reference, in_title=self._in_title)
        ]

    async def listed(self, since: datetime, *, deleted: bool) -> dict[int, str]:
        """Sorted by change, and compared here: a search by time in the wrong zone would find too little."""
        ident, changed = await self._places.option("id"), await self._places.option("date_mod")
        params = await self._search("[" if self._in_title else "-")
        params |= {
            "forcedisplay[0]": str(ident),
            "forcedisplay[1]": params["criteria[0][field]"],
            "forcedisplay[2]": str(changed),
            "sort": str(changed),
            "order": "DESC",
            "is_deleted": str(int(deleted)),
        }
        found: dict[int, str] = {}
        for start in itertools.count(0, PER_PAGE):
            rows, total, _ = await self._rest.search("Ticket", params, start)
            for row in rows:
                with self.reading("a search"):
                    old = self.time(row[str(changed)]) < since
                if old:
                    return found
                if number := parse.number(row.get(str(ident))):
                    found[number] = str(row[str(changed)])
            if start + PER_PAGE >= total:
                break
        return found

    async def copies(self, ticket: int) -> list[Copy]:
        """Followups whose `sourceitems_id` names the ticket, in those that it is linked to as "son of"."""
        found: list[Copy] = []
        for link in await self._links("tickets_id_1", ticket):
            target = parse.number(link.get("tickets_id_2"))
            wanted = {"searchText[sourceitems_id]": f"^{ticket}$"}
            for item in await self._rest.rows(f"/Ticket/{target}/ITILFollowup", wanted):
                if parse.number(item.get("sourceitems_id")) == ticket and parse.number(item.get("items_id")) == target:
                    content = parse.raw_content(item.get("content"))
                    found.append(Copy(id=parse.number(item.get("id")), ticket=target, content=content))
        return found

    async def sons(self, ticket: int) -> list[int]:
        """By the links that name it as the second ticket."""
        links = await self._links("tickets_id_2", ticket)
        return sorted({parse.number(link.get("tickets_id_1")) for link in links} - {0})

    async def _links(self, column: str, number: int) -> list[dict[str, Any]]:
        """GLPI does not narrow links by the ticket they are asked of (`API::getItems`): each row is compared here."""
        rows = await self._rest.rows("/Ticket_Ticket", {f"searchText[{column}]": f"^{number}$"})
        return [row for row in rows if parse.number(row.get(column)) == number and row.get("link") in {3, "3"}]

    # ------------------------------------------------------------ entries

    async def add(self, row: Row, content: str, *, public: bool, wakes: bool) -> int:
        """`POST /ITILFollowup`, which can be asked to reopen: GLPI does so itself for requesters only."""
        fields: dict[str, object] = {
            "itemtype": "Ticket",
            "items_id": row.id,
            "content": content,
            "is_private": 0 if public else 1,
        }
        if wakes:
            fields["add_reopen"] = 1
        return self._made(await self._rest.send("POST", "/ITILFollowup", fields), "a followup")

    def _made(self, answer: Answer, what: str) -> int:
        """The number of what was created. GLPI was seen to answer 200 to a POST that a redirect had made a GET."""
        number = parse.number(answer.json.get("id")) if isinstance(answer.json, dict) else 0
        if answer.status != 201 or not number:
            raise Uncertain(f"{self._instance}: GLPI answered {what} without a number")
        return number

    async def remarks(self, ticket: int, kind: str, *, holding: str = "") -> list[Remark]:
        """All pages."""
        narrow = {"searchText[content]": holding} if holding else {}
        found: list[Remark] = []
        for item in await self._rest.rows(f"/Ticket/{ticket}/{ITEMTYPES[kind]}", narrow):
            with self.reading("an entry"):
                found.append(parse.read_remark(item, kind, self._zone))
        return sorted((one for one in found if one.ticket == ticket), key=lambda one: one.id)

    async def remark(self, kind: str, number: int, tickets: tuple[int, ...]) -> Remark | None:
        """By its number alone."""
        answer = await self._rest.get(f"/{ITEMTYPES[kind]}/{number}", accept=_UNSEEN)
        if answer.code:
            return None
        with self.reading("an entry"):
            return parse.read_remark(answer.json, kind, self._zone)

    async def turns(self, row: Row) -> list[Turn]:
        """From the ticket's history."""
        option = await self._places.option("status")
        found: list[Turn] = []
        for item in await self._rest.rows(f"/Ticket/{row.id}/Log", {"searchText[id_search_option]": f"^{option}$"}):
            with self.reading("a line of history"):
                turn = parse.read_turn(item, option, self._zone)
            if turn is not None and turn.ticket == row.id:
                found.append(turn)
        return sorted(found, key=lambda one: one.id)

    # ------------------------------------------------------------ people

    async def me(self) -> int:
        """See `Places.me`."""
        return await self._places.me()

    async def agent(self, user: int) -> str:
        """Who has a profile of GLPI's central interface."""
        return await self._name(user) if user and await self._is_central(user) else ""

    async def _is_central(self, user: int) -> bool:
        for link in await self._rest.rows(f"/User/{user}/Profile_User", accept=_UNSEEN):
            if parse.number(link.get("users_id")) != user:
                continue
            answer = await self._rest.get(f"/Profile/{parse.number(link.get('profiles_id'))}", accept=_UNSEEN)
            if not answer.code and isinstance(answer.json, dict) and answer.json.get("interface") == "central":
                return True
        return False

    async def _name(self, user: int) -> str:
        answer = await self._rest.get(f"/User/{user}", accept=_UNSEEN)
        if answer.code or not isinstance(answer.json, dict):
            return ""
        return parse.person(answer.json, "name")

    async def requesters(self, ticket: int) -> frozenset[int]:
        """From the ticket's people."""
        people = await self._rest.rows(f"/Ticket/{ticket}/Ticket_User")
        return frozenset(
            parse.number(one.get("users_id"))
            for one in people
            if parse.number(one.get("tickets_id")) == ticket and parse.number(one.get("type")) == REQUESTER
        )
