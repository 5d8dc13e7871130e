"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

The first check of an instance opens one ticket without a requester, closes it again, and leaves it as the proof that
every later check finds without writing.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from inbox_daemon.errors import Credentials, Gone, Permanent
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket, TicketState
from inbox_daemon.plugins import TicketingAdapter
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.speech import Speech

SUBJECT = "Prueba de conexión (no responder)"
TEXT = (
    "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en esta entidad. No hace falta hacer nada."
)


class Proof:
    """One check."""

    def __init__(self, adapter: TicketingAdapter, settings: GlpiSettings, speech: Speech) -> None:
        self._adapter = adapter
        self._settings = settings
        self._speech = speech

    async def run(self, instance: str) -> None:
        """Raise the `EdgeError` that says what is missing, and where to give it."""
        await self._speech.begin_anew()
        await self._speech.prove()
        await self._filter(instance)
        reference = Reference(f"PRUEBA-{instance}")
        try:
            ticket = await self._adapter.find(reference)
        except Permanent:  # two nodes made their first check at once: found, which is all that is asked
            return
        ticket = ticket or await self._written(reference, instance)
        note = await self._adapter.find_entry(ticket, MessageKey(f"{reference}.n1"))
        if note is None or note.entry is None:
            raise Credentials(
                f"{instance}: a private followup written into ticket {ticket.number} is not found again. "
                "Give the profile of the service account the right to see private followups"
            )
        await self._private(note.entry, ticket, instance)
        await self._speech.prove_in(int(ticket.id), f"{reference}.n1")
        await self._put_away(ticket, instance)

    async def _filter(self, instance: str) -> None:
        """A search for what cannot be there must find nothing."""
        nothing = f"NADA-{secrets.token_hex(8)}"
        total = await self._speech.finds(f"[{nothing}]" if self._settings.reference_in == "title" else nothing)
        if total:
            raise Credentials(
                f"{instance}: GLPI's search finds {total} tickets for a reference that none has, so no ticket could be "
                "told from another. Look for a plug-in that changes the search of tickets"
            )

    async def _written(self, reference: Reference, instance: str) -> Ticket:
        entry = Entry(key=MessageKey(f"{reference}.m1"), heading="inbox-daemon", body=TEXT, sent_at=datetime.now(UTC))
        draft = Draft(reference=reference, case_number=CaseNumber(reference), subject=SUBJECT, first=entry)
        await self._adapter.open_ticket(draft)
        ticket = await self._adapter.find(reference)
        if ticket is None:
            raise Credentials(
                f"{instance}: a reference was written into the {self._settings.reference_in} of a ticket and is not "
                "found again. Give the profile of the service account the right to see all tickets"
            )
        note = Entry(key=MessageKey(f"{reference}.n1"), heading="inbox-daemon", body=TEXT, sent_at=datetime.now(UTC))
        await self._adapter.note(ticket, note)
        return ticket

    async def _private(self, entry: str, ticket: Ticket, instance: str) -> None:
        remark = await self._speech.remark("F", parse.number(entry[1:]), (int(ticket.id),))
        if remark is not None and remark.public:
            raise Credentials(
                f"{instance}: what was written as a private followup into ticket {ticket.number} is public. "
                "Give the profile of the service account the right to add private followups"
            )

    async def _put_away(self, ticket: Ticket, instance: str) -> None:
        try:
            await self._adapter.set_state(ticket, TicketState.CLOSED)
        except Gone:
            return
        except Permanent as error:
            raise Credentials(
                f"{instance}: ticket {ticket.number} cannot be closed. Give the profile of the service account the "
                "right to update tickets, and allow its status to go to closed (Profile > Life cycles)"
            ) from error
