"""Attachments and body out of a winmail.dat (TNEF), within limits; a damaged one stays as it is."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from tnefparse import TNEF

from inbox_channels.email.parse_rtf import decompress_rtf, rtf_to_text
from inbox_channels.email.parse_words import decode

MAX_TNEF_BYTES = 20 * 1024 * 1024
_MAX_COPIED_BYTES = 256 * 1024 * 1024
_MAX_FILES = 100

logging.getLogger("tnefparse").setLevel(logging.CRITICAL + 1)  # it logs people's data and every oddity it meets


@dataclass(frozen=True, slots=True, kw_only=True)
class Tnef:
    """What was inside: files as (name as sent, bytes), and the body as text and as HTML ("" when there is none)."""

    files: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    unread: bool = False
    """Whether there is a body that could not be read."""


def read_tnef(data: bytes) -> Tnef | None:
    """Open a TNEF stream; None when it is too large, damaged or not one."""
    if len(data) > MAX_TNEF_BYTES or not _affordable(data):
        return None
    try:
        tnef: Any = TNEF(data, do_checksum=False)
        files = tuple((_name(item), bytes(item.data)) for item in tnef.attachments[:_MAX_FILES] if item.data)
        text, html, packed = _string(tnef.body), _string(tnef.htmlbody), tnef._rtfbody  # noqa: SLF001 - rtfbody is raw
        if packed and not text.strip() and not html.strip():
            rtf = decompress_rtf(bytes(packed))
            text = rtf_to_text(rtf) if rtf is not None else ""
        return Tnef(files=files, text=text, html=html, unread=bool(packed) and not (text.strip() or html.strip()))
    except Exception:  # noqa: BLE001 - the library raises anything (struct.error, TypeError, RecursionError …)
        return None


def _affordable(data: bytes) -> bool:
    """Whether the library, which copies the whole rest of the stream for every object, gets through in a short time."""
    position, copied = 6, 0
    while position + 12 < len(data):
        copied += len(data) - position
        if copied > _MAX_COPIED_BYTES:
            return False
        position += int.from_bytes(data[position + 5 : position + 9], "little") + 11
    return True


def _name(item: Any) -> str:
    for read in (item.long_filename, lambda: item.name):
        try:
            name = _string(read())
        except (UnicodeError, AttributeError, TypeError):
            continue
        if name:
            return name
    return ""


def _string(value: object) -> str:
    if isinstance(value, (list, tuple)):
        value = value[0] if value else ""
    if isinstance(value, bytes):
        return decode(value, None).rstrip("\0")
    return value.rstrip("\0") if isinstance(value, str) else ""
