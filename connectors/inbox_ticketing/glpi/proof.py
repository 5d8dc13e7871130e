"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

The first check of an instance opens one ticket without a requester, closes it again, and leaves it as the proof that
every later check finds without writing.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

from inbox_daemon.errors import Credentials, Gone, Permanent
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket, TicketState
from inbox_daemon.plugins import TicketingAdapter
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.places import Places
from inbox_ticketing.glpi.reading import Look, Reader
from inbox_ticketing.glpi.rest import RestClient
from inbox_ticketing.glpi.settings import GlpiSettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = (
    "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en esta entidad. No hace falta hacer nada."
)
CLOCK = timedelta(minutes=10)


class Proof:
    """One check."""

    def __init__(
        self, adapter: TicketingAdapter, settings: GlpiSettings, rest: RestClient, places: Places, reader: Reader
    ) -> None:
        self._adapter = adapter
        self._settings = settings
        self._rest = rest
        self._places = places
        self._reader = reader

    async def run(self, instance: str) -> None:
        """Raise the `EdgeError` that says what is missing, and where to give it."""
        await self._rest.begin_anew()
        await self._account(instance)
        await self._places.entity()
        await self._places.category()
        await self._places.requester()
        for channel in self._settings.request_sources:
            await self._places.source(channel)
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
        await self._reader.turns(int(ticket.id))
        await self._rest.rows("/Document", {"searchText[name]": f"{reference}.n1", "is_deleted": "0"})
        await self._put_away(ticket, instance)

    async def _account(self, instance: str) -> None:
        session = await self._places.session()
        if str(session.get("glpiset_followup_tech") or "0") != "0":
            raise Credentials(
                f"{instance}: each followup would make the service account the technician. Switch off "
                '"Add me as a technician when adding a ticket follow-up" in its preferences'
            )
        if not await self._reader.agent(await self._places.me(), Look()):
            raise Credentials(
                f"{instance}: it cannot be seen who is an agent. Give the service account a profile of the standard "
                "interface with the rights to read users and profiles"
            )
        answer = await self._rest.get("/getActiveProfile")
        told, now = session.get("glpi_currenttime"), answer.server_time or datetime.now(UTC)
        if told is None:
            return
        with self._rest.reading("the time"):
            moment = parse.read_time(told, self._reader.zone)
        if abs(moment - now.astimezone(UTC)) > CLOCK:
            raise Credentials(
                f"{instance}: GLPI's clock does not say the time of {self._reader.zone.key}. Configure `zone` as the "
                "time zone of the service account in GLPI (its preferences, else the server's)"
            )

    async def _filter(self, instance: str) -> None:
        """A search for what cannot be there must find nothing."""
        params = {
            "criteria[0][field]": str(await self._places.option(self._places.reference_field)),
            "criteria[0][searchtype]": "contains",
            "criteria[0][value]": f"[NADA-{secrets.token_hex(8)}]",
        }
        _, total, _ = await self._rest.search("Ticket", params, 0)
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
        remark = await self._reader.remark("F", parse.number(entry[1:]))
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
