"""One HTTP call to the endpoint, and what its outcome means for the outbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from urllib.parse import urlsplit

from inbox_daemon.errors import Credentials, Gone, Permanent
from inbox_daemon.plugins import Answer, Caller, Context, no_json, raise_if_failing, unclear
from inbox_ticketing.open311 import parse
from inbox_ticketing.open311.settings import Open311Settings

MAX_ANSWER_BYTES = 50_000_000
MEDIA_TIMES = 10
"""So many times the time-out of a question is given to a file, whose size nobody tells."""
HEADERS = {"Accept": "application/json"}


class Calls:
    """Reads and writes one endpoint, in JSON. Each call is one attempt."""

    def __init__(self, settings: Open311Settings, context: Context) -> None:
        self._settings = settings
        name, connect_seconds = "the Open311 endpoint", settings.connect_timeout_seconds
        self._caller = Caller(
            context, settings.url, name, seconds=settings.timeout_seconds, connect_seconds=connect_seconds
        )
        self._media = Caller(
            context,
            settings.url,
            name,
            seconds=settings.timeout_seconds * MEDIA_TIMES,
            connect_seconds=connect_seconds,
            hosts=settings.media_hosts,
        )

    async def aclose(self) -> None:
        """Close the sessions; safe twice."""
        await self._caller.aclose()
        await self._media.aclose()

    async def get(self, path: str, question: Mapping[str, str] | None = None, *, gone: Collection[int] = ()) -> Answer:
        """Read `path`. A status in `gone` is returned like a success."""
        params = {**self._place_params(), **(question or {})}
        if self._settings.reads_need_key:
            params["api_key"] = self._settings.api_key.reveal()
        answer = await self._caller.call(
            "GET", self._settings.url + path, write=False, headers=HEADERS, params=params, most=MAX_ANSWER_BYTES
        )
        if answer.status in gone and not parse.refuses_key(answer.json):
            if not answer.is_json:
                raise no_json(answer, self._caller.where, write=False)
            return answer
        self._raise_for(answer, what="a look-up", write=False)
        return answer

    async def post(self, path: str, fields: Mapping[str, str], what: str) -> Answer:
        """Write a form; `what` says in an error what was to be done."""
        form = {"api_key": self._settings.api_key.reveal(), **self._place_params(), **fields}
        answer = await self._caller.call(
            "POST", self._settings.url + path, write=True, headers=HEADERS, data=form, most=MAX_ANSWER_BYTES
        )
        self._raise_for(answer, what=what, write=True)
        return answer

    def stream(self, url: str) -> AsyncGenerator[bytes, None]:
        """The bytes behind `url`, if its host is one that files may be fetched from. Raises `Gone`."""
        try:
            parts = urlsplit(url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or parts.hostname not in self._media.hosts or not url.isprintable():
            raise Gone(f"{self._media.where}: a file stands on a host that is not in `media_hosts`", reason="no_file")
        return self._media.stream(url, refuse=self._refuse_file)

    def _refuse_file(self, answer: Answer) -> None:
        if answer.status in {404, 410}:
            raise Gone(f"{self._media.where} has the file no more", reason="no_file")

    def _place_params(self) -> dict[str, str]:
        return {"jurisdiction_id": self._settings.jurisdiction_id} if self._settings.jurisdiction_id else {}

    def _raise_for(self, answer: Answer, *, what: str, write: bool) -> None:
        """Raise what anything but a good answer means. An error's words are not shown: some repeat what was sent.

        Validation, too, ends in 500 here and there (6aika).
        """
        status, place = answer.status, self._caller.where
        if status in {401, 403} or parse.refuses_key(answer.json):
            raise Credentials(
                f"{place} refuses the key or the right to {what} ({status}). Compare `api_key` and `jurisdiction_id`"
            )
        raise_if_failing(answer, place, write=write)
        no_proof = unclear(f"{place} failed at {what} ({status})", write=write)
        if 300 <= status < 400 or status in {404, 405}:
            raise Credentials(f"{place} has no {what} there ({status}). Compare `url`; only .json is spoken here")
        if not 200 <= status < 300:
            raise Permanent(f"{place} refuses {what} ({status})", told="el sistema de destino lo rechaza")
        if not answer.is_json or parse.is_refusal(answer.json):
            raise no_proof
