"""Bodies as Meta would send them for one page or account, and what the reading half makes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inbox_channels.facebook.frame import ZONE
from inbox_channels.facebook.parse import parse
from inbox_daemon.model import Envelope, Event, InstanceId, Message

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=ZONE)
MILLIS = int(NOW.timestamp() * 1000)
PAGE, ACCOUNT, APP = "100000000000001", "17840000000000001", "400000000000001"
ANA = "20000000000000001"
POST = f"{PAGE}_500000000000001"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Just the settings that reading depends on; nothing configured."""

    platform: str = "page"
    page_id: str = ""
    account_id: str = ""
    app_id: str = ""
    comments: bool = True


def read(content: bytes, **settings: Any) -> list[Event]:
    envelope = Envelope(instance=InstanceId("facebook-centro"), body=content, received_at=NOW)
    return parse(envelope, Asked(**settings))


def message_of(events: list[Event]) -> Message:
    (event,) = events
    assert isinstance(event, Message)
    return event


def body(messaging: Any = (), *, changes: Any = (), page: str = PAGE, object: str = "page") -> bytes:  # noqa: A002 - Meta calls it so
    entry = {"id": page, "time": MILLIS, "messaging": list(messaging), "changes": list(changes)}
    return json.dumps({"object": object, "entry": [entry]}).encode()


def polled(*rows: Any, object: str = "page") -> bytes:  # noqa: A002 - Meta calls it so
    return json.dumps({"object": object, "polled": list(rows)}).encode()


def item(*, sender: str = ANA, recipient: str = PAGE, at: int = MILLIS, **what: Any) -> Json:
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "timestamp": at, **what}


def said(text: str, *, mid: str = "m_1", **more: Any) -> Json:
    return item(message={"mid": mid, "text": text, **more})


def with_files(*files: tuple[str, Any], mid: str = "m_1") -> Json:
    parts = [{"type": kind, "payload": payload} for kind, payload in files]
    return item(message={"mid": mid, "attachments": parts})


def comment(number: int, text: str = "¿Dónde pago?", *, verb: str = "add", **more: Any) -> Json:
    value = {
        "item": "comment",
        "verb": verb,
        "post_id": POST,
        "parent_id": POST,
        "comment_id": f"500000000000001_{number}",
        "from": {"id": "21000000000000001", "name": "Ana Invento"},
        "message": text,
        "created_time": MILLIS // 1000,
    }
    return {"field": "feed", "value": value | more}


def node(mid: str = "m_1", *, sender: str = ANA, to: str = PAGE, **more: Any) -> Json:
    found = {
        "id": mid,
        "created_time": "2026-11-23T12:30:00+0000",
        "from": {"name": "Ana Invento", "id": sender},
        "to": {"data": [{"name": "Gobierno", "id": to}]},
    }
    return {"kind": "message", "conversation": "t_1", "item": found | more}
