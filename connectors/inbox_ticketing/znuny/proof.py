"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

A search by a dynamic field that is not there answers any tickets, up to the limit; so one is asked for that nobody
has, and must not be answered with others. The first check of an instance opens one ticket, closes it again, and leaves
it as the proof that every later check finds without writing.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

from inbox_daemon.errors import Credentials, EdgeError
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket, TicketState
from inbox_daemon.plugins import Context, TicketingAdapter, put_away
from inbox_ticketing.znuny.reading import Reader, Several
from inbox_ticketing.znuny.rest import Client
from inbox_ticketing.znuny.settings import ZnunySettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en esta cola. No hace falta hacer nada."
CLOCK_TOLERANCE = timedelta(minutes=10)
PAUSE = timedelta(minutes=10)
"""After a proof that was not found none is written for so long: whoever waits for a remedy checks again and again."""


class Proof:
    """The checks of one instance."""

    def __init__(
        self, adapter: TicketingAdapter, settings: ZnunySettings, client: Client, reader: Reader, context: Context
    ) -> None:
        self._adapter = adapter
        self._settings = settings
        self._client = client
        self._reader = reader
        self._context = context
        self._reference = Reference(f"PRUEBA-{context.instance}")
        self._key = MessageKey(f"{self._reference}.n1")
        self._paused_until = 0.0

    async def run(self) -> None:
        """Raise the `EdgeError` that says what is missing, and where to give it."""
        await self._client.user()
        ticket = await self._found()
        fresh = ticket is None
        if ticket is None and time.monotonic() >= self._paused_until:
            ticket = await self._written()
        await self._nobody_has_what_nobody_has()
        instance, settings = self._context.instance, self._settings
        if ticket is None:
            raise Credentials(
                f"{instance}: a reference was written into {settings.reference_field!r} and is not found again. Give "
                f"{settings.account!r} the right ro in the group of queue {settings.queue!r}, and see that this field "
                f"(reference_field) is of object ticket, and {settings.message_field!r} (message_field) of object "
                "article"
            )
        if await self._adapter.find_entry(ticket, self._key) is None:
            raise Credentials(
                f"{instance}: an entry written into ticket {ticket.number} is not found again. Make "
                f"{settings.message_field!r} a valid dynamic field of object article, type text"
            )
        await self._stands_right(ticket, fresh=fresh)
        await self._put_away(ticket)

    async def _found(self) -> Ticket | None:
        """The proof. Two nodes that made their first check at once left two: the first stays, the rest is put away."""
        try:
            return await self._adapter.find(self._reference)
        except Several as several:
            for other in several.tickets[1:]:
                await self._put_away(other)
            return several.tickets[0]

    async def _written(self) -> Ticket | None:
        """A new proof; None where it is not found, and no open ticket is left behind then."""
        words = Entry(key=self._key, heading="inbox-daemon", body=TEXT, sent_at=self._context.now(), automatic=True)
        number = CaseNumber(str(self._reference))
        draft = Draft(reference=self._reference, case_number=number, subject=SUBJECT, first=words, channel="prueba")
        made = await self._adapter.open_ticket(draft)
        ticket = await self._found()
        if ticket is None:
            self._paused_until = time.monotonic() + PAUSE.total_seconds()
            with suppress(EdgeError):
                await self._adapter.set_state(made, TicketState.CLOSED)
        return ticket

    async def _nobody_has_what_nobody_has(self) -> None:
        if await self._adapter.find(Reference(f"PRUEBA-{secrets.token_hex(8)}")) is not None:
            raise Credentials(
                f"{self._context.instance}: a reference that nobody has was found. Make "
                f"{self._settings.reference_field!r} a dynamic field of type text"
            )

    async def _stands_right(self, ticket: Ticket, *, fresh: bool) -> None:
        """The queue is there (the proof stands in it, or is put there), and the configured zone is the server's."""
        settings = self._settings
        row = await self._reader.row(ticket.id)
        if row.queue != settings.queue:
            await self._client.write("TicketUpdate", {"TicketID": row.id, "Ticket": {"Queue": settings.queue}})
            row = await self._reader.row(ticket.id)
            if row.queue != settings.queue:
                raise Credentials(
                    f"{self._context.instance}: there is no queue {settings.queue!r}. Configure its whole name"
                )
        now = await self._client.now()
        if fresh and abs(now - row.created) > CLOCK_TOLERANCE:
            there = now.astimezone(ZoneInfo(settings.time_zone))
            raise Credentials(
                f"{self._context.instance}: a ticket made at {there:%H:%M} of {settings.time_zone} is told as made at "
                f"{row.created.astimezone(there.tzinfo):%H:%M}. Configure `time_zone` as the OTRSTimeZone (Znuny) or "
                "OTOBOTimeZone of its system configuration"
            )

    async def _put_away(self, ticket: Ticket) -> None:
        settings = self._settings
        await put_away(
            self._adapter,
            ticket,
            f"{self._context.instance}: ticket {ticket.number} cannot be closed. Give {settings.account!r} the right "
            f"rw in the group of queue {settings.queue!r} and configure `closed_state` as one of its states",
        )
