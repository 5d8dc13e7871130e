"""One raw mail as events of the core. Pure: no I/O, no clock, and nothing in a mail makes it raise but `Permanent`.

`external_id` is the Message-ID without its angle brackets, or `sha256:…` over sender, date, subject and body when
there is none. A file is found again by `remote`: the number of its part (`2.1`), with `#n` for one inside a
winmail.dat.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from inbox_channels.email.parse_address import Mailbox, mailboxes
from inbox_channels.email.parse_body import MAX_TEXT_CHARS, Words, read_words
from inbox_channels.email.parse_files import content_at, files_of, invitation_details
from inbox_channels.email.parse_headers import Headers, message_ids, sent_at
from inbox_channels.email.parse_html import html_to_text
from inbox_channels.email.parse_kinds import automatic_kind, is_authentic, read_bounce
from inbox_channels.email.parse_mime import MAX_MESSAGE_BYTES, Part, parse_mime
from inbox_channels.email.parse_reply import split_reply
from inbox_channels.email.parse_returned import about_ours
from inbox_channels.email.parse_words import clean_text, decode
from inbox_channels.email.wording import Language
from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.model import (
    Attachment,
    Automatic,
    Content,
    Envelope,
    Event,
    ExternalId,
    Handle,
    InstanceId,
    Message,
    Proof,
    Sender,
)

_MAX_SUBJECT_CHARS = 500
_MAX_THREAD = 50
_ANSWER_SUBJECT = re.compile(r"^\s*(?:RE|RES|R|RV|FW|FWD|ENC|TR|AW|SV|Rta|Resp)\s*(?:\[\d+\])?\s*:", re.IGNORECASE)
_FORWARD_SUBJECT = re.compile(r"^\s*(?:RV|FW|Fwd|Reenv|Enc|ENC|TR|WG)\s*:", re.IGNORECASE)
_MAIL_FIELDS = ("from", "date", "subject", "message-id", "received", "to", "return-path", "mime-version")
_MEDIA_CONTENT = {"image": Content.IMAGE, "audio": Content.AUDIO, "video": Content.VIDEO}
_ZONE = ZoneInfo("America/Argentina/Cordoba")


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """What the parser must know about the mailbox.

    `own_addresses`: mail from these is an agent's or our own, not a citizen's. `authserv_id`: whose
    Authentication-Results count ("" for a server that writes no name, as Microsoft's; None: nobody's, every sender is
    a hint). `zone`: in which times are given, and read where a mail names no offset. `language`: in which it is said
    why a mail of ours came back.
    """

    own_addresses: tuple[str, ...] = ()
    authserv_id: str | None = None
    zone: tzinfo = _ZONE
    language: Language = "es-AR"


def parse(envelope: Envelope, options: ParseOptions) -> list[Event]:
    """The one message that a mail is, or what it says about a mail of ours.

    Raises `Permanent` when the bytes are no mail and hold no words.
    """
    raw = envelope.body
    if not raw.strip():
        raise Permanent("the mail is empty: no header and no text")
    root = parse_mime(raw)
    if not any(name in root.headers for name in _MAIL_FIELDS) and not _is_readable(raw):
        raise Permanent("these bytes are no mail: no header that belongs to one, and no readable text")
    message = _message(root, envelope, options)
    return [about_ours(root, message, options.own_addresses, options.language) or message]


def attachment_bytes(raw: bytes, remote: str) -> bytes:
    """The bytes of the file that `Attachment.remote` names in a mail. Raises `Gone` when it isn't there."""
    content = content_at(parse_mime(raw), remote)
    if content is None:
        raise Gone("the mail has no such part", reason="no_such_part")
    return content


def _is_readable(raw: bytes) -> bool:
    head = raw[:4096]
    strange = sum(1 for byte in head if byte < 32 and byte not in b"\t\r\n\f\x1b")
    text = decode(head, None)
    return strange == 0 and text.count("\ufffd") * 20 <= len(text)


def _message(root: Part, envelope: Envelope, options: ParseOptions) -> Message:
    headers = root.headers
    subject = headers.text("subject")[:_MAX_SUBJECT_CHARS]
    own = {address.lower() for address in options.own_addresses}
    sender, echo, details = _read_sender(headers, own, options)
    address = sender.handles[0].value if sender.handles else ""
    automatic = automatic_kind(root, subject, address)
    words = read_words(root)
    attachments = _read_files(words, details)
    if not words.text.strip():
        words.text = _last_resort(words)
    reply_to, thread = _ancestry(headers)
    fresh = not thread and _ANSWER_SUBJECT.match(subject) is None
    text, quoted = _split(words.text, subject, automatic, fresh=fresh)
    if automatic is Automatic.BOUNCE:
        bounce = read_bounce(root)
        details.update(bounce.details)
        if bounce.original is not None:
            reply_to, thread = bounce.original, list(dict.fromkeys([bounce.original, *thread]))
    if words.shortened or len(envelope.body) > MAX_MESSAGE_BYTES:
        details["shortened"] = "the mail is longer than what is shown"
    own_id = _external_id(root, envelope.body)
    return Message(
        external_id=ExternalId(own_id),
        sent_at=sent_at(headers.first("date"), zone=options.zone, received_at=envelope.received_at),
        sender=sender,
        content=_content(text, attachments),
        text=text,
        quoted=quoted,
        subject=subject,
        attachments=attachments,
        in_reply_to=ExternalId(reply_to) if reply_to and reply_to != own_id else None,
        thread=tuple(ExternalId(item) for item in thread if item != own_id)[:_MAX_THREAD],
        details=details,
        automatic=automatic,
        echo=echo,
    )


