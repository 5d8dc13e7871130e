"""Calls over HTTP as plug-ins make them: one attempt, bounded in time and size, each failure told as one of our errors.

A plug-in *has* a `Caller` for each place that it calls. What a product's headers, statuses and words mean stays with
the plug-in: `call` gives every whole answer back, whatever its status, and raises only where there is none.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from inbox_daemon.errors import Permanent, Transient, Uncertain
from inbox_daemon.plugins.context import Context

CHUNK_BYTES = 64 * 1024
ANSWER_BYTES = 32 * 2**20
"""What is longer is no answer that a plug-in asks for."""
BYTES_A_SECOND = 50_000
"""The slowest line that a body is given time for."""
LONGEST_WAIT = timedelta(days=1)
"""Whoever asks for more than this is asked again all the same."""
_ASIDE_BYTES = 2**20
"""JSON of this size is read beside the event loop, which it would hold up."""
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised by aiohttp before the first byte of a request: DNS, refused, TLS, connect time-out."""
_NO_JSON: Final = object()


class _TooLongError(Exception):
    """The answer has more bytes than were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One whole answer, of any status. `json` is None unless `is_json`, and where it is JSON's own `null`."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    json: Any = field(default=None, repr=False)
    is_json: bool = False

    @property
    def empty(self) -> bool:
        """Whether the body is nothing but white space."""
        return not self.body.strip()

    @property
    def text(self) -> str:
        """The body as UTF-8; what is none is replaced."""
        return self.body.decode("utf-8", "replace")

    def part(self, name: str) -> Any:
        """The value under `name` of the outermost object; None where there is none."""
        return self.json.get(name) if isinstance(self.json, dict) else None

    @property
    def server_time(self) -> datetime | None:
        """The server's own clock, from the `Date` header, in UTC."""
        return _date(self.headers.get("Date", ""))

    @property
    def retry_after(self) -> timedelta | None:
        """The `Retry-After` header, in seconds or as a date by the server's own clock (RFC 9110, 10.2.3)."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isascii() and value.isdigit():
            return min(timedelta(seconds=int(value)), LONGEST_WAIT) if len(value) < 10 else LONGEST_WAIT
        until, now = _date(value), self.server_time
        return min(max(until - now, timedelta(0)), LONGEST_WAIT) if until and now else None


class Caller:
    """Calls one place: one session, opened with the first call; no redirect is followed, nothing is tried again.

    `where` begins every error: the instance, `name` and the host of `url`. `hosts` are further ones that are called.
    `seconds` is the time for one call from beginning to end, to which comes the time for what it carries. With
    `too_long_for_good` an answer above the bound is `Permanent` to a read: it would be as long the next time.
    """

    def __init__(
        self,
        context: Context,
        url: str,
        name: str,
        *,
        seconds: float,
        connect_seconds: float,
        hosts: Collection[str] = (),
        too_long_for_good: bool = False,
    ) -> None:
        self.where = f"{context.instance}: {name} at {urlsplit(url).netloc}"
        self.hosts = frozenset({urlsplit(url).hostname or "", *hosts})
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._seconds = seconds
        self._connect_seconds = connect_seconds
        self._too_long_for_good = too_long_for_good

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        url: str | URL,
        *,
        write: bool,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: object = None,
        size: int = 0,
        most: int = ANSWER_BYTES,
    ) -> Answer:
        """One exchange: the whole answer, of any status.

        `write` says that an unclear end may have changed something over there. `size` is about how many bytes go or
        come, `most` how many of an answer are taken. Raises `Transient` where the request was never sent, and where
        its end is unclear `Uncertain` for a write, `Transient` for a read.
        """
        with self._told(write=write, most=most):
            async with self._opened(
                method, url, size, headers=headers, params=params, json=json, data=data
            ) as response:
                return await _read(response, most)

    async def stream(
        self,
        url: str | URL,
        *,
        refuse: Callable[[Answer], None],
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        size: int = 0,
    ) -> AsyncGenerator[bytes, None]:
        """The body of a GET as it comes in, of about `size` bytes; nothing is kept. Raises `Transient`.

        Whatever is not a 200 is handed to `refuse`, which raises what that means.
        """
        with self._told(write=False, most=ANSWER_BYTES):
            async with self._opened("GET", url, size, headers=headers, params=params) as response:
                if response.status != 200:
                    refuse(await _read(response, ANSWER_BYTES))
                    raise Transient(f"{self.where} does not give a file ({response.status})")
                async for piece in response.content.iter_chunked(CHUNK_BYTES):
                    yield piece

    @asynccontextmanager
    async def _opened(
        self, method: str, url: str | URL, size: int, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None or self._session.closed:
            self._session = self._context.session(self.hosts)
        timeout = aiohttp.ClientTimeout(
            total=self._seconds + size / BYTES_A_SECOND,
            connect=self._connect_seconds,
            sock_connect=self._connect_seconds,
        )
        async with self._session.request(method, url, timeout=timeout, allow_redirects=False, **options) as response:
            yield response

    @contextmanager
    def _told(self, *, write: bool, most: int) -> Iterator[None]:
        """Raise in our words what fails on the way. No cause is shown: aiohttp's words repeat addresses and queries."""
        try:
            yield
        except _NOT_SENT as error:
            raise Transient(f"{self.where} cannot be reached ({type(error).__name__})") from None
        except aiohttp.InvalidURL:
            raise Permanent(f"{self.where}: the address is not valid") from None
        except _TooLongError:
            words = f"{self.where} answers with more than {most} bytes"
            if self._too_long_for_good and not write:
                told = "la respuesta del sistema es demasiado grande"
                raise Permanent(f"{words}; split or close that ticket", told=told) from None
            raise unclear(words, write=write) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unclear(f"{self.where} gave no whole answer ({type(error).__name__})", write=write) from None


