"""Texts written into an Open311 endpoint, and what its answers mean; pure.

GeoReport has no field for a reference or a key, and no author of an update. Both are made up for by the last line of
each text that we write: `[ref:KEY|DIGEST]`, for a request `[ref:REFERENCE|KEY|DIGEST]`. The digest is of the letters
and digits above it, so that an agent's quotation of the line is not taken for our entry, while an endpoint may trim
blanks, change line ends or drop symbols.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from inbox_daemon.model import (
    Attachment,
    Draft,
    Entry,
    EntryId,
    MessageKey,
    Reference,
    TicketId,
    TicketState,
    TicketUpdate,
)
from inbox_ticketing._writing import texts

MAX_ID_CHARS = 200
_MARKER = re.compile(r"\[ref:(?:(?P<reference>[^|\]\s]+)\|)?(?P<key>[^|\]\s]+)\|(?P<digest>[0-9a-f]{12})\]")
_NOT_COUNTED = re.compile(r"[^A-Za-z0-9]+")


class NotUnderstood(Exception):
    """The endpoint's words make no sense; the message says where, and shows none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The last line of a text of ours; `intact` says that the text above it is the one that it was made for."""

    reference: str
    key: str
    intact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One service request."""

    id: TicketId
    status: str
    requested: datetime | None
    description: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One service request update."""

    id: EntryId
    request: TicketId
    status: str
    at: datetime
    description: str = field(default="", repr=False)
    media_url: str = field(default="", repr=False)


# ---------------------------------------------------------------- what we write


def request_text(draft: Draft, *, heading: bool) -> str:
    """Description of a new request: GeoReport has no title, so the subject is its first line after the heading."""
    top = texts.one_line(draft.first.heading) if heading else ""
    subject = texts.one_line(draft.subject) or texts.NO_SUBJECT
    text = texts.joined(top, subject, texts.preface_of(draft.follows), texts.body_of(draft.first))
    return _marked(text, f"{draft.reference}|{draft.first.key}")


def update_text(entry: Entry, *, heading: bool, label: str = "") -> str:
    """Description of an update."""
    top = texts.one_line(entry.heading) if heading else ""
    return _marked(texts.joined(top, label, texts.body_of(entry)), entry.key)


def names(author: str) -> tuple[str, str]:
    """First and last name, as GeoReport wants them apart."""
    first, _, last = texts.one_line(author).partition(" ")
    return first, last


def instant(at: datetime) -> str:
    """With Z: an endpoint was seen to fail at the plus sign of `+00:00` (6aika, real-systems notes of 2026-11-23)."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _marked(text: str, what: str) -> str:
    return f"{text}\n\n[ref:{what}|{_digest(text, what)}]"


def _digest(text: str, what: str) -> str:
    counted = _NOT_COUNTED.sub("", text)
    return hashlib.sha256(f"{what}\n{counted}".encode()).hexdigest()[:12]


# ---------------------------------------------------------------- what it answers


def marker_of(text: str) -> Marker | None:
    """Our marker, where it is the last line."""
    above, _, last = text.rstrip().rpartition("\n")
    found = _MARKER.fullmatch(last.strip())
    if found is None:
        return None
    reference, key = found["reference"] or "", found["key"]
    what = f"{reference}|{key}" if reference else key
    return Marker(reference=reference, key=key, intact=_digest(above, what) == found["digest"])


def is_for(request: Request, reference: Reference) -> bool:
    """Whether we opened `request` for exactly `reference`."""
    marker = marker_of(request.description)
    return marker is not None and marker.intact and marker.reference == reference


def is_under(change: Change, key: MessageKey) -> bool:
    """Whether we wrote `change` under exactly `key`."""
    marker = marker_of(change.description)
    return marker is not None and marker.intact and marker.key == key and not marker.reference


def rows_of(answer: Any) -> list[Mapping[str, Any]]:
    """The list in an answer: bare, or the one member of an object, as endpoints made from XML give it."""
    inner = answer
    if isinstance(answer, Mapping) and len(answer) == 1:
        [inner] = answer.values()
    if not isinstance(inner, list) or not all(isinstance(one, Mapping) for one in inner):
        raise NotUnderstood("the answer is no list of objects")
    return inner


def is_refusal(answer: Any) -> bool:
    """Whether an answer, of whatever status, is a list of errors."""
    return bool(_errors(answer))


def refuses_key(answer: Any) -> bool:
    """Whether the error is about the key: some say 400 for it (6aika)."""
    return any(re.search(r"api[ _-]?key", one, re.IGNORECASE) for one in _errors(answer))


def _errors(answer: Any) -> list[str]:
    listed = answer.get("errors", [answer]) if isinstance(answer, Mapping) else answer
    if not isinstance(listed, list):
        return []
    return [
        str(one.get("description") or one.get("detail") or "")
        for one in listed
        if isinstance(one, Mapping) and "code" in one and ("description" in one or "detail" in one)
    ]


def read_request(row: Mapping[str, Any]) -> Request:
    """One request. Raises `NotUnderstood`."""
    return Request(
        id=TicketId(_id(row.get("service_request_id"))),
        status=_word(row.get("status")),
        requested=_time_or_none(row.get("requested_datetime")),
        description=_text(row.get("description")),
    )


def read_change(row: Mapping[str, Any]) -> Change:
    """One update. Raises `NotUnderstood`."""
    at = _time_or_none(row.get("updated_datetime"))
    if at is None:
        raise NotUnderstood("the time of an update is missing or malformed")
    return Change(
        id=EntryId(_id(row.get("update_id"))),
        request=TicketId(_id(row.get("service_request_id"))),
        status=_word(row.get("status")),
        at=at,
        description=_text(row.get("description")),
        media_url=_text(row.get("media_url")),
    )


def read_id(row: Mapping[str, Any], name: str) -> str:
    """The id of what was made; empty where it is not said."""
    try:
        return _id(row.get(name))
    except NotUnderstood:
        return ""


def tell(change: Change, states: Mapping[str, TicketState], author: str) -> TicketUpdate:
    """What an update means. What ends in a marker of ours, intact or quoted, never goes back out."""
    own = marker_of(change.description) is not None
    files = (_file(change.media_url),) if change.media_url else ()
    return TicketUpdate(
        ticket=change.request,
        entry=change.id,
        at=change.at,
        author=author,
        text=change.description,
        own=own,
        public=not own and bool(change.description.strip() or files),
        state=states.get(change.status),
        attachments=files,
    )


def _file(url: str) -> Attachment:
    name = texts.one_line(unquote(PurePosixPath(urlsplit(url).path).name)) if url.isprintable() else ""
    return Attachment(
        filename=name.replace("/", "_")[:200] or "archivo", media_type="application/octet-stream", remote=url
    )


def _id(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > MAX_ID_CHARS or not text.isprintable():
        raise NotUnderstood("an id is missing or malformed")
    return text


def _word(value: Any) -> str:
    return value.strip().lower() if isinstance(value, str) else ""


def _text(value: Any) -> str:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else ""


def _time_or_none(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else None


def path_part(text: str) -> str:
    """An id as one part of a path."""
    return quote(text, safe="")
