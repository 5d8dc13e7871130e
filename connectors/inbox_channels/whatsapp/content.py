"""What one WhatsApp message says: its type's own object into content, text, files and details. Pure.

Types and fields: developers.facebook.com/documentation/business-messaging/whatsapp, as of August 2026. `text` holds
only what the person wrote or chose; whatever else an agent should know goes to `details`. Where they tapped a button
or a line of a menu, `text` is its title and `details["choice"]` the id under which it was sent (`Choice.id`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import orjson

from inbox_channels._graph.reading import Json, Unreadable, child, children, clean, required, word
from inbox_channels._graph.verdicts import told
from inbox_channels.whatsapp.media import FILES, Reading, part_of, read_file
from inbox_daemon.model import Content

Details = dict[str, str]


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


def _text(item: Json, _at: datetime) -> Reading:
    body = part_of(item).get("body")
    if not isinstance(body, str):
        raise Unreadable("is of type text without a body")
    return Reading(content=Content.TEXT, text=body)


# ---------------------------------------------------------------- places, cards, choices, orders


def _location(item: Json, _at: datetime) -> Reading:
    part = part_of(item)
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
    part = part_of(item)
    payload = word(part, "payload")
    return Reading(
        content=Content.INTERACTIVE,
        text=word(part, "text") or payload,
        details={"choice": payload} if payload else {},
    )


_TAPS = ("button_reply", "list_reply")


def _interactive(item: Json, _at: datetime) -> Reading:
    part = part_of(item)
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
    part = part_of(item)
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


_ADVICE: Mapping[str, str] = {
    "131051": "WhatsApp no le pasa a esta oficina este tipo de mensaje; conviene pedir que lo mande de otra forma",
    "131052": told("131052", ""),
    "131060": "WhatsApp no le pasó el mensaje a esta oficina; conviene pedir que lo envíe de nuevo",
}
"""What an agent can do about what Meta could not bring; for other codes its own words stand."""


def _error_details(errors: Sequence[Json]) -> Details:
    for error in errors:
        code = word(error, "code")
        reason = word(child(error, "error_data"), "details") or word(error, "title") or word(error, "message")
        reason = _ADVICE.get(code, reason)
        return {key: value for key, value in (("error", code), ("reason", reason)) if value}
    return {}


def _surroundings(item: Json) -> Details:
    if "context" not in item and "referral" not in item:
        return {}
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
    **dict.fromkeys(FILES, read_file),
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "order": _order,
}
