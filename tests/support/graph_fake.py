"""A Graph API on loopback that behaves as Meta documents its own, and misbehaves on request.

`GraphFake` keeps files, takes sends and remembers every request. A `Fault` put in line with `fail` befalls the next
request of that call; everything else goes well. Its clock can be moved, so that addresses and ids expire in a test.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import aiohttp
from aiohttp import web

from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Update, body, sign, status_update

TOKEN = "token-of-the-fake"
URL_LIFE = timedelta(minutes=5)
ID_LIFE = timedelta(days=7)

Call = Literal["number", "media", "download", "upload", "send"]

HTTP_OF_CODE: Mapping[int, int] = {
    **dict.fromkeys((0, 190), 401),
    **dict.fromkeys((3, 1, 131000, 131057), 500),
    **dict.fromkeys((10, 200, 299, 131005, 368, 131031, 130497), 403),
    **dict.fromkeys((2, 131016), 503),
    **dict.fromkeys((132001, 132007), 404),
    80007: 429,
}
"""HTTP status that goes with an error code; 400 for all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What befalls one request. With `done` its work is done all the same (the answer alone goes wrong)."""

    code: int | None = None
    """Error code of Meta, answered in its JSON form."""
    subcode: int = 0
    status: int | None = None
    raw: bytes | None = None
    """An answer that isn't the Graph API's (a proxy's page), with `status`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    """Silence before the answer."""
    cut_after: int | None = None
    """The connection drops: after this many bytes of a file, or without an answer."""
    url: str | None = None
    """For `media`: the address that is told instead of the true one."""
    endless: bool = False
    """For `download`: bytes without end and without a length."""
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came in."""

    call: str
    path: str
    authorized: bool
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _File:
    content: bytes
    media_type: str
    expires_at: datetime


class GraphFake:
    """State of the fake: files in, messages out. Start it with `run_graph`."""

    def __init__(self, *, phone_number_id: str = PHONE_NUMBER_ID, token: str = TOKEN, app_secret: str = SECRET) -> None:
        self.phone_number_id = phone_number_id
        self.token = token
        self.app_secret = app_secret
        self.url = ""
        self.now = datetime.now(UTC)
        self.seen: list[Seen] = []
        self.sent: list[dict[str, Any]] = []
        """Bodies of the sends that were accepted, each with its `wamid`."""
        self.uploads: list[tuple[str, str, bytes]] = []
        self.webhook: str = ""
        """Where signed status webhooks are posted after each accepted send; empty: nowhere."""
        self.status_first = False
        """Whether the status arrives before the answer to the send."""
        self._files: dict[str, _File] = {}
        self._faults: dict[str, deque[Fault]] = {}
        self._ids = itertools.count(1)

    def fail(self, call: Call, *faults: Fault) -> None:
        """Let the next requests of `call` meet these faults, one each."""
        self._faults.setdefault(call, deque()).extend(faults)

    def add_file(self, content: bytes, media_type: str) -> dict[str, str]:
        """Keep a file as sent by a citizen; returns the media object of a webhook (id, mime_type, base64 sha256)."""
        media_id = f"77{next(self._ids):012d}"
        self._files[media_id] = _File(content=content, media_type=media_type, expires_at=self.now + ID_LIFE)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return {"id": media_id, "mime_type": media_type, "sha256": digest}

    def forget_file(self, media_id: str) -> None:
        """Delete a file, as Meta may."""
        self._files.pop(media_id, None)

    def statuses(self, wamid: str, *states: str, error: int | None = None) -> list[Update]:
        """Updates that tell what became of a send; the tag comes back as it was given."""
        sent = next(message for message in self.sent if message["wamid"] == wamid)
        return [
            status_update(
                wamid,
                state,
                at=self.now,
                recipient=sent.get("to", "").removeprefix("+"),
                tag=sent.get("biz_opaque_callback_data", ""),
                error=error,
            )
            for state in states
        ]

    # ------------------------------------------------------------ serving

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=110 * 1024 * 1024)
        app.router.add_get("/whatsapp_business/attachments/", self._download)
        app.router.add_post("/{version}/{number}/messages", self._send)
        app.router.add_post("/{version}/{number}/media", self._upload)
        app.router.add_get("/{version}/{node}", self._node)
        return app

    def _note(self, call: Call, request: web.Request, content: Mapping[str, Any] | None = None) -> Fault:
        authorized = request.headers.get("Authorization") == f"Bearer {self.token}"
        self.seen.append(Seen(call=call, path=request.path, authorized=authorized, body=content or {}))
        if not authorized:
            return Fault(code=190)
        waiting = self._faults.get(call)
        return waiting.popleft() if waiting else Fault()

    async def _node(self, request: web.Request) -> web.StreamResponse:
        node = request.match_info["node"]
        is_number = node == self.phone_number_id
        fault = self._note("number" if is_number else "media", request)
        if (answer := await _befall(request, fault)) is not None:
            return answer
        if is_number:
            return web.json_response({"id": node, "verified_name": "Centro de Gestión", "quality_rating": "GREEN"})
        file = self._files.get(node)
        if file is None or self.now >= file.expires_at:
            return _error(100, subcode=33)
        return web.json_response(
            {
                "messaging_product": "whatsapp",
                "url": fault.url or self._address(node),
                "mime_type": file.media_type,
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "file_size": len(file.content),
                "id": node,
            }
        )

    def _address(self, media_id: str) -> str:
        until = int((self.now + URL_LIFE).timestamp())
        return f"{self.url}/whatsapp_business/attachments/?mid={media_id}&ext={until}&hash={_mark(media_id, until)}"

    async def _download(self, request: web.Request) -> web.StreamResponse:
        fault = self._note("download", request)
        if (answer := await _befall(request, fault)) is not None:
            return answer
        media_id, until = request.query.get("mid", ""), int(request.query.get("ext", "0"))
        file = self._files.get(media_id)
        good = request.query.get("hash") == _mark(media_id, until) and self.now.timestamp() < until
        if file is None or not good:
            return web.Response(status=404, text="Not Found")
        response = web.StreamResponse(headers={"Content-Type": file.media_type})
        if not fault.endless:
            response.content_length = len(file.content)
        await response.prepare(request)
        if fault.endless:
            while True:
                await response.write(bytes(65536))
        cut = fault.cut_after
        await response.write(file.content if cut is None else file.content[:cut])
        if cut is not None:
            _drop(request)
        return response

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        part = form.get("file")
        if not isinstance(part, web.FileField) or form.get("messaging_product") != "whatsapp":
            return _error(100)
        with part.file:
            fault = self._note("upload", request)
            if (answer := await _befall(request, fault)) is not None:
                return answer
            self.uploads.append((part.filename, part.content_type, part.file.read()))
        return web.json_response({"id": f"88{next(self._ids):012d}"})

    async def _send(self, request: web.Request) -> web.StreamResponse:
        message = json.loads(await request.read())
        fault = self._note("send", request, message)
        if not fault.done and (answer := await _befall(request, fault)) is not None:
            return answer
        if (code := self._mistake(request, message)) is not None:
            return _error(code)
        wamid = f"wamid.OUT{next(self._ids):08d}"
        self.sent.append({**message, "wamid": wamid})
        if self.webhook and self.status_first:
            await self._tell(self.statuses(wamid, "sent"))
        if fault.done and (answer := await _befall(request, fault)) is not None:
            return answer
        if self.webhook and not self.status_first:
            asyncio.get_running_loop().call_later(0.01, self._tell_soon, self.statuses(wamid, "sent", "delivered"))
        contact = {"input": message.get("to") or message["recipient"]}
        contact |= {"wa_id": message["to"].removeprefix("+")} if "to" in message else {"user_id": message["recipient"]}
        sent = {"id": wamid, "message_status": "accepted"}
        return web.json_response({"messaging_product": "whatsapp", "contacts": [contact], "messages": [sent]})

    def _mistake(self, request: web.Request, message: Mapping[str, Any]) -> int | None:
        """Code for a send that Meta would not take."""
        if request.match_info["number"] != self.phone_number_id:
            return 33
        kind = message.get("type", "text")
        to_whom = message.get("to", "").startswith("+") or message.get("recipient")
        if message.get("messaging_product") != "whatsapp" or not to_whom or kind not in message:
            return 131008
        too_long = kind == "text" and len(message["text"]["body"]) > 4096
        too_long = too_long or len(message[kind].get("caption", "")) > 1024
        return 131009 if too_long or len(message.get("biz_opaque_callback_data", "")) > 512 else None

    # ------------------------------------------------------------ telling

    def _tell_soon(self, updates: Sequence[Update]) -> None:
        self._telling = asyncio.get_running_loop().create_task(self._tell(updates))

    async def _tell(self, updates: Sequence[Update]) -> None:
        content = body(updates, phone_number_id=self.phone_number_id)
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.webhook, data=content, headers=sign(content, self.app_secret)),
        ):
            pass


def _mark(media_id: str, until: int) -> str:
    return hashlib.sha256(f"{media_id}/{until}".encode()).hexdigest()[:20]


def _error(
    code: int, *, subcode: int = 0, status: int | None = None, headers: Mapping[str, str] | None = None
) -> web.Response:
    error: dict[str, Any] = {
        "message": f"(#{code}) invented text",
        "type": "OAuthException",
        "code": code,
        "error_data": {"messaging_product": "whatsapp", "details": "invented details"},
        "fbtrace_id": "Az00000000000",
    }
    if subcode:
        error["error_subcode"] = subcode
    return web.json_response({"error": error}, status=status or HTTP_OF_CODE.get(code, 400), headers=headers)


async def _befall(request: web.Request, fault: Fault) -> web.StreamResponse | None:
    """The wrong answer that `fault` gives, None where the right one goes on."""
    if fault.wait_seconds:
        await asyncio.sleep(fault.wait_seconds)
    if fault.code is not None:
        return _error(fault.code, subcode=fault.subcode, status=fault.status, headers=fault.headers)
    if fault.raw is not None or fault.status is not None:
        return web.Response(status=fault.status or 200, body=fault.raw or b"", headers=fault.headers)
    if fault.cut_after is not None and not request.path.startswith("/whatsapp_business/"):
        _drop(request)
        return web.Response()
    return None


def _drop(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


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
    try:
        yield fake
    finally:
        await runner.cleanup()
