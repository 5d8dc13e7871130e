"""The header block of a mail or part: fields, parameters, message ids, dates; bounded and never raising."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_tz

from inbox_channels.email.parse_words import clean_line, decode, decode_words

MAX_BLOCK_BYTES = 64 * 1024
MAX_HEADER_BYTES = 8 * 1024

_BLOCK_END = re.compile(rb"\r?\n[ \t]*\r?\n|\r\r")
_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_EOL = re.compile(rb"\r\n|\n|\r")
_FOLD = re.compile(r"[\r\n]+[ \t]*")


@dataclass(frozen=True, slots=True)
class Headers:
    """Fields in order of appearance: lower-case name, unfolded value (8-bit decoded, encoded words not yet)."""

    fields: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str:
        """The topmost value of a field, "" when it is missing."""
        return next((value for key, value in self.fields if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of a field, the topmost first."""
        return [value for key, value in self.fields if key == name]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    def text(self, name: str) -> str:
        """An unstructured field as one clean line."""
        return clean_line(decode_words(self.first(name)))


def split_entity(raw: bytes) -> tuple[Headers, bytes]:
    """Header block and body of a message or part. A block that is none leaves everything in the body."""
    if raw[:1] in (b"\n", b"\r"):  # a part without headers
        return Headers(), raw[2:] if raw[:2] == b"\r\n" else raw[1:]
    end = _BLOCK_END.search(raw)
    block, body = (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")
    lines, line_starts = _lines(block)
    fields: list[list[bytes]] = []
    last_header = max((i for i, line in enumerate(lines) if _NAME.match(line)), default=-1)
    if last_header < 0:
        return Headers(), raw
    for index, line in enumerate(lines):
        match = _NAME.match(line)
        if match is not None and not (index == 0 and line.startswith(b"From ")):
            fields.append([match[1].lower(), line[match.end() :]])
        elif line[:1] in (b" ", b"\t") and fields:
            fields[-1].append(line)
        elif index > last_header and fields:  # the blank line before the body was forgotten
            return _build(fields), raw[line_starts[index] :]
        elif fields:
            fields[-1].append(b" " + line)  # folded without the blank
    return _build(fields), body


def _lines(block: bytes) -> tuple[list[bytes], list[int]]:
    block = block[:MAX_BLOCK_BYTES]
    lines, starts, position = [], [], 0
    for match in _EOL.finditer(block):
        lines.append(block[position : match.start()])
        starts.append(position)
        position = match.end()
    lines.append(block[position:])
    starts.append(position)
    return lines, starts


def _build(fields: list[list[bytes]]) -> Headers:
    built = []
    for name, *pieces in fields:
        value = b"\n".join(pieces)
        # the nearest ancestors are at the end of References
        value = value[-MAX_HEADER_BYTES:] if name == b"references" else value[:MAX_HEADER_BYTES]
        built.append((name.decode("ascii"), _FOLD.sub(" ", decode(value, None)).strip()))
    return Headers(tuple(built))


# ---------------------------------------------------------------- parameters (RFC 2045, 2231)


@dataclass(frozen=True, slots=True)
class Parameterized:
    """`value; name=value; …` taken apart: lower-case value, lower-case parameter names, decoded parameter values."""

    value: str = ""
    params: dict[str, str] = field(default_factory=dict)


_PARAM = re.compile(r';\s*([^\s=;"]{1,60})\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_UNESCAPE = re.compile(r"\\([\"\\])")  # only these: Windows paths come unescaped
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")


def parameterized(header: str) -> Parameterized:
    """Take a Content-Type or Content-Disposition apart, with the mistakes of real programs."""
    value = header.split(";", 1)[0].strip().strip('"').lower()
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for match in _PARAM.finditer(header):
        section = _SECTION.fullmatch(match[1].lower())
        if section is None:
            continue
        text = _unquote(match[2])
        name, number, extended = section[1], section[2], bool(section[3])
        if number is None and not extended:
            plain.setdefault(name, text)
        else:
            sections.setdefault(name, {}).setdefault(int(number or 0), (text, extended))
    params = {name: clean_line(decode_words(text)) for name, text in plain.items()}
    params.update({name: clean_line(_join_sections(parts)) for name, parts in sections.items()})
    return Parameterized(value, params)


def _unquote(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        return _UNESCAPE.sub(r"\1", text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:])
    return text


def _join_sections(parts: dict[int, tuple[str, bool]]) -> str:
    charset, data = "", b""
    for order, number in enumerate(sorted(parts)):
        text, extended = parts[number]
        if extended and order == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        piece = text.encode("utf-8", "replace")
        data += _PERCENT.sub(lambda match: bytes([int(match[1], 16)]), piece) if extended else piece
    text = decode(data, charset or None)
    return decode_words(text) if not charset else text


# ---------------------------------------------------------------- message ids

_ANGLE_ID = re.compile(r"<\s*([^<>]{1,990}?)\s*>")
_BARE_ID = re.compile(r"[^\s<>()\[\]\",;]+@[^\s<>()\",;]+")
MAX_ID_CHARS = 500


def message_ids(value: str) -> list[str]:
    """Ids in a Message-ID, In-Reply-To or References field, in order, without angle brackets and inner blanks."""
    found = _ANGLE_ID.findall(value) or _BARE_ID.findall(value) or _loose(value)
    ids = (clean_line(item).replace(" ", "") for item in found)
    return list(dict.fromkeys(item for item in ids if 0 < len(item) <= MAX_ID_CHARS))


def _loose(value: str) -> list[str]:
    token = value.strip().strip("<>").strip()
    return [token] if token and " " not in token else []


# ---------------------------------------------------------------- dates


def sent_at(value: str, *, zone: tzinfo, received_at: datetime) -> datetime:
    """When the mail says it was sent, in `zone`; when it arrived if that is missing, bogus or a day in the future."""
    try:
        parsed = parsedate_tz(value[:200])
        if parsed is None:
            return received_at.astimezone(zone)
        offset = 0 if value.rstrip().endswith("-0000") else parsed[9]  # RFC 5322 3.3: UTC, place unknown
        moment = datetime(*parsed[:6], tzinfo=zone if offset is None else _offset(offset))
        believable = datetime(1995, 1, 1, tzinfo=UTC) <= moment <= received_at + timedelta(days=1)
        return (moment if believable else received_at).astimezone(zone)
    except (ValueError, OverflowError, TypeError, IndexError):
        return received_at.astimezone(zone)


def _offset(seconds: int) -> timezone:
    if abs(seconds) > 14 * 3600:
        raise ValueError("no such time zone")
    return timezone(timedelta(seconds=seconds))
