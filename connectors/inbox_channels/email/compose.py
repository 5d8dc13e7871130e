"""One portion of an answer as a mail. Pure: the bytes of its files are given, and so is the time.

Nothing that comes from outside (a subject, a file's name, an address) can add a header or a recipient: each is made
one clean line without encoded words first, and the headers are made by `email`'s own classes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from email.utils import format_datetime

from inbox_channels.email.own_ids import message_id
from inbox_channels.email.parse_address import canonical_address
from inbox_channels.email.parse_files import safe_name
from inbox_channels.email.parse_words import clean_line, clean_text
from inbox_channels.email.wording import CASE_TAG, WORDINGS, Language, Wording
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Handle, Reply, StoredFile

MAX_QUOTED_LINES = 60
MAX_QUOTED_LINE_CHARS = 2_000
MAX_REFERENCES = 20
"""The first of a thread and the last ones: enough for any program, and below what servers take in one header."""
MAX_SUBJECT_CHARS = 200

_PLAIN = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
"""What goes over SMTP without SMTPUTF8 and without quoting."""
_REAL_ID = re.compile(r"[^\s<>@()\",;]{1,200}@[^\s<>@()\",;]{1,250}", re.ASCII)
_ANSWERED = re.compile(r"(?:RE|RES|R|RV|FW|FWD|ENC|TR|AW|SV|WG|Rta|Resp|Reenv)\s*(?:\[\d+\])?\s*:\s*", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"([a-z0-9][a-z0-9!#$&^_.+-]{0,99})/([a-z0-9][a-z0-9!#$&^_.+-]{0,99})")


class _Ids(UnstructuredHeader, BaseHeader):
    """Message-IDs, one a line and never encoded.

    The standard library makes encoded words of ids beyond 76 characters, such as Microsoft's, and no program finds
    the thread by them (seen with Python 3.11.7, 2026-11-24).
    """

    def fold(self, *, policy: Policy) -> str:
        """See `BaseHeader.fold`."""
        return f"{self.name}: {f'{policy.linesep} '.join(self.split())}{policy.linesep}"


_REGISTRY = HeaderRegistry()
for _name in ("in-reply-to", "references"):
    _REGISTRY.map_to_type(_name, _Ids)
_POLICY = SMTP.clone(header_factory=_REGISTRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """The office as it writes: from which address, under which name, where answers go if elsewhere, and how."""

    address: str
    name: str = ""
    reply_to: str = ""
    language: Language = "es-AR"
    zone: tzinfo

    @property
    def domain(self) -> str:
        """The domain of its address, which our Message-IDs have, too."""
        return self.address.rpartition("@")[2]

    @property
    def wording(self) -> Wording:
        """What is written in its language."""
        return WORDINGS[self.language]


def recipient(handle: Handle, wording: Wording) -> str:
    """The address that a mail to `handle` goes to. Raises `Permanent` where mail can't go."""
    address = canonical_address(handle.value) if handle.kind == "email" else None
    if address is None:
        raise Permanent(
            "the answer is addressed to something that is no mail address", told=wording.unsent["no_address"]
        )
    if not _PLAIN.fullmatch(address):
        raise Permanent(
            "the mail address has letters or signs that mail servers don't take in general (SMTPUTF8)",
            told=wording.unsent["odd_address"],
        )
    return address


def compose(reply: Reply, writer: Writer, contents: Sequence[bytes], at: datetime) -> EmailMessage:
    """The whole mail; `contents` are the bytes of `reply.attachments`, in order. Raises `Permanent`."""
    text = body(reply, writer)
    mail = EmailMessage(policy=_POLICY)
    mail["Message-ID"] = f"<{own_id(reply, writer)}>"
    mail["Date"] = format_datetime(at.astimezone(writer.zone))
    mail["From"] = _address(writer.address, harmless(writer.name))
    mail["To"] = _address(recipient(reply.to, writer.wording))
    if writer.reply_to:
        mail["Reply-To"] = _address(writer.reply_to, harmless(writer.name))
    mail["Subject"] = subject(reply, writer.wording)
    _thread(mail, reply)
    if reply.automatic:  # RFC 3834, 5, and what Exchange looks at: no machine answers it
        mail["Auto-Submitted"] = "auto-replied" if reply.in_reply_to else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    mail["Content-Language"] = writer.language
    for number, (file, content) in enumerate(zip(reply.attachments, contents, strict=True), 1):
        _attach(mail, file, content, number)
    return mail


