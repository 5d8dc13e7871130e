"""One call of the generic interface, and what its outcome means for the outbox.

Every application error comes with status 200 and an object `Error`; a status of 500 is the interface's own failure
(also for a web service that is not there). Whatever is refused by name was checked before anything was written (read
in `TicketCreate.pm` and `TicketUpdate.pm`, 2026-11-24).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from inbox_daemon.errors import Credentials, EdgeError, Permanent
from inbox_daemon.plugins import Answer as HttpAnswer
from inbox_daemon.plugins import Caller, Context, no_json, raise_if_failing, unclear
from inbox_ticketing.znuny.settings import ZnunySettings

MAX_ANSWER_BYTES = 32_000_000
CHECKED_FIRST = frozenset({"MissingParameter", "InvalidParameter", "EmptyRequest", "WrongStructure"})
CONFIGURED = {
    "Ticket->Queue": "queue",
    "Ticket->State": "new_state, open_state and closed_state",
    "Ticket->Priority": "priority",
    "Ticket->Type": "ticket_type",
    "DynamicField->Name": "reference_field and message_field",
    "an article DynamicField": "message_field",
    "Article->CommunicationChannel": "communication_channel",
}
"""What a refusal names → the keys that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The object `Error`; its words name parameters, never their values."""

    code: str
    words: str

    @property
    def kind(self) -> str:
        """`AccessDenied` of `TicketGet.AccessDenied`."""
        return self.code.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`data` is the JSON object; with a `refusal` nothing was done."""

    data: Mapping[str, Any] = field(repr=False)
    at: datetime | None
    """By the server's own clock."""
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Login:
    session: str = field(repr=False)
    user: str


