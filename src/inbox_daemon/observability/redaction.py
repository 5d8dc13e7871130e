"""Masks what looks like a person or a secret in log events: a second fence, for what should not have been logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, time, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from pathlib import PurePath
from typing import Any
from uuid import UUID

from structlog.typing import EventDict

from inbox_daemon.plugins.settings import Secret

MAX_VALUE_CHARS = 600
MAX_KEYS = 40
MAX_ITEMS = 20
MAX_DEPTH = 4
MASK = "[masked]"

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![\w-])"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_KEPT = "|".join(
    (
        rf"(?<![\w.+-])(?:19|20)[0-9]{{2}}-[01][0-9]-[0-3][0-9](?:[T ]{_TIME})?(?![\w-])",  # a date
        rf"(?<![\w.+-])(?:{_OCTET}\.){{3}}{_OCTET}(?::[0-9]{{1,5}})?(?![\w.-])",  # an IPv4 address
        rf"(?<![\w-]){_UUID}",
        r"(?<![\w.])0\.[0-9]+(?!\w)",  # a fraction
        r"(?<![\w-])[EMD][0-9]{1,15}(?!\w)",  # our ids of parked things
        r"(?<=\(code )[0-9]{1,7}(?:/[0-9]{1,7})?(?=\))",  # an error's code and subcode
        r"(?<!\w)0x[0-9a-f]+(?!\w)",  # where an object lives
    )
)
_NUMBER = re.compile(rf"(?P<kept>{_KEPT})|\+?\d(?:[\s().\-\u2010-\u2015/]{{0,2}}\d){{6,}}")
"""Seven digits or more, however written: telephone, DNI, CUIT, wa_id, page-scoped id."""

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_PLAIN = re.compile(r"[A-Za-z_.-]{0,31}")
"""Names of events, keys and instances: nothing below could match, and most of a log line is made of them."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_Replacement = str | Callable[[re.Match[str]], str]
_RULES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (re.compile(r"://[^/\s@]+@"), "://[secret]@"),
    (re.compile(r"(https?://[^\s?#]+)[?#]\S+"), r"\1?[masked]"),  # signed media addresses, access_token=…
    (re.compile(r"(/(?:case|chat)/)[^\s\"']+"), r"\1[masked]"),
    (re.compile(r"(?i)\b(bearer)\s+\S+"), r"\1 [secret]"),
    (re.compile(r"(?i)\b(basic|digest|token)\s+(?=\S*(?:[0-9=]|(?-i:[a-z][A-Z])))[\w.~+/=-]{6,}"), r"\1 [secret]"),
    (
        re.compile(
            r"(?i)((?:token|secret|password|passwd|signature|api_?key|authorization|cookie)[\"']?"
            r"(?:\s?=\s?|\s?:\s?(?=[\"']))[\"']?)[^\s\"'&,;]+"
        ),
        r"\1[secret]",
    ),
    # A WhatsApp id is base64 of a structure that begins with the telephone number; its end is the message's own part.
    (re.compile(r"wamid\.([\w+/-]+)=*"), lambda found: f"wamid.…{found[1][-6:]}" if len(found[1]) > 24 else MASK),
    (re.compile(rf"(?<![\w-])(?!{_UUID})(?=[\w-]*[0-9])(?=[\w-]*[A-Za-z])[\w-]{{32,}}"), "[secret]"),
    (re.compile(r"(?<![\w.+'-])[\w.+'-]{1,128}(?:@|%40)[\w.-]+"), "[address]"),
    (re.compile(r"(?<![\w.])[A-Z]{2}\.(?:ENT\.)?(?=[A-Za-z]{0,128}[0-9])[A-Za-z0-9]{6,128}(?!\w)"), "[bsuid]"),
    (_NUMBER, lambda found: found["kept"] or "[number]"),
)

# fmt: off
_PERSONAL = frozenset(
    {
        "phone", "telephone", "tel", "msisdn", "email", "dni", "cuit", "cuil", "bsuid", "psid", "sender",
        "author", "recipient", "handle", "handles", "text", "body", "subject", "quoted", "caption", "cookie",
        "cookies", "authorization", "password", "passwd", "secret", "secrets", "token", "tokens", "signature",
        "surname",
    }
)
# fmt: on
_PERSONAL_KEYS = frozenset({"wa_id", "user_id", "api_key", "private_key", "full_name", "from", "to", "reply_to"})
# fmt: off
_MEASURES = frozenset(
    {
        "seconds", "bytes", "chars", "count", "ms", "at", "day", "days", "pid", "port", "size", "total",
        "lines", "rows", "status", "code", "ids", "seq", "number", "limit",
    }
)
# fmt: on
_HARMLESS = _MEASURES | {"kind", "type", "state", "scope", "outcome", "reason"}
"""Last words of a key that make it a measure or a kind of what would be personal: `body_bytes`, `handle_kind`."""
_OUR_IDS = frozenset({"id", "envelope", "envelope_id", "message", "conversation", "step", "dispatch", "citizen"})
_OURS = ("timestamp", "level", "logger")
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def redact(text: str) -> str:
    """`text` on one line, without control characters, bounded, and with whatever looks personal or secret masked.

    Masked before cut: half an address is still somebody's.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _INVISIBLE.sub("", text[: 4 * MAX_VALUE_CHARS])
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    if len(text) > MAX_VALUE_CHARS:
        text = text[:MAX_VALUE_CHARS] + "…"
    return _CONTROL.sub(_escaped, text)


def redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The structlog processor: keys and values of an event, at every depth. Runs after time and level are added."""
    ours = {key: event[key] for key in _OURS if key in event}
    rest = {"event": event.get("event", ""), **event}
    for key in ours:
        del rest[key]
    return {**ours, **_mapping(rest, 0)}


def _escaped(found: re.Match[str]) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return known.get(found[0], f"\\u{ord(found[0]):04x}")


def _mapping(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    kept = {redact(str(key)): _member(str(key), value, depth) for key, value in islice(values.items(), MAX_KEYS)}
    if len(values) > MAX_KEYS:
        kept["keys_left_out_count"] = len(values) - MAX_KEYS
    return kept


def _member(key: str, value: Any, depth: int) -> Any:
    words = [word.lower() for word in _WORDS.findall(key)]
    last = words[-1] if words else ""
    if isinstance(value, int | float) and (key in _OUR_IDS or last in _MEASURES):
        return value
    if key.lower() in _PERSONAL_KEYS or (_PERSONAL.intersection(words) and last not in _HARMLESS):
        return value if value is None or value == "" or isinstance(value, bool) else MASK
    return _value(value, depth)


def _value(value: Any, depth: int) -> Any:
    """Only what is known to be harmless in form is shown; of any other object, its type (a `Message` holds words)."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, Enum):
        return _value(value.value, depth)
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, int):
        return value if abs(value) < 1_000_000 else "[number]"
    if isinstance(value, date | time | timedelta | PurePath | UUID | IPv4Address | IPv6Address):
        return redact(str(value))
    if isinstance(value, BaseException):
        return redact(f"{type(value).__name__}: {value}")
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return _container(value, depth)


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Secret):
        return repr(value)
    if depth >= MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return _mapping(value, depth + 1)
    if isinstance(value, Sequence | Set):
        shown = [_value(item, depth + 1) for item in islice(value, MAX_ITEMS)]
        return [*shown, f"… {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else shown
    return f"<{type(value).__name__}>"
