"""What Zammad's answers mean; pure.

Shapes are those of Zammad's source and API documentation as read on 2026-11-23 (6.4, parts of 7.0), not recorded from
an installation: whatever is not needed is optional.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import getaddresses, parseaddr
from typing import Any

from inbox_daemon.model import Attachment, MessageKey
from inbox_ticketing._writing.texts import marker, one_line

MERGED = "merged"
"""Name of the state of a ticket that was merged into another; Zammad's own code looks it up by this name."""

_OUR_MESSAGE_ID = re.compile(r"^<?inbox\.(?P<key>[^@\s<>]+)@[^@\s<>]+>?$")
_ANY_ADDRESS = re.compile(r"\S+@\S+")
_LONG_NUMBER = re.compile(r"\d{6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ticket. `reference` is None where the answer has no such attribute at all: then Zammad does not know it."""

    id: str
    number: str
    state: str
    group: str = ""
    customer: int | None = None
    reference: str | None = None
    updated_at: datetime

    @property
    def merged(self) -> bool:
        """Whether its articles stand in another ticket by now."""
        return self.state.lower() == MERGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """One entry of a ticket. `internal` is True unless Zammad says beyond doubt that it is not."""

    id: str
    ticket: str
    kind: str
    sender: str
    internal: bool
    message_id: str
    subject: str
    creator: int
    creator_name: str
    origin: int | None
    author: str
    to: tuple[str, ...] = field(repr=False)
    body: str = field(repr=False)
    html: bool
    at: datetime
    changed_at: datetime
    preferences: Mapping[str, Any] = field(repr=False)
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of a ticket's history. Its `id` grows with time, whatever the clocks say."""

    id: int
    ticket: str
    kind: str
    about: str
    target: str
    attribute: str
    before: str
    after: str
    source: str
    creator: int
    at: datetime


def read_row(item: Any, reference_field: str) -> Row:
    """One ticket of an answer with `expand=true`."""
    reference = str(item[reference_field] or "") if reference_field in item else None
    return Row(
        id=str(int(item["id"])),
        number=str(item["number"]),
        state=str(item["state"]),
        group=str(item.get("group") or ""),
        customer=_number(item.get("customer_id")),
        reference=reference,
        updated_at=read_time(item["updated_at"]),
    )


def read_article(item: Any) -> Article:
    """One article of an answer with `expand=true`."""
    number, ticket = str(int(item["id"])), str(int(item["ticket_id"]))
    preferences = item.get("preferences")
    author = str(item.get("from") or "")
    return Article(
        id=number,
        ticket=ticket,
        kind=str(item.get("type") or "").lower(),
        sender=str(item.get("sender") or ""),
        internal=item.get("internal") is not False,
        message_id=str(item.get("message_id") or ""),
        subject=str(item.get("subject") or ""),
        creator=int(item["created_by_id"]),
        creator_name=str(item.get("created_by") or ""),
        origin=_number(item.get("origin_by_id")),
        author=parseaddr(author)[0] or ("" if "@" in author else author.strip()),
        to=tuple(address.lower() for _, address in getaddresses([str(item.get("to") or "")]) if address),
        body=str(item.get("body") or ""),
        html="html" in str(item.get("content_type") or "").lower(),
        at=read_time(item["created_at"]),
        changed_at=read_time(item.get("updated_at") or item["created_at"]),
        preferences=preferences if isinstance(preferences, Mapping) else {},
        files=tuple(_file(one, ticket, number) for one in item.get("attachments") or ()),
    )


def _file(item: Any, ticket: str, article: str) -> Attachment:
    """Sizes come as strings; the type stands under one of two names, by the way that the file came in."""
    preferences = item.get("preferences") if isinstance(item.get("preferences"), Mapping) else {}
    kind = str(preferences.get("Mime-Type") or preferences.get("Content-Type") or "application/octet-stream")
    return Attachment(
        filename=str(item.get("filename") or "archivo"),
        media_type=kind.partition(";")[0].strip(),
        remote=f"{ticket}/{article}/{int(item['id'])}",
        size=_number(item.get("size")),
    )


def read_event(item: Any, ticket: str) -> Event:
    """One row of `/ticket_history/{ticket}`."""
    return Event(
        id=int(item["id"]),
        ticket=ticket,
        kind=str(item.get("type") or ""),
        about=str(item.get("object") or ""),
        target=str(item.get("o_id") or ""),
        attribute=str(item.get("attribute") or ""),
        before=str(item.get("value_from") or ""),
        after=str(item.get("id_to") or "") if item.get("type") == "merged_into" else str(item.get("value_to") or ""),
        source=str(item.get("id_from") or ""),
        creator=int(item.get("created_by_id") or 0),
        at=read_time(item["created_at"]),
    )


def read_time(text: Any) -> datetime:
    """`2026-11-13T14:40:00.000Z`, aware."""
    moment = datetime.fromisoformat(str(text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def our_key(article: Article) -> str | None:
    """The key in the Message-ID of an article that we wrote."""
    found = _OUR_MESSAGE_ID.match(article.message_id)
    return found["key"] if found else None


def is_entry(article: Article, key: MessageKey, me: int) -> bool:
    """Whether `article` is the one that our account wrote under exactly `key`; what others copied is not."""
    return article.creator == me and (our_key(article) == key or article.subject == marker(key))


def entry_among(articles: Sequence[Article], key: MessageKey, me: int) -> Article | None:
    """The oldest of `articles` that is the entry."""
    return next((one for one in articles if is_entry(one, key, me)), None)


def safe_words(text: str) -> str:
    """A refusal of Zammad's without what may be somebody's address, document or telephone."""
    return _LONG_NUMBER.sub("…", _ANY_ADDRESS.sub("…", one_line(text)))[:200]


def hinted_ticket(body: bytes) -> str | None:
    """The ticket that a webhook is about: Zammad's own form, or `{"ticket_id": 7}` of a custom payload."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    ticket, article = said.get("ticket"), said.get("article")
    candidates = (
        ticket.get("id") if isinstance(ticket, dict) else ticket,
        article.get("ticket_id") if isinstance(article, dict) else None,
        said.get("ticket_id"),
    )
    numbers = (_number(one) for one in candidates if not isinstance(one, bool))
    return next((str(number) for number in numbers if number), None)
