"""One signed HTTP call to the receiver, and what its outcome means for the outbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Context
from inbox_ticketing.webhook import parse
from inbox_ticketing.webhook.settings import WebhookSettings
from inbox_ticketing.webhook.signing import signed_headers

CHUNK = 64 * 1024
BYTES_PER_SECOND = 50_000
"""The slowest line that a file is given time for."""
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised by aiohttp before the first byte of a request: DNS, refused, TLS, connect time-out."""
NOTHING: Final = object()
"""Stands for a body that is no JSON; an empty one is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. `json` is None for an empty body and `NOTHING` for one that is no JSON."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)


class Calls:
    """Posts events and asks look-ups. Each call is one attempt, and carries every signature of the rotation."""

    def __init__(self, settings: WebhookSettings, context: Context, keys: Sequence[bytes]) -> None:
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._keys = keys
        self._place = f"{context.instance}: the receiver at {urlsplit(settings.url).netloc}"
        self._desk = f"{context.instance}: the look-up at {urlsplit(settings.read_url or '').netloc}"

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        if self._session is not None:
            await self._session.close()

    async def post(self, message_id: str, body: bytes, *, wrongly: bool = False) -> parse.Outcome:
        """Post one event, `wrongly` signed on purpose where the self-check wants that refused. Raises `EdgeError`."""
        keys = [secrets.token_bytes(32)] if wrongly else self._keys
        headers = signed_headers(keys, message_id, self._context.now(), body)
        headers["Content-Type"] = "application/json"
        with _told(self._place, unclear=Uncertain):
            async with self._request("POST", self._settings.url, headers, len(body), data=body) as response:
                answer = await self._read(response)
        if not 200 <= answer.status < 300:
            self._refuse_event(answer)
        try:
            outcome = parse.read_outcome(answer.json)
        except parse.NotUnderstood as error:
            raise Uncertain(f"{self._place} answered {answer.status} with something else: {error}") from None
        return outcome

    async def ask(self, what: str, **question: str) -> parse.Found:
        """Ask one look-up. Raises `EdgeError`; whatever is not the answer asked for is never taken for "none"."""
        with _told(self._desk, unclear=Transient):
            async with self._get(what, question, 0) as response:
                answer = await self._read(response)
        if answer.status != 200:
            self._refuse_look_up(answer)
        try:
            found = parse.read_found(answer.json)
        except parse.NotUnderstood as error:
            raise Transient(f"{self._desk} answered {what!r} with something else: {error}") from None
        if found.unread:
            self._context.log.warning("webhook.entries_not_understood", count=found.unread, asked=what)
        return found

    async def stream(self, file: str, size: int) -> AsyncGenerator[bytes, None]:
        """The bytes of one file as they come in. Raises `Gone` where the receiver has it no more."""
        with _told(self._desk, unclear=Transient):
            async with self._get("file", {"file": file}, size) as response:
                if response.status != 200:
                    answer = await self._read(response)
                    if answer.status in {404, 410} and parse.read_error(answer.json) == "not_found":
                        raise Gone(f"{self._desk} has the file no more", reason="no_file")
                    self._refuse_look_up(answer)
                async for chunk in response.content.iter_chunked(CHUNK):
                    yield chunk

    def _get(
        self, what: str, question: Mapping[str, str], size: int
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        asked = urlencode({"ask": what, **question})
        url = URL(f"{self._settings.read_url}?{asked}", encoded=True)
        signed = f"GET {url.raw_path_qs}".encode()
        headers = signed_headers(self._keys, f"ask~{secrets.token_hex(12)}", self._context.now(), signed)
        return self._request("GET", url, headers, size)

    def _request(
        self, method: str, url: str | URL, headers: dict[str, str], size: int, **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        settings = self._settings
        timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds + size / BYTES_PER_SECOND,
            connect=settings.connect_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        if self._session is None or self._session.closed:
            hosts = {urlsplit(one).hostname or "" for one in (settings.url, settings.read_url) if one}
            self._session = self._context.session(frozenset(hosts))
        return self._session.request(method, url, headers=headers, timeout=timeout, allow_redirects=False, **options)

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        limit, raw = self._settings.max_answer_bytes, bytearray()
        async for chunk in response.content.iter_chunked(CHUNK):
            raw += chunk
            if len(raw) > limit:
                raise aiohttp.ClientPayloadError("the answer is too long")
        return Answer(status=response.status, headers=response.headers, json=_json(bytes(raw)))

    def _refuse_event(self, answer: Answer) -> None:
        """Raise what the refusal of an event means."""
        status, word, place = answer.status, parse.read_error(answer.json), self._place
        said = f"{status} {word}".strip()
        if word in {"closed", "deleted"}:
            raise Gone(f"{place} says that the ticket is {word} ({status})", reason=word)
        if word == "unknown_queue":
            raise Credentials(
                f"{place} knows no queue {self._settings.queue!r} ({said}). Configure `queue` as it is there"
            )
        if status in {404, 410} or 300 <= status < 400:
            raise Credentials(f"{place} takes no events there ({said}). Compare `url` with the receiver's address")
        _raise_common(answer, place)
        if status >= 500 or status == 408:  # also 503: a proxy may say it after having passed the request on
            raise Uncertain(f"{place} failed ({said})")
        if status == 413:
            raise Permanent(
                f'{place} takes nothing so big (413). Lower `max_attachment_bytes` or set files = "link"',
                told="es demasiado grande para el sistema de destino",
            )
        raise Permanent(f"{place} refuses the event ({said})", told="el sistema de destino lo rechaza")

    def _refuse_look_up(self, answer: Answer) -> None:
        """Raise what the refusal of a look-up means."""
        status, desk = answer.status, self._desk
        said = f"{status} {parse.read_error(answer.json)}".strip()
        _raise_common(answer, desk)
        if status >= 500 or status == 408 or 200 <= status < 300:
            raise Transient(f"{desk} failed ({said})", retry_after=_retry_after(answer))
        raise Credentials(f"{desk} does not answer look-ups ({said}). Compare `read_url` with the receiver's address")


def _raise_common(answer: Answer, place: str) -> None:
    if answer.status in {401, 403}:
        raise Credentials(
            f"{place} refuses the signature ({answer.status}). Compare `secrets` with the receiver's, and both clocks"
        )
    if answer.status == 429:
        raise Transient(f"{place} asks to slow down (429)", retry_after=_retry_after(answer))


@contextmanager
def _told(place: str, *, unclear: type[Transient | Uncertain]) -> Iterator[None]:
    """Raise in our words what fails on the way."""
    try:
        yield
    except NOT_SENT as error:
        raise Transient(f"{place} cannot be reached ({type(error).__name__})") from None
    except aiohttp.InvalidURL:
        raise Permanent(f"{place}: the address is not valid") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unclear(f"{place} gave no whole answer ({type(error).__name__})") from None


def _json(raw: bytes) -> Any:
    if not raw.strip():
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return NOTHING


def _retry_after(answer: Answer) -> timedelta | None:
    value = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) < 7 else None