class Client:
    """Calls one web service under one session, which is opened again when it has ended."""

    def __init__(self, settings: ZnunySettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._caller = Caller(
            context,
            settings.url,
            settings.product.capitalize(),
            seconds=settings.timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
            too_long_for_good=True,
        )
        self._login: _Login | None = None
        self._logging_in = asyncio.Lock()
        self.where = self._caller.where

    async def aclose(self) -> None:
        """Close the connections; safe twice. The session ends by itself: no operation of both products ends it."""
        await self._caller.aclose()

    async def user(self) -> str:
        """Number of the service account, as articles name who wrote them."""
        return (await self._logged_in()).user

    async def now(self) -> datetime:
        """The server's clock."""
        answer = await self.read("SessionGet", {})
        return answer.at or self._context.now()

    async def read(
        self, operation: str, body: Mapping[str, object], *, accept: tuple[str, ...] = (), most: int = MAX_ANSWER_BYTES
    ) -> Answer:
        """An operation that changes nothing. A refusal whose kind is in `accept` is returned."""
        return await self._call(operation, body, write=False, accept=accept, most=most)

    async def write(
        self, operation: str, body: Mapping[str, object], *, accept: tuple[str, ...] = (), size: int = 0
    ) -> Answer:
        """An operation that changes something; `size` bytes of files go along."""
        return await self._call(operation, body, write=True, accept=accept, size=size)

    async def _call(
        self,
        operation: str,
        body: Mapping[str, object],
        *,
        write: bool,
        accept: tuple[str, ...],
        size: int = 0,
        most: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        login = await self._logged_in()
        answer = await self._post(operation, {"SessionID": login.session, **body}, write=write, size=size, most=most)
        if answer.refusal and answer.refusal.kind in {"AuthFail", "SessionInvalid"}:  # expired: nothing was done
            login = await self._logged_in(instead_of=login)
            again = {"SessionID": login.session, **body}
            answer = await self._post(operation, again, write=write, size=size, most=most)
        if answer.refusal and answer.refusal.kind not in accept:
            raise self.error_of(answer.refusal, write=write)
        return answer

    async def _logged_in(self, *, instead_of: _Login | None = None) -> _Login:
        async with self._logging_in:
            if self._login is None or self._login is instead_of:
                self._login = None
                self._login = await self._log_in()
            return self._login

    async def _log_in(self) -> _Login:
        settings = self._settings
        made = await self._post(
            "SessionCreate", {"UserLogin": settings.account, "Password": settings.password.reveal()}, write=False
        )
        session = str(made.data.get("SessionID") or "")
        if made.refusal or not session:
            raise Credentials(
                f"{self.where} refuses the login of {settings.account!r}. Compare `account` and `password` with the "
                "agent there, see that it is valid, and that no customer has the same login"
            )
        seen = await self._post("SessionGet", {"SessionID": session}, write=False)
        values = {str(one.get("Key")): one.get("Value") for one in _objects(seen.data.get("SessionData"))}
        user = str(values.get("UserID") or "")
        if seen.refusal or not user:
            raise Credentials(
                f"{self.where} does not tell the number of {settings.account!r}. Import InboxDaemon.yml again: "
                "it has an operation SessionGet"
            )
        return _Login(session=session, user=user)

    # ------------------------------------------------------------ one exchange

    async def _post(
        self, operation: str, body: Mapping[str, object], *, write: bool, size: int = 0, most: int = MAX_ANSWER_BYTES
    ) -> Answer:
        answer = await self._caller.call(
            "POST",
            f"{self._settings.service_url}/{operation}",
            write=write,
            headers={"Accept": "application/json"},
            json=body,
            size=max(size, most - MAX_ANSWER_BYTES),
            most=most,
        )
        self._see_status(answer, write=write)
        if not isinstance(answer.json, dict):
            raise no_json(answer, self.where, write=write)
        return Answer(data=answer.json, at=answer.server_time, refusal=_refusal(answer.part("Error")))

    def _see_status(self, answer: HttpAnswer, *, write: bool) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        if status in {401, 403}:
            raise Credentials(f"{self.where} lets nobody in (status {status}). Have the web server let this machine in")
        if 300 <= status < 400 or (status == 404 and not write):
            raise Credentials(
                f"{self.where} is elsewhere (status {status}). Configure `url` as the final address, with its path "
                "where that is neither /znuny nor /otobo"
            )
        if status == 413:
            raise Permanent(
                f"{self.where} takes no request of this size (413). Lower `max_attachment_bytes`, or raise MaxLength "
                "of the web service and the limit of the web server",
                told="el archivo es demasiado grande",
            )
        hint = f" (is the web service {self._settings.web_service!r} imported, valid and up to date?)"
        raise_if_failing(answer, self.where, write=write, said=hint if status == 500 else "")
        raise unclear(f"{self.where} failed with status {status}", write=write)

    # ------------------------------------------------------------ refusals

    def error_of(self, refusal: Refusal, *, write: bool) -> EdgeError:
        """What a refusal means where nobody expected it."""
        said = f"{refusal.code}: {refusal.words}"[:200]
        settings = self._settings
        if refusal.kind in {"AuthFail", "SessionInvalid"}:
            return Credentials(f"{self.where} ends each session at once ({said}). See SessionCheckRemoteIP there")
        if refusal.kind == "AccessDenied":
            return Credentials(
                f"{self.where} denies a right ({said}). Give {settings.account!r} the rights ro, move_into, create, "
                f"note and rw in the group of queue {settings.queue!r}"
            )
        for named, keys in CONFIGURED.items():
            if named in refusal.words and refusal.kind in CHECKED_FIRST:
                return Credentials(
                    f"{self.where} does not know what is configured as {keys} ({said}); the queue is "
                    f"{settings.queue!r}. Configure exactly the names that stand in its administration"
                )
        if refusal.kind in CHECKED_FIRST:
            return Permanent(f"{self.where} refuses the request ({said})", told="el sistema no acepta el mensaje")
        return unclear(f"{self.where} failed ({said})", write=write)


def _refusal(error: object) -> Refusal | None:
    if error is None:
        return None
    found = error if isinstance(error, Mapping) else {}
    return Refusal(code=str(found.get("ErrorCode") or "unknown"), words=str(found.get("ErrorMessage") or ""))


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
