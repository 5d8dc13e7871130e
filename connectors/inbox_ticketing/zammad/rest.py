"""One HTTP call to Zammad, and what its outcome means for the outbox."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Collection, Mapping
from typing import Any

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Answer, Caller, Context, no_json, raise_if_failing
from inbox_ticketing.zammad.parse import safe_words
from inbox_ticketing.zammad.settings import ZammadSettings

LARGE = 64 * 1024
MAX_ANSWER = 48 * 2**20
"""No thread of a ticket is longer; whatever is, is not read to its end."""
EXPANDED = {"expand": "true"}
"""Names in the place of numbers."""


class RestClient:
    """Calls one Zammad. Every call is one attempt; `write` says whether an unclear end may have changed something."""

    def __init__(self, settings: ZammadSettings, context: Context) -> None:
        self._api = f"{settings.url}/api/v1"
        self._headers = {"Accept": "application/json", "Authorization": f"Token token={settings.token.reveal()}"}
        self._caller = Caller(
            context,
            settings.url,
            "Zammad",
            seconds=settings.timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
            too_long_for_good=True,
        )

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        await self._caller.aclose()

    async def get(self, path: str, *, accept: Collection[int] = ()) -> Answer:
        """Read `path`. A status in `accept` is returned like a success."""
        return await self._call("GET", path, write=False, accept=accept)

    async def search(self, condition: Mapping[str, object], params: Mapping[str, str]) -> Answer:
        """Search tickets by conditions: a POST that changes nothing.

        Without a `query` Zammad answers from its database; with one, from an index that may lag by minutes.
        """
        return await self._call("POST", "/tickets/search", write=False, params=params, json={"condition": condition})

    async def send(
        self, method: str, path: str, body: Mapping[str, object], *, size: int = 0, accept: Collection[int] = ()
    ) -> Answer:
        """Change something with a JSON body that carries a file of about `size` bytes."""
        raw = await asyncio.to_thread(_encoded, body) if size > LARGE else _encoded(body)
        return await self._call(
            method,
            path,
            write=True,
            accept=accept,
            data=io.BytesIO(raw),  # sent in pieces, so that a large one does not hold up the event loop
            headers={"Content-Type": "application/json"},
            size=size,
        )

    def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The body of `path` as it comes in, of about `size` bytes; nothing is kept."""
        return self._caller.stream(self._api + path, headers=self._headers, size=size, refuse=self._refuse_file)

    def _refuse_file(self, answer: Answer) -> None:
        if answer.status in {403, 404}:  # also: it does not belong there any more
            raise Gone(f"{self._caller.where}: a file is not there any more", reason="no_file")
        raise_for_status(answer, self._caller.where, write=False)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        write: bool,
        accept: Collection[int] = (),
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        answer = await self._caller.call(
            method,
            self._api + path,
            write=write,
            headers={**self._headers, **(headers or {})},
            params={**EXPANDED, **(params or {})},
            most=MAX_ANSWER,
            **options,
        )
        if answer.status not in accept:
            raise_for_status(answer, self._caller.where, write=write)
        if answer.json is None:
            raise no_json(answer, self._caller.where, write=write)
        return answer


def words_of(answer: Answer) -> str:
    """Zammad's own sentence about a failure, fit for a log."""
    return safe_words(str(answer.part("error") or ""))


def _encoded(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode("ascii")


def raise_for_status(answer: Answer, where: str, *, write: bool) -> None:
    """Raise what a status other than success means."""
    status = answer.status
    if 200 <= status < 300:
        return
    words = words_of(answer)
    said = f": {words}" if words else ""
    if status in {401, 403} or 300 <= status < 400:
        _raise_not_let_in(answer, where, said)
    raise_if_failing(answer, where, write=write, said=said)
    if status == 422:
        _raise_refused(answer, where, said, write=write)
    if status == 413:
        raise Permanent(
            f"{where} takes nothing so big (413). Raise client_max_body_size or lower `max_attachment_bytes`",
            told="el archivo es demasiado grande para Zammad",
        )
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
