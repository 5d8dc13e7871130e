"""What the high-level API's answers mean; pure. Field names are those of its schemas, see the package's docstring."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from inbox_ticketing.glpi.parse import Document, Remark, Row, Turn, number, references_in

PARTS = {"F": "Followup", "S": "Solution"}
"""Kinds of entries, by the first letter of our ids, as paths and types name them."""
ITEMTYPES = {"F": "ITILFollowup", "S": "ITILSolution"}
NEW, SOLVED, CLOSED = 1, 5, 6
_USER = re.compile(r"/user\.form\.php\?id=(\d+)")


def read_time(value: object) -> datetime:
    """RFC 3339 with its offset, aware. Raises `ValueError` for a time without one, which would be a guess."""
    moment = datetime.fromisoformat(str(value))
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment.astimezone(UTC)


def ident(value: object) -> int:
    """The id in a joined object (`{"id": 5, "name": …}`); 0 for none."""
    return number(value.get("id")) if isinstance(value, dict) else 0


def read_row(item: Mapping[str, Any], *, in_title: bool) -> Row:
    """One ticket. Raises `KeyError` and `ValueError` for what is none."""
    title, external = str(item.get("name") or ""), item.get("external_id")
    status = ident(item["status"])
    ended = {SOLVED: item.get("date_solve"), CLOSED: item.get("date_close")}.get(status)
    return Row(
        id=int(item["id"]),
        status=status,
        deleted=item["is_deleted"] is not False,
        references=references_in(title) if in_title else frozenset([str(external)] if external else ()),
        content=str(item.get("content") or ""),
        recipient=ident(item.get("user_recipient")),
        entity=ident(item.get("entity")),
        changed=str(item["date_mod"]),
        editor=ident(item.get("user_editor")),
        turned="" if _untouched(item, status) else str(ended or item["date_mod"]),
    )


def _untouched(item: Mapping[str, Any], status: int) -> bool:
    return status == NEW and item.get("date_creation") == item["date_mod"]


def turn_of(row: Row) -> Turn | None:
    """The change that brought a ticket into its status. This API has no history: who changed the ticket last stands for
    who changed its status. The id is one per ticket, status and time."""
    if row.deleted or not row.turned:
        return None
    at = read_time(row.turned)
    return Turn(
        id=int(f"{row.id}{int(at.timestamp()):011d}{row.status}"),
        ticket=row.id,
        user=row.editor,
        name="",
        status=row.status,
        at=at,
    )


def read_remark(item: Mapping[str, Any], kind: str) -> Remark:
    """One followup or solution. Only what says that it is not private is public; a refused solution is no answer."""
    made = read_time(item["date_creation"])
    at = read_time(item["date"]) if item.get("date") else made
    public = item.get("is_private") is False if kind == "F" else item.get("status") in {1, 2, 3}
    return Remark(
        kind=kind,
        id=int(item["id"]),
        ticket=number(item.get("items_id")) if item.get("itemtype") == "Ticket" else 0,
        author=ident(item.get("user")),
        public=public,
        copied=number(item.get("source_item_id")),
        content=str(item.get("content") or ""),
        at=at,
        changed=max(made, at, read_time(item["date_mod"]) if item.get("date_mod") else made),
    )


def read_document(item: Mapping[str, Any]) -> Document:
    """One document; this API does not tell who made it."""
    return Document(
        id=int(item["id"]),
        name=str(item.get("name") or ""),
        filename=str(item.get("filename") or ""),
        media_type=str(item.get("mime") or ""),
        sha1=str(item.get("sha1sum") or ""),
        author=0,
        deleted=item["is_deleted"] is not False,
    )


def requesters_in(team: Iterable[Mapping[str, Any]]) -> frozenset[int]:
    """The users in the role of requester. Before API 2.2 only the address of a member's page tells its id."""
    found: set[int] = set()
    for member in team:
        page = _USER.search(str(member.get("href") or ""))
        if member.get("role") in {"requester", 1} and page:
            found.add(int(page[1]))
    return frozenset(found)
