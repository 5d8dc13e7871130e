"""An HTTP proxy between client and server that fails on command, before or after the server did the work.

    async with FaultProxy("127.0.0.1", 8081) as proxy:
        client talks to proxy.url
        proxy.fault = Fault.DROP_RESPONSE            # from now on
        proxy.once(Fault.ERROR_500, is_write)        # the next exchange that `is_write(method, path)` accepts
        proxy.plan(0.3, seed=7, faults=AFTER_WORK)   # at random, the same for the same seed

It speaks plain HTTP/1.1, keeps connections alive as its peers do, and applies a fault to one exchange at a time.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from types import TracebackType


class Fault(StrEnum):
    """What goes wrong. Those in `AFTER_WORK` hit when the server has already done what was asked."""

    PASS = "pass"
    REFUSE = "refuse"
    """Nothing listens: connect refused."""
    RESET_ON_ACCEPT = "reset_on_accept"
    BLACK_HOLE = "black_hole"
    """The request is taken and never reaches the server; no answer comes."""
    BUSY_503 = "busy_503"
    """A proxy's 503 with Retry-After; the server never saw the request."""
    SLOW_DOWN_429 = "slow_down_429"
    """Asked to slow down, with Retry-After; the server never saw the request."""
    EXPIRED_401 = "expired_401"
    """The session or token counts no more; the server did nothing."""
    LATENCY = "latency"
    """The answer comes whole, `latency_seconds` late."""
    SWALLOW = "swallow"
    """The server did it; no answer comes."""
    DROP_RESPONSE = "drop_response"
    """The server did it; the connection is reset."""
    TRUNCATE = "truncate"
    """The server did it; the answer's headers and half of its body come, then the end."""
    ERROR_500 = "error_500"
    """The server did it; a proxy answers 500 in its place."""
    GARBAGE = "garbage"
    """The server did it; bytes come that are no HTTP."""
    LOGIN_PAGE = "login_page"
    """The server did it; an HTML page comes with status 200."""
    LOST_404 = "lost_404"
    """The server did it; 404 comes with an error in JSON (GLPI's issue 24506)."""
    ERROR_AS_200 = "error_as_200"
    """The server did it; an error in JSON comes with status 200."""
    EMPTY_200 = "empty_200"
    """The server did it; an empty list comes with status 200, as where a key is wrong (MantisBT)."""
    WRONG_TYPE = "wrong_type"
    """The server did it; the right answer comes as text/plain."""


AFTER_WORK = (
    Fault.SWALLOW,
    Fault.DROP_RESPONSE,
    Fault.TRUNCATE,
    Fault.ERROR_500,
    Fault.GARBAGE,
    Fault.LOGIN_PAGE,
)
BEFORE_WORK = (Fault.REFUSE, Fault.RESET_ON_ACCEPT, Fault.BLACK_HOLE, Fault.BUSY_503)
MISLEADING_AFTER_WORK = (Fault.LOST_404, Fault.ERROR_AS_200, Fault.EMPTY_200, Fault.WRONG_TYPE)
"""Whole answers in good HTTP that don't say what was done."""
MISLEADING_BEFORE_WORK = (Fault.SLOW_DOWN_429, Fault.EXPIRED_401)
Match = Callable[[str, str], bool]


def everything(method: str, path: str) -> bool:
    """Match any exchange."""
    return True


