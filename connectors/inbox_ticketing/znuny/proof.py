"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

A search by a dynamic field that is not there answers any tickets, up to the limit; so one is asked for that nobody
has, and must not be answered with others. The first check of an instance opens one ticket, closes it again, and leaves
it as the proof that every later check finds without writing.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import timedelta
from zoneinfo import ZoneInfo

from inbox_daemon.errors import Credentials, EdgeError, Permanent
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket, TicketState
from inbox_daemon.plugins import Context, TicketingAdapter, put_away
from inbox_ticketing.znuny.reading import Reader
from inbox_ticketing.znuny.rest import Client
from inbox_ticketing.znuny.settings import ZnunySettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en esta cola. No hace falta hacer nada."
CLOCK_TOLERANCE = timedelta(minutes=10)


async def prove(
    adapter: TicketingAdapter, settings: ZnunySettings, client: Client, reader: Reader, context: Context
) -> None:
    """Raise the `EdgeError` that says what is missing, and where to give it."""
    reference = Reference(f"PRUEBA-{context.instance}")
    key = MessageKey(f"{reference}.n1")
    await client.user()
    try:
        ticket = await adapter.find(reference)
    except Permanent:  # two nodes made their first check at once: found, which is all that is asked
        return
    fresh = ticket is None
    if ticket is None:
        made = await _write(adapter, reference, key, context)
        ticket = await adapter.find(reference)
        if ticket is None:
            await _close(adapter, made)
    await _nobody_has_what_nobody_has(adapter, settings, context)
    if ticket is None:
        raise Credentials(
            f"{context.instance}: a reference was written into {settings.reference_field!r} and is not found again. "
            f"Give {settings.account!r} the right ro in the group of queue {settings.queue!r}, and see that this field "
            f"(reference_field) is of object ticket, and {settings.message_field!r} (message_field) of object article"
        )
    if await adapter.find_entry(ticket, key) is None:
        raise Credentials(
            f"{context.instance}: an entry written into ticket {ticket.number} is not found again. Make "
            f"{settings.message_field!r} a valid dynamic field of object article, type text"
        )
    await _stands_right(ticket, settings, client, reader, context, fresh=fresh)
    await _put_away(adapter, ticket, settings, context)


async def _write(adapter: TicketingAdapter, reference: Reference, key: MessageKey, context: Context) -> Ticket:
    entry = Entry(key=key, heading="inbox-daemon", body=TEXT, sent_at=context.now(), automatic=True)
    draft = Draft(
        reference=reference, case_number=CaseNumber(str(reference)), subject=SUBJECT, first=entry, channel="prueba"
    )
    return await adapter.open_ticket(draft)


async def _close(adapter: TicketingAdapter, ticket: Ticket) -> None:
    """Leave no open ticket behind that nobody will find again."""
    with suppress(EdgeError):
        await adapter.set_state(ticket, TicketState.CLOSED)


async def _nobody_has_what_nobody_has(adapter: TicketingAdapter, settings: ZnunySettings, context: Context) -> None:
    if await adapter.find(Reference(f"PRUEBA-{secrets.token_hex(8)}")) is not None:
        raise Credentials(
            f"{context.instance}: a reference that nobody has was found. Make {settings.reference_field!r} a dynamic "
            "field of type text"
        )


async def _stands_right(
    ticket: Ticket, settings: ZnunySettings, client: Client, reader: Reader, context: Context, *, fresh: bool
) -> None:
    """The queue is there (the proof stands in it, or is put there), and the configured zone is the server's."""
    row = await reader.row(ticket.id)
    if row.queue != settings.queue:
        await client.write("TicketUpdate", {"TicketID": row.id, "Ticket": {"Queue": settings.queue}})
        row = await reader.row(ticket.id)
        if row.queue != settings.queue:
            raise Credentials(f"{context.instance}: there is no queue {settings.queue!r}. Configure its whole name")
    now = await client.now()
    if fresh and abs(now - row.created) > CLOCK_TOLERANCE:
        there = now.astimezone(ZoneInfo(settings.time_zone))
        raise Credentials(
            f"{context.instance}: a ticket made at {there:%H:%M} of {settings.time_zone} is told as made at "
            f"{row.created.astimezone(there.tzinfo):%H:%M}. Configure `time_zone` as the OTRSTimeZone (Znuny) or "
            "OTOBOTimeZone of its system configuration"
        )


async def _put_away(adapter: TicketingAdapter, ticket: Ticket, settings: ZnunySettings, context: Context) -> None:
    await put_away(
        adapter,
        ticket,
        f"{context.instance}: ticket {ticket.number} cannot be closed. Give {settings.account!r} the right rw in "
        f"the group of queue {settings.queue!r} and configure `closed_state` as one of its states",
    )