def own_id(reply: Reply, writer: Writer) -> str:
    """The mail's Message-ID without its angle brackets. Raises `Permanent`."""
    try:
        return message_id(reply.tag, writer.domain)
    except ValueError as error:
        raise Permanent(str(error)) from None


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=name, username=local, domain=domain)


def _thread(mail: EmailMessage, reply: Reply) -> None:
    """In-Reply-To and References (RFC 5322, 3.6.4), the oldest first; ids that we made up ourselves are left out."""
    nearest_first = [reply.in_reply_to, *reply.thread]
    ids = list(dict.fromkeys(one for one in nearest_first if one and _is_real(one)))
    if not ids:
        return
    if reply.in_reply_to == ids[0]:
        mail["In-Reply-To"] = f"<{ids[0]}>"
    oldest_first = ids[::-1]
    if len(oldest_first) > MAX_REFERENCES:
        oldest_first = [oldest_first[0], *oldest_first[1 - MAX_REFERENCES :]]
    mail["References"] = " ".join(f"<{one}>" for one in oldest_first)


def _is_real(one: str) -> bool:
    return one.isascii() and "=?" not in one and _REAL_ID.fullmatch(one) is not None


# ---------------------------------------------------------------- words


def harmless(text: str) -> str:
    """One clean line, in which nothing looks like an encoded word.

    The standard library decodes such words in what is set as a header, and writes the line end that one may hold as it
    is (CVE-2024-6923; so does Python 3.11.7).
    """
    return clean_line(text).replace("=?", "= ?")


def subject(reply: Reply, wording: Wording) -> str:
    """`Re: [Caso 4F7K2-8] …`, with one `Re:` and one tag however often the mail went to and fro.

    The tag stands in front: programs that thread by subject pass it over there (RFC 5256, 2.1).
    """
    bare = _bare(harmless(reply.subject))
    shown = bare if len(bare) <= MAX_SUBJECT_CHARS else f"{bare[: MAX_SUBJECT_CHARS - 1].rstrip()}…"
    case = f"[{wording.case} {harmless(reply.case_number)}]" if reply.case_number else ""
    return f"{'Re: ' if reply.in_reply_to else ''}{case} {shown or wording.no_subject}"


def _bare(line: str) -> str:
    line = CASE_TAG.sub("", line[: 4 * MAX_SUBJECT_CHARS]).strip()
    while (match := _ANSWERED.match(line)) is not None:
        line = line[match.end() :]
    return line.strip()


def body(reply: Reply, writer: Writer) -> str:
    """The words of the mail: the text, and below it what is answered.

    A notice quotes nothing: its sender may be forged, and nobody should have us deliver their words to others.
    Raises `Permanent` where there is nothing to say.
    """
    text = clean_text(reply.text).strip("\n")
    said = text if text.strip() else ""
    if not said and not reply.attachments:
        raise Permanent("there is nothing to send: no text and no file", told=writer.wording.unsent["empty"])
    if not reply.automatic and reply.quoted.strip():
        said = f"{said}\n\n{_quotation(reply, writer)}".lstrip("\n")
    return f"{said}\n"


def _quotation(reply: Reply, writer: Writer) -> str:
    wording, when = writer.wording, reply.quoted_at
    lines = clean_text(reply.quoted).strip("\n").split("\n")
    shown = [line if len(line) <= MAX_QUOTED_LINE_CHARS else f"{line[:MAX_QUOTED_LINE_CHARS]}…" for line in lines]
    if len(shown) > MAX_QUOTED_LINES:
        shown = [*shown[: MAX_QUOTED_LINES - 1], wording.shortened]
    introduction = wording.wrote.format(when.astimezone(writer.zone)) if when else wording.wrote_sometime
    return "\n".join([introduction, *(_marked(line.rstrip()) for line in shown)])


def _marked(line: str) -> str:
    return f">{line}" if line.startswith(">") or not line else f"> {line}"


# ---------------------------------------------------------------- files


def _attach(mail: EmailMessage, file: StoredFile, content: bytes, number: int) -> None:
    known = _MEDIA_TYPE.fullmatch(file.media_type.lower())
    # base64, which files get, is forbidden for mails and multiparts (RFC 2046, 5.1 and 5.2.1)
    usable = known is not None and known[1] not in ("message", "multipart")
    main, sub = (known[1], known[2]) if known and usable else ("application", "octet-stream")
    mail.add_attachment(content, maintype=main, subtype=sub, filename=safe_name(file.filename) or f"archivo-{number}")