def unclear(words: str, *, write: bool, retry_after: timedelta | None = None) -> Transient | Uncertain:
    """The error for a call whose end nobody knows: a write may have been done, a read has done nothing."""
    return Uncertain(words) if write else Transient(words, retry_after=retry_after)


def no_json(answer: Answer, where: str, *, write: bool) -> Transient | Uncertain:
    """The error for a good status with something else than the JSON that was to come."""
    words = f"{where} answered {answer.status} with something that it never says (a login page, a proxy's page?)"
    return unclear(words, write=write)


def raise_if_failing(answer: Answer, where: str, *, write: bool, said: str = "") -> None:
    """Raise what means the same from every server: 429, 408 and all from 500 on, and 404 to a write.

    `said` is the server's own word. That what is written to isn't there proves nothing: GLPI was seen to say so of
    what it had stored (its issue 24506). The look-up before the next try tells whether the place is gone.
    """
    if answer.status == 429:
        raise Transient(f"{where} asks to slow down (429)", retry_after=answer.retry_after)
    if answer.status >= 500 or answer.status == 408:
        words = f"{where} failed with status {answer.status}{said}"
        # Also 503: a proxy may say it after having passed the request on.
        raise unclear(words, write=write, retry_after=answer.retry_after)
    if answer.status == 404 and write:
        raise Uncertain(f"{where} says that there is nothing to write to (404){said}. Compare `url` if this goes on")


async def _read(response: aiohttp.ClientResponse, most: int) -> Answer:
    raw = bytearray()
    async for piece in response.content.iter_chunked(CHUNK_BYTES):
        raw += piece
        if len(raw) > most:
            raise _TooLongError
    body = bytes(raw)
    value = await asyncio.to_thread(_json, body) if len(body) > _ASIDE_BYTES else _json(body)
    is_json = value is not _NO_JSON
    return Answer(
        status=response.status,
        headers=response.headers,
        body=body,
        json=value if is_json else None,
        is_json=is_json,
    )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NO_JSON


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
