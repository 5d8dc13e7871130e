"""What a GLPI does with tickets, in memory: as one answered (10.0, 2026-11-23) and as its own source has it.

Its quirks are the point: unknown fields are dropped, any status and any category is stored, titles are cut to 255
characters, contents come back with numeric entities (10) or as they were (11), a merge puts a ticket into the bin and
copies it into the other one, followups go into the bin without a word. `glpi_fake_http` serves it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Argentina/Cordoba")
INBOX, AGENT, CITIZEN = 7, 8, 9
SALUD, RESERVED = 1, 2
SON_OF = 3
STATUS_OPTION = 12
TICKET_FIELDS = [
    "name",
    "content",
    "status",
    "type",
    "entities_id",
    "itilcategories_id",
    "requesttypes_id",
    "users_id_recipient",
    "date",
    "date_creation",
    "date_mod",
    "is_deleted",
]
FOLLOWUP_FIELDS = [
    "itemtype",
    "items_id",
    "content",
    "is_private",
    "users_id",
    "requesttypes_id",
    "date",
    "date_creation",
    "date_mod",
    "sourceitems_id",
    "sourceof_items_id",
    "timeline_position",
]
COLUMNS = {
    "ITILFollowup": FOLLOWUP_FIELDS,
    "ITILSolution": ["itemtype", "items_id", "content", "status", "users_id", "date_creation", "date_mod"],
    "Document": ["name", "filename", "mime", "sha1sum", "users_id", "entities_id", "is_deleted", "comment"],
    "Document_Item": ["documents_id", "itemtype", "items_id"],
    "Ticket_Ticket": ["tickets_id_1", "tickets_id_2", "link"],
    "Ticket_User": ["tickets_id", "users_id", "type"],
    "Log": ["itemtype", "items_id", "id_search_option", "old_value", "new_value", "user_name", "date_mod"],
}

Record = dict[str, Any]


@dataclass(kw_only=True)
class Session:
    user: int
    entities: frozenset[int] = frozenset({0})


@dataclass(kw_only=True)
class GlpiState:
    """One GLPI: two entities below the root, a service account, an agent and a citizen of the simplified interface."""

    version: int = 10
    tables: dict[str, list[Record]] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    user_tokens: dict[str, int] = field(default_factory=dict)
    app_token: str = "app-00ff"
    contents: dict[str, bytes] = field(default_factory=dict)
    preferences: dict[str, Any] = field(default_factory=lambda: {"glpiset_followup_tech": 0})
    accepted_files: str = r".*"
    """Document types: a regular expression over endings, as administrators may add one."""
    upload_limit: int = 64 * 2**20
    """PHP's: what is above comes in without its bytes."""
    closed_takes: bool = True
    reopens: bool = True
    rewrites_titles: bool = False
    refusal: str = ""
    """Why no ticket is taken (a field that the template demands); `{name}` is its title."""
    ignores_updates: bool = False
    finds_everything: bool = False
    finds_nothing: bool = False
    forgets_private: bool = False
    copies_to_sons: bool = False
    """Some versions copy followups of the parent into merged tickets."""
    prints_warnings: bool = False
    enabled: bool = True
    hides_authorization: bool = False
    """Apache before PHP-FPM does, as delivered."""
    clock_zone: ZoneInfo = ZONE
    broken_writes: list[str] = field(default_factory=list)
    """What the next writes answer after they were done: `404`, `sql` or `empty`."""

    def table(self, itemtype: str) -> list[Record]:
        return self.tables.setdefault(itemtype, [])

    def row(self, itemtype: str, number: int) -> Record | None:
        return next((one for one in self.table(itemtype) if one["id"] == number), None)

    def now(self) -> str:
        return f"{datetime.now(self.clock_zone):%Y-%m-%d %H:%M:%S}"

    def user_name(self, user: int) -> str:
        row = self.row("User", user)
        return f"{row['name'] if row else ''} ({user})"

    # ------------------------------------------------------------ changes

    def insert(self, itemtype: str, /, **fields: Any) -> Record:
        table = self.table(itemtype)
        number = max((one["id"] for one in table), default=0) + 1
        row = {"id": number, **fields}
        table.append(row)
        return row

    def add(self, itemtype: str, given: Record, user: int) -> Record | None:
        """The new row; None where GLPI refuses."""
        if itemtype == "Ticket":
            return self._add_ticket(given, user)
        if itemtype == "ITILFollowup":
            return self._add_followup(given, user)
        columns = COLUMNS[itemtype]
        return self.insert(itemtype, **{key: self._stored(value) for key, value in given.items() if key in columns})

    def _add_ticket(self, given: Record, user: int) -> Record | None:
        name, content = str(given.get("name") or ""), str(given.get("content") or "")
        self.refusal = self.refusal.replace("{name}", name)
        if self.refusal or not (name or content):
            return None
        columns = [*TICKET_FIELDS, *(["externalid"] if self.version >= 11 else [])]
        now = self.now()
        defaults = {"status": 1, "type": 1, "entities_id": 0, "itilcategories_id": 0, "requesttypes_id": 1}
        known = {key: self._stored(value) for key, value in given.items() if key in columns}
        fields = {**dict.fromkeys(columns), **defaults, **known, "is_deleted": 0, "users_id_recipient": user}
        fields["name"] = str(self._stored(name or re.sub("<[^>]*>", "", content)))[:255]
        if self.rewrites_titles:
            fields["name"] = "Reclamo ciudadano"
        ticket = self.insert("Ticket", **fields)
        ticket.update(date=now, date_creation=now, date_mod=now, users_id_lastupdater=user, turned=now)
        if requester := given.get("_users_id_requester"):
            self.insert("Ticket_User", tickets_id=ticket["id"], users_id=requester, type=1)
        return ticket

    def _add_followup(self, given: Record, user: int) -> Record | None:
        ticket = self.row("Ticket", int(given.get("items_id") or 0))
        if ticket is None or not given.get("content") or (ticket["status"] == 6 and not self.closed_takes):
            return None
        now = self.now()
        known = {key: self._stored(value) for key, value in given.items() if key in FOLLOWUP_FIELDS}
        fields = {**dict.fromkeys(FOLLOWUP_FIELDS), "is_private": 0, "users_id": user, "sourceitems_id": 0, **known}
        fields = {"date": now, "date_creation": now} | {k: v for k, v in fields.items() if v is not None}
        if self.forgets_private:
            fields["is_private"] = 0
        followup = self.insert("ITILFollowup", **fields)
        followup.update(date_mod=now)
        ticket.update(date_mod=now, users_id_lastupdater=user)
        if given.get("add_reopen") and self.reopens and ticket["status"] in {4, 5, 6}:
            self.set_status(ticket, 1, user)
        if self.copies_to_sons and not followup["sourceitems_id"]:
            for son in self.merged_into(ticket["id"]):
                copy = {**fields, "items_id": son, "sourceitems_id": ticket["id"]}
                self.insert("ITILFollowup", **copy, date_mod=now)
        return followup

    def update(self, itemtype: str, row: Record, given: Record, user: int) -> None:
        """Change a row. Any status is stored; unknown fields are dropped."""
        if self.ignores_updates:
            return
        if itemtype == "Ticket" and "status" in given:
            self.set_status(row, given["status"], user)
        row.update({key: self._stored(value) for key, value in given.items() if key in row and key != "status"})
        row["date_mod"] = self.now()

    def set_status(self, ticket: Record, status: int, user: int) -> None:
        old, ticket["status"] = ticket["status"], status
        ticket.update(date_mod=self.now(), turned=self.now(), users_id_lastupdater=user)
        self.insert(
            "Log",
            itemtype="Ticket",
            items_id=ticket["id"],
            id_search_option=STATUS_OPTION,
            old_value=str(old),
            new_value=str(status),
            user_name=self.user_name(user),
            date_mod=self.now(),
        )

    def solve(self, number: int, content: str, user: int) -> Record:
        """An agent solves a ticket."""
        ticket = self.row("Ticket", number)
        assert ticket is not None
        now = self.now()
        shared = {"itemtype": "Ticket", "items_id": number, "users_id": user, "date_creation": now, "date_mod": now}
        solution = self.insert("ITILSolution", **shared, content=self._stored(content), status=2)
        self.set_status(ticket, 5, user)
        return solution

    def bin(self, number: int) -> None:
        ticket = self.row("Ticket", number)
        assert ticket is not None
        ticket.update(is_deleted=1, date_mod=self.now())

    def merge(self, number: int, into: int, user: int, *, with_followups: bool) -> None:
        """`Ticket::merge`: an opening followup and perhaps the others are copied, then link, people, bin."""
        ticket = self.row("Ticket", number)
        assert ticket is not None
        opening = {
            "itemtype": "Ticket",
            "items_id": into,
            "content": f"{self.shown(ticket['name'])}<br /><br />{self.shown(ticket['content'])}",
            "users_id": ticket["users_id_recipient"],
            "date": ticket["date_creation"],
            "date_creation": ticket["date_creation"],
            "sourceitems_id": number,
        }
        self._add_followup(opening, user)
        if with_followups:
            for one in [row for row in self.table("ITILFollowup") if row["items_id"] == number]:
                copy = {**one, "content": self.shown(one["content"]), "items_id": into, "sourceitems_id": number}
                copy.pop("id")
                self._add_followup(copy, user)
        self.insert("Ticket_Ticket", tickets_id_1=number, tickets_id_2=into, link=SON_OF)
        for person in [row for row in self.table("Ticket_User") if row["tickets_id"] == number]:
            self.insert("Ticket_User", tickets_id=into, users_id=person["users_id"], type=person["type"])
        self.bin(number)

    def merged_into(self, number: int) -> list[int]:
        links = [one for one in self.table("Ticket_Ticket") if one["tickets_id_2"] == number and one["link"] == SON_OF]
        sons = [self.row("Ticket", one["tickets_id_1"]) for one in links]
        return [son["id"] for son in sons if son and son["is_deleted"]]

    def keep_file(self, given: Record, name: str, media_type: str, content: bytes, user: int) -> Record | None:
        """A document; None for a type that is not accepted. What is above PHP's limit comes in as a row alone."""
        if not re.fullmatch(self.accepted_files, name.rpartition(".")[2], re.IGNORECASE):
            return None
        whole = len(content) <= self.upload_limit
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest() if whole else ""
        if whole:
            self.contents[sha1] = content
        document = self.insert(
            "Document",
            name=self._stored(str(given.get("name") or name))[:255],
            filename=self._stored(name) if whole else "",
            mime=media_type,
            sha1sum=sha1,
            users_id=user,
            entities_id=given.get("entities_id", 0),
            is_deleted=0,
            comment="",
        )
        if given.get("itemtype"):
            self.insert(
                "Document_Item",
                documents_id=document["id"],
                itemtype=given["itemtype"],
                items_id=int(given["items_id"]),
            )
        return document

    # ------------------------------------------------------------ forms

    def _stored(self, value: Any) -> Any:
        if not isinstance(value, str) or self.version >= 11:
            return value
        return value.replace("&", "&#38;").replace("<", "&#60;").replace(">", "&#62;")

    def shown(self, value: Any) -> str:
        """A stored text as GLPI's pages show it."""
        text = str(value or "")
        if self.version >= 11:
            return text
        return text.replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")


