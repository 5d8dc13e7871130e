"""Files of messages, comments and posts, in the shapes of webhooks and of the Graph API's nodes. Pure.

Addresses are signed anew for every delivery and die after some days, so an attachment is known by its message and its
place there (`m_abc#1`), and `attachment_url` finds the address again in the envelope that brought it.
Shapes of webhooks: messenger-platform/webhooks/webhook-events/messages (June 2026); of nodes: graph-api/reference,
`message` (attachments with image_data, video_data, file_url) and `comment` (attachment).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from inbox_channels._graph.reading import Json, Unreadable, child, children, clean, clean_text, load, word
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Attachment, Content


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A file as it was given: its address, what it is, and for nodes its name, type and size."""

    kind: str
    url: str
    name: str = ""
    media_type: str = ""
    size: int | None = None


_KINDS: Mapping[str, tuple[Content, str, str]] = {
    "image": (Content.IMAGE, "imagen", "image/jpeg"),
    "video": (Content.VIDEO, "video", "video/mp4"),
    "audio": (Content.AUDIO, "audio", "audio/mp4"),
    "file": (Content.DOCUMENT, "documento", "application/octet-stream"),
    "sticker": (Content.STICKER, "sticker", "image/webp"),
}

PLAIN = frozenset(_KINDS)
"""Types of attachments that are files and nothing else."""
_REELS = ("reel", "ig_reel")
_META_FILES = (".fbcdn.net", ".fbsbx.com", ".cdninstagram.com")
"""What somebody passes on is an address to look at or, mostly from Instagram, a file there, which soon is gone."""


# ---------------------------------------------------------------- in each shape


def of_message(message: Json) -> list[Given]:
    """Files of a webhook's `message`; what is told under a newer name counts by where it stands.

    A sticker is one, also where it is told as an image as well (before 30 August 2026).
    """
    found: dict[str, Given] = {}
    for n, part in enumerate(children(message, "attachments")):
        payload, type_ = child(part, "payload"), word(part, "type")
        sticker, url = word(payload, "sticker_id"), address(part)
        kind = "sticker" if sticker else type_ if type_ in _KINDS else "video" if type_ in _REELS else "file"
        if url and (type_ in _KINDS or (type_ != "fallback" and is_file_address(url))):
            found.setdefault(sticker or f"#{n}", Given(kind=kind, url=url))
    return list(found.values())


def of_message_node(node: Json) -> list[Given]:
    """Files of a message as `GET /<conversation>/messages` gives it."""
    found = [given for part in children(child(node, "attachments"), "data") if (given := _of_node_part(part))]
    story = web_address(word(child(child(node, "story"), "mention"), "link"))
    sticker = web_address(word(node, "sticker"))
    shared = [Given(kind="file", url=url) for url in (*_shares(node), story) if is_file_address(url)]
    return [*found, *shared, *([Given(kind="sticker", url=sticker)] if sticker else [])]


def _of_node_part(part: Json) -> Given | None:
    image, video, media_type = child(part, "image_data"), child(part, "video_data"), word(part, "mime_type").lower()
    url = web_address(word(image, "url") or word(video, "url") or word(part, "file_url"))
    if not url:
        return None
    main = media_type.partition("/")[0]
    kind = "image" if image else "video" if video else main if main in ("audio", "video", "image") else "file"
    if image.get("render_as_sticker") is True:
        kind = "sticker"
    size = part.get("size")
    whole = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    name = word(part, "name")
    return Given(kind=kind, url=url, name=name, media_type=media_type, size=size if whole else None)


def of_feed(value: Json) -> list[Given]:
    """Files of a comment or a visitor's post in the `feed`: addresses by themselves, for a post of one also `link`."""
    item = word(value, "item")
    photos = value.get("photos")
    found = [("image", word(value, "photo"))]
    found += [("image", url) for url in (photos if isinstance(photos, list) else []) if isinstance(url, str)]
    found += [("video", word(value, "video"))]
    if item in ("photo", "video") and not any(url for _, url in found):
        found += [("image" if item == "photo" else "video", word(value, "link"))]
    return [Given(kind=kind, url=url) for kind, given in found if (url := web_address(given))]


def of_feed_node(node: Json) -> list[Given]:
    """Files of a comment's node (`attachment`) or a post's (`attachments`, of an album `subattachments`)."""
    parts = [child(node, "attachment"), *children(child(node, "attachments"), "data")]
    inner = [one for part in parts for one in children(child(part, "subattachments"), "data")]
    return [given for part in inner or parts if (given := _of_story_part(part))]


def _of_story_part(part: Json) -> Given | None:
    media, type_ = child(part, "media"), word(part, "type")
    source, image = web_address(word(media, "source")), web_address(word(child(media, "image"), "src"))
    if "video" in type_ and source:
        return Given(kind="video", url=source)
    if image and ("photo" in type_ or "animated" in type_):
        return Given(kind="image", url=image)
    return Given(kind="sticker", url=image) if image and type_ == "sticker" else None


def _shares(node: Json) -> list[str]:
    return [web_address(word(one, "link")) for one in children(child(node, "shares"), "data")]


# ---------------------------------------------------------------- addresses


def address(part: Json) -> str:
    """The address of one of a message's attachments; an older `fallback` has it beside the payload."""
    return web_address(word(child(part, "payload"), "url") or word(part, "url"))


