"""What stands in a ticket, and what it means for a citizen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from inbox_daemon.model import EntryId, TicketId, TicketUpdate
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.files import Files
from inbox_ticketing.glpi.lineage import Path
from inbox_ticketing.glpi.parse import Remark, Turn
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.quoting import own_words
from inbox_ticketing.glpi.rest import RestClient

ITEMTYPES = {"F": "ITILFollowup", "S": "ITILSolution"}
REQUESTER = 1
_UNSEEN = ("ERROR_ITEM_NOT_FOUND", "ERROR_RIGHT_MISSING")


@dataclass(slots=True)
class Look:
    """What was learnt about people during one look."""

    agents: dict[int, str] = field(default_factory=dict)
    """User → name; empty for who is no agent."""
    requesters: dict[int, frozenset[int]] = field(default_factory=dict)


class Reader:
    """Reads one GLPI; keeps nothing between two looks."""

    def __init__(self, rest: RestClient, places: Places, files: Files, zone: ZoneInfo, context: Context) -> None:
        self._rest = rest
        self._places = places
        self._files = files
        self.zone = zone
        self._instance = context.instance

    # ------------------------------------------------------------ entries

    async def remarks(self, ticket: int, kind: str, *, holding: str = "") -> list[Remark]:
        """Followups or solutions of one ticket, oldest first; with `holding` only those whose content has it."""
        narrow = {"searchText[content]": holding} if holding else {}
        found: list[Remark] = []
        for item in await self._rest.rows(f"/Ticket/{ticket}/{ITEMTYPES[kind]}", narrow):
            with self._rest.reading("an entry"):
                found.append(parse.read_remark(item, kind, self.zone))
        return sorted((one for one in found if one.ticket == ticket), key=lambda one: one.id)

    async def remark(self, kind: str, number: int) -> Remark | None:
        """The one with this number, if it is there and we may see it."""
        answer = await self._rest.get(f"/{ITEMTYPES[kind]}/{number}", accept=_UNSEEN)
        if answer.code:
            return None
        with self._rest.reading("an entry"):
            return parse.read_remark(answer.json, kind, self.zone)

    async def turns(self, ticket: int) -> list[Turn]:
        """Changes of a ticket's status, oldest first."""
        option = await self._places.option("status")
        found: list[Turn] = []
        for item in await self._rest.rows(f"/Ticket/{ticket}/Log", {"searchText[id_search_option]": f"^{option}$"}):
            with self._rest.reading("a line of history"):
                turn = parse.read_turn(item, option, self.zone)
            if turn is not None and turn.ticket == ticket:
                found.append(turn)
        return sorted(found, key=lambda one: one.id)

    # ------------------------------------------------------------ meaning

    async def tell(self, remark: Remark, path: Path, look: Look) -> TicketUpdate:
        """What an entry means, told for ticket `path.number`.

        Public is what GLPI does not call private, by a person who works in GLPI's central interface, is not a requester
        of the ticket and not our own account, in a ticket that is not in the bin.
        """
        shared: dict[str, Any] = {
            "ticket": TicketId(str(path.number)),
            "entry": EntryId(f"{remark.kind}{remark.id}"),
            "at": remark.at,
        }
        if remark.author == await self._places.me():
            return TicketUpdate(**shared, own=True)
        name = await self.agent(remark.author, look) if remark.public and not path.row.deleted else ""
        if not name or remark.author in await self._requesters(path, look):
            return TicketUpdate(**shared)
        text, html = own_words(remark.content)
        files = await self._files.of(ITEMTYPES[remark.kind], remark.id)
        return TicketUpdate(
            **shared, author=name, text=text, html=html, attachments=files, public=bool(text.strip() or files)
        )

    async def tell_turn(self, turn: Turn, path: Path) -> TicketUpdate | None:
        """What a change of status means; None for a status that GLPI does not have."""
        state = parse.STATES.get(turn.status)
        if state is None:
            return None
        return TicketUpdate(
            ticket=TicketId(str(path.number)),
            entry=EntryId(f"L{turn.id}"),
            at=turn.at,
            author=turn.name,
            own=turn.user == await self._places.me(),
            state=state,
        )

    # ------------------------------------------------------------ people

    async def agent(self, user: int, look: Look) -> str:
        """The name of a user who has a profile of the central interface; empty for everybody else."""
        if user not in look.agents:
            look.agents[user] = await self._name(user) if user and await self._is_central(user) else ""
        return look.agents[user]

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
        parts = (str(answer.json.get(key) or "") for key in ("firstname", "realname"))
        return " ".join(part for part in parts if part) or str(answer.json.get("name") or "")

    async def _requesters(self, path: Path, look: Look) -> frozenset[int]:
        found: frozenset[int] = frozenset()
        for row in path.rows:
            if row.id not in look.requesters:
                people = await self._rest.rows(f"/Ticket/{row.id}/Ticket_User")
                look.requesters[row.id] = frozenset(
                    parse.number(one.get("users_id"))
                    for one in people
                    if parse.number(one.get("tickets_id")) == row.id and parse.number(one.get("type")) == REQUESTER
                )
            found |= look.requesters[row.id]
        return found
