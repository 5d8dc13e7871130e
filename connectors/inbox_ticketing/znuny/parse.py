"""Texts written into Znuny or OTOBO, and what their answers mean; pure.

Shapes were read in the sources of Znuny 7 and OTOBO 11 and observed on a real OTOBO (2026-11-23). Numbers come as
strings or as numbers, by version and operation: both are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any

from inbox_daemon.model import Attachment, Draft, Entry, StoredFile
from inbox_ticketing._writing import texts

MAX_TITLE_BYTES = 250
"""The column has 255 characters."""
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")
_WITH_FILE = re.compile(r"Adjunto: .*\(([0-9]{1,12}) bytes\)")
_FILE = re.compile(r"([1-9][0-9]{0,18})-([1-9][0-9]{0,18})-([1-9][0-9]{0,8})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of the configuration decides how an answer is read."""

    reference_field: str
    message_field: str
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One article. `key` is our marker where we wrote it."""

    number: int
    sender: str
    visible: bool
    created: datetime
    created_by: str
    changed: datetime
    changed_by: str
    author: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    body: str = field(default="", repr=False)
    key: str = ""
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ticket; `articles` are oldest first, and empty where they were not asked for."""

    id: str
    number: str
    state: str
    state_type: str
    queue: str
    changed: datetime
    created: datetime
    reference: str = ""
    articles: tuple[Article, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a ticket's history; `article` is 0 where it belongs to none."""

    kind: str
    name: str
    article: int
    at: datetime
    by: str


# ---------------------------------------------------------------- what we write


def title_of(draft: Draft) -> str:
    """The ticket's title: one line that the column holds."""
    return texts.cut_bytes(texts.one_line(draft.subject), MAX_TITLE_BYTES) or texts.NO_SUBJECT


def subject_of(entry: Entry) -> str:
    """The article's subject, which agents see in the list: channel, who, when."""
    return texts.cut_bytes(texts.one_line(entry.heading), MAX_TITLE_BYTES) or texts.NO_SUBJECT


def file_subject(file: StoredFile) -> str:
    """Subject of the article that carries one file; `is_whole` reads from it that there must be one."""
    return f"Adjunto: {texts.cut_bytes(texts.one_line(file.filename), 180)} ({file.size} bytes)"


def file_name(file: StoredFile) -> str:
    """A name without what a storage in files would replace."""
    return texts.file_name(file.filename, '"\\/%:*?<>|;[]')


def file_type(file: StoredFile) -> str:
    """The type to send. The interface refuses one that does not begin with two plain words, and takes a charset for
    leave to convert; so texts go as plain bytes."""
    kind = texts.file_type(file, as_bytes=texts.CONVERTED)
    return kind if re.fullmatch(r"[a-z0-9_]+/[a-z0-9_][a-z0-9.+_-]*", kind) else "application/octet-stream"


def sender_line(name: str, address: str) -> str:
    """The From of an article. Raises `ValueError` for an address that is none."""
    return str(Address(display_name=texts.one_line(name), addr_spec=address))


# ---------------------------------------------------------------- what is answered


def is_number(text: str) -> bool:
    """Whether `text` can be the id of a ticket or an article: anything else is refused by the interface."""
    return bool(_NUMBER.fullmatch(text))


def read_row(item: Any, shape: Shape) -> Row:
    """One ticket of TicketGet. Raises `KeyError`, `TypeError` or `ValueError` for what is none."""
    articles = [read_article(one, str(item["TicketID"]), shape) for one in item.get("Article") or ()]
    return Row(
        id=str(item["TicketID"]),
        number=str(item["TicketNumber"]),
        state=str(item["State"]),
        state_type=str(item["StateType"]).lower(),
        queue=str(item.get("Queue") or ""),
        changed=read_time(str(item["Changed"]), shape.zone),
        created=read_time(str(item["Created"]), shape.zone),
        reference=_dynamic(item, shape.reference_field),
        articles=tuple(sorted(articles, key=lambda one: one.number)),
    )


def read_article(item: Mapping[str, Any], ticket: str, shape: Shape) -> Article:
    """One article of TicketGet."""
    number = int(item["ArticleID"])
    created = read_time(str(item["CreateTime"]), shape.zone)
    name, address = parseaddr(str(item.get("From") or ""))
    files = [_read_file(one, f"{ticket}-{number}") for one in item.get("Attachment") or ()]
    return Article(
        number=number,
        sender=str(item.get("SenderType") or "").lower(),
        visible=str(item.get("IsVisibleForCustomer")) == "1" and not item.get("ArticleDeleted"),
        created=created,
        created_by=str(item.get("CreateBy") or ""),
        changed=read_time(str(item.get("ChangeTime") or item["CreateTime"]), shape.zone),
        changed_by=str(item.get("ChangeBy") or ""),
        author=name or address,
        subject=str(item.get("Subject") or ""),
        body=str(item.get("Body") or ""),
        key=_dynamic(item, shape.message_field),
        files=tuple(one for one in files if one is not None),
    )


def is_whole(article: Article, us: str) -> bool:
    """Whether `us` wrote it, with the file that its subject speaks of: files are stored after the article."""
    size = _WITH_FILE.fullmatch(article.subject)
    has_file = size is None or any(one.size in {int(size[1]), None} for one in article.files)
    return bool(article.key) and article.created_by == us and has_file


def _read_file(item: Mapping[str, Any], place: str) -> Attachment | None:
    """A file of an article; None for one without a name or a number."""
    number, name = str(item.get("FileID") or ""), str(item.get("Filename") or "")
    if not is_number(number) or not name:
        return None
    size = str(item.get("FilesizeRaw") or "")
    return Attachment(
        filename=name,
        media_type=str(item.get("ContentType") or "").partition(";")[0].strip().lower(),
        remote=f"{place}-{number}",
        size=int(size) if size.isascii() and size.isdigit() else None,
        inline=str(item.get("Disposition") or "").lower() == "inline",
    )


def _dynamic(item: Mapping[str, Any], name: str) -> str:
    """The value of a text field; a field that is empty comes as null, or not at all."""
    for one in item.get("DynamicField") or ():
        if isinstance(one, Mapping) and one.get("Name") == name:
            value = one.get("Value")
            return str(value) if isinstance(value, str | int) else ""
    return ""


def place_of(remote: str) -> tuple[str, int, str] | None:
    """Ticket, article and file of `Attachment.remote`."""
    found = _FILE.fullmatch(remote)
    return (found[1], int(found[2]), found[3]) if found else None


def read_line(item: Mapping[str, Any], shape: Shape) -> Line:
    """One line of TicketHistoryGet."""
    article = str(item.get("ArticleID") or "0")
    return Line(
        kind=str(item["HistoryType"]),
        name=str(item.get("Name") or ""),
        article=int(article) if article.isascii() and article.isdigit() else 0,
        at=read_time(str(item["CreateTime"]), shape.zone),
        by=str(item.get("CreateBy") or ""),
    )


def merged_tickets(line: Line) -> tuple[str, str] | None:
    """(merged, gone on in) of a history line `%%number%%id%%number%%id`, or of its form before version 6."""
    if line.kind != "Merged":
        return None
    parts = line.name.split("%%")
    if len(parts) >= 5 and is_number(parts[2]) and is_number(parts[4]):
        return parts[2], parts[4]
    found = re.fullmatch(r"Merged Ticket \(\d+/(\d+)\) to \(\d+/(\d+)\)", line.name)
    return (found[1], found[2]) if found else None


def new_state(line: Line) -> str:
    """The state that a line `%%old%%new%%` says; empty where it says none."""
    parts = line.name.split("%%")
    return parts[2] if line.kind == "StateUpdate" and len(parts) >= 3 else ""


def read_time(text: str, zone: tzinfo) -> datetime:
    """`2026-11-23 10:00:00` of the server's zone, aware."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def write_time(moment: datetime, zone: tzinfo) -> str:
    """The one form that searches understand: with a T or a zone they answer "none" without a word."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def hinted(body: Any) -> tuple[str, ...]:
    """The tickets that an event names: at the top (tunnel, pass-through), or under `Event` (Ticket::Generic)."""
    event = body.get("Event") if isinstance(body, Mapping) else None
    place = event if isinstance(event, Mapping) else body
    if not isinstance(place, Mapping):
        return ()
    named = [str(place.get(name) or "") for name in ("TicketID", "MainTicketID")]
    return tuple(dict.fromkeys(one for one in named if is_number(one)))
