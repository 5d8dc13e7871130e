"""One HTTP call to Redmine, and what its outcome means for the outbox."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Context
from inbox_ticketing.redmine.settings import RedmineSettings

CHUNK = 64 * 1024
MAX_ANSWER_BYTES = 32 * 2**20
"""Redmine gives all journals of an issue in one answer, whatever their number."""
ALONE = {"Connection": "close"}
"""A write over a connection that was kept and is dead by now would look like one whose answer is lost."""
AS_PUT = {"X-HTTP-Method-Override": "PUT"}
"""aiohttp sends a PUT a second time by itself when the connection ends before the answer (3.14, 2026-11-24), and a note
would stand twice; a POST never. Rails takes this header for the method."""
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised by aiohttp before the first byte of a request: DNS, refused, TLS, connect time-out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer with a status that the caller asked to see; `json` is None unless the body was JSON."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    json: Any = field(repr=False)
    empty: bool = False

    @property
    def errors(self) -> list[str]:
        """Redmine's own sentences about a 422; they name fields, never what stood in them."""
        said = self.json.get("errors") if isinstance(self.json, dict) else None
        return [str(one)[:200] for one in said[:5]] if isinstance(said, list) else []

    @property
    def server_time(self) -> datetime | None:
        """Redmine's own clock, from the `Date` header."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", "")).astimezone(UTC)
        except ValueError:
            return None

    def part(self, name: str) -> Any:
        """The value under `name` of the outermost object; None where there is none."""
        return self.json.get(name) if isinstance(self.json, dict) else None


class RestClient:
    """Calls one Redmine. Every call is one attempt; a read that ends unclear has done nothing and may be repeated."""

    def __init__(self, settings: RedmineSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._where = f"{context.instance}: Redmine at {urlsplit(settings.url).netloc}"

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = self._context.session(frozenset({urlsplit(self._settings.url).hostname or ""}))
        return self._session

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: tuple[int, ...] = ()) -> Answer:
        """Read `path`, which must answer JSON. A status in `accept` is returned like a success."""
        answer = await self._call("GET", path, write=False, accept=accept, params=params)
        if answer.status < 300 and not isinstance(answer.json, dict):
            raise self._no_json(answer, Transient)
        return answer

    async def create(self, path: str, body: Mapping[str, object], *, accept: tuple[int, ...] = ()) -> Answer:
        """Make something, which answers with what it made."""
        answer = await self._call("POST", path, write=True, accept=accept, json=body)
        if answer.status < 300 and not isinstance(answer.json, dict):
            raise self._no_json(answer, Uncertain)
        return answer

    async def change(self, path: str, body: Mapping[str, object], *, accept: tuple[int, ...] = ()) -> Answer:
        """Change something, which answers 204 without a body (an empty 200 in old versions), whatever was changed."""
        answer = await self._call("POST", path, write=True, accept=accept, json=body, headers=AS_PUT)
        if answer.status < 300 and not answer.empty:
            raise self._no_json(answer, Uncertain)
        return answer

    async def upload(self, name: str, content: bytes) -> str:
        """Hand over a file and get its token. A token that nobody uses is cleared away by Redmine: nothing was done."""
        answer = await self._call(
            "POST",
            "/uploads.json",
            write=False,
            accept=(422,),
            params={"filename": name},
            data=content,
            headers={"Content-Type": "application/octet-stream"},  # with another type: 406, or 400 for JSON
            extra_seconds=len(content) / 50_000,
        )
        if answer.status == 422:
            raise Permanent(
                f"{self._where} does not take a file: {'; '.join(answer.errors)}. Compare `max_attachment_bytes` with "
                "Administration, Settings, Files",
                told="el sistema no admite el archivo (tamaño o extensión)",
            )
        upload = answer.part("upload")
        token = upload.get("token") if isinstance(upload, dict) else None
        if not token:
            raise self._no_json(answer, Transient)
        return str(token)

    async def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The body of `path` as it comes in, of about `size` bytes; nothing is kept."""
        with self._told(Transient):
            async with self._request("GET", path, extra_seconds=size / 50_000) as response:
                if response.status != 200:
                    headers = dict(response.headers)
                    self._raise_for_status(Answer(status=response.status, headers=headers, json=None), write=False)
                async for chunk in response.content.iter_chunked(CHUNK):
                    yield chunk

    def _request(
        self,
        method: str,
        path: str,
        *,
        extra_seconds: float = 0.0,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        settings = self._settings
        timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds + extra_seconds,
            connect=settings.connect_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        shown = {"Accept": "application/json", "X-Redmine-API-Key": settings.key.reveal(), **ALONE, **(headers or {})}
        return self._open_session().request(
            method, f"{settings.url}{path}", headers=shown, timeout=timeout, allow_redirects=False, **more
        )

    async def _call(
        self, method: str, path: str, *, write: bool, accept: tuple[int, ...] = (), **options: Any
    ) -> Answer:
        unclear = Uncertain if write else Transient
        with self._told(unclear):
            async with self._request(method, path, **options) as response:
                raw = await _bounded(response)
                status, received = response.status, response.headers
        if raw is None:
            raise unclear(f"{self._where} answered with more than {MAX_ANSWER_BYTES} bytes")
        answer = Answer(status=status, headers=received, json=_json_or_none(raw), empty=not raw.strip())
        if status not in accept:
            self._raise_for_status(answer, write=write)
        return answer

    @contextmanager
    def _told(self, unclear: type[Transient | Uncertain]) -> Iterator[None]:
        """Raise in our words what fails on the way."""
        try:
            yield
        except NOT_SENT as error:
            raise Transient(f"{self._where} cannot be reached ({type(error).__name__})") from error
        except aiohttp.InvalidURL as error:
            raise Permanent(f"{self._where}: the address is not valid") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unclear(f"{self._where} gave no whole answer ({type(error).__name__})") from error

    def _no_json(self, answer: Answer, unclear: type[Transient | Uncertain]) -> Transient | Uncertain:
        return unclear(
            f"{self._where} answered {answer.status} with something that it never says (a login page, a proxy's page?)"
        )

    def _raise_for_status(self, answer: Answer, *, write: bool) -> None:
        status, where = answer.status, self._where
        if 200 <= status < 300:
            return
        if status == 401:
            raise Credentials(
                f"{where} refuses the key (401). Enable the REST web service under Administration, Settings, API, and "
                "configure `key` as the API access key of the service account"
            )
        if status == 403:
            raise Credentials(f"{where} denies a right (403). Compare the role of the service account with README")
        if 300 <= status < 400:
            raise Credentials(f"{where} redirects (status {status}). Configure `url` as the final address of Redmine")
        if status == 429:
            raise Transient(f"{where} asks to slow down (429)", retry_after=_retry_after(answer))
        if status >= 500 or status == 408:
            if write:  # also 503: a proxy may say it after having passed the request on
                raise Uncertain(f"{where} failed with status {status}")
            raise Transient(f"{where} failed with status {status}", retry_after=_retry_after(answer))
        if status in {409, 422} and write and not answer.errors and isinstance(answer.json, dict):
            # somebody saved the issue in the same moment (optimistic locking): all of ours is rolled back
            raise Transient(f"{where} says that the issue was changed meanwhile (status {status})")
        said = f": {'; '.join(answer.errors)}" if answer.errors else ""
        raise Permanent(f"{where} refuses the request (status {status}){said}", told="el sistema lo rechazó")


async def _bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body; None when it is longer than we take."""
    pieces: list[bytes] = []
    room = MAX_ANSWER_BYTES
    async for piece in response.content.iter_chunked(CHUNK):
        room -= len(piece)
        if room < 0:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _json_or_none(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _retry_after(answer: Answer) -> timedelta | None:
    value = answer.headers.get("Retry-After", "")
    return timedelta(seconds=int(value)) if value.isascii() and value.isdigit() and len(value) < 7 else None
