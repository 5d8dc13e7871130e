"""An agent's answer into the bodies that the messages endpoint takes, inside WhatsApp's limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inbox_daemon.errors import Permanent
from inbox_daemon.model import Handle, Reply, StoredFile

TEXT_CHARS = 4096
CAPTION_CHARS = 1024
TAG_CHARS = 512

_MEGABYTE = 1024 * 1024
_DOCUMENT_BYTES = 100 * _MEGABYTE
_KINDS: Sequence[tuple[str, int, frozenset[str]]] = (
    ("image", 5 * _MEGABYTE, frozenset({"image/jpeg", "image/png"})),
    ("video", 16 * _MEGABYTE, frozenset({"video/mp4", "video/3gpp"})),
    ("audio", 16 * _MEGABYTE, frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})),
)

_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[a-z0-9][\w.+-]*", re.ASCII)
_ARGENTINE_MOBILE = re.compile(r"\+549(\d{10})")

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file of the answer under the id that Meta gave it."""

    file: StoredFile
    media_id: str


def media_type(file: StoredFile) -> str:
    """The file's type as Meta compares it: bare and in small letters."""
    bare = file.media_type.partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.fullmatch(bare) else "application/octet-stream"


def media_kind(file: StoredFile) -> str:
    """As what `file` is sent: what WhatsApp would not show as itself goes as a document. Raises `Permanent`."""
    for kind, limit, types in _KINDS:
        if media_type(file) in types and file.size <= limit:
            return kind
    if file.size > _DOCUMENT_BYTES:
        raise Permanent(f"a file of {file.size // _MEGABYTE} MB is too large for WhatsApp (100 MB)")
    return "document"


def bodies(reply: Reply, files: Sequence[UploadedFile], *, language: str, drop_mobile_9: bool) -> list[Body]:
    """The messages of one answer, in order: a template, or the text in as few parts as it fits and then the files.

    Every message is paid for, so a short text beside one file becomes its caption.
    """
    if len(reply.tag) > TAG_CHARS:
        raise Permanent("the tag of the answer is longer than WhatsApp echoes")
    envelope: Body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient(reply.to, drop_mobile_9=drop_mobile_9),
        "biz_opaque_callback_data": reply.tag,
    }
    contents = [_template(reply, language)] if reply.template else _free(reply.text.strip(), files)
    if not contents:
        raise Permanent("the answer is empty")
    made = [{**envelope, **content} for content in contents]
    if reply.in_reply_to:
        made[0]["context"] = {"message_id": reply.in_reply_to}
    return made


def recipient(to: Handle, *, drop_mobile_9: bool) -> Mapping[str, str]:
    """How the API is told whom to write to. Always with `+`: without it Meta puts *our* country code before it."""
    if to.kind == "bsuid":
        return {"recipient": to.value}
    if to.kind != "phone":
        raise Permanent(f"a handle of kind {to.kind} can't be written to by WhatsApp")
    number = f"+{to.value.removeprefix('+')}"
    return {"to": _ARGENTINE_MOBILE.sub(r"+54\1", number) if drop_mobile_9 else number}


def _template(reply: Reply, language: str) -> Body:
    template: Body = {"name": reply.template, "language": {"code": language}}
    if reply.parameters:
        # A template's parameter may hold no line break, no tab and no run of spaces.
        values = [{"type": "text", "text": " ".join(value.split())} for value in reply.parameters]
        template["components"] = [{"type": "body", "parameters": values}]
    return {"type": "template", "template": template}


def _free(text: str, files: Sequence[UploadedFile]) -> list[Body]:
    captioned = len(files) == 1 and len(text) <= CAPTION_CHARS and media_kind(files[0].file) != "audio"
    if captioned:
        return [_media(files[0], caption=text)]
    texts: list[Body] = [{"type": "text", "text": {"body": part, "preview_url": False}} for part in split_text(text)]
    return texts + [_media(uploaded) for uploaded in files]


def _media(uploaded: UploadedFile, caption: str = "") -> Body:
    kind = media_kind(uploaded.file)
    media: Body = {"id": uploaded.media_id}
    if kind == "document":
        media["filename"] = uploaded.file.filename
    if caption:
        media["caption"] = caption
    return {"type": kind, kind: media}


_BREAKS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?…])\s+"), re.compile(r"\s+"))


def split_text(text: str, limit: int = TEXT_CHARS) -> list[str]:
    """`text` in parts of at most `limit` characters, cut at a paragraph, line, sentence or word, in that preference.

    A cut in the first half of a part is no good one: the next weaker kind of break is looked for.
    """
    parts = []
    rest = text.strip()
    while len(rest) > limit:
        end, begin = _cut(rest, limit)
        parts.append(rest[:end])
        rest = rest[begin:].lstrip()
    return [*parts, rest] if rest else parts


def _cut(text: str, limit: int) -> tuple[int, int]:
    for pattern in _BREAKS:
        found = [m for m in pattern.finditer(text, 0, limit + 1) if limit // 2 <= m.start() <= limit]
        if found:
            return found[-1].start(), found[-1].end()
    return limit, limit
