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
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,80}")


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


def clean(text: str) -> str:
    """Text without control characters and halves of characters; line ends become newlines."""
    return _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` without line ends or runs of blanks."""
    return " ".join(clean(text).split())


def cut_bytes(text: str, limit: int) -> str:
    """`text` shortened to `limit` bytes of UTF-8 without breaking a character."""
    raw = text.encode("utf-8")
    return text if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").rstrip()


def number_of(reference: str) -> str:
    """The case number in a reference (`4F7K2-8/k7f3qx`)."""
    return one_line(reference).partition("/")[0]


def subject_of(draft: Draft) -> str:
    """`[Caso 4F7K2-8] Luminaria apagada`."""
    words = cut_bytes(one_line(draft.subject), MAX_SUBJECT_BYTES) or NO_SUBJECT
    return f"[Caso {number_of(draft.reference)}] {words}"


def subject_after(last: str, first: str) -> str:
    """The subject of a later mail. That of the office's last one is kept, with whatever tag its system put there."""
    words = cut_bytes(one_line(last or first), MAX_SUBJECT_BYTES + 60)
    return words if re.match(r"(?i)(re|rv|sv|aw)\s*:", words) else f"Re: {words}"


def chain(first: Sequence[str], last: str) -> tuple[str, ...]:
    """References: the case's first mail, our last ones, and the one that is answered."""
    ids = [one for one in dict.fromkeys(first) if one != last]
    kept = ids if len(ids) < MAX_REFERENCES else [ids[0], *ids[-(MAX_REFERENCES - 2) :]]
    return (*kept, last) if last else tuple(kept)


def marker(key: MessageKey) -> str:
    """The last line of our words: whoever looks into the office's system finds the entry by it."""
    return f"[ref:{key}]"


def text_of(entry: Entry, *, preface: str = "") -> str:
    """Heading, body and marker of one entry."""
    blocks = (one_line(entry.heading), preface, clean(entry.body).strip("\n"), marker(entry.key))
    return "\n\n".join(block for block in blocks if block.strip())


def preface_of(draft: Draft) -> str:
    """The line that links a new case to the one that takes nothing any more."""
    return f"Continúa el caso N.º {one_line(draft.follows)}." if draft.follows else ""


def note_text(entry: Entry) -> str:
    """An entry that is for the office only."""
    return f"{NOTE}\n\n{text_of(entry)}"


def file_text(entry: Entry, file: StoredFile) -> str:
    """Text of the mail that carries one file."""
    lines = (one_line(entry.heading), f"Adjunto: {one_line(file.filename)} ({file.size} bytes)", marker(entry.key))
    return "\n\n".join(line for line in lines if line)


def file_name(file: StoredFile) -> str:
    """A name that any mail program takes: no path, no quotes, at most 120 bytes, the ending kept."""
    name = re.sub(r'["\\/:*?<>|%;]', "_", one_line(file.filename)).strip(". ") or "archivo"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        return cut_bytes(name, 120)
    return f"{cut_bytes(stem, 100)}.{ending}"


def file_type(file: StoredFile) -> tuple[str, str]:
    """Texts go as plain bytes, since servers and programs re-encode them; so does what would be taken apart."""
    kind = file.media_type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.split("/")[0] in {"text", "message", "multipart"}:
        return "application", "octet-stream"
    main, _, sub = kind.partition("/")
    return main, sub


def build(mail: Outgoing, *, to: str, address: str, plus: bool) -> EmailMessage:
    """The mail. Nothing in it says that a program wrote it: systems drop such mail or do not reopen for it."""
    own = own_address(address, mail.token, plus=plus)
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(display_name=cut_bytes(one_line(mail.author), 100), addr_spec=own)
    made["To"] = to
    made["Reply-To"] = own
    made["Subject"] = mail.subject
    made["Date"] = mail.at
    made["Message-ID"] = message_id(mail.token, mail.key, address.partition("@")[2])
    if mail.references:
        made["In-Reply-To"] = mail.references[-1]
        made["References"] = " ".join(mail.references)
    if mail.reference:
        made[REFERENCE_HEADER] = one_line(mail.reference)
    made[KEY_HEADER] = one_line(mail.key)
    made[KIND_HEADER] = mail.kind
    made.set_content(f"{ABOVE_HERE}\n\n{mail.text}\n", charset="utf-8", cte="base64")
    if mail.file is not None:
        main, sub = file_type(mail.file)
        made.add_attachment(mail.content, maintype=main, subtype=sub, filename=file_name(mail.file))
    if mail.whole:
        raw = mail.whole.encode("utf-8")
        made.add_attachment(raw, maintype="text", subtype="plain", filename=WHOLE_NAME, params={"charset": "utf-8"})
    return made