def web_address(given: str) -> str:
    """`given` where it is an address of the web, else nothing."""
    url = given.strip()
    return url if _host(url) else ""


def behind(url: str) -> str:
    """Where a link leads that Meta has wrapped into its own (`https://l.facebook.com/l.php?u=…`)."""
    if _host(url) not in ("l.facebook.com", "lm.facebook.com", "l.instagram.com"):
        return url
    try:
        given = parse_qs(urlsplit(url).query).get("u", [""])[0]
    except ValueError:
        return url
    return web_address(clean_text(given)) or url


def is_file_address(url: str) -> bool:
    """Whether it is Meta's store of files: what stands there can be had for some days only."""
    return _host(url).endswith(_META_FILES)


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("https", "http") else ""


# ---------------------------------------------------------------- as attachments


_OFFICE = "application/vnd.openxmlformats-officedocument"
_TYPES: Mapping[str, str] = {
    ".aac": "audio/aac",
    ".csv": "text/csv",
    ".doc": "application/msword",
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4a": "audio/mp4",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ogg": "audio/ogg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".ppt": "application/vnd.ms-powerpoint",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".rtf": "application/rtf",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    ".zip": "application/zip",
}
_SUFFIXES = {type_: suffix for suffix, type_ in _TYPES.items()} | {"audio/mp4": ".mp4"}
_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[a-z0-9][\w.+-]*", re.ASCII)
_NOT_IN_NAMES = re.compile(r"[/\\\s\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_NAME_CHARS = 120


def content_of(given: Given) -> Content:
    """What a message with this file mainly is."""
    return _KINDS[given.kind][0]


def attachments(event_id: str, given: Sequence[Given]) -> tuple[Attachment, ...]:
    """Files of the message, comment or post `event_id`, in their order: the place in it is part of what they are."""
    return tuple(_attachment(f"{event_id}#{n}", one) for n, one in enumerate(given, start=1))


def _attachment(remote: str, given: Given) -> Attachment:
    _, stem, usual = _KINDS[given.kind]
    said = given.media_type.partition(";")[0].strip()
    in_path = _name_in(given.url)
    name = _tidy(given.name or (in_path if given.kind == "file" else ""))
    media_type = said if _MEDIA_TYPE.fullmatch(said) else _by_suffix(name) or _by_suffix(in_path) or usual
    if given.kind == "audio" and media_type == "video/mp4":
        media_type = usual
    if not _by_suffix(name):
        name = (name or stem) + _SUFFIXES.get(media_type, "" if "." in name else ".bin")
    return Attachment(filename=name, media_type=media_type, remote=remote, size=given.size)


def _name_in(url: str) -> str:
    return clean_text(unquote(urlsplit(url).path.rpartition("/")[2], errors="replace"))


def _by_suffix(name: str) -> str:
    return _TYPES.get(("." + name.rpartition(".")[2]).lower(), "") if "." in name else ""


def _tidy(name: str) -> str:
    name = _NOT_IN_NAMES.sub(lambda found: " " if found[0].isspace() else "_", name).strip().lstrip(".")
    if len(name) <= _NAME_CHARS:
        return name
    head, dot, suffix = name.rpartition(".")
    kept = dot + suffix if head and len(suffix) <= 10 else ""
    return name[: _NAME_CHARS - len(kept)] + kept


# ---------------------------------------------------------------- found again


def attachment_url(body: bytes, remote: str) -> str | None:
    """The address of the attachment `remote` in the envelope's body that brought it; None where it isn't there."""
    event_id, _, number = remote.rpartition("#")
    if not (event_id and number.isascii() and number.isdigit() and 0 < len(number) < 6):
        return None
    try:
        shapes = list(_shapes(load(body)))
    except Permanent:
        return None
    for raw, shape in shapes:
        found = _files_of(raw, shape, event_id)
        if 0 < int(number) <= len(found):
            return found[int(number) - 1].url
    return None


def _shapes(body: Json) -> Iterator[tuple[object, str]]:
    """Every item that may bring files, with the name of its shape. An entry may itself be a single change."""
    for entry in children(body, "entry"):
        for raw in (*_list(entry, "messaging"), *_list(entry, "standby")):
            yield raw, "value"
        for change in (entry, *children(entry, "changes")):
            yield change.get("value"), "value"
    for raw in _list(body, "polled"):
        yield raw, "polled"


def _list(parent: Json, key: str) -> Iterable[object]:
    found = parent.get(key)
    return found if isinstance(found, list) else []


def _files_of(raw: object, shape: str, event_id: str) -> Sequence[Given]:
    """The files of an item, if it is the one of that id."""
    try:
        item = clean(raw)
    except Unreadable:
        return ()
    if shape == "polled":
        node = child(item, "item")
        read = of_message_node if word(item, "kind") == "message" else of_feed_node
        return read(node) if word(node, "id").strip() == event_id else ()
    message = child(item, "message")
    if message:
        return of_message(message) if word(message, "mid").strip() == event_id else ()
    ids = (word(item, "comment_id").strip(), word(item, "post_id").strip(), word(item, "photo_id").strip())
    return of_feed(item) if event_id == next((one for one in ids if one), "") else ()
