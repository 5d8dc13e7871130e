"""The words of an entry as agents read them, whatever system they stand in; pure.

What a system makes of them (markup, lengths, signs that it replaces) is its adapter's matter.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from inbox_daemon.model import Entry, MessageKey, StoredFile

NO_SUBJECT = "(sin asunto)"
CONVERTED = frozenset({"text", "message", "multipart"})
"""First words of media types that systems re-encode or take apart."""
_BYTES = "application/octet-stream"
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,80}")
_LONGEST_ENDING = 16
"""In bytes; what is longer is no ending, and may be cut."""


def clean(text: str) -> str:
    """Text without what a database can't keep or XML can't carry; line ends become newlines.

    A NUL is refused by PostgreSQL, and makes a text in SQLite unsearchable from there on (seen with Request Tracker).
    """
    return _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def one_line(text: str) -> str:
    """`text` without line ends or runs of blanks."""
    return " ".join(clean(text).split())


def cut_bytes(text: str, limit: int) -> str:
    """`text` shortened to `limit` bytes of UTF-8 without breaking a character."""
    raw = text.encode("utf-8")
    return text if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").rstrip()


def joined(*blocks: str) -> str:
    """Blocks with an empty line between them, without those that are blank."""
    return "\n\n".join(block for block in blocks if block.strip())


def marker(key: MessageKey) -> str:
    """The line by which an entry is found again. Its closing bracket keeps `X.m1` from being found in `X.m10`."""
    return f"[ref:{key}]"


def text_of(entry: Entry, *, preface: str = "") -> str:
    """Heading, body and, as its last line, the marker of one entry."""
    return joined(one_line(entry.heading), preface, body_of(entry), marker(entry.key))


def body_of(entry: Entry) -> str:
    """What was written, without blank lines around it."""
    return clean(entry.body).strip("\n")


def preface_of(follows: str) -> str:
    """The line that links a new ticket to the case that takes nothing any more; empty where there is none."""
    return f"Continúa el caso N.º {one_line(follows)}." if follows else ""


def file_line(file: StoredFile) -> str:
    """The line that names a file."""
    return f"Adjunto: {one_line(file.filename) or 'archivo'} ({file.size} bytes)"


def file_text(entry: Entry, file: StoredFile) -> str:
    """Text of the entry that carries one file."""
    return joined(one_line(entry.heading), file_line(file), marker(entry.key))


def file_name(filename: str, unfit: str, *, limit: int = 200) -> str:
    """A name that is no path, with `_` for each sign of `unfit`, at most `limit` bytes long, its ending kept."""
    name = one_line(filename).translate(dict.fromkeys(map(ord, unfit), "_")).strip(". ") or "archivo"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode("utf-8")) > _LONGEST_ENDING:
        return cut_bytes(name, limit)
    return f"{cut_bytes(stem, limit - 20)}.{ending}"


def file_type(file: StoredFile, *, as_bytes: Collection[str] = ()) -> str:
    """The media type without parameters. What is none, or begins with a word of `as_bytes`, goes as plain bytes."""
    kind = file.media_type.partition(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) and kind.split("/")[0] not in as_bytes else _BYTES
