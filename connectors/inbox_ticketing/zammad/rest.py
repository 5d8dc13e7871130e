"""One HTTP call to Zammad, and what its outcome means for the outbox."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Context
from inbox_ticketing.zammad.parse import safe_words
from inbox_ticketing.zammad.settings import ZammadSettings

CHUNK = 64 * 1024
MAX_ANSWER = 48 * 2**20
"""No thread of a ticket is longer; whatever is, is not read to its end."""
BYTES_A_SECOND = 50_000
"""The time for a request grows with what it carries."""
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Before the first byte of a request: DNS, refused, TLS, connect time-out."""


class _TooLongError(Exception):
    """The answer is above `MAX_ANSWER`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer with a status that the caller asked to see; `json` is None unless the body was JSON."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)

    @property
    def words(self) -> str:
        """Zammad's own sentence about a failure, fit for a log."""
        return safe_words(str(self.json.get("error") or "")) if isinstance(self.json, dict) else ""

    @property
    def server_time(self) -> datetime | None:
        """Zammad's own clock, from the `Date` header."""
        try:
            moment = parsedate_to_datetime(self.headers.get("Date", ""))
        except ValueError:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class RestClient:
    """Calls one Zammad. Every call is one attempt; `write` says whether an unclear end may have changed something."""

    def __init__(self, settings: ZammadSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._where = f"{context.instance}: Zammad at {urlsplit(settings.url).netloc}"

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, *, accept: tuple[int, ...] = ()) -> Answer:
        """Read `path`. A status in `accept` is returned like a success."""
        return await self._call("GET", path, write=False, accept=accept, params={"expand": "true"})

    async def search(self, condition: Mapping[str, object], params: Mapping[str, str]) -> Answer:
        """Search tickets by conditions: a POST that changes nothing.

        Without a `query` Zammad answers from its database; with one, from an index that may lag by minutes.
        """
        asked = {"expand": "true", **params}
        return await self._call("POST", "/tickets/search", write=False, params=asked, json={"condition": condition})

    async def send(
        self, method: str, path: str, body: Mapping[str, object], *, size: int = 0, accept: tuple[int, ...] = ()
    ) -> Answer:
        """Change something with a JSON body that carries a file of about `size` bytes."""
        raw = await asyncio.to_thread(_encoded, body) if size > CHUNK else _encoded(body)
        return await self._call(
            method,
            path,
            write=True,
            accept=accept,
            params={"expand": "true"},
            data=io.BytesIO(raw),  # sent in pieces, so that a large one does not hold up the event loop
            content_type="application/json",
            extra_seconds=size / BYTES_A_SECOND,
        )

    async def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The body of `path` as it comes in, of about `size` bytes; nothing is kept."""
        with _told(self._where, write=False):
            async with self._request("GET", path, extra_seconds=size / BYTES_A_SECOND) as response:
                if response.status in {403, 404}:  # also: it does not belong there any more
                    raise Gone(f"{self._where}: a file is not there any more", reason="no_file")
                if response.status != 200:
                    answer = Answer(status=response.status, headers=response.headers, json=None)
                    raise_for_status(answer, self._where, write=False)
                async for chunk in response.content.iter_chunked(CHUNK):
                    yield chunk

    def _request(
        self, method: str, path: str, *, extra_seconds: float = 0.0, content_type: str = "", **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        settings = self._settings
        if self._session is None or self._session.closed:
            self._session = self._context.session(frozenset({urlsplit(settings.url).hostname or ""}))
        headers = {"Accept": "application/json", "Authorization": f"Token token={settings.token.reveal()}"}
        if content_type:
            headers["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds + extra_seconds,
            connect=settings.connect_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        url = f"{settings.url}/api/v1{path}"
        return self._session.request(method, url, headers=headers, timeout=timeout, allow_redirects=False, **options)

    async def _call(
        self, method: str, path: str, *, write: bool, accept: tuple[int, ...] = (), **options: Any
    ) -> Answer:
        with _told(self._where, write=write):
            async with self._request(method, path, **options) as response:
                raw = await _read(response)
                status, headers = response.status, response.headers
        answer = Answer(status=status, headers=headers, json=_json_or_none(raw))
        if status not in accept:
            raise_for_status(answer, self._where, write=write)
        if answer.json is None:
            unclear = Uncertain if write else Transient
            said = f"{self._where} answered {status} with something else than JSON (a login page, a proxy's page?)"
            raise unclear(said)
        return answer


def _encoded(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode("ascii")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK):
        raw += chunk
        if len(raw) > MAX_ANSWER:
            raise _TooLongError
    return bytes(raw)


@contextmanager
def _told(where: str, *, write: bool) -> Iterator[None]:
    """Raise in our words what fails on the way."""
    unclear = Uncertain if write else Transient
    try:
        yield
    except _NOT_SENT as error:
        raise Transient(f"{where} cannot be reached ({type(error).__name__})") from error
    except aiohttp.InvalidURL as error:
        raise Permanent(f"{where}: the address is not valid") from error
    except _TooLongError as error:
        too_long = Uncertain if write else Permanent
        raise too_long(f"{where} answers with more than {MAX_ANSWER} bytes; split or close that ticket") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unclear(f"{where} gave no whole answer ({type(error).__name__})") from error


def _json_or_none(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def raise_for_status(answer: Answer, where: str, *, write: bool) -> None:
    """Raise what a status other than success means."""
    status = answer.status
    if 200 <= status < 300:
        return
    said = f": {answer.words}" if answer.words else ""
    if status in {401, 403} or 300 <= status < 400:
        _raise_not_let_in(answer, where, said)
    if status == 429:
        raise Transient(f"{where} asks to slow down (429)", retry_after=_retry_after(answer))
    if status == 422:
        _raise_refused(answer, where, said, write=write)
    if status == 413:
        raise Permanent(
            f"{where} takes nothing so big (413). Raise client_max_body_size or lower `max_attachment_bytes`",
            told="el archivo es demasiado grande para Zammad",
        )
    if status >= 500 or status == 408:
        if write:  # also 503: a proxy may say it after having passed the request on
            raise Uncertain(f"{where} failed with status {status}{said}")
        raise Transient(f"{where} failed with status {status}{said}", retry_after=_retry_after(answer))
    raise Permanent(f"{where} refuses the request (status {status}){said}", told="Zammad rechazó el pedido")


def _raise_not_let_in(answer: Answer, where: str, said: str) -> None:
    if "maintenance" in said.lower():  # with 403, in some versions with 401
        raise Transient(f"{where} is in maintenance mode")
    if answer.status == 401:
        raise Credentials(f"{where} refuses the token (401). Make a new one for the service account and configure it")
    if answer.status != 403:
        raise Credentials(f"{where} redirects ({answer.status}). Configure `url` as the final address of Zammad itself")
    raise Credentials(
        f"{where} denies it (403){said}. Give the token ticket.agent, its user read, create and change in the groups, "
        "and switch on API token access"
    )


def _raise_refused(answer: Answer, where: str, said: str, *, write: bool) -> None:
    """422 is a validation, a name that is not there, or a statement that the database refused."""
    if "no lookup value found" in said.lower():
        raise Credentials(
            f"{where} does not know a name that is configured{said}. Compare group and states with Zammad"
        )
    if write and "already used" in said.lower():  # another node has just made the same customer
        raise Uncertain(f"{where} found a customer made at the same time")
    raise Permanent(f"{where} does not take it as it is (422){said}", told="Zammad no acepta este contenido")


def _retry_after(answer: Answer) -> timedelta | None:
    value = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) < 7 else None
