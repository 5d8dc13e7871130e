"""The attachments of a mail as the core sees them: safe names, sizes, hashes, and a way to find their bytes again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inbox_channels.email.parse_headers import split_entity
from inbox_channels.email.parse_mime import Part
from inbox_channels.email.parse_tnef import Tnef, read_tnef
from inbox_channels.email.parse_words import clean_line, clean_text, decode, decode_words
from inbox_daemon.model import Attachment

_EXTENSIONS = {
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "text/plain": ".txt",
    "text/html": ".html",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/x-vcard": ".vcf",
    "text/vcard": ".vcf",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/heic": ".heic",
    "image/webp": ".webp",
    "image/tiff": ".tif",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/mp4": ".m4a",
    "video/mp4": ".mp4",
    "video/3gpp": ".3gp",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/msword": ".doc",
    "application/ms-tnef": ".dat",
    "application/pkcs7-signature": ".p7s",
    "application/pgp-signature": ".asc",
}
_TYPES = {
    **{extension: media_type for media_type, extension in reversed(_EXTENSIONS.items())},
    ".jpeg": "image/jpeg",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_UNSAFE = re.compile(r'[\\/:*?"<>|]+')
_MAX_NAME_CHARS = 120


def safe_name(name: str) -> str:
    """The last component of a file name without anything that could fool a person or a file system; "" if empty."""
    name = clean_line(decode_words(name)).replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    name = _UNSAFE.sub("_", name).strip(" .")
    if len(name) > _MAX_NAME_CHARS:
        stem, dot, extension = name.rpartition(".")
        kept = extension if dot and len(extension) <= 10 else ""
        name = (stem if kept else name)[: _MAX_NAME_CHARS - len(kept) - 1].rstrip(" .") + (f".{kept}" if kept else "")
    return name


@dataclass(frozen=True, slots=True)
class File:
    """One attachment together with its bytes."""

    attachment: Attachment
    content: bytes


def files_of(leaves: Sequence[Part], inline: set[str], *, wordless: bool) -> Iterator[tuple[File, Tnef | None]]:
    """Every leaf as a file; a winmail.dat as the files inside it, with what else was found in it.

    It is kept itself too where it may hold the only words of a `wordless` mail.
    """
    for leaf in leaves:
        content = leaf.content
        tnef = read_tnef(content) if is_tnef(leaf) else None
        if tnef is None:
            yield _file(leaf, content, inline=leaf.path in inline), None
            continue
        if not tnef.files:
            if not (tnef.text.strip() or tnef.html.strip()):  # nothing could be made of it: keep it as it is
                yield _file(leaf, content, inline=False), None
            else:
                yield _inner(leaf, 0, ("", content)), tnef
            continue
        if wordless and tnef.unread:
            yield _inner(leaf, 0, ("", content)), tnef
        for number, item in enumerate(tnef.files, 1):
            yield _inner(leaf, number, item), tnef


def is_tnef(leaf: Part) -> bool:
    """Whether a leaf is Outlook's wrapper."""
    return leaf.media_type in ("application/ms-tnef", "application/vnd.ms-tnef") or (
        leaf.filename.lower() == "winmail.dat"
    )


def content_at(root: Part, remote: str) -> bytes | None:
    """The bytes that `Attachment.remote` names, None when there are none."""
    path, _, number = remote.partition("#")
    leaf = next((leaf for leaf in root.leaves() if leaf.path == path), None)
    if leaf is None or not number or number == "0":
        return None if leaf is None else leaf.content
    tnef = read_tnef(leaf.content)
    index = int(number) - 1 if number.isascii() and number.isdigit() else -1
    return tnef.files[index][1] if tnef is not None and 0 <= index < len(tnef.files) else None


def _describe(name: str, media_type: str, remote: str, content: bytes, *, inline: bool = False) -> File:
    attachment = Attachment(
        filename=name,
        media_type=media_type,
        remote=remote,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        inline=inline,
    )
    return File(attachment, content)


def _file(leaf: Part, content: bytes, *, inline: bool) -> File:
    name = safe_name(leaf.filename)
    if not name and leaf.media_type in ("message/rfc822", "message/global"):
        subject = split_entity(content[:262144])[0].text("subject")
        name = f"{safe_name(subject)[:100] or 'correo adjunto'}.eml"
    if not name:
        fallback = ".txt" if leaf.media_type.startswith("text/") else ".bin"
        name = f"adjunto-{leaf.path}{_EXTENSIONS.get(leaf.media_type, fallback)}"
    return _describe(name, leaf.media_type, leaf.path, content, inline=inline)


def _inner(leaf: Part, number: int, item: tuple[str, bytes]) -> File:
    name = safe_name(item[0]) or (f"adjunto-{leaf.path}-{number}.bin" if number else "winmail.dat")
    extension = name[name.rfind(".") :].lower() if "." in name else ""
    media_type = _TYPES.get(extension, "application/octet-stream") if number else leaf.media_type
    return _describe(name, media_type, f"{leaf.path}#{number}", item[1])


# ---------------------------------------------------------------- calendar

_EVENT = re.compile(r"BEGIN:VEVENT\r?\n(.*?)END:VEVENT", re.DOTALL)
_FIELD = re.compile(r"^(SUMMARY|DTSTART|LOCATION)(;[^:\n]{0,200})?:(.*)$", re.MULTILINE)


def invitation_details(content: bytes, charset: str | None) -> dict[str, str]:
    """What, when and where of the first event of an iCalendar file, in words for the agent."""
    text = clean_text(decode(content[:65536], charset or "utf-8")).replace("\n ", "").replace("\n\t", "")
    event = _EVENT.search(text)
    fields: dict[str, str] = {}
    for match in _FIELD.finditer(event[1] if event else ""):
        value = match[3].replace("\\n", " ").replace("\\N", " ").replace("\\,", ",").replace("\\;", ";")
        fields.setdefault(match[1], clean_line(value)[:300])
    named = {
        "invitation": fields.get("SUMMARY", ""),
        "invitation_start": fields.get("DTSTART", ""),
        "invitation_place": fields.get("LOCATION", ""),
    }
    return {key: value for key, value in named.items() if value}
