"""The mails that the office gets; pure.

Everything that tells a mail from another is made of our reference and our key, so that each try makes the same
Message-ID: a system that knows it swallows the repeat (osTicket, FreeScout), a mail program shows it once.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Literal

from inbox_daemon.model import Draft, Entry, MessageKey, Reference, StoredFile
from inbox_ticketing._writing import texts

MAX_SUBJECT_BYTES = 200
MAX_REFERENCES = 20
NO_SUBJECT = "Mensaje de un vecino"
REFERENCE_HEADER = "X-Inbox-Reference"
KEY_HEADER = "X-Inbox-Key"
KIND_HEADER = "X-Inbox-Kind"
ABOVE_HERE = "▔▔▔ Responda por encima de esta línea ▔▔▔"
"""Begins every mail: where an answer repeats it, what follows is ours."""
WHOLE_NAME = "mensaje-completo.txt"
NOTE = "Nota para la oficina: no es un mensaje del vecino."

Kind = Literal["open", "message", "note", "file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What one mail says and where it belongs. `references` are Message-IDs with brackets, the oldest first."""

    token: str
    key: MessageKey
    kind: Kind
    subject: str = field(repr=False)
    text: str = field(repr=False)
    author: str = field(repr=False)
    at: datetime
    reference: str = ""
    references: tuple[str, ...] = ()
    file: StoredFile | None = None
    content: bytes = field(default=b"", repr=False)
    whole: str = field(default="", repr=False)
    """The text once more, as a file, for a system that drops characters of it."""


def token(reference: Reference) -> str:
    """The short form of a reference that stands in addresses and Message-IDs; also the ticket's id."""
    return _short(f"reference\0{reference}")


def message_id(case: str, key: MessageKey, domain: str) -> str:
    """The Message-ID of the entry `key` in a case, with brackets."""
    return f"<{case}.{_short(f'key{chr(0)}{key}')}@{domain}>"


def _short(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest[:10]).decode("ascii").lower()


def own_address(address: str, case: str, *, plus: bool) -> str:
    """Where answers to a case go."""
    local, _, domain = address.partition("@")
    return f"{local}+{case}@{domain}" if plus else address


def number_of(reference: str) -> str:
    """The case number in a reference (`4F7K2-8/k7f3qx`)."""
    return texts.one_line(reference).partition("/")[0]


def subject_of(draft: Draft) -> str:
    """`[Caso 4F7K2-8] Luminaria apagada`."""
    words = texts.cut_bytes(texts.one_line(draft.subject), MAX_SUBJECT_BYTES) or NO_SUBJECT
    return f"[Caso {number_of(draft.reference)}] {words}"


def subject_after(last: str, first: str) -> str:
    """The subject of a later mail. That of the office's last one is kept, with whatever tag its system put there."""
    words = texts.cut_bytes(texts.one_line(last or first), MAX_SUBJECT_BYTES + 60)
    return words if re.match(r"(?i)(re|rv|sv|aw)\s*:", words) else f"Re: {words}"


def chain(first: Sequence[str], last: str) -> tuple[str, ...]:
    """References: the case's first mail, our last ones, and the one that is answered."""
    ids = [one for one in dict.fromkeys(first) if one != last]
    kept = ids if len(ids) < MAX_REFERENCES else [ids[0], *ids[-(MAX_REFERENCES - 2) :]]
    return (*kept, last) if last else tuple(kept)


def note_text(entry: Entry) -> str:
    """An entry that is for the office only."""
    return f"{NOTE}\n\n{texts.text_of(entry)}"


def file_name(file: StoredFile) -> str:
    """A name that any mail program takes."""
    return texts.file_name(file.filename, '"\\/:*?<>|%;', limit=120)


def build(mail: Outgoing, *, to: str, address: str, plus: bool) -> EmailMessage:
    """The mail. Nothing in it says that a program wrote it: systems drop such mail or do not reopen for it."""
    own = own_address(address, mail.token, plus=plus)
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(display_name=texts.cut_bytes(texts.one_line(mail.author), 100), addr_spec=own)
    made["To"] = to
    made["Reply-To"] = own
    made["Subject"] = mail.subject
    made["Date"] = mail.at
    made["Message-ID"] = message_id(mail.token, mail.key, address.partition("@")[2])
    if mail.references:
        made["In-Reply-To"] = mail.references[-1]
        made["References"] = " ".join(mail.references)
    if mail.reference:
        made[REFERENCE_HEADER] = texts.one_line(mail.reference)
    made[KEY_HEADER] = texts.one_line(mail.key)
    made[KIND_HEADER] = mail.kind
    made.set_content(f"{ABOVE_HERE}\n\n{mail.text}\n", charset="utf-8", cte="base64")
    if mail.file is not None:
        main, _, sub = texts.file_type(mail.file, as_bytes=texts.CONVERTED).partition("/")
        made.add_attachment(mail.content, maintype=main, subtype=sub, filename=file_name(mail.file))
    if mail.whole:
        raw = mail.whole.encode("utf-8")
        made.add_attachment(raw, maintype="text", subtype="plain", filename=WHOLE_NAME, params={"charset": "utf-8"})
    return made
