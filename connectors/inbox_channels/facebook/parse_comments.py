"""Comments and visitors' posts: the page's `feed`, Instagram's `comments`, and the nodes of either. Pure.

Source: pages-api/webhooks-for-pages and a recorded delivery of March 2025; instagram-platform/webhooks/examples
(November 2025). All of it is public, so every message says so and where it stands: whoever answers must know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from inbox_channels._graph.reading import Json, Unreadable, child, required, word
from inbox_channels.facebook.content import link_details, read_public
from inbox_channels.facebook.frame import Frame
from inbox_channels.facebook.parse_files import Given, attachments, of_feed, of_feed_node, web_address
from inbox_channels.facebook.people import commenter, writer
from inbox_daemon.model import EditEvent, Event, ExternalId, Ignored, Message, RevokeEvent

_COMMENT, _POST = "comentario público en Facebook", "publicación en la página de Facebook"
_ON_INSTAGRAM, _LIVE = "comentario público en Instagram", "comentario público en un vivo de Instagram"

_POSTS = ("post", "status", "photo", "video", "album", "link", "note")
_OTHER_ITEMS: Mapping[str, str] = {"like": "reaction", "reaction": "reaction", "share": "share"}
_EDITED, _REMOVED, _HIDDEN = ("edited", "edit", "update"), ("remove", "delete"), ("hide", "unhide", "block", "unblock")


def read_feed(value: Json, frame: Frame) -> Event:
    """A change of the page's feed. Raises `Unreadable`."""
    item, verb = word(value, "item"), word(value, "verb") or "add"
    if item != "comment" and item not in _POSTS:
        return Ignored(reason=_OTHER_ITEMS.get(item, "other_item"), sent_at=frame.time(value, "created_time"))
    event_id, at = _feed_id(value), frame.time(value, "created_time")
    if verb in _HIDDEN:
        return Ignored(reason="hidden", external_id=event_id, sent_at=at)
    refused = _refused(value, frame)
    if refused:
        return Ignored(reason=refused, external_id=event_id, sent_at=at)
    if verb in _REMOVED:
        removal = ExternalId(f"{event_id}|remove")
        return RevokeEvent(external_id=removal, sent_at=at, target=event_id, sender=commenter(value, frame))
    if verb in _EDITED:
        edit_id = ExternalId(f"{event_id}|edited|{word(value, 'created_time')}")
        return EditEvent(
            external_id=edit_id, sent_at=at, target=event_id, message=_of_feed(value, frame, event_id, at, edit_id)
        )
    if verb != "add":
        return Ignored(reason="other_verb", external_id=event_id, sent_at=at)
    return _of_feed(value, frame, event_id, at)


def _feed_id(value: Json) -> ExternalId:
    """The comment's id, or the post's; of a picture in an album its own."""
    if word(value, "item") == "comment":
        return ExternalId(required(value, "comment_id"))
    return ExternalId(required(value, "post_id") if word(value, "post_id").strip() else required(value, "photo_id"))


def _refused(value: Json, frame: Frame) -> str:
    """Why what somebody wrote in public is none of ours; empty where it is."""
    given = writer(value)
    if word(given, "id").strip() in frame.own or word(given, "self_ig_scoped_id"):
        return "own"
    return "" if frame.comments else "comments_off"


def _of_feed(
    value: Json, frame: Frame, event_id: ExternalId, at: datetime, edit_id: ExternalId | None = None
) -> Message:
    """With `edit_id` the new form of it: Meta counts no edits, so under that id the text decides what is a repeat."""
    is_comment = word(value, "item") == "comment"
    files = of_feed(value)
    shared = web_address(word(value, "link"))
    links = [shared] if shared and shared not in {given.url for given in files} else []
    return _message(
        value,
        frame,
        event_id=event_id,
        at=at,
        text=word(value, "message"),
        files=files,
        details=_public(_COMMENT if is_comment else _POST, _permalink(value, event_id), links),
        post=word(value, "post_id") if is_comment else "",
        parent=word(value, "parent_id") if is_comment else "",
        edit_id=edit_id,
    )


def _permalink(value: Json, event_id: str) -> str:
    return web_address(word(value, "permalink_url")) or f"https://www.facebook.com/{event_id}"


def _public(origin: str, permalink: str, links: list[str]) -> dict[str, str]:
    return {"origin": origin} | link_details((url, "") for url in (permalink, *links) if url)


def read_instagram_comment(value: Json, frame: Frame, *, live: bool = False) -> Event:
    """A comment below something of the account; webhooks give it no time of its own. Raises `Unreadable`."""
    event_id, at = ExternalId(required(value, "id")), frame.time(value, "timestamp", "created_time")
    return _on_instagram(value, frame, event_id, at, post=word(child(value, "media"), "id"), live=live)


def _on_instagram(
    value: Json, frame: Frame, event_id: ExternalId, at: datetime, *, post: str, live: bool = False
) -> Event:
    refused = _refused(value, frame)
    if refused:
        return Ignored(reason=refused, external_id=event_id, sent_at=at)
    return _message(
        value,
        frame,
        event_id=event_id,
        at=at,
        text=word(value, "text"),
        files=[],
        details=_public(_LIVE if live else _ON_INSTAGRAM, web_address(word(value, "permalink")), []),
        post=post,
        parent=word(value, "parent_id"),
    )


def read_comment_node(node: Json, post: str, frame: Frame) -> Event:
    """A comment as `GET /<post>/comments` gives it, of a page or of Instagram. Raises `Unreadable`."""
    event_id, at = ExternalId(required(node, "id")), frame.time(node, "created_time", "timestamp")
    if frame.instagram:
        return _on_instagram(node, frame, event_id, at, post=post)
    parent = word(child(node, "parent"), "id")
    return _of_node(node, frame, event_id, at, origin=_COMMENT, post=post, parent=parent)


def read_post_node(node: Json, frame: Frame) -> Event:
    """A visitor's post as `GET /<page>/feed` gives it. Raises `Unreadable`."""
    event_id, at = ExternalId(required(node, "id")), frame.time(node, "created_time")
    if frame.instagram:
        raise Unreadable("is a post of an account that nobody else can post on")
    return _of_node(node, frame, event_id, at, origin=_POST)


def _of_node(
    node: Json, frame: Frame, event_id: ExternalId, at: datetime, *, origin: str, post: str = "", parent: str = ""
) -> Event:
    refused = _refused(node, frame)
    if refused:
        return Ignored(reason=refused, external_id=event_id, sent_at=at)
    shared = web_address(word(child(node, "attachment"), "url"))
    files = of_feed_node(node)
    return _message(
        node,
        frame,
        event_id=event_id,
        at=at,
        text=word(node, "message"),
        files=files,
        details=_public(origin, _permalink(node, event_id), [shared] if shared and not files else []),
        post=post,
        parent=parent,
    )


def _message(
    value: Json,
    frame: Frame,
    *,
    event_id: ExternalId,
    at: datetime,
    text: str,
    files: list[Given],
    details: Mapping[str, str],
    post: str,
    parent: str = "",
    edit_id: ExternalId | None = None,
) -> Message:
    """What it answers is the comment above it, else the post; the post is its thread."""
    reading, post = read_public(text, files, details), post.strip()
    return Message(
        external_id=edit_id or event_id,
        sent_at=at,
        sender=commenter(value, frame),
        content=reading.content,
        text=reading.text,
        attachments=attachments(event_id, files),
        in_reply_to=ExternalId(parent.strip() or post) or None,
        thread=(ExternalId(post),) if post else (),
        details=reading.details,
        unique=edit_id is None,
    )
