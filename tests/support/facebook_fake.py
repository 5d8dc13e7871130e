"""The part of the Graph API that a page and its Instagram account need, on loopback, with Meta's rules and faults.

    async with run_page() as fake:
        fake.webhook = f"{daemon.url}/hooks/facebook-centro"      # signed deliveries go there while subscribed
        fake.write("7001", "Hola")                                 # a person writes in private
        comment = fake.comment("9001", "¿Dónde pago?")             # somebody comments on the page's newest post
        fake.received("7001")                                      # what that person has got of ours, in order
        fake.subscribed.clear()                                    # Meta unsubscribed the app: nothing is delivered

A `Fault` put in line with `fail(call, …)` befalls the next request of that call. Kept are: one private reply to a
comment, 7 days for it, 24 hours for answers (`human_agent`: 7 days with the tag), lengths, the 20 newest messages, and
`appsecret_proof` where `insists`. What is sent to a person comes back as an echo with its `metadata`. Everything may be
called from another thread than the one in which the fake runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from aiohttp import web

from support.facebook_fake_book import APP_ID, PAGE_ID, SECRET, TOKEN, Book, Item
from support.facebook_fake_http import routes
from support.graph_fake_faults import Fault
from support.graph_fake_posts import Posts

Call = Literal[
    "me", "node", "token", "subscription", "subscribe", "conversations", "messages", "posts", "comments", "say",
    "send", "upload", "file", "download",
]  # fmt: skip

FIELDS = (
    "messages,message_echoes,message_edits,message_reactions,message_deliveries,message_reads,messaging_postbacks,"
    "messaging_referrals,messaging_optins,messaging_handovers,standby,messaging_policy_enforcement,feed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came in."""

    call: str
    path: str
    authorized: bool
    proven: bool
    query: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """One message of ours as it was accepted."""

    mid: str
    to: str
    """The person's id in private, whatever the request named."""
    text: str = field(repr=False)
    tag: str
    body: Mapping[str, Any] = field(repr=False)


