"""What a mail says: its words, its files; pure and never raising."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import MessageError
from email.header import decode_header
from email.message import Message

from inbox_ticketing._by_mail.history import own_html, own_words
from inbox_ticketing._writing.texts import one_line

MAX_PARTS = 200
MAX_DEPTH = 20
MAX_TEXT_CHARS = 200_000
_SIGNATURES = {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a mail; `index` counts the parts of the mail."""

    index: int
    name: str
    media_type: str
    content: bytes = field(repr=False)


def decoded(value: str) -> str:
    try:
        pieces = decode_header(value)
    except (MessageError, ValueError, LookupError):
        return one_line(value)
    words = [_characters(one, charset) if isinstance(one, bytes) else one for one, charset in pieces]
    return one_line("".join(words))


def _parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """The parts that hold something. A mail inside a mail is not opened: it was written to somebody else."""
    if not message.is_multipart() or message.get_content_maintype() == "message":
        yield message
        return
    payload = message.get_payload()
    if depth < MAX_DEPTH and isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from _parts(part, depth + 1)


def _numbered(message: Message) -> Iterator[tuple[int, Message]]:
    for index, part in enumerate(_parts(message)):
        if index >= MAX_PARTS:
            return
        yield index, part


def _is_words(part: Message) -> bool:
    return (
        part.get_content_type() in {"text/plain", "text/html"}
        and not part.get_filename()
        and part.get_content_disposition() != "attachment"
    )


def words_of(message: Message) -> tuple[str, bool]:
    """The agent's own words and whether they are HTML: plain text where the mail has any."""
    found: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    for _, part in _numbered(message):
        if _is_words(part):
            found[part.get_content_type()].append(_text(part))
    plain = own_words("\n".join(found["text/plain"]))[:MAX_TEXT_CHARS]
    if plain.strip() or not found["text/html"]:
        return plain, False
    pages = "\n".join(found["text/html"])[: 5 * MAX_TEXT_CHARS]
    page = own_html(pages)[:MAX_TEXT_CHARS]
    return page, bool(page)


def _text(part: Message) -> str:
    text = _characters(_bytes(part), str(part.get_content_charset("") or ""))
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if str(part.get_param("format", "")).lower() != "flowed":
        return text
    return _unfolded(text, joined="" if str(part.get_param("delsp", "")).lower() == "yes" else " ")


def _unfolded(text: str, *, joined: str) -> str:
    """Lines that a program broke (RFC 3676) in one again; quoted ones stay, as they go anyway."""
    made: list[str] = []
    for line in text.split("\n"):
        flows = bool(made) and made[-1].endswith(" ") and made[-1] != "-- " and not line.startswith(">")
        if flows and not made[-1].startswith(">"):
            made[-1] = made[-1][:-1] + joined + line.removeprefix(" ")
        else:
            made.append(line.removeprefix(" "))
    return "\n".join(made)


def _bytes(part: Message) -> bytes:
    try:
        content = part.get_payload(decode=True)
    except (ValueError, LookupError, AttributeError, TypeError):
        return b""
    return content if isinstance(content, bytes) else b""


def _characters(content: bytes, charset: str | None) -> str:
    for name in (charset or "utf-8", "utf-8"):
        try:
            return content.decode(name)
        except (LookupError, ValueError):
            continue
    return content.decode("cp1252", "replace")


def files_of(message: Message) -> Iterator[File]:
    for index, part in _numbered(message):
        name = part.get_filename() or ""
        disposition = part.get_content_disposition()
        kind = part.get_content_type()
        drawn = "content-id" in part and disposition != "attachment" and kind.startswith("image/")
        nothing = part.get_content_maintype() == "message" or kind in _SIGNATURES
        if _is_words(part) or drawn or nothing or not (name or disposition == "attachment"):
            continue
        yield File(index=index, name=_file_name(name), media_type=kind, content=_bytes(part))


def _file_name(name: str) -> str:
    return re.sub(r"[\\/]", "_", decoded(name)).strip(". ")[:150] or "archivo"
