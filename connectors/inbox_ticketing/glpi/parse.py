"""What GLPI's answers mean; pure.

Shapes and behaviour follow what a GLPI 10 answered (2026-11-23) and GLPI's own `apirest.md` and source; keys that are
not always there are never required.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from inbox_daemon.model import MessageKey, Reference, TicketState
from inbox_ticketing._writing.texts import marker, one_line

SON_OF = 3
"""Kind of the link that a merge leaves; also an agent may set it, without any merge."""

STATES = {
    1: TicketState.OPEN,
    2: TicketState.IN_PROGRESS,
    3: TicketState.IN_PROGRESS,
    4: TicketState.WAITING,
    5: TicketState.SOLVED,
    6: TicketState.CLOSED,
}
"""GLPI's statuses are fixed."""
STATUS_OF = {
    TicketState.OPEN: 2,
    TicketState.IN_PROGRESS: 2,
    TicketState.REOPENED: 2,
    TicketState.WAITING: 4,
    TicketState.SOLVED: 5,
    TicketState.CLOSED: 6,
}

_TAG = re.compile(r"<[^>]*>")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_BLOCK_END = re.compile(r"</(?:p|div|li|tr|h[1-6]|blockquote)\s*>", re.IGNORECASE)
_PARAGRAPHS = re.compile(r"</p\s*>\s*<p(?:\s[^>]*)?>", re.IGNORECASE)
_PLAIN_TAGS = re.compile(r"(?:[^<]|</?(?:p|div|br)\s*/?>)*", re.IGNORECASE)
_REFERENCE = re.compile(r"\[([^\[\]\s]{1,100})\]")
_USER = re.compile(r"\((\d+)\)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ticket. `recipient` is GLPI's word for the account that wrote it, `editor` is who changed it last.

    `changed` and `turned` (when it came into its status) are times as the API tells them; only the high-level one
    tells `editor` and `turned`.
    """

    id: int
    status: int
    deleted: bool
    references: frozenset[str]
    content: str = field(default="", repr=False)
    recipient: int = 0
    entity: int = 0
    changed: str = ""
    editor: int = 0
    turned: str = ""

    @property
    def state(self) -> TicketState:
        """What the status means; one that GLPI does not have (it stores any number) is work going on."""
        return TicketState.DELETED if self.deleted else STATES.get(self.status, TicketState.IN_PROGRESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One followup (`kind` F) or solution (S). `copied` marks what GLPI copied from a ticket merged with this one."""

    kind: str
    id: int
    ticket: int
    author: int
    public: bool
    copied: int
    content: str = field(repr=False)
    at: datetime
    changed: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One change of status in a ticket's history."""

    id: int
    ticket: int
    user: int
    name: str
    status: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file as GLPI keeps it."""

    id: int
    name: str
    filename: str
    media_type: str
    sha1: str
    author: int
    deleted: bool


def read_json(text: str) -> Any:
    """The JSON of an answer, also behind the warnings that a PHP set up for developers prints; None for none."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    if not re.search(r"\b(?:Warning|Notice|Deprecated)\b", text[:4000]):
        return None
    for found in re.finditer(r"^(?:[\[{]|true$|false$)", text, re.MULTILINE):
        try:
            return json.loads(text[found.start() :])
        except ValueError:
            continue
    return None


def error_of(answer: Any) -> tuple[str, str]:
    """(code, words) of `["ERROR_…", "…"]`; empty for everything else."""
    if isinstance(answer, list) and answer and isinstance(answer[0], str) and answer[0].startswith("ERROR"):
        words = _TAG.sub(" ", str(answer[1])) if len(answer) > 1 else ""
        return answer[0], one_line(words)[:200]
    return "", ""


def raw_content(value: object) -> str:
    """HTML as it was written: GLPI 10 gives `<`, `>` and `&` of texts as numeric entities, GLPI 11 does not."""
    text = str(value or "")
    if "<" in text or ">" in text:
        return text
    return text.replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")


def text_of(content: str) -> str:
    """The words of HTML, with the line ends that it shows."""
    text = _PARAGRAPHS.sub("\n\n", content) if _TAG.search(content) is None else _layout(content)
    return html.unescape(_TAG.sub("", text)).replace("\xa0", " ").strip("\n")


def _layout(content: str) -> str:
    flat = re.sub(r"[ \t]*\r?\n[ \t]*", " ", content)
    flat = re.sub(r"(</?(?:p|div|br|li|ul|ol|tr|table|blockquote)[^>]*>) (?=<|$)", r"\1", flat, flags=re.IGNORECASE)
    return _BLOCK_END.sub("\n", _BREAK.sub("\n", _PARAGRAPHS.sub("\n\n", flat)))


def is_plain(content: str) -> bool:
    """Whether HTML holds nothing but paragraphs and line ends, so that its words are all there is."""
    return _PLAIN_TAGS.fullmatch(content) is not None


def is_entry(content: str, key: MessageKey) -> bool:
    """Whether a content of our own account is the entry under exactly `key`: the marker is its last line."""
    lines = text_of(content).rstrip().splitlines()
    return bool(lines) and lines[-1].strip() == marker(key)


def person(user: Mapping[str, Any], login: str) -> str:
    """First and last name of a user, else what stands under `login`."""
    parts = (str(user.get(key) or "") for key in ("firstname", "realname"))
    return " ".join(part for part in parts if part) or str(user.get(login) or "")


def number(value: object) -> int:
    """An id, which GLPI gives as a number or a string; 0 for none."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() else 0


def read_time(value: object, zone: ZoneInfo) -> datetime:
    """`2026-11-24 08:19:44` without a zone, aware."""
    return datetime.fromisoformat(str(value)).replace(tzinfo=zone).astimezone(UTC)


def read_row(item: Mapping[str, Any], *, in_title: bool) -> Row:
    """One ticket of `GET /Ticket/N`. Raises `KeyError` and `ValueError` for what is none."""
    title, external = raw_content(item.get("name")), item.get("externalid")
    return Row(
        id=int(item["id"]),
        status=int(item["status"]),
        deleted=str(item.get("is_deleted") or "0") != "0",
        references=references_in(title) if in_title else frozenset([str(external)] if external else ()),
        content=raw_content(item.get("content")),
        recipient=number(item.get("users_id_recipient")),
        entity=number(item.get("entities_id")),
        changed=str(item.get("date_mod") or ""),
    )


def references_in(title: str) -> frozenset[str]:
    """What stands in brackets in a title."""
    return frozenset(_REFERENCE.findall(title))


def carries(value: object, reference: Reference, *, in_title: bool) -> bool:
    """Whether the field of a found row holds exactly `reference`."""
    text = raw_content(value)
    return reference in references_in(text) if in_title else text == reference


def read_remark(item: Mapping[str, Any], kind: str, zone: ZoneInfo) -> Remark:
    """One followup or solution. Only what says that it is not private is public; a refused solution is no answer."""
    at = read_time(item.get("date") or item["date_creation"], zone)
    made = read_time(item.get("date_creation") or item["date"], zone)
    open_to_all = str(item.get("is_private")) == "0" if kind == "F" else str(item.get("status")) in {"1", "2", "3"}
    return Remark(
        kind=kind,
        id=int(item["id"]),
        ticket=number(item.get("items_id")) if item.get("itemtype") == "Ticket" else 0,
        author=number(item.get("users_id")),
        public=open_to_all,
        copied=number(item.get("sourceitems_id")),
        content=raw_content(item.get("content")),
        at=at,
        changed=max(made, at, read_time(item["date_mod"], zone) if item.get("date_mod") else made),
    )


def read_turn(item: Mapping[str, Any], status_option: int, zone: ZoneInfo) -> Turn | None:
    """One line of a ticket's history, where it tells a status."""
    status = number(item.get("new_value"))
    if number(item.get("id_search_option")) != status_option or item.get("itemtype") != "Ticket" or not status:
        return None
    name = str(item.get("user_name") or "")
    user = _USER.search(name)
    return Turn(
        id=int(item["id"]),
        ticket=number(item.get("items_id")),
        user=int(user[1]) if user else 0,
        name=_USER.sub("", name).strip(),
        status=status,
        at=read_time(item["date_mod"], zone),
    )


def read_document(item: Mapping[str, Any]) -> Document:
    """One row of documents."""
    return Document(
        id=int(item["id"]),
        name=raw_content(item.get("name")),
        filename=raw_content(item.get("filename")),
        media_type=str(item.get("mime") or ""),
        sha1=str(item.get("sha1sum") or ""),
        author=number(item.get("users_id")),
        deleted=str(item.get("is_deleted") or "0") != "0",
    )
