"""A Graph API on loopback that behaves as Meta documents its own, and misbehaves on request.

`GraphFake` keeps files, takes sends and remembers every request. A `Fault` put in line with `fail` befalls the next
request of that call; everything else goes well. Its clock can be moved, so that addresses and ids expire in a test.

It is both ends of a round trip, too: Meta, and the phones of the citizens.

    fake.webhook = f"{daemon.url}/hooks/whatsapp-centro"   # where to post; until it is set nothing is posted
    fake.write(ana.text("Hola", at=fake.now))              # a citizen writes; posted until it is answered with 200
    fake.inbox(ana)                                        # what her phone shows of ours: `Received`, in order
    fake.write(ana.choose(menu, "salud", at=fake.now))     # she taps a line of a menu that she received
    fake.untold                                            # webhooks that the daemon has not taken yet

Webhooks are signed with the app secret of the constructor (`app_secret`, SECRET by default). Each accepted send has a
`Fate`, which says what its statuses are and how they come: the next in line (`destine`), else what `fate_of` says of
it. Without more, that is sent, delivered and read, some milliseconds after the answer. Statuses are told however the
answer to the send goes: `fail("send", Fault(wait_seconds=9, done=True))` is a time-out after it was accepted,
`Fault(status=502, raw=b"", done=True)` a 5xx after it, and without `done` neither was accepted. `trouble` is asked for
a fault where none is in line. Meta's limits are kept where they are set: `window` (131047 for what is no template,
reckoned from `write` and `heard`), `pair` (131056), `throughput` (130429), `templates` (132000, 132001).
Everything may be called from another thread than the one in which the fake runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from aiohttp import web

from support.graph_fake_account import Account, serve_account
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Phone, Update, body, status_update
from support.graph_fake_faults import Fault, befall, error_answer
from support.graph_fake_files import Files
from support.graph_fake_posts import Posts
from support.graph_fake_sends import (
    MEDIA,
    UPLOADS,
    Fate,
    Pace,
    Received,
    Windows,
    addressee,
    as_received,
    mistake,
)

__all__ = ["TOKEN", "Call", "Fate", "Fault", "GraphFake", "Pace", "Received", "run_graph"]

TOKEN = "token-of-the-fake"

Call = Literal["number", "media", "download", "upload", "send", "read", "token", "account"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came in."""

    call: str
    path: str
    authorized: bool
    proven: bool
    body: Mapping[str, Any] = field(default_factory=dict)


