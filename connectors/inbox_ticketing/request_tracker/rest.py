"""One HTTP call to Request Tracker, and what its outcome means for the outbox."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Context
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings

CHUNK = 64 * 1024
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised by aiohttp before the first byte of a request: DNS, refused, TLS, connect time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer with a status that the caller asked to see; `json` is None unless the body was JSON."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)
    text: str = field(repr=False)

    @property
    def message(self) -> str:
        """RT's own sentence about a failure; it names fields and queues, never contents."""
        return str(self.json.get("message", "")) if isinstance(self.json, dict) else ""

    @property
    def server_time(self) -> datetime | None:
        """RT's own clock, from the `Date` header."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", ""))
        except ValueError:
            return None


class RestClient:
    """Calls one RT. Every call is one attempt; `write` says whether an unclear end may have changed something."""

    def __init__(self, settings: RequestTrackerSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self.base = f"{settings.url}/REST/2.0"

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            urls = (self._settings.url, self._settings.mail_gate_url)
            self._session = self._context.session(frozenset(urlsplit(url).hostname or "" for url in urls if url))
        return self._session

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: tuple[int, ...] = ()) -> Answer:
        """Read `path`. A status in `accept` is returned like a success."""
        return await self._call("GET", path, write=False, accept=accept, params=params)

    async def search(self, path: str, filters: list[dict[str, str]], params: Mapping[str, str]) -> Answer:
        """Search a collection by RT's JSON filters: a POST that changes nothing."""
        return await self._call("POST", path, write=False, params=params, json=filters)

    async def send(self, method: str, path: str, body: Mapping[str, object], *, accept: tuple[int, ...] = ()) -> Answer:
        """Change something with a JSON body."""
        return await self._call(method, path, write=True, accept=accept, json=body)

    async def upload(
        self, path: str, form: Callable[[], aiohttp.FormData], size: int, *, accept: tuple[int, ...] = ()
    ) -> Answer:
        """POST a multipart form of about `size` bytes; the time allowed grows with it (50 kB/s)."""
        return await self._call("POST", path, write=True, accept=accept, data=form(), extra_seconds=size / 50_000)

    async def post_gate(self, fields: Mapping[str, str]) -> Answer:
        """POST a form to the mail gate, which knows no token."""
        url = self._settings.mail_gate_url or ""
        return await self._call("POST", url, write=True, want_json=False, data=dict(fields), token=False)

    async def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The body of `path` as it comes in, of about `size` bytes; nothing is kept."""
        url = f"{self.base}{path}"
        where = f"{self._context.instance}: Request Tracker at {urlsplit(url).netloc}"
        with _told(where, unclear=Transient):
            async with self._request("GET", url, extra_seconds=size / 50_000) as response:
                if response.status != 200:
                    answer = Answer(status=response.status, headers=response.headers, json=None, text="")
                    _raise_for_status(answer, where, write=False)
                async for chunk in response.content.iter_chunked(CHUNK):
                    yield chunk

    def _request(
        self, method: str, url: str, *, token: bool = True, extra_seconds: float = 0.0, **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        settings = self._settings
        headers = {"Accept": "application/json"}
        if token:
            headers["Authorization"] = f"token {settings.token.reveal()}"
        timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds + extra_seconds,
            connect=settings.connect_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        return self._open_session().request(
            method, url, headers=headers, timeout=timeout, allow_redirects=False, **options
        )

    async def _call(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        accept: tuple[int, ...] = (),
        want_json: bool = True,
        token: bool = True,
        extra_seconds: float = 0.0,
        **options: Any,
    ) -> Answer:
        url = path if path.startswith("http") else f"{self.base}{path}"
        where = f"{self._context.instance}: Request Tracker at {urlsplit(url).netloc}"
        with _told(where, unclear=Uncertain if write else Transient):
            async with self._request(method, url, token=token, extra_seconds=extra_seconds, **options) as response:
                raw = await response.read()
                status, received = response.status, response.headers
        text = raw.decode("utf-8", "replace")
        answer = Answer(status=status, headers=received, json=_json_or_none(text), text=text)
        if status not in accept:
            _raise_for_status(answer, where, write=write)
        if want_json and answer.json is None:
            unclear = Uncertain if write else Transient
            raise unclear(f"{where} answered {status} with something else than JSON (a login page, a proxy's page?)")
        return answer


@contextmanager
def _told(where: str, *, unclear: type[Transient | Uncertain]) -> Iterator[None]:
    """Raise in our words what fails on the way."""
    try:
        yield
    except NOT_SENT as error:
        raise Transient(f"{where} cannot be reached ({type(error).__name__})") from error
    except aiohttp.InvalidURL as error:
        raise Permanent(f"{where}: the address is not valid") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unclear(f"{where} gave no whole answer ({type(error).__name__})") from error


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _raise_for_status(answer: Answer, where: str, *, write: bool) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    said = f": {answer.message[:200]}" if answer.message else ""
    if status == 401:
        raise Credentials(f"{where} refuses the token (401). Make a new token for the service account and configure it")
    if status == 403:
        raise Credentials(f"{where} denies a right (403){said}. Compare the rights of the service account with README")
    if 300 <= status < 400:
        raise Credentials(f"{where} redirects (status {status}). Configure `url` as the final address of RT itself")
    if status == 429:
        raise Transient(f"{where} asks to slow down (429)", retry_after=_retry_after(answer))
    if status >= 500 or status == 408:
        if write:  # also 503: a proxy may say it after having passed the request on
            raise Uncertain(f"{where} failed with status {status}{said}")
        raise Transient(f"{where} failed with status {status}{said}", retry_after=_retry_after(answer))
    raise Permanent(f"{where} refuses the request (status {status}){said}")


def _retry_after(answer: Answer) -> timedelta | None:
    value = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) < 7 else None
