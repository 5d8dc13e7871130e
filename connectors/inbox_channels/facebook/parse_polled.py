"""What catching up fetched (`{"object", "polled": [{"kind", …, "item": <node of the Graph API>}]}`) into events. Pure.

The same message by webhook and by poll has the same id, and so is one. A node says neither which app wrote something,
nor which one has the conversation, nor that a text was edited; whoever fetched it may know, and mark a row as `ours`.
"""

from __future__ import annotations

from inbox_channels._graph.reading import Json, Unreadable, child, children, required, word
from inbox_channels.facebook.content import read_node
from inbox_channels.facebook.frame import Frame
from inbox_channels.facebook.parse_comments import read_comment_node, read_post_node
from inbox_channels.facebook.parse_files import attachments
from inbox_channels.facebook.people import chatter
from inbox_daemon.model import Event, ExternalId, Ignored, Message


def read_polled(row: Json, frame: Frame) -> Event:
    """The event of one fetched item. Raises `Unreadable`."""
    node = row.get("item")
    if not isinstance(node, dict):
        raise Unreadable("has no item")
    if row.get("ours") is True or node.get("ours") is True:
        return Ignored(reason="own", external_id=ExternalId(word(node, "id").strip()) or None)
    kind = word(row, "kind")
    if kind == "message":
        return _message(node, frame)
    if kind == "comment":
        return read_comment_node(node, word(row, "post"), frame)
    if kind == "post":
        return read_post_node(node, frame)
    raise Unreadable("is of no known kind")


def _message(node: Json, frame: Frame) -> Event:
    event_id, at = ExternalId(required(node, "id")), frame.time(node, "created_time")
    writer, readers = child(node, "from"), children(child(node, "to"), "data")
    is_own = word(writer, "id").strip() in frame.own
    others = [one for one in readers if word(one, "id").strip() not in frame.own]
    if is_own and not others:
        return Ignored(reason="own", external_id=event_id, sent_at=at)
    reading = read_node(node)
    return Message(
        external_id=event_id,
        sent_at=at,
        sender=chatter(others[0] if is_own else writer, frame),
        content=reading.content,
        text=reading.text,
        attachments=attachments(event_id, reading.files),
        in_reply_to=ExternalId(word(child(node, "reply_to"), "mid").strip()) or None,
        details=reading.details,
        echo=is_own,
        unique=True,
    )
