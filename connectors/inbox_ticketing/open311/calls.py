"""One HTTP call to the endpoint, and what its outcome means for the outbox."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Context
from inbox_ticketing.open311 import parse
from inbox_ticketing.open311.settings import Open311Settings

CHUNK = 64 * 1024
MAX_ANSWER_BYTES = 50_000_000
MEDIA_TIMES = 10
"""So many times the time-out of a question is given to a file, whose size nobody tells."""
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised by aiohttp before the first byte of a request: DNS, refused, TLS, connect time-out."""
NOTHING: Final = object()
"""Stands for a body that is no JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; `json` is `NOTHING` unless the body was JSON, whatever type it was sent as."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)

    @property
    def server_time(self) -> datetime | None:
        """The endpoint's own clock, from the `Date` header."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", ""))
        except ValueError:
            return None


class Calls:
    """Reads and writes one endpoint, in JSON. Each call is one attempt."""

    def __init__(self, settings: Open311Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._place = f"{context.instance}: the Open311 endpoint at {urlsplit(settings.url).netloc}"
        self._hosts = frozenset({urlsplit(settings.url).hostname or "", *settings.media_hosts})

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, question: Mapping[str, str] | None = None, *, gone: tuple[int, ...] = ()) -> Answer:
        """Read `path`. A status in `gone` is returned like a success."""
        params = {**self._place_params(), **(question or {})}
        if self._settings.reads_need_key:
            params["api_key"] = self._settings.api_key.reveal()
        with _told(self._place, unclear=Transient):
            async with self._request("GET", self._settings.url + path, params=params) as response:
                answer = await _read(response)
        if answer.status in gone and not parse.refuses_key(answer.json):
            if answer.json is NOTHING:  # a proxy's page, perhaps
                raise Transient(f"{self._place} answered {answer.status} with something else than JSON")
            return answer
        self._raise_for(answer, what="a look-up", write=False)
        return answer

    async def post(self, path: str, fields: Mapping[str, str], what: str) -> Answer:
        """Write a form; `what` says in an error what was to be done."""
        form = {"api_key": self._settings.api_key.reveal(), **self._place_params(), **fields}
        with _told(self._place, unclear=Uncertain):
            async with self._request("POST", self._settings.url + path, data=form) as response:
                answer = await _read(response)
        self._raise_for(answer, what=what, write=True)
        return answer

    async def stream(self, url: str) -> AsyncGenerator[bytes, None]:
        """The bytes behind `url`, if its host is one that files may be fetched from. Raises `Gone`."""
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or parts.hostname not in self._hosts or not url.isprintable():
            raise Gone(
                f"{self._context.instance}: a file stands on a host that is not among `media_hosts`", reason="no_file"
            )
        with _told(self._place, unclear=Transient):
            async with self._request("GET", url, seconds=self._settings.timeout_seconds * MEDIA_TIMES) as response:
                if response.status in {404, 410}:
                    raise Gone(f"{self._place} has the file no more", reason="no_file")
                if response.status != 200:
                    raise Transient(f"{self._place} does not give a file ({response.status})")
                async for chunk in response.content.iter_chunked(CHUNK):
                    yield chunk

    def _place_params(self) -> dict[str, str]:
        return {"jurisdiction_id": self._settings.jurisdiction_id} if self._settings.jurisdiction_id else {}

    def _request(
        self, method: str, url: str, *, seconds: float = 0.0, **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        settings = self._settings
        timeout = aiohttp.ClientTimeout(
            total=seconds or settings.timeout_seconds,
            connect=settings.connect_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        if self._session is None or self._session.closed:
            self._session = self._context.session(self._hosts)
        return self._session.request(
            method, url, headers={"Accept": "application/json"}, timeout=timeout, allow_redirects=False, **options
        )

    def _raise_for(self, answer: Answer, *, what: str, write: bool) -> None:
        """Raise what anything but a good answer means. An error's words are not shown: some repeat what was sent."""
        status, place = answer.status, self._place
        if status in {401, 403} or parse.refuses_key(answer.json):
            raise Credentials(
                f"{place} refuses the key or the right to {what} ({status}). Compare `api_key` and `jurisdiction_id`"
            )
        if status == 429:
            raise Transient(f"{place} asks to slow down (429)", retry_after=_retry_after(answer))
        unclear = (
            Uncertain(f"{place} failed at {what} ({status})") if write else Transient(f"{place} failed ({status})")
        )
        # Validation, too, ends in 500 here and there (6aika); open311-adapter says 404 when its own code gives nothing
        # back, whatever that has done before.
        if status >= 500 or status == 408 or (status == 404 and write):
            raise unclear
        if 300 <= status < 400 or status in {404, 405}:
            raise Credentials(f"{place} has no {what} there ({status}). Compare `url`; only .json is spoken here")
        if not 200 <= status < 300:
            raise Permanent(f"{place} refuses {what} ({status})", told="el sistema de destino lo rechaza")
        if answer.json is NOTHING or parse.is_refusal(answer.json):
            raise unclear


async def _read(response: aiohttp.ClientResponse) -> Answer:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        raw += chunk
        if len(raw) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("the answer is too long")
    return Answer(status=response.status, headers=response.headers, json=_json(bytes(raw)))


@contextmanager
def _told(place: str, *, unclear: type[Transient | Uncertain]) -> Iterator[None]:
    """Raise in our words what fails on the way. An address may hold the key, so that no cause is shown."""
    try:
        yield
    except NOT_SENT as error:
        raise Transient(f"{place} cannot be reached ({type(error).__name__})") from None
    except aiohttp.InvalidURL:
        raise Permanent(f"{place}: the address is not valid") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unclear(f"{place} gave no whole answer ({type(error).__name__})") from None


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return NOTHING


def _retry_after(answer: Answer) -> timedelta | None:
    value = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) < 7 else None
