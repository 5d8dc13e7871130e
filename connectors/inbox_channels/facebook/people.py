"""Who wrote: handles and names out of signed fields, or of what the Graph API answered. Pure.

An id is a person's towards one page (PSID) or one Instagram account (IGSID). That a commenter's id is the PSID of the
same person is not known, so it has a kind of its own. Names are what people call themselves: shown, never compared.
"""

from __future__ import annotations

from inbox_channels._graph.reading import Json, child, word
from inbox_channels.facebook.frame import Frame
from inbox_daemon.model import Handle, Sender


def chatter(node: Json, frame: Frame) -> Sender:
    """Somebody in a conversation, given as `{id, name?, username?}`. Without an id there is no handle."""
    return _sender(node, "igsid" if frame.instagram else "psid", frame)


def commenter(value: Json, frame: Frame) -> Sender:
    """Who wrote a comment or a post: `from`, in an older form of the feed `sender_id` and `sender_name`.

    Meta leaves it out where the person's privacy or a permission of ours is in the way.
    """
    return _sender(writer(value), "fb_user", frame)


def writer(value: Json) -> Json:
    """The node of who wrote a comment or a post; may be empty."""
    given = child(value, "from")
    return given or {"id": word(value, "sender_id"), "name": word(value, "sender_name") or word(value, "username")}


def _sender(node: Json, kind: str, frame: Frame) -> Sender:
    value = word(node, "id").strip()
    name = word(node, "name").strip() or word(node, "username").strip().removeprefix("@")
    handles = (Handle(kind=kind, value=value, scope=frame.scope),) if value else ()
    return Sender(name=name or None, handles=handles)
