"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

The first check of an instance opens one ticket without a requester, closes it again, and leaves it as the proof that
later checks find without writing. Only whether followups still come out private is a matter of the day: rights of a
profile change without a sign, so a note older than that is no proof, and one more is written.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket, TicketState
from inbox_daemon.plugins import TicketingAdapter
from inbox_ticketing.glpi.finding import Several
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import Speech

SUBJECT = "Prueba de conexión (no responder)"
TEXT = (
    "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en esta entidad. No hace falta hacer nada."
)
PRIVATE_FOR = timedelta(days=1)
PAUSE = timedelta(minutes=10)
"""After a proof that failed none is written for so long: whoever waits for a remedy checks again and again."""


class Proof:
    """The checks of one instance."""

    def __init__(self, adapter: TicketingAdapter, settings: GlpiSettings, speech: Speech, instance: str) -> None:
        self._adapter = adapter
        self._settings = settings
        self._speech = speech
        self._instance = instance
        self._reference = Reference(f"PRUEBA-{instance}")
        self._failure = ""
        self._paused_until = 0.0

    async def run(self) -> None:
        """Raise the `EdgeError` that says what is missing, and where to give it."""
        await self._speech.begin_anew()
        await self._speech.prove()
        await self._filter()
        ticket = await self._found() or await self._written()
        await self._noted(ticket)
        await self._private(ticket)
        await self._speech.prove_in(int(ticket.id), f"{self._reference}.n1")
        await self._put_away(ticket)

    async def _filter(self) -> None:
        """A search for what cannot be there must find nothing."""
        nothing = f"NADA-{secrets.token_hex(8)}"
        total = await self._speech.finds(f"[{nothing}]" if self._settings.reference_in == "title" else nothing)
        if total:
            raise Credentials(
                f"{self._instance}: GLPI's search finds {total} tickets for a reference that none has, so no ticket "
                "could be told from another. Look for a plug-in that changes the search of tickets"
            )

    async def _found(self) -> Ticket | None:
        """The proof. Two nodes that made their first check at once left two: the first stays, the rest is put away."""
        try:
            return await self._adapter.find(self._reference)
        except Several as several:
            for other in several.tickets[1:]:
                await self._put_away(other)
            return several.tickets[0]

    async def _written(self) -> Ticket:
        if time.monotonic() < self._paused_until:
            raise Credentials(self._failure)
        entry = self._entry(MessageKey(f"{self._reference}.m1"))
        number = CaseNumber(self._reference)
        draft = Draft(reference=self._reference, case_number=number, subject=SUBJECT, first=entry)
        try:
            made = await self._adapter.open_ticket(draft)
        except Permanent as error:
            raise self._failed(str(error)) from error
        ticket = await self._found()
        if ticket is None:
            await self._close(made)
            raise self._failed(
                f"{self._instance}: a reference was written into the {self._settings.reference_in} of a ticket and is "
                "not found again. Give the profile of the service account the right to see all tickets"
            )
        return ticket

    def _failed(self, failure: str) -> Credentials:
        self._failure, self._paused_until = failure, time.monotonic() + PAUSE.total_seconds()
        return Credentials(failure)

    def _entry(self, key: MessageKey) -> Entry:
        return Entry(key=key, heading="inbox-daemon", body=TEXT, sent_at=datetime.now(UTC))

    async def _noted(self, ticket: Ticket) -> None:
        """The first note is found. An open ticket without it is of a check that was cut off."""
        key = MessageKey(f"{self._reference}.n1")
        note = await self._adapter.find_entry(ticket, key)
        if note is None and ticket.open:
            await self._note(ticket, key)
            note = await self._adapter.find_entry(ticket, key)
        if note is None:
            await self._close(ticket)
            raise Credentials(
                f"{self._instance}: a private followup written into ticket {ticket.number} is not found again. "
                "Give the profile of the service account the right to see private followups"
            )

    async def _private(self, ticket: Ticket) -> None:
        """The newest note is private, and of these days."""
        me = await self._speech.me()
        remarks = await self._speech.remarks(int(ticket.id), "F", holding=f"{self._reference}.n")
        newest = next((one for one in reversed(remarks) if one.author == me and not one.copied), None)
        age = await self._speech.now() - newest.at if newest else PRIVATE_FOR
        if newest and newest.public and age < PAUSE:
            raise Credentials(
                f"{self._instance}: what was written as a private followup into ticket {ticket.number} is public. "
                "Give the profile of the service account the right to add private followups; it is tried again "
                f"{PAUSE.total_seconds() / 60:.0f} minutes after the last one"
            )
        if newest and not newest.public and age < PRIVATE_FOR:
            return
        if not ticket.open:  # a closed one may take nothing
            await self._put(ticket, TicketState.OPEN)
        await self._note(ticket, MessageKey(f"{self._reference}.n{datetime.now(UTC):%Y%m%d%H%M%S}"))

    async def _note(self, ticket: Ticket, key: MessageKey) -> None:
        try:
            await self._adapter.note(ticket, self._entry(key))
        except Permanent as error:
            await self._close(ticket)
            raise Credentials(str(error)) from error

    async def _close(self, ticket: Ticket) -> None:
        """Leave no open ticket behind a check that failed."""
        with suppress(EdgeError):
            await self._adapter.set_state(ticket, TicketState.CLOSED)

    async def _put_away(self, ticket: Ticket) -> None:
        with suppress(Gone):
            await self._put(ticket, TicketState.CLOSED)

    async def _put(self, ticket: Ticket, state: TicketState) -> None:
        try:
            await self._adapter.set_state(ticket, state)
        except Permanent as error:
            word = "closed" if state.ends else "reopened"
            raise Credentials(
                f"{self._instance}: ticket {ticket.number} cannot be {word}. Give the profile of the service account "
                "the right to update tickets, and allow every change of its status (Profile > Life cycles)"
            ) from error
