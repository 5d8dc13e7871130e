"""Texts written into Request Tracker, and what its answers mean; pure.

Shapes and behaviour were observed on Request Tracker 5.0.3 (Debian 12), 2026-11-24.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from typing import Any

from inbox_daemon.model import Attachment, Draft, Entry, MessageKey, StoredFile
from inbox_ticketing._writing import texts

MAX_SUBJECT_BYTES = 200
"""RT cuts longer subjects without a word, counting bytes (seen with 300 × ü)."""

_AUTOMATIC = frozenset({"x-autoreply", "x-autorespond", "x-auto-response-suppress", "list-id"})
_OUR_MESSAGE_ID = re.compile(r"^inbox\.(?P<key>[^@\s]+)@")
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\\\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One ticket as RT shows it; `effective` is another ticket's id when this one was merged into it."""

    id: str
    effective: str
    status: str
    references: tuple[str, ...] = ()
    requestors: frozenset[str] = field(default=frozenset(), repr=False)
    last_updated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One row of a ticket's attachments: RT stores the texts of entries as such, too."""

    id: str
    transaction: str
    media_type: str
    filename: str
    message_id: str
    headers: Mapping[str, str] = field(repr=False)
    creator: str = ""
    content: str = field(default="", repr=False)

    @property
    def size(self) -> int | None:
        """Bytes, as RT noted them."""
        length = self.headers.get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One row of `/transactions`; `ticket` is the one it was made in."""

    id: str
    kind: str
    ticket: str
    creator: str
    creator_name: str
    at: datetime
    changed: str = ""
    new_value: str = ""


# ---------------------------------------------------------------- what we write


def subject_of(draft: Draft) -> str:
    """The subject as RT keeps it: one line of at most 200 bytes."""
    return texts.cut_bytes(texts.one_line(draft.subject), MAX_SUBJECT_BYTES) or texts.NO_SUBJECT


def file_name(file: StoredFile) -> str:
    """A name that survives multipart headers and RT."""
    return texts.file_name(file.filename, '"\\/%')


def file_type(file: StoredFile) -> str:
    """The type to upload under. RT re-encodes `text/*` (seen: Latin-1 became UTF-8), so those go as plain bytes."""
    return texts.file_type(file, as_bytes=texts.CONVERTED)


def message_id(key: MessageKey, domain: str) -> str:
    """The deterministic Message-ID of a mail to the gate, without angle brackets, as RT stores it."""
    return f"inbox.{key}@{domain}"


def address_of(entry: Entry) -> str:
    """The author's address, if it is a single plain one: RT makes a user of any words that come as a requestor."""
    return entry.reply_address if _ADDRESS.fullmatch(entry.reply_address) else ""


def gate_mail(entry: Entry, *, ticket: str, domain: str) -> str:
    """The mail that makes the citizen the author of an entry, in pure ASCII: RT takes a file part for nothing.

    Raises `ValueError` for an address that is none, or that ASCII can't carry.
    """
    mail = EmailMessage(policy=default)
    mail["From"] = str(Address(display_name=texts.one_line(entry.author_name), addr_spec=entry.reply_address))
    mail["Subject"] = f"Caso {ticket}"
    mail["Message-ID"] = f"<{message_id(entry.key, domain)}>"
    mail["Date"] = entry.sent_at
    mail.set_content(texts.text_of(entry) + "\n", charset="utf-8", cte="base64")
    return mail.as_bytes().decode("ascii")


