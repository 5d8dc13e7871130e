"""One HTTP call to GLPI's `apirest.php`, its session, and what a call's outcome means for the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.outcome import Answer, raise_for, told, without
from inbox_ticketing.glpi.settings import GlpiSettings

CHUNK = 64 * 1024
LARGEST_ANSWER = 32 * 2**20
PER_PAGE = 100
MOST_ROWS = 20_000
SESSION_OVER = frozenset({"ERROR_SESSION_TOKEN_INVALID", "ERROR_SESSION_TOKEN_MISSING"})

Params = Mapping[str, str]


class RestClient:
    """Calls one GLPI. Every call is one attempt; a session that ended is begun anew, for then nothing was done."""

    def __init__(self, settings: GlpiSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._http: aiohttp.ClientSession | None = None
        self._token = ""
        self._lock = asyncio.Lock()
        self.base = f"{settings.url}/apirest.php"
        self.where = f"{context.instance}: GLPI at {urlsplit(settings.url).netloc}"

    async def aclose(self) -> None:
        """End GLPI's session and ours; safe twice, never raises."""
        if self._http is None or self._http.closed:
            return
        token, self._token = self._token, ""
        if token:
            with suppress(aiohttp.ClientError, TimeoutError, OSError, Permanent, Transient, Credentials, Uncertain):
                await self._once("GET", "/killSession", {"Session-Token": token}, write=False)
        await self._http.close()

    # ------------------------------------------------------------ calls

    async def get(self, path: str, params: Params | None = None, *, accept: Sequence[str] = ()) -> Answer:
        """Read `path`. An error whose code is in `accept` is returned like a success."""
        return await self._call("GET", path, write=False, accept=accept, options=lambda: {"params": dict(params or {})})

    async def send(self, method: str, path: str, fields: Mapping[str, object]) -> Answer:
        """Change something. What GLPI says of a refusal is passed on unless it repeats what was sent."""
        words = " ".join(parse.text_of(value) for value in fields.values() if isinstance(value, str))
        return await self._call(
            method, path, write=True, private=words, options=lambda: {"json": {"input": dict(fields)}}
        )

    async def upload(self, path: str, form: Callable[[], aiohttp.FormData], size: int) -> Answer:
        """POST a multipart form of about `size` bytes; the time allowed grows with it (50 kB/s)."""
        seconds = size / 50_000
        return await self._call("POST", path, write=True, seconds=seconds, options=lambda: {"data": form()})

    async def rows(
        self, path: str, params: Params | None = None, *, accept: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """All rows of a list, page by page; none after an error whose code is in `accept`.

        GLPI answers a page with 206, and a start behind the end with 400.
        """
        found: list[dict[str, Any]] = []
        for start in range(0, MOST_ROWS, PER_PAGE):
            paged = {**(params or {}), "range": f"{start}-{start + PER_PAGE - 1}", "get_hateoas": "0"}
            answer = await self.get(path, paged, accept=("ERROR_RANGE_EXCEED_TOTAL", *accept))
            if answer.code:
                return found
            if not isinstance(answer.json, list):
                raise Transient(f"{self.where} answered a list with something else")
            found += [row for row in answer.json if isinstance(row, dict)]
            total = answer.total
            if start + PER_PAGE >= total if total is not None else len(answer.json) < PER_PAGE:
                return found
        raise Permanent(f"{self.where} lists more than {MOST_ROWS} rows of {path}")

    async def search(self, itemtype: str, params: Params, start: int) -> tuple[list[dict[str, Any]], int, Answer]:
        """One page of a search and how many rows there are in all. None found: GLPI leaves `data` out."""
        paged = {**params, "range": f"{start}-{start + PER_PAGE - 1}"}
        answer = await self.get(f"/search/{itemtype}", paged, accept=("ERROR_RANGE_EXCEED_TOTAL",))
        if answer.code:
            return [], 0, answer
        if not isinstance(answer.json, dict) or "totalcount" not in answer.json:
            raise Transient(f"{self.where} answered a search with something else")
        data = answer.json.get("data") or []
        rows = data.values() if isinstance(data, dict) else data
        return [row for row in rows if isinstance(row, dict)], parse.number(answer.json["totalcount"]), answer

    async def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The bytes of a document as they come in."""
        async with self._raw(path, seconds=size / 50_000) as response:
            async for chunk in response.content.iter_chunked(CHUNK):
                yield chunk

    async def size(self, path: str) -> int | None:
        """How many bytes a document has, where GLPI's web server says so; the bytes are not read."""
        async with self._raw(path, seconds=0) as response:
            is_page = response.content_type == "text/html"
            return None if is_page else response.content_length

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Take an answer that makes no sense for one that did not come."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Transient(f"{self.where} answered {what} that cannot be read ({type(error).__name__})") from error

    # ------------------------------------------------------------ session

    async def begin_anew(self) -> None:
        """Forget the session, so that the next call sees the rights and the time of this moment."""
        async with self._lock:
            self._token = ""

    async def _session_token(self) -> str:
        async with self._lock:
            if not self._token:
                secret = self._settings.user_token
                headers = {"Authorization": f"user_token {secret.reveal() if secret else ''}"}
                answer = await self._once("GET", "/initSession", headers, write=False)
                try:
                    raise_for(answer, self.where, write=False)
                except Permanent as error:  # such as ERROR_LOGIN_WITH_TOKEN_DISABLED
                    raise Credentials(f"{error}. See that Setup > General > API allows external tokens") from error
                token = answer.json.get("session_token") if isinstance(answer.json, dict) else None
                if not isinstance(token, str) or not token:
                    raise Transient(f"{self.where} gave no session (a login page, a proxy's page?)")
                await self._see_everything(token)
                self._token = token
            return self._token

    async def _see_everything(self, token: str) -> None:
        """Searches show the session's active entities only: a ticket that was moved would look like not there.

        All of them are meant by leaving `entities_id` out: GLPI makes 0, the root, of the word "all" that it documents.
        """
        everything = {"is_recursive": True}
        answer = await self._once(
            "POST", "/changeActiveEntities", {"Session-Token": token}, write=False, options={"json": everything}
        )
        raise_for(answer, self.where, write=False)
        if answer.json is False:
            raise Credentials(f"{self.where} opens no entity to the service account. Authorize its profile for one")
        if answer.json is not True and not answer.empty:
            raise Transient(f"{self.where} did not take the entities (a login page, a proxy's page?)")

    # ------------------------------------------------------------ HTTP

    async def _call(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        options: Callable[[], dict[str, Any]],
        accept: Sequence[str] = (),
        seconds: float = 0.0,
        private: str = "",
    ) -> Answer:
        token = await self._session_token()
        answer = await self._in_session(method, path, token, write=write, options=options(), seconds=seconds)
        if answer.code in SESSION_OVER:
            token = await self._renewed(token)
            answer = await self._in_session(method, path, token, write=write, options=options(), seconds=seconds)
        if answer.code and answer.code in accept:
            return answer
        raise_for(without(answer, private), self.where, write=write)
        if answer.json is None:
            unclear = Uncertain if write else Transient
            raise unclear(f"{self.where} answered {answer.status} with something else than JSON (a login page?)")
        return answer

    async def _renewed(self, ended: str) -> str:
        async with self._lock:
            if self._token == ended:
                self._token = ""
        return await self._session_token()

    async def _in_session(
        self, method: str, path: str, token: str, *, write: bool, options: dict[str, Any], seconds: float
    ) -> Answer:
        return await self._once(method, path, {"Session-Token": token}, write=write, options=options, seconds=seconds)

    async def _once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        write: bool,
        options: Mapping[str, Any] | None = None,
        seconds: float = 0.0,
    ) -> Answer:
        unclear = Uncertain if write else Transient
        with told(self.where, unclear=unclear):
            async with self._request(method, path, headers, seconds, **(options or {})) as response:
                raw = bytearray()
                async for chunk in response.content.iter_chunked(CHUNK):
                    raw += chunk
                    if len(raw) > LARGEST_ANSWER:
                        raise unclear(f"{self.where} answered more than {LARGEST_ANSWER} bytes")
                status, received = response.status, response.headers
        body = parse.read_json(raw.decode("utf-8", "replace"))
        code, words = parse.error_of(body)
        return Answer(status=status, headers=received, json=body, code=code, words=words, empty=not raw.strip())

    @asynccontextmanager
    async def _raw(self, path: str, *, seconds: float) -> AsyncIterator[aiohttp.ClientResponse]:
        """A document's own bytes. GLPI chooses between them and the row by the Accept header, or by `alt`."""
        await self.get(path)  # renews a session that ended, and tells a document that is not there
        headers = {"Session-Token": await self._session_token(), "Accept": "application/octet-stream"}
        with told(self.where, unclear=Transient):
            async with self._request("GET", path, headers, seconds, params={"alt": "media"}) as response:
                if response.status != 200:
                    raise_for(
                        Answer(status=response.status, headers=response.headers, json=None), self.where, write=False
                    )
                yield response

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], seconds: float, **options: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        settings = self._settings
        if self._http is None or self._http.closed:
            self._http = self._context.session(frozenset({urlsplit(settings.url).hostname or ""}))
        # A connection kept open that Apache drops meanwhile (after 5 s) would make the end of a write unclear.
        sent = {"Accept": "application/json", "Connection": "close", **headers}
        if settings.app_token is not None:
            sent["App-Token"] = settings.app_token.reveal()
        timeout = aiohttp.ClientTimeout(
            total=settings.timeout_seconds + seconds,
            connect=settings.connect_timeout_seconds,
            sock_connect=settings.connect_timeout_seconds,
        )
        return self._http.request(
            method, f"{self.base}{path}", headers=sent, timeout=timeout, allow_redirects=False, **options
        )