def seeded(version: int = 10) -> GlpiState:
    """A GLPI as the README of the plug-in has it prepared."""
    state = GlpiState(version=version, user_tokens={"tok-inbox": INBOX, "tok-agente": AGENT})
    state.tables["Entity"] = [
        {"id": 0, "name": "Provincia", "completename": "Provincia"},
        {"id": SALUD, "name": "Salud", "completename": "Provincia > Salud"},
        {"id": RESERVED, "name": "Reservada", "completename": "Provincia > Reservada"},
    ]
    state.tables["User"] = [
        {"id": INBOX, "name": "inbox", "firstname": "", "realname": ""},
        {"id": AGENT, "name": "agente", "firstname": "Rosa", "realname": "Agente"},
        {"id": CITIZEN, "name": "ciudadania", "firstname": "", "realname": ""},
    ]
    state.tables["Profile"] = [
        {"id": 1, "name": "Self-Service", "interface": "helpdesk"},
        {"id": 6, "name": "Technician", "interface": "central"},
    ]
    for user, profile in ((INBOX, 6), (AGENT, 6), (CITIZEN, 1)):
        state.insert("Profile_User", users_id=user, profiles_id=profile, entities_id=0)
    state.tables["ITILCategory"] = [
        {"id": 3, "name": "Alumbrado", "completename": "Servicios > Alumbrado"},
        {"id": 4, "name": "Alumbrado", "completename": "Obras > Alumbrado"},
        {"id": 5, "name": "Agua", "completename": "Servicios > Agua"},
    ]
    state.tables["RequestType"] = [{"id": 1, "name": "Helpdesk"}, {"id": 7, "name": "WhatsApp"}]
    return state


def open_session(state: GlpiState, user: int) -> str:
    token = secrets.token_hex(13)
    state.sessions[token] = Session(user=user)
    return token
