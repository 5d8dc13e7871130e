"""Sends as the fake Graph API judges them, and what becomes of them at the citizen's end. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

_OFFICE = "application/vnd.openxmlformats-officedocument"
DOCUMENTS = frozenset(
    {
        *("text/plain", "application/pdf", "application/msword"),
        *("application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
        *(f"{_OFFICE}.{kind}" for kind in ("wordprocessingml.document", "spreadsheetml.sheet")),
        f"{_OFFICE}.presentationml.presentation",
    }
)
MEDIA: Mapping[str, frozenset[str]] = {
    "image": frozenset({"image/jpeg", "image/png"}),
    "video": frozenset({"video/mp4", "video/3gpp"}),
    "audio": frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
    "sticker": frozenset({"image/webp"}),
    "document": DOCUMENTS,
}
"""Types by the kind of message that carries them; a file of any other type is not even taken in."""
ASKING = "contact_request"
"""The kind of menu whose one button shares the citizen's number."""
UPLOADS = frozenset[str]().union(*MEDIA.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What Meta tells, by signed webhooks, of one send that it has accepted; nothing changes whether it is accepted.

    The citizen's phone shows the message unless `failed` is among `states`.
    """

    states: Sequence[str] = ("sent", "delivered", "read")
    """In the order in which they are told: ("read", "sent") is out of order, () is never a word."""
    error: int | None = None
    """Code that goes with `failed`."""
    before_answer: int = 0
    """How many of the states are posted before the send itself is answered."""
    gap_seconds: float = 0.01
    """Pause before each of the others."""
    doubled: bool = False
    """Every webhook comes twice."""
    together: bool = False
    """All states that come after the answer stand in one webhook."""
    tagged: bool = True
    """Whether `biz_opaque_callback_data` comes back."""

    @classmethod
    def failing(cls, code: int, *, after: Sequence[str] = ()) -> Fate:
        """It fails with this code, after these states."""
        return cls(states=(*after, "failed"), error=code)


SILENCE = Fate(states=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One accepted send, as a test asks about it."""

    wamid: str
    to: str
    """Digits of the number, or the BSUID: what it was addressed to."""
    tag: str
    kind: str
    """text, image, video, document, template or interactive."""
    text: str = field(repr=False)
    """The words: body, caption, a menu's text; for a template its name and parameters, parted by a bar."""
    filename: str = ""
    content: bytes = field(default=b"", repr=False)
    choices: tuple[tuple[str, str], ...] = ()
    """(id, title) of a menu's lines."""
    buttons: bool = False
    """Whether the menu is one of buttons, not a list."""
    asks: bool = False
    """Whether it has the button that shares the citizen's number."""
    reply_to: str = ""
    at: datetime
    fails: bool = False
    """Accepted, and yet it never comes to the phone."""


def addressee(message: Mapping[str, Any]) -> str:
    """Digits of the number, or the BSUID; where both are given the number is meant."""
    return str(message["to"]).removeprefix("+") if message.get("to") else str(message["recipient"])


def as_received(message: Mapping[str, Any], content: bytes | None, at: datetime) -> Received:
    """An accepted send as it looks at the citizen's end; `content` is its file's, if it has one."""
    kind = message["type"]
    return Received(
        wamid=message["wamid"],
        to=addressee(message),
        tag=message.get("biz_opaque_callback_data", ""),
        kind=kind,
        text=words(message),
        filename=message[kind].get("filename", "") if content is not None else "",
        content=content or b"",
        choices=lines(message),
        buttons=kind == "interactive" and message[kind]["type"] == "button",
        asks=kind == "interactive" and message[kind]["type"] == ASKING,
        reply_to=message.get("context", {}).get("message_id", ""),
        at=at,
    )


def words(message: Mapping[str, Any]) -> str:
    """What a person would read in a send."""
    kind = message["type"]
    part = message[kind]
    if kind == "text":
        return str(part["body"])
    if kind == "interactive":
        return str(part["body"]["text"])
    if kind == "template":
        return "|".join([part["name"], *parameters(part)])
    return str(part.get("caption", ""))


def parameters(template: Mapping[str, Any]) -> list[str]:
    """Texts of a template's body parameters."""
    return [one["text"] for component in template.get("components", []) for one in component["parameters"]]


def lines(message: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(id, title) of every button or row of a menu."""
    if message["type"] != "interactive":
        return ()
    return tuple((line["id"], line["title"]) for line in _lines(message["interactive"]))


def _lines(menu: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    action = menu["action"]
    if menu["type"] == ASKING:
        return []
    if menu["type"] == "button":
        return [button["reply"] for button in action["buttons"]]
    return [row for section in action["sections"] for row in section["rows"]]


def mistake(message: Mapping[str, Any], templates: Mapping[str, int]) -> int | None:
    """Code of Meta for a send that it would not take. No `templates`: any is known."""
    kind = message.get("type", "text")
    to_whom = str(message.get("to", "")).startswith("+") or message.get("recipient")
    if message.get("messaging_product") != "whatsapp" or not to_whom or kind not in message:
        return 131008
    if len(message.get("biz_opaque_callback_data", "")) > 512:
        return 131009
    if kind == "template" and templates:
        name, given = message["template"]["name"], len(parameters(message["template"]))
        return 132001 if name not in templates else 132000 if given != templates[name] else None
    if kind == "text":
        good = 0 < len(message["text"]["body"]) <= 4096
    elif kind == "interactive":
        good = _good_menu(message["interactive"])
    else:
        good = len(message[kind].get("caption", "")) <= 1024
    return None if good else 131009


def _good_menu(menu: Mapping[str, Any]) -> bool:
    if menu["type"] == ASKING:
        return 0 < len(menu["body"]["text"]) <= 1024 and menu["action"] == {"name": "request_contact_info"}
    shown, is_list = _lines(menu), menu["type"] == "list"
    titles, ids = ([line[key] for line in shown] for key in ("title", "id"))
    return (
        0 < len(menu["body"]["text"]) <= 1024
        and 0 < len(shown) <= (10 if is_list else 3)
        and all(0 < len(title) <= (24 if is_list else 20) for title in titles)
        and all(0 < len(one) <= (200 if is_list else 256) for one in ids)
        and all(len(line.get("description", "")) <= 72 for line in shown)
        and len(set(titles)) == len(titles)
        and len(set(ids)) == len(ids)
        and (not is_list or 0 < len(menu["action"]["button"]) <= 20)
    )


class Pace:
    """At most one in `seconds` to each, with bursts of `burst` that are lent from the time that follows."""

    def __init__(self, seconds: float, burst: int = 1) -> None:
        self._seconds = timedelta(seconds=seconds)
        self._burst = burst
        self._due: dict[str, datetime] = {}

    def takes(self, key: str, now: datetime) -> bool:
        """Whether one more is taken now; it counts only then."""
        due = max(self._due.get(key, now), now)
        if due - now > self._seconds * (self._burst - 1):
            return False
        self._due[key] = due + self._seconds
        return True


class Windows:
    """When each citizen wrote last, by number and by BSUID."""

    def __init__(self) -> None:
        self._last: dict[str, datetime] = {}

    def wrote(self, message: Mapping[str, Any], at: datetime) -> None:
        """A citizen's message came in."""
        for key in (message.get("from", ""), message.get("from_user_id", "")):
            if key:
                self._last[key] = max(at, self._last.get(key, at))

    def open(self, to: str, now: datetime, life: timedelta) -> bool:
        """Whether free messages may go to this number or BSUID."""
        last = self._last.get(to)
        return last is not None and now - last < life
