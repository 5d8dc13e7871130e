"""A public listener on a real socket with a receiver that records, and a client that may send anything."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from inbox_channels._graph import webhook
from inbox_daemon.model import Envelope, Hint, InstanceId
from inbox_daemon.plugins import Pushed, Secret, WebhookAnswer, WebhookRequest
from inbox_daemon.web.public import Hinted, Limits, WebPages, listen, public_app

APP_SECRET = "invented-app-secret"
VERIFY_TOKEN = "invented-verify-token"
STRICT_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "server": "inbox-daemon",
    "x-content-type-options": "nosniff",
}


class SignedHook:
    """A channel that checks Meta's signature with the code that WhatsApp uses."""

    keep_headers: Sequence[str] = ("x-hub-signature-256", "x-note")

    def handshake(self, request: WebhookRequest) -> WebhookAnswer | None:
        return webhook.handshake(request, Secret(VERIFY_TOKEN))

    def authenticate(self, request: WebhookRequest) -> None:
        webhook.authenticate(request, [Secret(APP_SECRET)])

    async def check(self) -> None: ...

    async def aclose(self) -> None: ...


@dataclass
class Recorder:
    """A receiver whose disk is a list; raises `trouble` when there is some."""

    envelopes: list[Envelope] = field(default_factory=list)
    trouble: Exception | None = None

    async def append(self, envelope: Envelope) -> None:
        await asyncio.sleep(0)
        if self.trouble is not None:
            raise self.trouble
        self.envelopes.append(envelope)


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is 0 when the connection ended without a word."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    closed: bool


@dataclass
class Served:
    """A running listener under test."""

    port: int
    journal: Recorder
    accepting: bool = True
    hinted: list[tuple[str, Hint]] = field(default_factory=list)
    follower_trouble: Exception | None = None

    def take_hint(self, instance: InstanceId, hint: Hint) -> None:
        if self.follower_trouble is not None:
            raise self.follower_trouble
        self.hinted.append((instance, hint))

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, *pieces: bytes, pause: float = 0.0, half_close: bool = False) -> Answer:
        """Send bytes on a connection of their own and read what comes back."""
        reader, writer = await self.connect()
        try:
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause)
                if half_close:
                    writer.write_eof()
            except ConnectionError:
                pass  # it answered before it had heard everything
            return await hear(reader)
        finally:
            writer.close()

    async def post(self, body: bytes, path: str = "/hooks/whatsapp-centro", **headers: str) -> Answer:
        """Post `body` with exactly these headers (underscores are dashes)."""
        return await self.say(request("POST", path, body, **headers))


@asynccontextmanager
async def serving(
    limits: Limits | None = None,
    cases: WebPages | None = None,
    files: WebPages | None = None,
    hints: Mapping[str, Hinted] | None = None,
    more_hooks: Mapping[str, Pushed] = MappingProxyType({}),
) -> AsyncIterator[Served]:
    """Run a listener with `whatsapp-centro`, further channels, and these destinations, until the block ends."""
    limits = limits or Limits()
    served = Served(port=0, journal=Recorder())
    app = public_app(
        hooks={"whatsapp-centro": SignedHook(), **more_hooks},
        journal=served.journal,
        cases=cases,
        limits=limits,
        accepting=lambda: served.accepting,
        hints=hints or {},
        hinted=served.take_hint,
        files=files,
    )
    runner = await listen(app, "127.0.0.1", 0, limits)
    served.port = runner.addresses[0][1]
    try:
        yield served
    finally:
        await runner.cleanup()


def sign(body: bytes) -> str:
    return "sha256=" + hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of one request; Content-Length is added unless a transfer encoding or a length is given."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if not {"Transfer-Encoding", "Content-Length"} & named.keys():
        named["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", "Host: inbox.test", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


async def hear(reader: asyncio.StreamReader) -> Answer:
    """Read one answer, and see whether the connection ends after it."""
    try:
        async with asyncio.timeout(8):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0, {}, b"", closed=True)
    first, *rest = head.decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    try:
        async with asyncio.timeout(0.05):
            closed = await reader.read(1) == b""
    except TimeoutError:
        closed = False
    except ConnectionError:
        closed = True
    return Answer(int(first.split()[1]), headers, body, closed=closed)
