"""Files of a WhatsApp message: what they are called, of which type, under which id. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from inbox_channels._graph.reading import Json, Unreadable, required, word
from inbox_daemon.model import Attachment, Content

MEDIA_ID_LIFE = timedelta(days=7)
"""How long an id of incoming media can be turned into an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a type's reader made of its object."""

    content: Content
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


def part_of(item: Json) -> Json:
    """The object under the name of the item's type. Raises `Unreadable` where it is missing."""
    kind = word(item, "type")
    part = item.get(kind)
    if not isinstance(part, dict):
        raise Unreadable(f"is of type {kind} without its object")
    return part


FILES: Mapping[str, tuple[Content, str, str]] = {
    "image": (Content.IMAGE, "imagen", "image/jpeg"),
    "video": (Content.VIDEO, "video", "video/mp4"),
    "audio": (Content.AUDIO, "audio", "audio/ogg"),
    "document": (Content.DOCUMENT, "documento", "application/octet-stream"),
    "sticker": (Content.STICKER, "sticker", "image/webp"),
}

_OFFICE = "application/vnd.openxmlformats-officedocument"
_SUFFIXES: Mapping[str, str] = {
    "application/msword": ".doc",
    "application/pdf": ".pdf",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    f"{_OFFICE}.presentationml.presentation": ".pptx",
    f"{_OFFICE}.spreadsheetml.sheet": ".xlsx",
    f"{_OFFICE}.wordprocessingml.document": ".docx",
    "application/zip": ".zip",
    "audio/aac": ".aac",
    "audio/amr": ".amr",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/plain": ".txt",
    "text/vcard": ".vcf",
    "video/3gpp": ".3gp",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
}
_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[a-z0-9][\w.+-]*", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[/\\\s\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_NAME_CHARS = 120


def read_file(item: Json, at: datetime) -> Reading:
    """A picture, video, voice, document or sticker; its id lives from `at` on. Raises `Unreadable`."""
    content, stem, usual_type = FILES[word(item, "type")]
    part = part_of(item)
    given = word(part, "mime_type").partition(";")[0].strip().lower()
    media_type = given if _MEDIA_TYPE.fullmatch(given) else usual_type
    size = part.get("file_size")
    attachment = Attachment(
        filename=_filename(word(part, "filename"), stem, media_type),
        media_type=media_type,
        remote=required(part, "id"),
        size=size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None,
        sha256=hex_digest(word(part, "sha256")),
        expires_at=at + MEDIA_ID_LIFE,
    )
    voice = {"voice": "sí"} if part.get("voice") is True else {}
    return Reading(content=content, text=word(part, "caption"), attachments=(attachment,), details=voice)


def _filename(given: str, stem: str, media_type: str) -> str:
    name = _NOT_IN_NAMES.sub(lambda found: " " if found[0].isspace() else "_", given).strip().lstrip(".")
    if not name:
        return stem + _SUFFIXES.get(media_type, ".bin")
    if len(name) > _NAME_CHARS:
        head, dot, suffix = name.rpartition(".")
        kept = dot + suffix if head and len(suffix) <= 10 else ""
        name = name[: _NAME_CHARS - len(kept)] + kept
    return name


def hex_digest(value: str) -> str | None:
    """A SHA-256 as Meta gives it (base64 in webhooks, hexadecimal from the media node) in hexadecimal, or None."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", value):
        return value.lower()
    try:
        digest = base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest.hex() if len(digest) == 32 else None
