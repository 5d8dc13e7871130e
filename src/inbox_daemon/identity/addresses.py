"""Reads e-mail addresses as headers, links and people write them, and gives each one canonical form.

The standard library's `parseaddr` is not used: before 3.11.15 it may name the wrong person (CVE-2023-27043).

| written                                 | read as                  | why
| --------------------------------------- | ------------------------ | ---------------------------------------------
| `Ana@Correo.Example`                    | `ana@correo.example`     | no provider tells mailboxes apart by case
| `"gob@gob.test" <x@evil.test>`          | `x@evil.test`            | only the angle brackets hold an address
| `mailto:a%40b.test?subject=…`           | `a@b.test`               | RFC 6068
| `ana@ñandú.example`, `ana@xn--…`        | `ana@xn--…`              | IDNA 2008, UTS 46; homoglyphs stay visible
| `"ana"@b.test`                          | `ana@b.test`             | RFC 5321 §4.1.2: needless quotes mean nothing
| `"a b"@b.test`                          | kept quoted              | a real, if rare, mailbox
| `ana+tag@b.test`                        | kept; key without `+tag` | one mailbox at most providers, not at all
| two addresses, no dot, `[192.0.2.1]`    | invalid                  | nobody's own mailbox beyond doubt
| a local part that folds into ASCII      | invalid                  | KELVIN SIGN is not k: somebody is imitated
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import idna

_LONGEST = 998
_MAILTO = re.compile(r"mailto:(?P<address>[^?]*)(?:\?.*)?", re.IGNORECASE | re.DOTALL)
_ANGLE = re.compile(r"(?:[^<>\"]|\"(?:[^\"\\]|\\.)*\")*<(?P<address>[^<>]*)>", re.DOTALL)
_ADDRESS = re.compile(r"(?P<local>\"(?:[^\"\\]|\\.)*\"|[^\s\"@]+)@(?P<domain>[^\s@]+)", re.DOTALL)
_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_CHAT_DOMAINS = frozenset({"c.us", "g.us", "s.whatsapp.net"})  # WhatsApp's ids look like addresses and are none
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)


def read_address(text: str) -> str | None:
    """The canonical address in `text`, or None when there isn't exactly one good one. Never raises."""
    if len(text) > _LONGEST:
        return None
    bare = _bare(text)
    if link := _MAILTO.fullmatch(bare):
        bare = _bare(unquote(link["address"]))
    if display := _ANGLE.fullmatch(bare):
        bare = display["address"].strip()
    parts = _ADDRESS.fullmatch(bare)
    if parts is None:
        return None
    local, domain = _local_part(parts["local"]), _domain(parts["domain"])
    if not local or not domain:
        return None
    address = f"{local}@{domain}"
    if len(local.encode()) > 64 or len(address.encode()) > 254:  # RFC 5321 §4.5.3.1, erratum 1690
        return None
    return address


def address_match_key(address: str) -> str:
    """`address` (canonical) without `+tag`: for comparing only, since not every provider treats tags alike."""
    local, _, domain = address.rpartition("@")
    untagged = local.partition("+")[0]
    return f"{untagged}@{domain}" if untagged and not local.startswith('"') else address


def _bare(text: str) -> str:
    """Text without invisible characters, which could make two look-alike addresses of one."""
    return "".join(c for c in text if unicodedata.category(c) not in {"Cf", "Cc"} or c.isspace()).strip()


def _local_part(written: str) -> str | None:
    if any(_imitates_ascii(char) for char in written):
        return None
    local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", written).lower())
    if local.startswith('"'):
        inner = re.sub(r"\\(.)", r"\1", local[1:-1], flags=re.DOTALL)
        if not inner or not inner.isprintable():
            return None
        local = inner if _DOT_ATOM.fullmatch(inner) else '"' + re.sub(r'(["\\])', r"\\\1", inner) + '"'
    elif not _DOT_ATOM.fullmatch(local):
        return None
    return local


def _imitates_ascii(char: str) -> bool:
    return not char.isascii() and any(c.isascii() for c in unicodedata.normalize("NFC", char).lower())


def _domain(written: str) -> str | None:
    domain = written.rstrip(".")
    if not domain.isascii():
        try:
            domain = idna.encode(unicodedata.normalize("NFC", domain), uts46=True).decode("ascii")
        except (UnicodeError, IndexError):
            return None
    domain = domain.lower()
    labels = domain.split(".")
    good = len(labels) > 1 and len(domain) <= 253 and all(_LABEL.fullmatch(label) for label in labels)
    return domain if good and not labels[-1].isdigit() and domain not in _CHAT_DOMAINS else None
