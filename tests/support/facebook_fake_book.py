"""What stands on an invented page: conversations, posts, comments, files, and the webhook bodies that tell of them.

Ids have Meta's forms: `m_…` for messages (`aWdf…` on Instagram), `t_…` for conversations, `<page>_<post>`,
`<post>_<comment>`. No I/O.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PAGE_ID = "100000000000011"
ACCOUNT_ID = "178410000000012"
APP_ID = "100000000000010"
SECRET = "secret-of-the-fake-app"
TOKEN = "token-of-the-page"

Item = dict[str, Any]


def iso(moment: datetime) -> str:
    """A time as the Graph API writes it: to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def millis(moment: datetime) -> int:
    """A time as webhooks of messages write it."""
    return int(moment.timestamp() * 1000)


@dataclass(slots=True)
class Conversation:
    """Messages of one person, oldest first, as nodes."""

    id: str
    person: str
    updated: datetime
    messages: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Post:
    """A post with its comments, oldest first, as nodes."""

    id: str
    node: Item
    updated: datetime
    comments: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Book:
    """Everything on the page."""

    platform: str = "page"
    conversations: dict[str, Conversation] = field(default_factory=dict)
    """By person."""
    posts: dict[str, Post] = field(default_factory=dict)
    _serial: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def own_id(self) -> str:
        """The page's id, or the account's."""
        return ACCOUNT_ID if self.platform == "instagram" else PAGE_ID

    def mid(self) -> str:
        """The next message's id."""
        return f"{'aWdf' if self.platform == 'instagram' else 'm_'}FAKE{next(self._serial):08d}"

    def message(
        self, person: str, sender: str, text: str, at: datetime, *, mid: str = "", files: Sequence[Item] = ()
    ) -> Item:
        """Somebody writes in the conversation of `person`; its node."""
        talk = self.conversations.setdefault(person, Conversation(id=f"t_{person}", person=person, updated=at))
        other = person if sender == self.own_id else self.own_id
        node: Item = {
            "id": mid or self.mid(),
            "created_time": iso(at),
            "from": {"id": sender, "name": f"Persona {sender[-2:]}"},
            "to": {"data": [{"id": other}]},
            "message": text,
        }
        if files:
            node["attachments"] = {"data": list(files)}
        talk.messages.append(node)
        talk.updated = at
        return node

    def post(self, at: datetime, *, sender: str = "", text: str = "Horario de verano") -> Post:
        """The page (or a visitor) posts."""
        owner = PAGE_ID if self.platform == "page" else ""
        name = "_".join(filter(None, (owner, f"5{next(self._serial):08d}")))
        key = "timestamp" if self.platform == "instagram" else "created_time"
        node: Item = {"id": name, key: iso(at), "from": {"id": sender or self.own_id}, "message": text}
        made = Post(id=name, node=node, updated=at)
        self.posts[name] = made
        return made

    def comment(self, post: Post, sender: str, text: str, at: datetime, *, parent: str = "") -> Item:
        """Somebody comments; its node."""
        number = f"7{next(self._serial):08d}"
        instagram = self.platform == "instagram"
        node: Item = {
            "id": number if instagram else f"{post.id.rpartition('_')[2]}_{number}",
            "timestamp" if instagram else "created_time": iso(at),
            "from": {"id": sender, "username" if instagram else "name": f"persona.{sender[-2:]}"},
            "text" if instagram else "message": text,
        }
        if parent:
            node["parent"] = {"id": parent}
        post.comments.append(node)
        post.updated = at
        return node

    def below(self, name: str) -> list[Item] | None:
        """Comments of a post, or replies to a comment; None where there is no such thing."""
        if name in self.posts:
            return self.posts[name].comments
        for post in self.posts.values():
            if any(one["id"] == name for one in post.comments):
                return [one for one in post.comments if one.get("parent", {}).get("id") == name]
        return None

    def find_comment(self, name: str) -> tuple[Post, Item] | None:
        """A comment and the post that it stands below."""
        for post in self.posts.values():
            for one in post.comments:
                if one["id"] == name:
                    return post, one
        return None

    def find_message(self, mid: str) -> Item | None:
        """A message's node."""
        return next((one for talk in self.conversations.values() for one in talk.messages if one["id"] == mid), None)

    # ------------------------------------------------------------ webhooks

    def told_message(self, node: Mapping[str, Any], *, more: Mapping[str, Any] | None = None) -> bytes:
        """The delivery of a message; `more` goes into its `message` (an echo's marks)."""
        at = datetime.fromisoformat(node["created_time"])
        message: Item = {"mid": node["id"]}
        if node["message"]:
            message["text"] = node["message"]
        if "attachments" in node:
            message["attachments"] = [_hook_file(one) for one in node["attachments"]["data"]]
        item = {
            "sender": {"id": node["from"]["id"]},
            "recipient": {"id": node["to"]["data"][0]["id"]},
            "timestamp": millis(at),
            "message": message | dict(more or {}),
        }
        return self._body({"time": millis(at), "messaging": [item]})

    def told_comment(self, post: Post, node: Mapping[str, Any]) -> bytes:
        """The delivery of a comment."""
        if self.platform == "instagram":
            value: Item = {"id": node["id"], "text": node["text"], "from": node["from"], "media": {"id": post.id}}
            return self._body({"time": 0, "changes": [{"field": "comments", "value": value}]})
        at = int(datetime.fromisoformat(node["created_time"]).timestamp())
        value = {
            "from": node["from"],
            "post_id": post.id,
            "comment_id": node["id"],
            "created_time": at,
            "item": "comment",
            "parent_id": node.get("parent", {}).get("id", post.id),
            "verb": "add",
            "message": node["message"],
        }
        return self._body({"time": at, "changes": [{"field": "feed", "value": value}]})

    def _body(self, entry: Item) -> bytes:
        return json.dumps({"object": self.platform, "entry": [{"id": self.own_id, **entry}]}).encode()


def _hook_file(node: Item) -> Item:
    """A file of a message's node in the form of a webhook."""
    for kind, key in (("image", "image_data"), ("video", "video_data")):
        if key in node:
            return {"type": kind, "payload": {"url": node[key]["url"]}}
    return {"type": "file", "payload": {"url": node["file_url"]}}