class GraphFake:
    """State of the fake: files and citizens' words in, messages out. Start it with `run_graph`.

    `running`: the clock goes on by itself; else it stands until a test moves `now`.
    """

    def __init__(
        self,
        *,
        phone_number_id: str = PHONE_NUMBER_ID,
        token: str = TOKEN,
        app_secret: str = SECRET,
        running: bool = False,
    ) -> None:
        self.phone_number_id = phone_number_id
        self.token = token
        self.app_secret = app_secret
        self.insists = False
        """Whether the app requires its secret: calls without `appsecret_proof` are refused; a wrong one always is."""
        self.url = ""
        self.seen: list[Seen] = []
        self.sent: list[dict[str, Any]] = []
        """Bodies of the sends that were accepted, each with its `wamid`."""
        self.accepted: list[Received] = []
        """The same sends as they look at the citizen's end, those that fail later included."""
        self.uploads: list[tuple[str, str, bytes]] = []
        self.marked: list[str] = []
        """Ids of the citizens' messages that were marked as read."""
        self.account = Account()
        """How the number, its token and its templates stand: what `inspect` sees."""
        self.webhook: str = ""
        """Where signed webhooks are posted; empty: nowhere."""
        self.window: timedelta | None = None
        """How long after a citizen's last message free answers are taken; None: always."""
        self.pair: Pace | None = None
        """Meta's own is `Pace(6, burst=45)`."""
        self.throughput: Pace | None = None
        self.templates: dict[str, int] = {}
        """Approved templates with the number of their parameters; none: all are approved."""
        self.fate_of: Callable[[Received], Fate] = lambda _: Fate()
        self.trouble: Callable[[str, Mapping[str, Any]], Fault | None] = lambda _call, _body: None
        """Asked with the call and the body of each request for which no fault is in line."""
        self._started = datetime.now(UTC)
        self._running = running
        self._shift = timedelta(0)
        self._files = Files(lambda: self.now)
        self._faults: dict[str, deque[Fault]] = {}
        self._fates: deque[Fate] = deque()
        self._windows = Windows()
        self._ids = itertools.count(1)
        self._posts = Posts(lambda: self.webhook, app_secret)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def now(self) -> datetime:
        """The fake's time."""
        return (datetime.now(UTC) if self._running else self._started) + self._shift

    @now.setter
    def now(self, moment: datetime) -> None:
        self._shift += moment - self.now

    def fail(self, call: Call, *faults: Fault) -> None:
        """Let the next requests of `call` meet these faults, one each."""
        self._faults.setdefault(call, deque()).extend(faults)

    def destine(self, *fates: Fate) -> None:
        """What becomes of the next sends that are accepted, one each."""
        self._fates.extend(fates)

    def add_file(self, content: bytes, media_type: str) -> dict[str, str]:
        """Keep a file as sent by a citizen; returns the media object of a webhook (id, mime_type, base64 sha256)."""
        return self._files.add(content, media_type)

    def forget_file(self, media_id: str) -> None:
        """Delete a file, as Meta may."""
        self._files.forget(media_id)

    def address(self, media_id: str) -> str:
        """Where a citizen's file is for the next five minutes."""
        return str((self._files.node(media_id, self.url) or {})["url"])

    def statuses(self, wamid: str, *states: str, error: int | None = None, tagged: bool = True) -> list[Update]:
        """Updates that tell what became of a send; the tag comes back as it was given."""
        sent = next(message for message in self.sent if message["wamid"] == wamid)
        return [
            status_update(
                wamid,
                state,
                at=self.now,
                recipient=sent.get("to", "").removeprefix("+"),
                tag=sent.get("biz_opaque_callback_data", "") if tagged else "",
                error=error if state == "failed" else None,
            )
            for state in states
        ]

    # ------------------------------------------------------------ the citizens

    def inbox(self, phone: Phone) -> list[Received]:
        """What this citizen's phone shows of ours, in the order in which it was accepted."""
        return [one for one in list(self.accepted) if one.to in (phone.number, phone.bsuid) and not one.fails]

    def heard(self, *updates: Update) -> Sequence[Update]:
        """Open the window for whoever writes in these updates, which the caller brings to the daemon."""
        for update in updates:
            for message in update.get("messages", ()):
                self._windows.wrote(message, datetime.fromtimestamp(int(message["timestamp"]), UTC))
        return updates

    def write(self, *updates: Update) -> None:
        """Citizens write these updates: one webhook, brought until it is answered with 200."""
        content = body(self.heard(*updates), phone_number_id=self.phone_number_id)
        assert self.webhook, "nobody to write to: set webhook"
        assert self._loop is not None, "the fake is not running"
        self._loop.call_soon_threadsafe(lambda: self._posts.soon(self._posts.until_taken(content)))

    @property
    def untold(self) -> int:
        """Webhooks, or rows of them, that the daemon has not taken yet."""
        return self._posts.waiting

    # ------------------------------------------------------------ serving

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=110 * 1024 * 1024)
        app.router.add_get("/whatsapp_business/attachments/", self._download)
        app.router.add_post("/{version}/{number}/messages", self._send)
        app.router.add_post("/{version}/{number}/media", self._upload)
        serve_account(app, self.account, self._note, lambda: self.token)
        app.router.add_get("/{version}/{node}", self._node)
        return app

    def _note(self, call: Call, request: web.Request, content: Mapping[str, Any] | None = None) -> Fault:
        authorized = request.headers.get("Authorization") == f"Bearer {self.token}"
        given = request.query.get("appsecret_proof")
        proven = given == hmac.new(self.app_secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()
        self.seen.append(Seen(call=call, path=request.path, authorized=authorized, proven=proven, body=content or {}))
        if not authorized:
            return Fault(code=190)
        if (given is not None and not proven) or (self.insists and given is None and call != "download"):
            return Fault(code=100)
        waiting = self._faults.get(call)
        return waiting.popleft() if waiting else self.trouble(call, content or {}) or Fault()

    async def _node(self, request: web.Request) -> web.StreamResponse:
        node = request.match_info["node"]
        is_number = node == self.phone_number_id
        fault = self._note("number" if is_number else "media", request)
        if (answer := await befall(request, fault)) is not None:
            return answer
        if is_number:
            fields = self.account.fields(request.query.get("fields", ""), node)
            return error_answer(100) if fields is None else web.json_response(fields)
        file = self._files.node(node, self.url)
        if file is None:
            return error_answer(100, subcode=33)
        return web.json_response(file | ({"url": fault.url} if fault.url else {}))

    async def _mark(self, request: web.Request, message: Mapping[str, Any]) -> web.StreamResponse:
        fault = self._note("read", request, message)
        if not fault.done and (answer := await befall(request, fault)) is not None:
            return answer
        if not str(message.get("message_id", "")).startswith("wamid."):
            return error_answer(100)
        self.marked.append(message["message_id"])
        return await befall(request, fault) or web.json_response({"success": True})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        fault = self._note("download", request)
        if (answer := await befall(request, fault)) is not None:
            return answer
        return await self._files.answer(request, fault)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        part = form.get("file")
        if not isinstance(part, web.FileField) or form.get("messaging_product") != "whatsapp":
            return error_answer(100)
        with part.file:
            fault = self._note("upload", request)
            if (answer := await befall(request, fault)) is not None:
                return answer
            if part.content_type not in UPLOADS:
                return error_answer(100)
            content = part.file.read()
            self.uploads.append((part.filename, part.content_type, content))
        return web.json_response({"id": self._files.upload(content, part.content_type)})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        message = json.loads(await request.read())
        if message.get("status") == "read":
            return await self._mark(request, message)
        fault = self._note("send", request, message)
        if not fault.done and (answer := await befall(request, fault)) is not None:
            return answer
        if (code := self._refusal(request, message)) is not None:
            return error_answer(code)
        wamid = f"wamid.OUT{next(self._ids):08d}"
        await self._accept({**message, "wamid": wamid})
        if fault.done and (answer := await befall(request, fault)) is not None:
            return answer
        contact = {"input": message.get("to") or message["recipient"]}
        contact |= {"wa_id": message["to"].removeprefix("+")} if "to" in message else {"user_id": message["recipient"]}
        sent = {"id": wamid, "message_status": "accepted"}
        return web.json_response({"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]})

    def _refusal(self, request: web.Request, message: Mapping[str, Any]) -> int | None:
        """Code for a send that Meta would not take."""
        if request.match_info["number"] != self.phone_number_id:
            return 33
        code = mistake(message, self.templates)
        if code is not None:
            return code
        kind, to, now = message["type"], addressee(message), self.now
        if kind in MEDIA and message[kind].get("id") not in self._files.uploaded:
            return 131009
        free = kind != "template"
        if free and self.window is not None and not self._windows.open(to, now, self.window):
            return 131047
        if self.throughput is not None and not self.throughput.takes("", now):
            return 130429
        return 131056 if self.pair is not None and not self.pair.takes(to, now) else None

    async def _accept(self, message: dict[str, Any]) -> None:
        file = self._files.uploaded.get(message[message["type"]].get("id", ""))
        received = as_received(message, file.content if file else None, self.now)
        fate = self._fates.popleft() if self._fates else self.fate_of(received)
        if received.kind in MEDIA and self._uploaded_type(message) not in MEDIA[received.kind]:
            fate = Fate.failing(131053)
        self.sent.append(message)
        self.accepted.append(replace(received, fails="failed" in fate.states))
        if not self.webhook or not fate.states:
            return
        early, late = fate.states[: fate.before_answer], fate.states[fate.before_answer :]
        missed = [state for state in early if not await self._posts.once(self._told(received.wamid, fate, state))]
        self._posts.soon(self._tell(received.wamid, fate, [*missed, *late]))

    def _uploaded_type(self, message: Mapping[str, Any]) -> str:
        return self._files.uploaded[message[message["type"]]["id"]].media_type

    # ------------------------------------------------------------ telling

    def _told(self, wamid: str, fate: Fate, *states: str) -> bytes:
        updates = self.statuses(wamid, *states, error=fate.error, tagged=fate.tagged)
        return body(updates, phone_number_id=self.phone_number_id, values=len(updates))

    async def _tell(self, wamid: str, fate: Fate, states: Sequence[str]) -> None:
        for bundle in [tuple(states)] if fate.together and states else [(state,) for state in states]:
            await asyncio.sleep(fate.gap_seconds)
            content = self._told(wamid, fate, *bundle)
            for _ in range(2 if fate.doubled else 1):
                await self._posts.until_taken(content)


@asynccontextmanager
async def run_graph(fake: GraphFake | None = None) -> AsyncIterator[GraphFake]:
    """Serve the fake on a free port of loopback; `fake.url` says where."""
    fake = fake or GraphFake()
    runner = web.AppRunner(fake.app(), shutdown_timeout=0.1)
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
