"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

A name that Zammad does not know is dropped from what is written and from what is searched, and a search by it gives
every ticket; only finding exactly one thing proves it. The first check of an instance opens one ticket for the service
account itself, with an internal note, and closes it; every later check finds it without writing. The note is written
anew when group or states are configured otherwise, and proves them.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import partial

from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import MessageKey, Reference, Ticket
from inbox_daemon.plugins import Context, TicketingAdapter
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.zammad import writing
from inbox_ticketing.zammad.reading import MAKE_ATTRIBUTE, Reader
from inbox_ticketing.zammad.rest import RestClient
from inbox_ticketing.zammad.settings import ZammadSettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en este grupo. No hace falta hacer nada."


async def prove(
    adapter: TicketingAdapter, settings: ZammadSettings, rest: RestClient, reader: Reader, pace: Pace, context: Context
) -> None:
    """Raise the `EdgeError` that says what is missing, and where to give it."""
    me, _ = await reader.now()
    reference, key = Reference(f"PRUEBA-{context.instance}"), _key(settings, context)
    try:
        ticket = await adapter.find(reference)
        if ticket is None:
            ticket = await pace.write(partial(_open, adapter, reference, me, settings, rest, context))
    except Permanent as error:
        if str(reference) not in str(error):
            raise
        return  # two nodes made their first check at once: found, which is all that is asked
    await _absent(adapter, context)
    if await adapter.find_entry(ticket, key) is None:
        await pace.write(partial(_note, adapter, ticket, key, settings, rest, context))


def _key(settings: ZammadSettings, context: Context) -> MessageKey:
    """Another one for every group and pair of states."""
    names = f"{settings.group}\n{settings.open_state}\n{settings.closed_state}"
    return MessageKey(f"PRUEBA-{context.instance}.{hashlib.sha256(names.encode()).hexdigest()[:8]}")


async def _open(
    adapter: TicketingAdapter,
    reference: Reference,
    me: int,
    settings: ZammadSettings,
    rest: RestClient,
    context: Context,
) -> Ticket:
    body: dict[str, object] = {
        "title": SUBJECT,
        "group": settings.group,
        "customer_id": me,
        "state": settings.closed_state,
        settings.reference_field: reference,
        "article": {"body": TEXT, "type": "note", "sender": "Agent", "internal": True},
    }
    await rest.send("POST", "/tickets", body)
    ticket = await adapter.find(reference)
    if ticket is None:
        raise Credentials(
            f"{context.instance}: a reference was written into {settings.reference_field!r} and is not found again. "
            + MAKE_ATTRIBUTE
        )
    return ticket


async def _absent(adapter: TicketingAdapter, context: Context) -> None:
    """A search that gives what was not asked for raises by itself."""
    nobody = Reference(f"PRUEBA-{context.instance}-{secrets.token_hex(8)}")
    if await adapter.find(nobody) is not None:
        raise Credentials(f"{context.instance}: Zammad finds a reference that nobody wrote")


async def _note(
    adapter: TicketingAdapter,
    ticket: Ticket,
    key: MessageKey,
    settings: ZammadSettings,
    rest: RestClient,
    context: Context,
) -> None:
    """Open in the configured group and state with a note, then close: names that are not there are told by Zammad."""
    note: dict[str, object] = {
        "body": TEXT,
        "subject": texts.marker(key),
        "message_id": writing.message_id(key, "check.invalid"),
        "type": "note",
        "sender": "Agent",
        "internal": True,
    }
    moved = {"group": settings.group, "state": settings.open_state, "article": note}
    await rest.send("PUT", f"/tickets/{ticket.id}", moved)
    await rest.send("PUT", f"/tickets/{ticket.id}", {"state": settings.closed_state})
    if await adapter.find_entry(ticket, key) is None:
        raise Credentials(
            f"{context.instance}: a note written into ticket {ticket.number} is not found again. Give the service "
            f"account the right to read in group {settings.group!r}"
        )