class PageFake:
    """State of the fake. Start it with `run_page`."""

    def __init__(self, *, platform: str = "page", app_secret: str = SECRET, token: str = TOKEN) -> None:
        self.book = Book(platform=platform)
        self.platform = platform
        self.token = token
        self.app_secret = app_secret
        self.url = ""
        self.webhook = ""
        self.seen: list[Seen] = []
        self.sent: list[Got] = []
        self.uploads: dict[str, tuple[str, str, bytes]] = {}
        """(kind, file name, bytes) by attachment id."""
        self.files: dict[str, bytes] = {}
        self.subscribed: set[str] = set(FIELDS.split(","))
        self.human_agent = False
        self.insists = False
        self.published = True
        self.token_data: Item = {"is_valid": True, "app_id": APP_ID, "expires_at": 0, "data_access_expires_at": 0}
        self.usage = 0
        """Percent of the limit of calls that every answer reports."""
        self.echoes = True
        self.person_of: dict[str, str] = {}
        """Who a commenter is in private; else their number with an 8 before it."""
        self._shift = timedelta(0)
        self.broken: dict[str, Fault] = {}
        """What befalls every request about this conversation, post or other node, by its id."""
        self._faults: dict[str, deque[Fault]] = {}
        self._privately: set[str] = set()
        self._posts = Posts(lambda: self.webhook, app_secret)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def now(self) -> datetime:
        """The fake's time; set it to move on."""
        return datetime.now(UTC) + self._shift

    @now.setter
    def now(self, moment: datetime) -> None:
        self._shift += moment - self.now

    def fail(self, call: Call, *faults: Fault) -> None:
        """Let the next requests of `call` meet these faults, one each."""
        self._faults.setdefault(call, deque()).extend(faults)

    def next_fault(self, call: str) -> Fault:
        """What befalls this request."""
        waiting = self._faults.get(call)
        return waiting.popleft() if waiting else Fault()

    # ------------------------------------------------------------ people

    def write(self, person: str, text: str, *, files: tuple[Item, ...] = (), told: bool = True) -> Item:
        """A person writes in private; delivered while the app is subscribed, unless `told` is false."""
        node = self.book.message(person, person, text, self.now, files=files)
        if told and "messages" in self.subscribed:
            self._tell(self.book.told_message(node))
        return node

    def typed(self, person: str, text: str) -> Item:
        """Somebody of the office answers in the page's inbox."""
        node = self.book.message(person, self.book.own_id, text, self.now)
        self._tell(self.book.told_message(node, more={"is_echo": True, "app_id": 26390203}))
        return node

    def comment(self, person: str, text: str, *, told: bool = True) -> Item:
        """Somebody comments on the newest post."""
        posts = list(self.book.posts.values()) or [self.book.post(self.now)]
        node = self.book.comment(posts[-1], person, text, self.now)
        if told and "feed" in self.subscribed:
            self._tell(self.book.told_comment(posts[-1], node))
        return node

    def picture(self, name: str, content: bytes, *, signature: str = "good") -> Item:
        """A picture that a person may send; the address holds as long as `signature` is "good"."""
        self.files[name] = content
        url = f"{self.url}/cdn/{name}?sig={signature}"
        return {"id": f"77{len(self.files)}", "mime_type": "image/jpeg", "name": name, "image_data": {"url": url}}

    def received(self, person: str) -> list[Got]:
        """What has come to this person, in order."""
        return [one for one in list(self.sent) if one.to == person]

    @property
    def untold(self) -> int:
        """Deliveries that nobody has taken yet."""
        return self._posts.waiting

    def _tell(self, content: bytes) -> None:
        if self.webhook and self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self._posts.soon(self._posts.until_taken(content)))

    # ------------------------------------------------------------ sends

    def refusal(self, body: Mapping[str, Any]) -> tuple[int, int] | None:
        """Code and subcode for a send that Meta would not take."""
        recipient, message = body.get("recipient", {}), body.get("message", {})
        text = message.get("text", "")
        longest = len(text.encode()) > 1000 if self.platform == "instagram" else len(text) >= 2000
        if not (text or message.get("attachment")) or longest or len(message.get("quick_replies", ())) > 13:
            return 100, 0
        if any(len(one["title"]) > 20 for one in message.get("quick_replies", ())):
            return 100, 0
        if "id" in recipient:
            return self._closed(body)
        found = self.book.find_comment(recipient.get("comment_id", ""))
        if found is None and recipient.get("post_id") not in self.book.posts:
            return 100, 33
        name = recipient.get("comment_id") or recipient["post_id"]
        if name in self._privately:
            return 10900, 0
        written = found[1].get("created_time") or found[1]["timestamp"] if found else None
        late = written is not None and self.now - datetime.fromisoformat(written) > timedelta(days=7)
        return (10, 2018278) if late else None

    def _closed(self, body: Mapping[str, Any]) -> tuple[int, int] | None:
        talk = self.book.conversations.get(body["recipient"]["id"])
        theirs = [one for one in talk.messages if one["from"]["id"] != self.book.own_id] if talk else []
        if not theirs:
            return 100, 2534014 if self.platform == "instagram" else 2018001
        age = self.now - datetime.fromisoformat(theirs[-1]["created_time"])
        if body.get("messaging_type") == "MESSAGE_TAG":
            if body.get("tag") != "HUMAN_AGENT" or not self.human_agent:
                return 100, 0
            return (10, 2018278) if age > timedelta(days=7) else None
        closed = (10, 2534022) if self.platform == "instagram" else (10, 2018278)
        return closed if age > timedelta(hours=24) else None

    def accept(self, body: Mapping[str, Any]) -> Got:
        """Take a send; its echo is told."""
        recipient, message = body["recipient"], body["message"]
        person = recipient.get("id", "")
        if not person:
            name = recipient.get("comment_id") or recipient["post_id"]
            self._privately.add(name)
            found = self.book.find_comment(name)
            author = found[1]["from"]["id"] if found else self.book.posts[name].node["from"]["id"]
            person = self.person_of.get(author, f"8{author}")
        node = self.book.message(person, self.book.own_id, message.get("text", ""), self.now)
        tag = message.get("metadata", "")
        got = Got(mid=node["id"], to=person, text=message.get("text", ""), tag=tag, body=body)
        self.sent.append(got)
        if self.echoes and "message_echoes" in self.subscribed:
            marks = {"is_echo": True, "app_id": int(APP_ID), **({"metadata": tag} if tag else {})}
            self._tell(self.book.told_message(node, more=marks))
        return got

    def note(self, call: str, request: web.Request, body: Mapping[str, Any] | None = None) -> Fault:
        """Remember a request; what befalls it."""
        token = request.headers.get("Authorization", "")
        proof = hmac.new(self.app_secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()
        given = request.query.get("appsecret_proof")
        seen = Seen(
            call=call,
            path=request.path,
            authorized=token == f"Bearer {self.token}",
            proven=given == proof,
            query=dict(request.query),
            body=body or {},
        )
        self.seen.append(seen)
        if call == "download":
            return self.next_fault(call)
        if not seen.authorized:
            return Fault(code=190)
        if (given is not None and not seen.proven) or (self.insists and given is None):
            return Fault(code=100, subcode=0)
        return self.broken.get(request.match_info.get("node", "")) or self.next_fault(call)


@asynccontextmanager
async def run_page(fake: PageFake | None = None) -> AsyncIterator[PageFake]:
    """Serve the fake on a free port of loopback; `fake.url` says where."""
    fake = fake or PageFake()
    runner = web.AppRunner(routes(fake), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    fake.url = f"http://{host}:{port}"
    fake._loop = asyncio.get_running_loop()
    try:
        yield fake
    finally:
        await fake._posts.aclose()
        await runner.cleanup()


__all__ = ["PAGE_ID", "SECRET", "TOKEN", "Fault", "Got", "PageFake", "run_page"]
