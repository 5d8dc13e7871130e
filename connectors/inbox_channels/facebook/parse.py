"""A delivery of Meta for a page or an Instagram account, or what polling fetched, into events. Pure.

One body holds up to 1000 changes of many people. One that can't be read becomes `Malformed` by itself; its neighbours
go on. Only a body that is no envelope at all raises `Permanent`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from inbox_channels._graph.reading import Json, Unreadable, clean, clean_text, load, word
from inbox_channels.facebook.frame import ZONE, Frame, read_time
from inbox_channels.facebook.parse_comments import read_feed, read_instagram_comment
from inbox_channels.facebook.parse_messaging import item_id, read_item
from inbox_channels.facebook.parse_polled import read_polled
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Envelope, Event, ExternalId, Ignored, Malformed


class Scope(Protocol):
    """The settings that parsing depends on."""

    @property
    def platform(self) -> str:
        """`page` or `instagram`: which of the two objects of Meta is ours."""

    @property
    def page_id(self) -> str:
        """Id of the page. Empty (and `account_id` too): take what comes for any, of either platform."""

    @property
    def account_id(self) -> str:
        """Id of the Instagram account."""

    @property
    def app_id(self) -> str:
        """Id of our app, by which its own messages are known when they come back. Empty: by their metadata."""

    @property
    def comments(self) -> bool:
        """Whether comments and visitors' posts become messages."""


def parse(envelope: Envelope, settings: Scope) -> list[Event]:
    """Events of a body, in its order.

    Raises `Permanent` for what is neither a delivery nor something polled, and for a delivery of another product of the
    app (WhatsApp): Meta takes it for delivered, so it is kept where somebody sees it.
    """
    body = load(envelope.body)
    entries, polled = body.get("entry"), body.get("polled")
    if not isinstance(entries, list) and not isinstance(polled, list):
        raise Permanent("the body has no list of entries")
    own_id = settings.account_id if settings.platform == "instagram" else settings.page_id
    product = word(body, "object")
    if product not in ("page", "instagram"):
        raise Permanent(
            "the delivery is of another product of the app: enter the address of that product's own channel for it, in "
            "the app's dashboard"
        )
    if own_id and product != settings.platform:
        return [Ignored(reason="other_object")]
    inbox = _Inbox(
        instagram=product == "instagram",
        own_id=own_id,
        known=frozenset({settings.page_id, settings.account_id} - {""}),
        settings=settings,
        envelope=envelope,
    )
    whole = entries if isinstance(entries, list) else []
    events = [event for i, entry in enumerate(whole) for event in inbox.entry(entry, f"entry[{i}]")]
    events += inbox.polled(body, polled if isinstance(polled, list) else [])
    return events or [Ignored(reason="empty")]


Reader = Callable[[Json, Frame], Sequence[Event]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inbox:
    """The page or account of the instance, with the envelope that is read."""

    instagram: bool
    own_id: str
    known: frozenset[str]
    settings: Scope
    envelope: Envelope

    def entry(self, entry: object, place: str) -> Iterator[Event]:
        """Events of everything that Meta told of one page or account."""
        if not isinstance(entry, dict):
            yield Malformed(place=place, problem="is no object")
            return
        frame, is_other = self._frame(entry), self._is_other(entry)
        told = [key for key in _LISTS if entry.get(key) is not None]
        for key in told:
            if not isinstance(entry[key], list):
                yield Malformed(place=f"{place}.{key}", problem="is no list")
                continue
            for i, raw in enumerate(entry[key]):
                yield from _read(raw, f"{place}.{key}[{i}]", frame, _LISTS[key], is_other=is_other)
        if "field" in entry and "value" in entry:  # so Instagram Login writes a single change
            yield from _read(entry, place, frame, _change, is_other=is_other)
        elif not told:
            yield Malformed(place=place, problem="has no list of items")

    def polled(self, body: Json, rows: Sequence[object]) -> Iterator[Event]:
        """Events of what catching up fetched; `id` of the page or account may stand beside it."""
        frame, is_other = self._frame(body), self._is_other(body)
        for i, row in enumerate(rows):
            yield from _read(row, f"polled[{i}]", frame, _polled, is_other=is_other)

    def _frame(self, entry: Mapping[str, Any]) -> Frame:
        given = clean_text(word(entry, "id")).strip()
        return Frame(
            instagram=self.instagram,
            own=self.known | ({given} - {""}),
            scope=self.own_id or given,
            app_id=self.settings.app_id,
            comments=self.settings.comments,
            at=read_time(word(entry, "time")) or self.envelope.received_at.astimezone(ZONE),
        )

    def _is_other(self, entry: Mapping[str, Any]) -> bool:
        """Several pages of one app come to one address; each instance takes its own."""
        given = clean_text(word(entry, "id")).strip()
        return bool(self.own_id and given and given != self.own_id)


def _read(raw: object, place: str, frame: Frame, read: Reader, *, is_other: bool) -> Iterator[Event]:
    try:
        item = clean(raw)
        yield from _elsewhere(item) if is_other else read(item, frame)
    except Unreadable as problem:
        yield Malformed(place=place, problem=str(problem))


def _elsewhere(item: Json) -> Sequence[Event]:
    value = item.get("value")
    given = value if isinstance(value, dict) else item
    name = item_id(given) or ExternalId(word(given, "comment_id").strip() or word(given, "id").strip()) or None
    return [Ignored(reason="other_page", external_id=name)]


def _polled(row: Json, frame: Frame) -> Sequence[Event]:
    return [read_polled(row, frame)]


# ---------------------------------------------------------------- fields of a subscription


def _change(change: Json, frame: Frame) -> Sequence[Event]:
    """Events of one change, by its field. Some deliveries of Instagram bring messages as changes too."""
    name, value = word(change, "field"), change.get("value")
    if not isinstance(value, dict):
        raise Unreadable("has no value")
    if name == "feed":
        return [read_feed(value, frame)]
    if name in ("comments", "live_comments"):
        return [read_instagram_comment(value, frame, live=name == "live_comments")]
    if name.startswith(("message", "messaging_", "standby")):
        return read_item(value, frame)
    return [Ignored(reason="mention" if name in ("mention", "mentions") else "other_field")]


_LISTS: Mapping[str, Reader] = {"messaging": read_item, "standby": read_item, "changes": _change}
