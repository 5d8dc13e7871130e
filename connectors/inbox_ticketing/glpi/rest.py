"""One HTTP call to GLPI's `apirest.php`, its session, and what a call's outcome means for the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import aiohttp

from inbox_daemon import plugins
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient
from inbox_daemon.plugins import Caller, Context, no_json
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.outcome import Answer, raise_for, understood, without
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import PER_PAGE

MOST_ROWS = 20_000
SESSION_OVER = frozenset({"ERROR_SESSION_TOKEN_INVALID", "ERROR_SESSION_TOKEN_MISSING"})

Params = Mapping[str, str]


class RestClient:
    """Calls one GLPI. Every call is one attempt; a session that ended is begun anew, for then nothing was done."""

    def __init__(self, settings: GlpiSettings, context: Context) -> None:
        self._settings = settings
        self._caller = Caller(
            context,
            settings.url,
            "GLPI",
            seconds=settings.timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
            too_long_for_good=True,
        )
        self._token = ""
        self._lock = asyncio.Lock()
        self._base = f"{settings.url}/apirest.php"
        self.where = self._caller.where

    async def aclose(self) -> None:
        """End GLPI's session and ours; safe twice, never raises."""
        token, self._token = self._token, ""
        if token:
            with suppress(EdgeError):
                await self._once("GET", "/killSession", {"Session-Token": token}, write=False)
        await self._caller.aclose()

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
        """POST a multipart form of about `size` bytes; the time allowed grows with it."""
        return await self._call("POST", path, write=True, options=lambda: {"data": form(), "size": size})

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

        def refuse(answer: plugins.Answer) -> None:
            raise_for(understood(answer), self.where, write=False)

        headers = await self._for_bytes(path)
        url, params = f"{self._base}{path}", {"alt": "media"}
        async with aclosing(
            self._caller.stream(url, refuse=refuse, headers=headers, params=params, size=size)
        ) as pieces:
            async for piece in pieces:
                yield piece

    async def length(self, path: str) -> int | None:
        """How many bytes a document has; None where that can't be told, as for one that is too long to be counted.

        One byte is asked for, whose `Content-Range` has the length; who sends all has it counted.
        """
        headers = await self._for_bytes(path) | {"Range": "bytes=0-0"}
        try:
            answer = await self._caller.call(
                "GET", f"{self._base}{path}", write=False, headers=headers, params={"alt": "media"}
            )
        except Permanent:
            return None
        raise_for(understood(answer), self.where, write=False)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            return None
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(total) if answer.status == 206 and total.isascii() and total.isdigit() else len(answer.body)

    async def _for_bytes(self, path: str) -> dict[str, str]:
        """GLPI chooses between a document's bytes and its row by the Accept header, or by `alt`."""
        await self.get(path)  # renews a session that ended, and tells a document that is not there
        token = {"Session-Token": await self._session_token()}
        return self._headers(token) | {"Accept": "application/octet-stream"}

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
        if answer.json is not True and not answer.heard.empty:
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
        private: str = "",
    ) -> Answer:
        token = await self._session_token()
        answer = await self._once(method, path, {"Session-Token": token}, write=write, options=options())
        if answer.code in SESSION_OVER:
            token = await self._renewed(token)
            answer = await self._once(method, path, {"Session-Token": token}, write=write, options=options())
        if answer.code and answer.code in accept:
            return answer
        raise_for(without(answer, private), self.where, write=write)
        if answer.json is None:
            raise no_json(answer.heard, self.where, write=write)
        return answer

    async def _renewed(self, ended: str) -> str:
        async with self._lock:
            if self._token == ended:
                self._token = ""
        return await self._session_token()

    async def _once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        write: bool,
        options: Mapping[str, Any] | None = None,
    ) -> Answer:
        sent = self._headers(headers)
        url = f"{self._base}{path}"
        return understood(await self._caller.call(method, url, write=write, headers=sent, **(options or {})))

    def _headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """A connection kept open that Apache drops meanwhile (after 5 s) would make the end of a write unclear."""
        sent = {"Accept": "application/json", "Connection": "close", **headers}
        if self._settings.app_token is not None:
            sent["App-Token"] = self._settings.app_token.reveal()
        return sent