def quote(value: str) -> str:
    """A TicketSQL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


# ---------------------------------------------------------------- what RT answers


def read_row(item: Any, reference_field: str) -> Row:
    """One ticket from a search or a GET: ids come as strings or numbers, EffectiveId as a string or an object."""
    effective = item.get("EffectiveId")
    if isinstance(effective, Mapping):
        effective = effective.get("id")
    fields = item.get("CustomFields") or ()
    return Row(
        id=str(item["id"]),
        effective=str(effective or item["id"]),
        status=str(item.get("Status", "")),
        references=tuple(
            str(value) for one in fields if one.get("name") == reference_field for value in one.get("values", ())
        ),
        requestors=frozenset(str(user.get("id", "")).lower() for user in item.get("Requestor") or ()),
        last_updated=str(item.get("LastUpdated", "")),
    )


def read_part(item: Mapping[str, Any]) -> Part:
    """One row of `/ticket/N/attachments` or `/transaction/N/attachments`."""
    headers: dict[str, str] = {}
    for line in str(item.get("Headers") or "").splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() and not line[0].isspace():
            headers.setdefault(name.strip().lower(), value.strip())
    return Part(
        id=str(item["id"]),
        transaction=str(item.get("TransactionId", "")),
        media_type=str(item.get("ContentType") or ""),
        filename=str(item.get("Filename") or ""),
        message_id=str(item.get("MessageId") or ""),
        headers=headers,
        creator=_user(item.get("Creator")),
        content=str(item.get("Content") or ""),
    )


def read_transaction(item: Mapping[str, Any]) -> Transaction:
    """One row of `/transactions`."""
    creator = item.get("Creator")
    name = creator.get("RealName") if isinstance(creator, Mapping) else None
    return Transaction(
        id=str(item["id"]),
        kind=str(item.get("Type", "")),
        ticket=str(item["ObjectId"]),
        creator=_user(creator),
        creator_name=str(name or ""),
        at=read_time(str(item["Created"])),
        changed=str(item.get("Field") or ""),
        new_value=str(item.get("NewValue") or ""),
    )


def read_time(text: str) -> datetime:
    """`2026-11-24T08:19:44Z`, aware."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _user(value: object) -> str:
    return str(value.get("id", "")) if isinstance(value, Mapping) else ""


def user_id(item: Any) -> str:
    """The number in `/user/NAME`; of another user than oneself RT shows it only among the links."""
    links = item.get("_hyperlinks") or () if isinstance(item, Mapping) else ()
    return next((str(link.get("id", "")) for link in links if link.get("ref") == "self"), "")


def transaction_of(location: str) -> str | None:
    """The id in `Location: /REST/2.0/transaction/35`."""
    found = re.search(r"/transaction/(\d+)$", location)
    return found.group(1) if found else None


def is_entry(part: Part, key: MessageKey, account: str) -> bool:
    """Whether `part` is the entry that we wrote under exactly `key`.

    Our marker counts as the last line of what our account or our own mail wrote: a quotation of it in an agent's
    answer does not.
    """
    lines = part.content.rstrip().splitlines()
    by_us = part.creator.lower() == account.lower() or our_key(part) == key
    return by_us and bool(lines) and lines[-1].strip() == texts.marker(key)


def our_key(part: Part) -> str | None:
    """The key in the Message-ID of a mail that we posted to the gate."""
    found = _OUR_MESSAGE_ID.match(part.message_id)
    return found.group("key") if found else None


def is_automatic(parts: Sequence[Part]) -> bool:
    """Whether a program wrote the entry by itself (an agent's absence note that came through the gate)."""
    for part in parts:
        submitted = part.headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
        bulk = part.headers.get("precedence", "").lower() in {"bulk", "junk", "auto_reply", "list"}
        if submitted != "no" or bulk or not _AUTOMATIC.isdisjoint(part.headers):
            return True
    return False


def is_by_mail(parts: Sequence[Part]) -> bool:
    """Whether the entry came in as a mail: RT writes its own header into each, in place of any that came along."""
    return any(part.headers.get("x-rt-interface", "").lower() == "email" for part in parts)


def body_part(parts: Sequence[Part]) -> Part | None:
    """The part with the words of an entry: plain text before HTML, never a named file."""
    texts = [part for part in parts if not part.filename and part.size != 0]
    for wanted in ("text/plain", "text/html"):
        for part in texts:
            if part.media_type == wanted:
                return part
    return None


def files_of(parts: Sequence[Part]) -> tuple[Attachment, ...]:
    """The files of an entry; multipart containers are rows of their own in RT and none."""
    return tuple(
        Attachment(filename=part.filename, media_type=part.media_type, remote=part.id, size=part.size)
        for part in parts
        if part.filename and not part.media_type.startswith("multipart/")
    )


def read_content(item: Mapping[str, Any]) -> bytes:
    """Bytes of `/attachment/N`: base64 with line ends. (In a list, RT gives texts as they are.)"""
    return base64.b64decode(str(item.get("Content") or ""))
