"""What one WhatsApp message says: its type's own object into content, text, files and details. Pure.

Types and fields: developers.facebook.com/documentation/business-messaging/whatsapp, as of August 2026. `text` holds
only what the person wrote or chose; whatever else an agent should know goes to `details`. Where they tapped a button
or a line of a menu, `text` is its title and `details["choice"]` the id under which it was sent (`Choice.id`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from inbox_channels._graph.reading import Json, Unreadable, child, children, clean, required, word
from inbox_daemon.model import Attachment, Content

MEDIA_ID_LIFE = timedelta(days=7)
"""How long an id of incoming media can be turned into an address."""

Details = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a type's reader made of its object."""

    content: Content
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


def read_content(item: Json, sent_at: datetime, errors: Sequence[Json] = ()) -> Reading:
    """Read a message by its type; what is unknown becomes visible as unsupported. Raises `Unreadable`.

    `errors` are those of the surrounding value: with them, or with its own, a message that lacks the object of its
    type is no broken neighbour but something that Meta itself could not carry.
    """
    kind = word(item, "type")
    own_errors = children(item, "errors")
    reader = _READERS.get(kind)
    try:
        reading = reader(item, sent_at) if reader else _unsupported(item, sent_at)
    except Unreadable:
        if not own_errors and not errors:
            raise
        reading = Reading(content=Content.UNSUPPORTED, details={"type": kind} if kind else {})
        own_errors = own_errors or errors
    extra = _surroundings(item) | _error_details(own_errors)
    return Reading(
        content=reading.content,
        text=reading.text,
        attachments=reading.attachments,
        details={**reading.details, **extra},
    )


def _part(item: Json) -> Json:
    kind = word(item, "type")
    part = item.get(kind)
    if not isinstance(part, dict):
        raise Unreadable(f"is of type {kind} without its object")
    return part


def _text(item: Json, _at: datetime) -> Reading:
    body = _part(item).get("body")
    if not isinstance(body, str):
        raise Unreadable("is of type text without a body")
    return Reading(content=Content.TEXT, text=body)


# ---------------------------------------------------------------- files

_FILES: Mapping[str, tuple[Content, str, str]] = {
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


def _file(item: Json, at: datetime) -> Reading:
    content, stem, usual_type = _FILES[word(item, "type")]
    part = _part(item)
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


# ---------------------------------------------------------------- places, cards, choices, orders


def _location(item: Json, _at: datetime) -> Reading:
    part = _part(item)
    details = {"latitude": required(part, "latitude"), "longitude": required(part, "longitude")}
    details |= {key: word(part, key) for key in ("name", "address", "url") if word(part, key)}
    return Reading(content=Content.LOCATION, details=details)


def _contacts(item: Json, _at: datetime) -> Reading:
    """Cards of people: what somebody says about somebody, never an identity of the sender."""
    cards = children(item, "contacts")
    if not cards:
        raise Unreadable("is of type contacts without a card")
    details = {f"contact {n}" if n > 1 else "contact": _card(card) for n, card in enumerate(cards, 1)}
    origin = next((word(card, "origin") for card in cards if word(card, "origin")), word(item, "origin"))
    if origin == "contact_request":
        details["origin"] = origin
    return Reading(content=Content.CONTACTS, details=details)


def _card(card: Json) -> str:
    name = child(card, "name")
    parts = [word(name, "formatted_name") or f"{word(name, 'first_name')} {word(name, 'last_name')}".strip()]
    parts += [word(phone, "phone") or word(phone, "wa_id") for phone in children(card, "phones")]
    parts += [word(email, "email") for email in children(card, "emails")]
    parts += [word(child(card, "org"), "company")]
    return ", ".join(part for part in parts if part)


def _button(item: Json, _at: datetime) -> Reading:
    part = _part(item)
    payload = word(part, "payload")
    return Reading(
        content=Content.INTERACTIVE,
        text=word(part, "text") or payload,
        details={"choice": payload} if payload else {},
    )


_TAPS = ("button_reply", "list_reply")


def _interactive(item: Json, _at: datetime) -> Reading:
    part = _part(item)
    kind = word(part, "type")
    answer = child(part, kind)
    details: Details = {"interactive": kind} if kind and kind not in _TAPS else {}
    if kind == "nfm_reply":
        details |= _form(answer)
        return Reading(content=Content.INTERACTIVE, text=word(answer, "body"), details=details)
    if word(answer, "id"):
        details["choice"] = word(answer, "id")
    for key in ("description", "response", "expiration_timestamp"):
        if word(answer, key):
            details[key] = word(answer, key)
    return Reading(content=Content.INTERACTIVE, text=word(answer, "title"), details=details)


def _form(answer: Json) -> Details:
    """The fields that a citizen filled in (a flow's `response_json`), without the flow's own token."""
    raw = word(answer, "response_json")
    try:
        fields = clean(orjson.loads(raw))
    except (orjson.JSONDecodeError, Unreadable):
        return {"form": raw} if raw else {}
    return {key: _plain(value) for key, value in fields.items() if key != "flow_token"}


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return ""


def _order(item: Json, _at: datetime) -> Reading:
    part = _part(item)
    details: Details = {"catalog": word(part, "catalog_id")} if word(part, "catalog_id") else {}
    for n, product in enumerate(children(part, "product_items"), 1):
        price = f"{word(product, 'item_price')} {word(product, 'currency')}".strip()
        details[f"product {n}"] = f"{word(product, 'quantity')} × {word(product, 'product_retailer_id')}, {price}"
    return Reading(content=Content.ORDER, text=word(part, "text"), details=details)


# ---------------------------------------------------------------- what has no form, and what stands beside


def _unsupported(item: Json, _at: datetime) -> Reading:
    """Anything Meta could not carry or did not have when this was written: never dropped, words in it kept."""
    kind = word(item, "type")
    part = child(item, kind)
    details: Details = {}
    if kind and kind != "unsupported":
        details["type"] = kind
    elif word(part, "type"):
        details["type"] = word(part, "type")
    words = [value for key in ("body", "text", "caption", "title", "name") if isinstance(value := part.get(key), str)]
    return Reading(content=Content.UNSUPPORTED, text=next(iter(words), ""), details=details)


def _error_details(errors: Sequence[Json]) -> Details:
    for error in errors:
        reason = word(child(error, "error_data"), "details") or word(error, "title") or word(error, "message")
        return {key: value for key, value in (("error", word(error, "code")), ("reason", reason)) if value}
    return {}


def _surroundings(item: Json) -> Details:
    context, referral = child(item, "context"), child(item, "referral")
    product = child(context, "referred_product")
    details: Details = {}
    if context.get("frequently_forwarded") is True:
        details["forwarded"] = "muchas veces"
    elif context.get("forwarded") is True:
        details["forwarded"] = "sí"
    details |= {f"referral {key}": word(referral, key) for key in _REFERRAL if word(referral, key)}
    details |= {key: word(product, key) for key in ("catalog_id", "product_retailer_id") if word(product, key)}
    return details


_REFERRAL = ("source_type", "source_id", "source_url", "headline", "body")
"""Not its pictures' addresses: they are signed anew for every delivery, and a repeat must look like one."""

_READERS: Mapping[str, Callable[[Json, datetime], Reading]] = {
    "text": _text,
    **dict.fromkeys(_FILES, _file),
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
}
