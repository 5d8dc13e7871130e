"""What a message of Messenger or Instagram says: text, files and details, out of a webhook or a node. Pure.

Types and fields: messenger-platform/webhooks/webhook-events/messages (June 2026) and the Instagram pages quoted in
parse_files. `text` holds only what the person wrote or chose; whatever else an agent should know goes to `details`.
Where they tapped a button, `text` is its title and `details["choice"]` the payload under which it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from inbox_channels._graph.reading import Json, child, children, word
from inbox_channels.facebook import parse_files
from inbox_channels.facebook.parse_files import Given
from inbox_daemon.model import Content

Details = dict[str, str]

_MENTIONED = "mención en una historia de Instagram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a message or comment comes to."""

    content: Content
    text: str = ""
    files: Sequence[Given] = ()
    details: Mapping[str, str] = field(default_factory=dict)


def read_message(message: Json) -> Reading:
    """A webhook's `message`: whatever it holds is shown, also what is of no known type."""
    parts, files = children(message, "attachments"), parse_files.of_message(message)
    taken = {given.url for given in files}
    shared = [part for part in parts if word(part, "type") not in parse_files.PLAIN and not _is_place(part)]
    shared = [part for part in shared if parse_files.address(part) not in taken]
    links = [(parse_files.address(part), _title(part)) for part in shared if parse_files.address(part)]
    place = next((_place(part) for part in parts if _is_place(part)), {})
    choice = word(child(message, "quick_reply"), "payload")
    text = word(message, "text") or _commands(message)
    cards = _titles(shared)
    details = link_details(links) | place | cards | _kinds(parts, text)
    details |= ({"choice": choice} if choice else {}) | _story(child(message, "reply_to"))
    if any(word(part, "type") == "story_mention" for part in parts):
        details["origin"] = _MENTIONED
    content = _content(files, text=text, place=place, choice=choice, shown=bool(links or cards))
    if message.get("is_unsupported") is True:
        content = Content.UNSUPPORTED
    return Reading(content=content, text=text, files=files, details=details | referral(message))


def read_postback(postback: Json) -> Reading:
    """A tapped button of a template, a menu or an icebreaker."""
    payload = word(postback, "payload")
    return Reading(
        content=Content.INTERACTIVE,
        text=word(postback, "title") or payload,
        details=({"choice": payload} if payload else {}) | referral(postback),
    )


def read_node(node: Json) -> Reading:
    """A message as `GET /<conversation>/messages` gives it."""
    text, files = word(node, "message"), parse_files.of_message_node(node)
    shares = children(child(node, "shares"), "data")
    links = [(url, word(one, "name")) for one in shares if (url := parse_files.web_address(word(one, "link")))]
    links = [(url, name) for url, name in links if not parse_files.is_file_address(url)]
    details = link_details(links) | _story(child(node, "story"))
    content = _content(files, text=text, shown=bool(links))
    if node.get("is_unsupported") is True:
        content = Content.UNSUPPORTED
    return Reading(content=content, text=text, files=files, details=details)


def read_public(text: str, files: Sequence[Given], details: Mapping[str, str]) -> Reading:
    """A comment or a post on the page or the account."""
    return Reading(content=_content(files, text=text), text=text, files=files, details=details)


def _content(
    files: Sequence[Given], *, text: str, place: Json | None = None, choice: str = "", shown: bool = False
) -> Content:
    if files:
        return parse_files.content_of(files[0])
    if place:
        return Content.LOCATION
    if choice:
        return Content.INTERACTIVE
    return Content.TEXT if text or shown else Content.UNSUPPORTED


def link_details(links: Iterable[tuple[str, str]]) -> Details:
    """Addresses that were passed on, each with its title."""
    details: Details = {}
    for n, (url, title) in enumerate(dict(links).items(), start=1):
        number = f" {n}" if n > 1 else ""
        details |= ({f"name{number}": title} if title else {}) | {f"url{number}": parse_files.behind(url)}
    return details


def _title(part: Json) -> str:
    return word(child(part, "payload"), "title") or word(part, "title")


def _commands(message: Json) -> str:
    return " ".join(f"/{word(one, 'name')}" for one in children(message, "commands") if word(one, "name"))


def _kinds(parts: Iterable[Json], text: str) -> Details:
    """What there was besides plain files and links, and files without an address, by their names at Meta.

    A `fallback` is the preview of a link in the text.
    """
    found: dict[str, None] = {}
    for part in parts:
        type_, url = word(part, "type"), parse_files.address(part)
        plain = bool(url) if type_ in parse_files.PLAIN else type_ == "fallback" and bool(url or text)
        found.update({} if plain or _is_place(part) else {type_: None})
    names = ", ".join(name for name in found if name)
    return {"type": names} if names else {}


def _titles(parts: Iterable[Json]) -> Details:
    """The words on cards (templates) that somebody passed on or answered to, and of an appointment."""
    found: dict[str, None] = {}
    for part in parts:
        payload = child(part, "payload")
        boxes = (payload, child(payload, "generic"), child(payload, "product"))
        cards = [card for box in boxes for card in children(box, "elements")]
        for one in (word(payload, "text"), *(word(card, "title") for card in cards)):
            found.update({one: None} if one else {})
    words = "; ".join(found)
    return {"description": words} if words else {}


def _is_place(part: Json) -> bool:
    return bool(child(child(part, "payload"), "coordinates"))


def _place(part: Json) -> Details:
    where = child(child(part, "payload"), "coordinates")
    found = {"latitude": word(where, "lat"), "longitude": word(where, "long"), "name": _title(part)}
    return {key: value for key, value in found.items() if value}


def _story(node: Json) -> Details:
    """A story of the account that was answered, or one that names it: both are gone after a day."""
    if "mention" in node:
        return {"origin": _MENTIONED}
    if "story" in node or "reply_to" in node:
        return {"origin": "respuesta a una historia de Instagram"}
    return {}


def referral(item: Json) -> Details:
    """From which link, advertisement or post somebody came to write."""
    given = child(item, "referral")
    details = {f"referral {key}": word(given, key) for key in ("source", "type", "ref", "ad_id")}
    details["referral headline"] = word(child(given, "ads_context_data"), "ad_title")
    return {key: value for key, value in details.items() if value}
