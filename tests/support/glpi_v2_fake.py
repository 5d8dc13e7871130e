"""The state of a fake GLPI 11 as its high-level API shows it, and that API's filters; see `glpi_v2_fake_http`.

Names and shapes are those of the schemas in GLPI's source (API 2.2), quirks those of its RSQL: an unknown field is an
error (or passed over, as its parser alone does), a value without quotes that begins with 0 is none, quotes cannot be
escaped, letters' case does not matter to the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from support.glpi_fake import INBOX, GlpiState, Record

FILTER = re.compile(r"""([A-Za-z0-9_.]+)(==|!=|=[a-z]+=)("[^"]*"|'[^']*'|[^;,)]*)""")


class RefusedError(Exception):
    """The API refuses: status, code, title and detail of its answer."""

    def __init__(self, status: int, code: str, title: str, detail: Any = None) -> None:
        super().__init__(title)
        self.status, self.code, self.title, self.detail = status, code, title, detail


@dataclass(kw_only=True)
class HighLevelState:
    """What the high-level API has beside the state of `GlpiState`."""

    glpi: GlpiState
    enabled: bool = True
    clients: dict[str, str] = field(default_factory=lambda: {"cliente-1": "clave-1"})
    passwords: dict[str, str] = field(default_factory=lambda: {"inbox": "contra-inbox"})
    grants: set[str] = field(default_factory=lambda: {"password"})
    scopes: set[str] = field(default_factory=lambda: {"api", "user", "graphql"})
    tokens: dict[str, tuple[int, set[str]]] = field(default_factory=dict)
    given: int = 0
    """Tokens given out so far."""
    expires_in: int = 3600
    expiry_is_400: bool = True
    """An ended token is answered with 400, as the newer router does, or with 401."""
    created_status: int = 201
    unknown_fields: set[str] = field(default_factory=set)
    passes_over_unknown_fields: bool = False
    finds_everything: bool = False
    finds_nothing: bool = False
    clock_off: timedelta = timedelta(0)
    denies: set[str] = field(default_factory=set)
    """Types that the account may not see."""
    unknown_types: set[str] = field(default_factory=set)
    """Types that this version's questions do not know by all fields."""
    breaks_questions: bool = False
    team_fails: int = 0
    """So many additions to a team end in 500, before anything was done."""
    tells_ids_in_team: bool = True
    broken_writes: list[str] = field(default_factory=list)
    """What the next creations answer after they were done: `404`, `empty`, `null`."""
    timeline_limit: int = 1000
    empties_timelines: bool = False
    front: str = ""
    """A web server before GLPI answers all but the log-in by itself: `404` with a page, or `[]`."""


def moment(state: GlpiState, value: Any) -> str | None:
    """RFC 3339 with the offset of the server's zone."""
    return datetime.fromisoformat(str(value)).replace(tzinfo=state.clock_zone).isoformat() if value else None


def joined(state: GlpiState, table: str, number: Any, name: str = "name") -> Record | None:
    row = state.row(table, int(number or 0)) if number else None
    return {"id": row["id"], "name": row.get(name)} if row else None


def ticket(state: GlpiState, row: Record) -> Record:
    status = row["status"]
    return {
        "id": row["id"],
        "name": row["name"],
        "content": row["content"],
        "user_recipient": joined(state, "User", row["users_id_recipient"]),
        "user_editor": joined(state, "User", row.get("users_id_lastupdater")),
        "is_deleted": bool(row["is_deleted"]),
        "category": joined(state, "ITILCategory", row["itilcategories_id"]),
        "request_type": joined(state, "RequestType", row["requesttypes_id"]),
        "type": row["type"],
        "external_id": row.get("externalid"),
        "status": {"id": status, "name": f"Status {status}"},
        "entity": {"id": row["entities_id"], "name": "x", "completename": "x"},
        "date_creation": moment(state, row["date_creation"]),
        "date_mod": moment(state, row["date_mod"]),
        "date": moment(state, row["date"]),
        "date_solve": moment(state, row.get("turned")) if status in {5, 6} else None,
        "date_close": moment(state, row.get("turned")) if status == 6 else None,
        "team": [],
    }


def followup(state: GlpiState, row: Record) -> Record:
    return {
        "id": row["id"],
        "itemtype": row["itemtype"],
        "items_id": int(row["items_id"]),
        "content": row["content"],
        "is_private": bool(row["is_private"]),
        "user": joined(state, "User", row["users_id"]),
        "user_editor": None,
        "request_type": None,
        "date": moment(state, row["date"]),
        "date_creation": moment(state, row["date_creation"]),
        "date_mod": moment(state, row["date_mod"]),
        "timeline_position": 1,
        "source_item_id": row["sourceitems_id"],
        "source_of_item_id": 0,
    }


