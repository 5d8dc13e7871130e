"""Reads request bodies within limits of size, time and memory: aiohttp itself waits for a body without end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import StreamReader, web


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one client, and all of them together, may take. Meta sends up to 3 MB in one body."""

    max_body_bytes: int = 3_500_000
    body_seconds: float = 10.0
    max_held_bytes: int = 100_000_000
    """Bodies in memory at one time, of all connections; more get 503."""
    max_connections: int = 1000
    keepalive_seconds: float = 15.0
    """Also the time within which a request's headers must be complete."""
    stop_seconds: float = 5.0
    """How long a stopping listener waits for requests in work."""


class Refused(Exception):
    """A request ends with `status`; `reason` is a word for the log and `size` what is known of its body."""

    def __init__(self, status: int, reason: str, size: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.size = size


class Bodies:
    """Takes bodies in; what all requests in work hold together is bounded."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    async def take(self, request: web.Request, max_bytes: int | None = None) -> bytes:
        """Read the whole body as it came on the wire, to be given back at the end. Raises `Refused`."""
        limit = max_bytes or self._limits.max_body_bytes
        declared = request.content_length
        if declared is not None and declared > limit:
            raise Refused(413, "too_large", declared)
        content = request.content
        if content.is_eof():  # came with the headers, as nearly all do
            body = content.read_nowait()
            self._measure(len(body), limit)
            self._held += len(body)
            return body
        return await self._read_slowly(content, limit)

    def give_back(self, body: bytes) -> None:
        """The body taken is no longer held."""
        self._held -= len(body)

    async def _read_slowly(self, content: StreamReader, limit: int) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in content.iter_any():
                    body += chunk
                    self._held += len(chunk)
                    self._measure(len(body), limit)
        except BaseException as error:
            self._held -= len(body)
            if isinstance(error, TimeoutError):
                raise Refused(408, "slow_body", len(body)) from None
            if isinstance(error, (ConnectionError, web.RequestPayloadError)):
                raise Refused(400, "broken_body", len(body)) from None
            raise
        return bytes(body)

    def _measure(self, size: int, limit: int) -> None:
        if size > limit:
            raise Refused(413, "too_large", size)
        if self._held > self._limits.max_held_bytes:
            raise Refused(503, "memory", size)