class FaultProxy:
    """See the module. `seen` counts the exchanges by what was done to them."""

    def __init__(self, upstream_host: str, upstream_port: int, *, latency_seconds: float = 2.0) -> None:
        self._upstream = (upstream_host, upstream_port)
        self.latency_seconds = latency_seconds
        self.port = 0
        self.seen: Counter[Fault] = Counter()
        self._fault = Fault.PASS
        self._match: Match = everything
        self._once: tuple[Fault, Match] | None = None
        self._plan: Callable[[], Fault] | None = None
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where clients reach the proxy."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> FaultProxy:
        self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._deafen()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    @property
    def fault(self) -> Fault:
        """What is done to every exchange that `match` accepts."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self.set(fault)

    def set(self, fault: Fault, match: Match = everything) -> None:
        """Do `fault` to every exchange that `match` accepts, from now on; ends a plan."""
        self._plan = self._once = None
        self._fault, self._match = fault, match
        if fault is Fault.REFUSE:
            self._deafen()
        elif self._listener is None:
            self._listen()

    def once(self, fault: Fault, match: Match = everything) -> None:
        """Do `fault` to the next exchange that `match` accepts; the others pass."""
        if fault is Fault.REFUSE:
            raise ValueError("a refused connection has no exchange: use set()")
        self.set(Fault.PASS)
        self._once = (fault, match)

    def plan(
        self, probability: float, seed: int, faults: Sequence[Fault] = AFTER_WORK, match: Match = everything
    ) -> None:
        """Do one of `faults` to each exchange that `match` accepts with `probability`."""
        if Fault.REFUSE in faults:
            raise ValueError("a refused connection has no exchange: use set()")
        self.set(Fault.PASS, match)
        dice = random.Random(seed)
        self._plan = lambda: dice.choice(faults) if dice.random() < probability else Fault.PASS

    # ------------------------------------------------------------ listening

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._accepting = asyncio.get_running_loop().create_task(self._accept(listener))

    def _deafen(self) -> None:
        if self._listener is not None and self._accepting is not None:
            self._accepting.cancel()
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            if self._fault is Fault.RESET_ON_ACCEPT:
                self.seen[Fault.RESET_ON_ACCEPT] += 1
                _linger_zero(connection)
                connection.close()
                continue
            task = loop.create_task(self._serve(connection))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    # ------------------------------------------------------------ exchanges

    async def _serve(self, connection: socket.socket) -> None:
        client = await asyncio.open_connection(sock=connection, limit=2**20)
        upstream = None
        try:
            while (request := await read_message(client[0], is_answer=False)) is not None:
                fault = self._choose(request)
                self.seen[fault] += 1
                if fault in BEFORE_WORK + MISLEADING_BEFORE_WORK:
                    await _fail_before(fault, *client)
                    return
                upstream = upstream or await asyncio.open_connection(*self._upstream, limit=2**20)
                upstream[1].write(request)
                answer = await read_message(upstream[0], is_answer=True)
                if answer is None or not await self._deliver(fault, answer, *client):
                    return
        except (OSError, asyncio.IncompleteReadError):
            return  # either peer went away
        finally:
            writers = [one[1] for one in (client, upstream) if one is not None]
            for writer in writers:
                writer.close()
            for writer in writers:
                with suppress(OSError):
                    await writer.wait_closed()

    async def _deliver(
        self, fault: Fault, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Pass the answer on, or what comes in its place; whether the connection goes on."""
        if fault in AFTER_WORK + MISLEADING_AFTER_WORK:
            await _fail_after(fault, answer, reader, writer)
            return False
        if fault is Fault.LATENCY:
            await asyncio.sleep(self.latency_seconds)
        writer.write(answer)
        await writer.drain()
        return b"connection: close" not in answer.partition(b"\r\n\r\n")[0].lower()

    def _choose(self, request: bytes) -> Fault:
        method, path, *_ = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if self._once is not None:
            fault, match = self._once
            if not match(method, path):
                return Fault.PASS
            self._once = None
            return fault
        if not self._match(method, path):
            return Fault.PASS
        return self._plan() if self._plan is not None else self._fault


def _linger_zero(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _fail_before(fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if fault is Fault.BLACK_HOLE:
        await reader.read()
    elif fault in _INSTEAD_OF_WORK:
        writer.write(_INSTEAD_OF_WORK[fault])
        await writer.drain()
    else:
        writer.transport.abort()


async def _fail_after(fault: Fault, answer: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if fault is Fault.SWALLOW:
        await reader.read()
        return
    if fault is Fault.DROP_RESPONSE:
        writer.transport.abort()
        return
    head, _, body = answer.partition(b"\r\n\r\n")
    instead = {
        Fault.TRUNCATE: head + b"\r\n\r\n" + body[: len(body) // 2],
        Fault.ERROR_500: _answer(500, b"application/json", b'{"message":"Internal Server Error"}'),
        Fault.GARBAGE: b"\x00\xff\x16\x03 not HTTP at all\r\n\r\n",
        Fault.LOGIN_PAGE: _answer(200, b"text/html", b"<html><form action='/login'>Ingresar</form></html>"),
        Fault.LOST_404: _answer(404, b"application/json", b'{"message":"Not found"}'),
        Fault.ERROR_AS_200: _answer(200, b"application/json", b'{"error":"Internal error","code":17}'),
        Fault.EMPTY_200: _answer(200, b"application/json", b"[]"),
        Fault.WRONG_TYPE: _retyped(head) + b"\r\n\r\n" + body,
    }
    writer.write(instead[fault])
    await writer.drain()


def _answer(status: int, media_type: bytes, body: bytes, more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d Fault\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (status, media_type, len(body))
    return head + more + b"Connection: close\r\n\r\n" + body


_INSTEAD_OF_WORK = {
    Fault.BUSY_503: _answer(503, b"text/plain", b"busy", b"Retry-After: 7\r\n"),
    Fault.SLOW_DOWN_429: _answer(429, b"application/json", b'{"message":"Too many requests"}', b"Retry-After: 7\r\n"),
    Fault.EXPIRED_401: _answer(401, b"application/json", b'{"message":"Session expired"}'),
}


def _retyped(head: bytes) -> bytes:
    """The head of an answer that calls itself text and says that the connection ends."""
    lines = head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"content-type:", b"connection:"))]
    return b"\r\n".join([*kept, b"Content-Type: text/plain", b"Connection: close"])


async def read_message(reader: asyncio.StreamReader, *, is_answer: bool) -> bytes | None:
    """One whole HTTP/1.1 message as it came; None when the peer closed before its first byte."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    lines = [line.partition(b":") for line in head.lower().split(b"\r\n")[1:]]
    fields = {name.strip(): value.strip() for name, _, value in lines}
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return head + await _read_chunks(reader)
    if b"content-length" in fields:
        return head + await reader.readexactly(int(fields[b"content-length"]))
    if not is_answer or head.split(b" ", 2)[1] in {b"204", b"304"}:
        return head
    return head + await reader.read()


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    raw = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        raw += line
        if size == 0:
            while (trailer := await reader.readuntil(b"\r\n")) != b"\r\n":
                raw += trailer
            return raw + b"\r\n"
        raw += await reader.readexactly(size + 2)