def solution(state: GlpiState, row: Record) -> Record:
    return {
        "id": row["id"],
        "itemtype": row["itemtype"],
        "items_id": int(row["items_id"]),
        "content": row["content"],
        "user": joined(state, "User", row["users_id"]),
        "status": row["status"],
        "date_creation": moment(state, row["date_creation"]),
        "date_mod": moment(state, row["date_mod"]),
    }


def link(state: GlpiState, row: Record) -> Record:
    ends = {f"ticket_{n}": joined(state, "Ticket", row[f"tickets_id_{n}"]) for n in (1, 2)}
    return {"id": row["id"], "link": row["link"], **ends}


def document(state: GlpiState, row: Record) -> Record:
    shown = ("id", "name", "filename", "mime", "sha1sum", "comment")
    return {**{key: row[key] for key in shown}, "is_deleted": bool(row["is_deleted"])}


def document_item(state: GlpiState, row: Record) -> Record:
    return {key: row[key] for key in ("id", "itemtype", "items_id", "documents_id")}


def user(state: GlpiState, row: Record) -> Record:
    return {"id": row["id"], "username": row["name"], "realname": row["realname"], "firstname": row["firstname"]}


def named(state: GlpiState, row: Record) -> Record:
    return {key: row[key] for key in ("id", "name", "completename") if key in row}


TYPES: dict[str, tuple[str, Callable[[GlpiState, Record], Record]]] = {
    "Ticket": ("Ticket", ticket),
    "Followup": ("ITILFollowup", followup),
    "Solution": ("ITILSolution", solution),
    "Ticket_Ticket": ("Ticket_Ticket", link),
    "Document": ("Document", document),
    "Document_Item": ("Document_Item", document_item),
    "User": ("User", user),
    "Entity": ("Entity", named),
    "ITILCategory": ("ITILCategory", named),
    "RequestType": ("RequestType", named),
    "Profile": ("Profile", named),
}


def rows_of(state: HighLevelState, type_name: str) -> list[Record]:
    """All rows of a type, as the API shows them."""
    table, show = TYPES[type_name]
    return [show(state.glpi, row) for row in state.glpi.table(table)]


# ---------------------------------------------------------------- filters


def narrowed(state: HighLevelState, rows: Iterable[Record], condition: str) -> list[Record]:
    """The rows that a filter lets through. Raises `RefusedError` as the API does."""
    found = list(rows)
    if state.finds_everything or state.finds_nothing:
        return [] if state.finds_nothing else found
    known = {name for row in found for name in _flat(row)}
    for name, operator, value in FILTER.findall(condition):
        if name in state.unknown_fields or (found and name not in known):
            if state.passes_over_unknown_fields:
                continue
            raise RefusedError(400, "ERROR_INVALID_PARAMETER", "RSQL query has invalid filters", {name: "Unknown"})
        if value == "" or value.startswith("0"):
            raise RefusedError(400, "ERROR_INVALID_PARAMETER", f'RSQL query is missing a value in filter for "{name}"')
        bare = value[1:-1] if value[0] in "\"'" and value[-1] == value[0] else value
        found = [row for row in found if _matches(_flat(row).get(name), operator, bare)]
    return found


def _flat(row: Record) -> Record:
    flat: Record = {}
    for key, value in row.items():
        flat |= {f"{key}.{inner}": one for inner, one in value.items()} if isinstance(value, dict) else {key: value}
        if value is None:
            flat[f"{key}.id"] = None
    return flat


def _matches(value: Any, operator: str, wanted: str) -> bool:
    if isinstance(value, bool):
        return value is (wanted.lower() in {"1", "true", "on", "yes"})
    if value is None:
        return False
    if operator == "==":
        return str(value).casefold() == wanted.casefold()
    if operator == "=gt=":
        return int(value) > int(wanted)
    assert operator == "=like=", operator
    parts = {"*": ".*", "%": ".", "_": "."}
    pattern = "".join(parts.get(one) or re.escape(one) for one in wanted)
    return re.fullmatch(pattern, str(value), re.DOTALL) is not None


def with_service_account(state: GlpiState) -> HighLevelState:
    """The high-level API of a GLPI as the README of the plug-in has it prepared."""
    assert state.row("User", INBOX)
    return HighLevelState(glpi=state)
