"""Addresses of a From, Reply-To or Sender field, read so that nobody can pass for somebody else.

Python's own `parseaddr` returns the wrong address for some forged fields (CVE-2023-27043) and `policy.default` takes
seconds for a field full of commas. This one is a single pass over the undecoded field: encoded words are decoded
only in display names, after the addresses are known, so that none can hide in them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import idna

from inbox_channels.email.parse_words import clean_line, decode_words

MAX_MAILBOXES = 20

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|<[^<>]*>|[(),:;<>"]|[^"(),:;<>]+', re.DOTALL)
_LOCAL_ATOM = re.compile(r"[^\s\x00-\x20\"(),:;<>@\[\\\]\x7f]{1,64}")
_LOCAL_QUOTED = re.compile(r'"((?:[^"\\\r\n]|\\.){1,62})"')
_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_LITERAL = re.compile(r"\[[0-9a-fA-F:.]{3,60}\]|\[IPv6:[0-9a-fA-F:.]{3,60}\]")
_UNESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ROUTE = re.compile(r"^@[^:]*:")


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox: cleaned display name, canonical address, and whether the field left no doubt about it."""

    name: str
    address: str
    certain: bool = True


@dataclass(slots=True)
class _Open:
    """The mailbox being read."""

    words: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    angles: list[str] = field(default_factory=list)
    certain: bool = True


def canonical_address(text: str) -> str | None:
    """`local@domain` with the domain lower-cased and in ASCII (IDNA), the local part as given; None when none."""
    text = text.strip()
    local, at, domain = text.rpartition("@")
    if not at or len(text) > 320:
        return None
    quoted = _LOCAL_QUOTED.fullmatch(local)
    if quoted is not None:
        inner = _UNESCAPE.sub(r"\1", quoted[1])
        local = inner if _LOCAL_ATOM.fullmatch(inner) else local
    elif not _LOCAL_ATOM.fullmatch(local):
        return None
    if clean_line(local) != local:
        return None
    if _LITERAL.fullmatch(domain):
        return f"{local}@{domain.lower()}"
    host = _ascii_host(domain)
    return None if host is None else f"{local}@{host}"


def _ascii_host(domain: str) -> str | None:
    domain = domain.rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError, ValueError, IndexError):
            return None
    return domain if len(domain) <= 253 and _HOST.fullmatch(domain) else None


def mailboxes(value: str) -> list[Mailbox]:
    """The mailboxes of an undecoded address field, at most `MAX_MAILBOXES`; what can't be an address is left out."""
    found: list[Mailbox] = []
    current, depth, comment = _Open(), 0, ""
    for match in _TOKEN.finditer(value):
        piece = match[0]
        if depth or piece == "(":
            depth += (piece == "(") - (piece == ")")
            comment += piece
            if not depth:
                current.comments.append(comment[1:-1])
                comment = ""
        elif piece in ",;":
            _close(current, found)
            current = _Open()
            if len(found) >= MAX_MAILBOXES:
                return found
        else:
            _take(current, piece)
    current.certain = current.certain and not depth
    _close(current, found)
    return found


def _take(current: _Open, piece: str) -> None:
    if piece == ":":
        current.words.clear()  # the name of a group
    elif piece in (")", "<", ">", '"'):
        current.certain = False
        current.words.append(piece)
    elif piece.startswith("<"):
        current.angles.append(piece[1:-1])
    else:
        current.words.append(piece)


def _close(current: _Open, found: list[Mailbox]) -> None:
    if current.angles:
        address = canonical_address(_ROUTE.sub("", current.angles[-1].strip()))
        name = _phrase(current.words)
        certain = current.certain and len(current.angles) == 1
    else:
        address, name, certain = canonical_address("".join(current.words)), "", current.certain
        if (
            address is None and certain and current.words and "@" in current.words[-1]
        ):  # a name and an address without brackets
            *before, last = current.words[-1].split() or [""]
            address, name, certain = canonical_address(last), _phrase([*current.words[:-1], " ".join(before)]), False
    if address is None:
        return
    name = name or clean_line(decode_words(" ".join(current.comments)))
    found.append(Mailbox(name if name != address else "", address, certain))


def _phrase(words: list[str]) -> str:
    pieces = [
        _UNESCAPE.sub(r"\1", word[1:-1]) if len(word) > 1 and word[0] == word[-1] == '"' else word for word in words
    ]
    return clean_line(decode_words("".join(pieces))).strip("\"' ")[:200]
