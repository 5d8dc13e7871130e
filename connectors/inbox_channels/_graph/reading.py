"""Read a webhook body of Meta: JSON of anybody's making into values that every store and log can take. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, cast

import orjson

from inbox_daemon.errors import Permanent

Json = Mapping[str, Any]

MAX_DEPTH = 64
"""Nesting of one item that is still read; what Meta documents stays below ten."""

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Unreadable(Exception):
    """One item can't be read; the words say why, without its content."""


def load(body: bytes) -> Json:
    """The JSON object in `body`. Raises `Permanent` when it holds none.

    A lone surrogate (half an emoji in a cut-off name) is refused by orjson though its neighbours are sound: such a
    body is read again by the standard library, and `clean` mends the string.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(body.decode("utf-8-sig"), parse_constant=lambda _name: None)
        except (ValueError, RecursionError):
            raise Permanent("the body is not JSON that can be read") from None
    if not isinstance(value, dict):
        raise Permanent("the body is JSON but no object")
    return cast("Json", value)


def clean_text(value: str) -> str:
    """`value` without what databases refuse: control characters go, lone surrogates become U+FFFD."""
    if not _UNWANTED.search(value):
        return value
    return _UNWANTED.sub(lambda found: "\ufffd" if found[0] >= "\ud800" else "", value)


def clean(value: object) -> Json:
    """A copy of an item with every string cleaned. Raises `Unreadable` for no object, or one nested too deeply."""
    if not isinstance(value, dict):
        raise Unreadable("is no object")
    return cast("Json", _clean(value, 0))


def _clean(value: object, depth: int) -> object:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        raise Unreadable("is nested too deeply")
    if isinstance(value, dict):
        return {clean_text(key): _clean(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner, depth + 1) for inner in value]
    return value


def child(parent: Json, key: str) -> Json:
    """The object under `key`, an empty one where there is none."""
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def children(parent: Json, key: str) -> Sequence[Json]:
    """The objects in the list under `key`; anything else in it is passed over."""
    value = parent.get(key)
    return [inner for inner in value if isinstance(inner, dict)] if isinstance(value, list) else []


def word(parent: Json, key: str) -> str:
    """The string or number under `key` as text, empty where there is none."""
    value = parent.get(key)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def required(parent: Json, key: str) -> str:
    """Like `word`, but raises `Unreadable` when it is missing or blank."""
    value = word(parent, key).strip()
    if not value:
        raise Unreadable(f"has no {key}")
    return value


def moment(parent: Json, key: str, zone: tzinfo) -> datetime:
    """The unix time in seconds under `key` (Meta writes it as a string). Raises `Unreadable`."""
    digits = required(parent, key)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 11):
        raise Unreadable(f"has a {key} that is no unix time in seconds")
    return datetime.fromtimestamp(int(digits), UTC).astimezone(zone)
