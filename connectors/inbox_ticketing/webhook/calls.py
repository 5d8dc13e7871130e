"""One signed HTTP call to the receiver, and what its outcome means for the outbox."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from urllib.parse import urlencode

from yarl import URL

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Answer, Caller, Context, raise_if_failing
from inbox_ticketing.webhook import parse
from inbox_ticketing.webhook.settings import WebhookSettings
from inbox_ticketing.webhook.signing import signed_headers


class Calls:
    """Posts events and asks look-ups. Each call is one attempt, and carries every signature of the rotation."""

    def __init__(self, settings: WebhookSettings, context: Context, keys: Sequence[bytes]) -> None:
        self._settings = settings
        self._context = context
        self._keys = keys
        self._caller, self._desk = (
            Caller(
                context,
                url,
                name,
                seconds=settings.timeout_seconds,
                connect_seconds=settings.connect_timeout_seconds,
            )
            for url, name in ((settings.url, "the receiver"), (settings.read_url or "", "the look-up"))
        )

    async def aclose(self) -> None:
        """Close the sessions; safe twice."""
        await self._caller.aclose()
        await self._desk.aclose()

    async def post(self, message_id: str, body: bytes, *, wrongly: bool = False) -> parse.Outcome:
        """Post one event, `wrongly` signed on purpose where the self-check wants that refused. Raises `EdgeError`."""
        keys = [secrets.token_bytes(32)] if wrongly else self._keys
        headers = signed_headers(keys, message_id, self._context.now(), body)
        answer = await self._caller.call(
            "POST",
            self._settings.url,
            write=True,
            headers={**headers, "Content-Type": "application/json"},
            data=body,
            size=len(body),
            most=self._settings.max_answer_bytes,
        )
        if not 200 <= answer.status < 300:
            self._refuse_event(answer)
        try:
            outcome = parse.read_outcome(answer.json if answer.is_json or answer.empty else answer.text)
        except parse.NotUnderstood as error:
            raise Uncertain(f"{self._caller.where} answered {answer.status} with something else: {error}") from None
        return outcome

    async def ask(self, what: str, **question: str) -> parse.Found:
        """Ask one look-up. Raises `EdgeError`; whatever is not the answer asked for is never taken for "none"."""
        url, headers = self._signed(what, question)
        answer = await self._desk.call("GET", url, write=False, headers=headers, most=self._settings.max_answer_bytes)
        if answer.status != 200:
            self._refuse_look_up(answer)
        try:
            found = parse.read_found(answer.json)
        except parse.NotUnderstood as error:
            raise Transient(f"{self._desk.where} answered {what!r} with something else: {error}") from None
        if found.unread:
            self._context.log.warning("webhook.entries_not_understood", count=found.unread, asked=what)
        return found

    def stream(self, file: str, size: int) -> AsyncGenerator[bytes, None]:
        """The bytes of one file as they come in. Raises `Gone` where the receiver has it no more."""
        url, headers = self._signed("file", {"file": file})
        return self._desk.stream(url, headers=headers, size=size, refuse=self._refuse_file)

    def _signed(self, what: str, question: Mapping[str, str]) -> tuple[URL, dict[str, str]]:
        """Address and headers of a look-up."""
        url = URL(f"{self._settings.read_url}?{urlencode({'ask': what, **question})}", encoded=True)
        signed = f"GET {url.raw_path_qs}".encode()
        return url, signed_headers(self._keys, f"ask~{secrets.token_hex(12)}", self._context.now(), signed)

    def _refuse_file(self, answer: Answer) -> None:
        if answer.status in {404, 410} and parse.read_error(answer.json) == "not_found":
            raise Gone(f"{self._desk.where} has the file no more", reason="no_file")
        self._refuse_look_up(answer)

    def _refuse_event(self, answer: Answer) -> None:
        """Raise what the refusal of an event means."""
        status, word, place = answer.status, parse.read_error(answer.json), self._caller.where
        said = f"{status} {word}".strip()
        if word in {"closed", "deleted"}:
            raise Gone(f"{place} says that the ticket is {word} ({status})", reason=word)
        if word == "unknown_queue":
            raise Credentials(
                f"{place} knows no queue {self._settings.queue!r} ({said}). Configure `queue` as it is there"
            )
        if status == 410 or 300 <= status < 400:
            raise Credentials(f"{place} takes no events there ({said}). Compare `url` with the receiver's address")
        _raise_not_let_in(answer, place)
        raise_if_failing(answer, place, write=True, said=f" {word}".rstrip())
        if status == 413:
            raise Permanent(
                f'{place} takes nothing so big (413). Lower `max_attachment_bytes` or set files = "link"',
                told="es demasiado grande para el sistema de destino",
            )
        raise Permanent(f"{place} refuses the event ({said})", told="el sistema de destino lo rechaza")

    def _refuse_look_up(self, answer: Answer) -> None:
        """Raise what the refusal of a look-up means."""
        status, desk = answer.status, self._desk.where
        said = f"{status} {parse.read_error(answer.json)}".strip()
        _raise_not_let_in(answer, desk)
        raise_if_failing(answer, desk, write=False)
        if 200 <= status < 300:
            raise Transient(f"{desk} failed ({said})")
        raise Credentials(f"{desk} does not answer look-ups ({said}). Compare `read_url` with the receiver's address")


def _raise_not_let_in(answer: Answer, place: str) -> None:
    if answer.status in {401, 403}:
        raise Credentials(
            f"{place} refuses the signature ({answer.status}). Compare `secrets` with the receiver's, and both clocks"
        )
