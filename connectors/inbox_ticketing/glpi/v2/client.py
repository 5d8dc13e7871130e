"""One HTTP call to the high-level API of GLPI, its token, and what a call's outcome means for the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from datetime import datetime, timedelta
from typing import Any

from inbox_daemon.errors import Permanent, Transient
from inbox_daemon.plugins import Answer, Caller, Context, no_json
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import PER_PAGE
from inbox_ticketing.glpi.v2 import outcome, rsql

SCOPES = "api user graphql"
"""What is under /Administration/User/Me wants `user`, questions want `graphql` (`OAuthRequestMiddleware@26ea8c0`)."""
MOST_ROWS = 20_000
EARLY = timedelta(seconds=60)
"""A token is given up so long before its end."""
Row = dict[str, Any]


class Client:
    """Calls one GLPI. Every call is one attempt; a token that ended is renewed and the call made once more, for then
    nothing was done."""

    def __init__(self, settings: GlpiSettings, context: Context) -> None:
        self._settings = settings
        self._now = context.now
        self._caller = Caller(
            context,
            settings.url,
            "GLPI",
            seconds=settings.timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
            too_long_for_good=True,
        )
        self.where = self._caller.where
        self._base = f"{settings.url}/api.php/v{settings.api_version}"
        self._token = ""
        self._until: datetime | None = None
        self._lock = asyncio.Lock()

    async def aclose(self) -> None:
        """Forget the token, which GLPI can't be told to end, and close the session."""
        self._token = ""
        await self._caller.aclose()

    # ------------------------------------------------------------ calls

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: Sequence[str] = ()) -> Answer:
        """Read `path`. A refusal whose code is in `accept` is returned like a success."""
        return await self._call("GET", path, write=False, params=params, accept=accept)

    async def send(
        self, method: str, path: str, fields: Mapping[str, object], *, private: str = "", accept: Sequence[str] = ()
    ) -> Answer:
        """Change something. What GLPI says of a refusal is passed on unless it repeats words of `private`."""
        return await self._call(method, path, write=True, json=dict(fields), private=private, accept=accept)

    async def page(self, path: str, condition: str, *, start: int = 0, sort: str = "") -> tuple[list[Row], int]:
        """One page of a search, and how many rows there are in all, from `Content-Range: 0-99/250`.

        GLPI sends that header with every search: without it an empty list is not its word for "nothing found".
        """
        params = {"filter": condition, "start": str(start), "limit": str(PER_PAGE)}
        answer = await self.get(path, params | ({"sort": sort} if sort else {}))
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if not (total.isascii() and total.isdigit()):
            raise Transient(f"{self.where} answered a search without saying how much it found")
        return self.listed(answer), int(total)

    def listed(self, answer: Answer) -> list[Row]:
        """The rows of an answer. Raises `Transient` for what is no list."""
        if not isinstance(answer.json, list):
            raise Transient(f"{self.where} answered a list with something else")
        return [row for row in answer.json if isinstance(row, dict)]

    async def ask(self, type_name: str, condition: str, fields: str) -> list[Row]:
        """All rows of one type, by GraphQL: for what no path of the API leads to."""
        answer = await self._call("POST", "/GraphQL", write=False, data=rsql.question(type_name, condition, fields))
        outcome.raise_for_question(answer, type_name, self.where)
        rows = answer.json["data"].get(type_name)
        if not isinstance(rows, list) or len(rows) > MOST_ROWS:
            raise Transient(f"{self.where} answered a question about {type_name} with no list of rows")
        return [row for row in rows if isinstance(row, dict)]

    async def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The bytes of a document as they come in."""

        def refuse(answer: Answer) -> None:
            outcome.raise_for(answer, self.where, write=False)

        headers = await self._headers()
        headers["Accept"] = "*/*"
        async with aclosing(
            self._caller.stream(f"{self._base}{path}", refuse=refuse, headers=headers, size=size)
        ) as pieces:
            async for piece in pieces:
                yield piece

    async def length(self, path: str) -> int | None:
        """How many bytes a document has; None for one that is too long to be asked so.

        No path tells it. One byte is asked for, whose `Content-Range` has the length; who sends all has it counted.
        """
        headers = await self._headers()
        headers |= {"Accept": "*/*", "Range": "bytes=0-0"}
        try:
            answer = await self._caller.call("GET", f"{self._base}{path}", write=False, headers=headers)
        except Permanent:
            return None
        outcome.raise_for(answer, self.where, write=False)
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if answer.status == 206 and total.isascii() and total.isdigit():
            return int(total)
        return len(answer.body)

    @contextmanager
    def reading(self, what: str) -> Iterator[None]:
        """Take an answer that makes no sense for one that did not come."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Transient(f"{self.where} answered {what} that cannot be read ({type(error).__name__})") from error

    # ------------------------------------------------------------ token

    async def begin_anew(self) -> None:
        """Forget the token, so that the next call logs in."""
        async with self._lock:
            self._token = ""

    async def _bearer(self) -> str:
        async with self._lock:
            if not self._token or (self._until is not None and self._now() >= self._until):
                await self._log_in()
            return self._token

    async def _log_in(self) -> None:
        """Raises `Credentials`. Only the grant "password" leads to a user, and without one GLPI lets nobody in."""
        settings = self._settings
        assert settings.client_secret is not None
        assert settings.password is not None
        form = {
            "grant_type": "password",
            "client_id": settings.client_id or "",
            "client_secret": settings.client_secret.reveal(),
            "username": settings.username or "",
            "password": settings.password.reveal(),
            "scope": SCOPES,
        }
        headers = {"Accept": "application/json", "Connection": "close"}
        url = f"{settings.url}/api.php/token"
        answer = await self._caller.call("POST", url, write=False, headers=headers, data=form)
        outcome.raise_for_login(answer, self.where)
        self._token = str(answer.part("access_token"))
        seconds = answer.part("expires_in")
        valid = timedelta(seconds=seconds) if isinstance(seconds, int) else None
        self._until = None if valid is None else self._now() + max(valid - EARLY, valid / 2)

    async def _renewed(self, ended: str) -> str:
        async with self._lock:
            if self._token == ended:
                self._token = ""
        return await self._bearer()

    # ------------------------------------------------------------ HTTP

    async def _headers(self, token: str = "") -> dict[str, str]:
        """The root with all below it is what is asked to be seen: where the account has less, GLPI leaves it at that.

        A connection kept open that a web server drops meanwhile would make the end of a write unclear.
        """
        return {
            "Accept": "application/json",
            "Authorization": f"Bearer {token or await self._bearer()}",
            "Connection": "close",
            "GLPI-Entity": "0",
            "GLPI-Entity-Recursive": "true",
        }

    async def _call(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        params: Mapping[str, str] | None = None,
        json: object = None,
        data: str | None = None,
        accept: Sequence[str] = (),
        private: str = "",
    ) -> Answer:
        async def once(token: str) -> Answer:
            headers = await self._headers(token)
            if data is not None:
                headers["Content-Type"] = "application/graphql"
            return await self._caller.call(
                method, f"{self._base}{path}", write=write, headers=headers, params=params, json=json, data=data
            )

        token = await self._bearer()
        answer = await once(token)
        if outcome.is_over(answer):
            answer = await once(await self._renewed(token))
        if answer.status >= 400 and outcome.code_of(answer) in accept:
            return answer
        outcome.raise_for(answer, self.where, write=write, private=private)
        if not answer.is_json and not (write and answer.empty):
            raise no_json(answer, self.where, write=write)
        return answer
