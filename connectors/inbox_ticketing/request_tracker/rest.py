"""One HTTP call to Request Tracker, and what its outcome means for the outbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from typing import Any

import aiohttp

from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.plugins import Answer, Caller, Context, no_json, raise_if_failing
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings


class RestClient:
    """Calls one RT. Every call is one attempt; `write` says whether an unclear end may have changed something."""

    def __init__(self, settings: RequestTrackerSettings, context: Context) -> None:
        self._base = f"{settings.url}/REST/2.0"
        self._gate_url = settings.mail_gate_url or ""
        self._headers = {"Accept": "application/json", "Authorization": f"token {settings.token.reveal()}"}
        self._caller, self._gate = (
            Caller(
                context,
                url,
                "Request Tracker",
                seconds=settings.timeout_seconds,
                connect_seconds=settings.connect_timeout_seconds,
                too_long_for_good=True,
            )
            for url in (settings.url, self._gate_url)
        )

    async def aclose(self) -> None:
        """Close the sessions; safe twice."""
        await self._caller.aclose()
        await self._gate.aclose()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: Collection[int] = ()) -> Answer:
        """Read `path`. A status in `accept` is returned like a success."""
        return await self._call("GET", path, write=False, accept=accept, params=params)

    async def search(self, path: str, filters: list[dict[str, str]], params: Mapping[str, str]) -> Answer:
        """Search a collection by RT's JSON filters: a POST that changes nothing."""
        return await self._call("POST", path, write=False, params=params, json=filters)

    async def send(self, method: str, path: str, body: Mapping[str, object], *, accept: Collection[int] = ()) -> Answer:
        """Change something with a JSON body."""
        return await self._call(method, path, write=True, accept=accept, json=body)

    async def upload(
        self, path: str, form: Callable[[], aiohttp.FormData], size: int, *, accept: Collection[int] = ()
    ) -> Answer:
        """POST a multipart form of about `size` bytes."""
        return await self._call("POST", path, write=True, accept=accept, data=form(), size=size)

    async def post_gate(self, fields: Mapping[str, str]) -> Answer:
        """POST a form to the mail gate, which knows no token and answers in plain text."""
        answer = await self._gate.call("POST", self._gate_url, write=True, data=dict(fields))
        _raise_for_status(answer, self._gate.where, write=True)
        return answer

    def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The body of `path` as it comes in, of about `size` bytes; nothing is kept."""

        def refuse(answer: Answer) -> None:
            _raise_for_status(answer, self._caller.where, write=False)

        return self._caller.stream(self._base + path, headers=self._headers, size=size, refuse=refuse)

    async def _call(
        self, method: str, path: str, *, write: bool, accept: Collection[int] = (), **options: Any
    ) -> Answer:
        answer = await self._caller.call(method, self._base + path, write=write, headers=self._headers, **options)
        if answer.status not in accept:
            _raise_for_status(answer, self._caller.where, write=write)
        if answer.json is None:
            raise no_json(answer, self._caller.where, write=write)
        return answer


def message_of(answer: Answer) -> str:
    """RT's own sentence about a failure; it names fields and queues, never contents."""
    return str(answer.part("message") or "")[:200]


def _raise_for_status(answer: Answer, where: str, *, write: bool) -> None:
    status, message = answer.status, message_of(answer)
    if 200 <= status < 300:
        return
    said = f": {message}" if message else ""
    if status == 401:
        raise Credentials(f"{where} refuses the token (401). Make a new token for the service account and configure it")
    if status == 403:
        raise Credentials(f"{where} denies a right (403){said}. Compare the rights of the service account with README")
    if 300 <= status < 400:
        raise Credentials(f"{where} redirects (status {status}). Configure `url` as the final address of RT itself")
    raise_if_failing(answer, where, write=write, said=said)
    raise Permanent(f"{where} refuses the request (status {status}){said}")