def _split(text: str, subject: str, automatic: Automatic | None, *, fresh: bool) -> tuple[str, str]:
    if automatic is Automatic.BOUNCE:
        return clean_text(text).strip(), ""  # a report quotes what came back; it is all to be seen
    written, quoted = split_reply(text, forwarded=_FORWARD_SUBJECT.match(subject) is not None, fresh=fresh)
    return clean_text(written).strip(), clean_text(quoted).strip("\n")


def _content(text: str, attachments: tuple[Attachment, ...]) -> Content:
    """What the message mainly is: its words, or its first file when there are none."""
    if text or not attachments:
        return Content.TEXT
    return _MEDIA_CONTENT.get(attachments[0].media_type.partition("/")[0], Content.DOCUMENT)


# ---------------------------------------------------------------- who


def _read_sender(headers: Headers, own: set[str], options: ParseOptions) -> tuple[Sender, bool, dict[str, str]]:
    """The sender, whether it is our own side writing, and what the agent should know about it.

    A web form of the office often writes from the mailbox's own address with the citizen in Reply-To: then that is
    the sender, as a hint.
    """
    from_field = mailboxes(headers.first("from"))
    reply_field = mailboxes(headers.first("reply-to"))
    author = from_field[0] if from_field else None
    answer = reply_field[0] if reply_field else None
    if author is not None and author.address.lower() in own:
        if answer is None or answer.address.lower() in own:
            return _sender(author, Proof.HINT), True, {}
        return _sender(answer, Proof.HINT), False, {"form_address": author.address}
    if author is None:
        fallback = next(
            (found[0] for name in ("sender", "reply-to") if (found := mailboxes(headers.first(name)))), None
        )
        name = headers.text("from")[:200] or None
        return (_sender(fallback, Proof.HINT) if fallback else Sender(name=name)), False, {}
    sure = author.certain and len(from_field) == 1
    domain = author.address.rpartition("@")[2]
    proven = sure and is_authentic(headers, domain, options.authserv_id)
    differs = answer is not None and answer.address.lower() != author.address.lower()
    details = {"reply_to": answer.address} if answer is not None and differs else {}
    return _sender(author, Proof.CHANNEL if proven else Proof.HINT), False, details


def _sender(mailbox: Mailbox, proof: Proof) -> Sender:
    handle = Handle(kind="email", value=mailbox.address, proof=proof)
    return Sender(name=mailbox.name or None, handles=(handle,))


# ---------------------------------------------------------------- which


def _external_id(root: Part, raw: bytes) -> str:
    ids = message_ids(root.headers.first("message-id"))
    if ids:
        return ids[0]
    digest = hashlib.sha256()
    for name in ("from", "date", "subject"):
        digest.update(root.headers.first(name).encode("utf-8", "replace") + b"\0")
    body = root.raw if root.children is None else b"".join(leaf.raw for leaf in root.leaves())
    digest.update(body or raw[:65536])
    return f"sha256:{digest.hexdigest()}"


def _ancestry(headers: Headers) -> tuple[str | None, list[str]]:
    """The id this mail answers, and all it comes after, the nearest first."""
    direct = message_ids(headers.first("in-reply-to"))
    ancestors = message_ids(headers.first("references"))[::-1]
    thread = list(dict.fromkeys([*direct[:1], *ancestors]))
    return (thread[0] if thread else None), thread


# ---------------------------------------------------------------- files


def _read_files(words: Words, details: dict[str, str]) -> tuple[Attachment, ...]:
    """Describe the files; what a winmail.dat or an invitation says besides goes to the words and details."""
    attachments = []
    for file, tnef in files_of(words.files, words.inline, wordless=not words.text.strip()):
        attachments.append(file.attachment)
        if tnef is not None and not words.text.strip():
            words.text = clean_text(tnef.text) if tnef.text.strip() else html_to_text(tnef.html)
        if file.attachment.media_type == "text/calendar":
            details.update(invitation_details(file.content, None))
    shown = [file for file in attachments if not file.inline]
    return tuple(shown + [file for file in attachments if file.inline])


_STRUCTURE = re.compile(r"(?m)^(?:--\S.*|Content-[A-Za-z-]+:.*|\s+boundary=.*)$\n?")


def _last_resort(words: Words) -> str:
    """The words inside a part that lay beyond the limits, when there are no others."""
    opaque = next((leaf for leaf in words.files if leaf.overflow), None)
    if opaque is None:
        return ""
    text = clean_text(decode(opaque.raw[-MAX_TEXT_CHARS:], None))
    return _STRUCTURE.sub("", text).strip()


# ---------------------------------------------------------------- self-test


def self_test() -> list[str]:
    """Known attacks on mail parsers, tried on this one; one sentence for each that gets through."""
    probe = Envelope(
        instance=InstanceId("self-test"),
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
        body=b"From: alice@example.org)bob@example.com\nSubject: =?utf-8?q?hola=0ABcc:_x@example.com?=\n\nhola\n",
    )
    problems = []
    (event,) = parse(probe, ParseOptions())
    assert isinstance(event, Message)
    if event.sender.handles:
        problems.append("a forged From field passes for another address (CVE-2023-27043)")
    if re.search(r"[\r\n]", event.subject):
        problems.append("an encoded line end in a subject could forge a header (CVE-2024-6923)")
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(2000))
    try:
        parse(replace(probe, body=b"From: a@example.org\n" + deep), ParseOptions())
    except RecursionError:
        problems.append("nested parts exhaust the stack")
    return problems
