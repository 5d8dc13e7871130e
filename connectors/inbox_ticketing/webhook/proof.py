"""The self-check: the receiver takes events, refuses what is wrongly signed, finds what was written, and does it once.

The first check of an instance with a look-up opens one ticket marked `test`, closes it, and sends it one note twice.
It stays as the proof that every later check finds without writing; a receiver may keep it from its agents' sight, but
goes on finding it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket, TicketState
from inbox_daemon.plugins import Context, TicketingAdapter
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.webhook import events
from inbox_ticketing.webhook.calls import Calls
from inbox_ticketing.webhook.settings import WebhookSettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos aquí. No hace falta hacer nada."


async def prove(
    adapter: TicketingAdapter, settings: WebhookSettings, calls: Calls, pace: Pace, context: Context
) -> None:
    """Raise the `EdgeError` that says what is missing, and where to mend it."""
    await _ping(settings, calls, context)
    if settings.read_url is None:
        return
    await _filters(calls, context)
    reference = Reference(f"PRUEBA-{context.instance}")
    try:
        ticket = await adapter.find(reference)
    except Permanent as error:
        if f"carry the reference {reference}" not in str(error):
            raise
        return  # two nodes made their first check at once: found, which is all that is asked
    if ticket is None:
        ticket = await pace.write(partial(_open, adapter, reference, settings, calls, context))
    if ticket.open:
        await _close(adapter, ticket, reference, context)
    keys = [MessageKey(f"{reference}-{ticket.id}.n{number}") for number in (1, 2)]
    try:
        if not await _any_found(adapter, ticket, keys):
            await pace.write(partial(_write, adapter, ticket, keys, settings, calls, context))
    except Permanent as error:
        if "more than one entry" not in str(error):
            raise
        if not settings.keeps_ids:
            return  # it stands there, which is all that is asked of this one
        raise Credentials(
            f"{context.instance}: the receiver does an event again that comes again. Have it keep each webhook-id with "
            f"its answer; or configure keeps_ids = false, and take one note out of ticket {ticket.number}"
        ) from error


async def _ping(settings: WebhookSettings, calls: Calls, context: Context) -> None:
    at = context.now()
    body = events.event("inbox.ping", at, {"destination": context.instance, "queue": settings.queue})
    await calls.post(f"ping~{secrets.token_hex(12)}", body)
    if not settings.checks_signatures:
        return
    try:
        await calls.post(f"ping~{secrets.token_hex(12)}", body, wrongly=True)
    except Transient:
        raise
    except Uncertain as error:
        raise Uncertain(f"{error}, when asked with a wrong signature. Have the receiver answer 401 to it") from None
    except EdgeError:
        return  # refused, as it must be
    raise Credentials(
        f"{context.instance}: the receiver takes an event with a wrong signature, so anybody can write there. Have it "
        "verify webhook-signature; or, where something before it does, configure checks_signatures = false"
    )


async def _filters(calls: Calls, context: Context) -> None:
    nobody = secrets.token_hex(12)
    tickets = await calls.ask("ticket", reference=f"NADIE-{nobody}")
    entries = await calls.ask("entry", key=f"NADIE-{nobody}.m1")
    if tickets.tickets or entries.entries:
        raise unfiltered(context.instance, "ticket by its reference" if tickets.tickets else "entry by its key")


def unfiltered(instance: str, what: str) -> Credentials:
    """The receiver answered something else than was asked for; `what` says what that was."""
    return Credentials(
        f"{instance}: the look-up of a {what} answers others, too: it does not filter. "
        "Have `ask=ticket` answer only tickets with exactly that reference, `ask=entry` only that entry"
    )


async def _open(
    adapter: TicketingAdapter, reference: Reference, settings: WebhookSettings, calls: Calls, context: Context
) -> Ticket:
    key = MessageKey(f"{reference}-{secrets.token_hex(6)}.m1")
    first = Entry(key=key, heading=SUBJECT, body=TEXT, sent_at=context.now(), automatic=True)
    draft = Draft(reference=reference, case_number=CaseNumber(reference), subject=SUBJECT, first=first)
    data = events.opening(draft, instance=context.instance, queue=settings.queue, test=True)
    await calls.post(events.event_id(key), events.event("ticket.opened", first.sent_at, data))
    ticket = await adapter.find(reference)
    if ticket is None:
        raise Credentials(
            f"{context.instance}: a ticket was opened with the reference {reference} and is not found again. "
            "Have the receiver keep `ticket.reference` and answer it to `ask=ticket`, at once"
        )
    return ticket


async def _close(adapter: TicketingAdapter, ticket: Ticket, reference: Reference, context: Context) -> None:
    try:
        await adapter.set_state(ticket, TicketState.CLOSED)
        after = await adapter.find(reference)
    except Permanent as error:
        raise Credentials(
            f"{context.instance}: ticket {ticket.number} cannot be closed. Have the receiver take state.changed"
        ) from error
    if after is None or after.open:
        raise Credentials(
            f"{context.instance}: the receiver took state.changed for ticket {ticket.number}, and it is as before. "
            "Have it keep `state`, and answer it to `ask=ticket`"
        )


async def _any_found(adapter: TicketingAdapter, ticket: Ticket, keys: Sequence[MessageKey]) -> bool:
    for key in keys:
        if await adapter.find_entry(ticket, key) is not None:
            return True
    return False


async def _write(
    adapter: TicketingAdapter,
    ticket: Ticket,
    keys: Sequence[MessageKey],
    settings: WebhookSettings,
    calls: Calls,
    context: Context,
) -> None:
    """One note stands in the proof, though it was sent twice under one webhook-id. Raises `Permanent` where two do.

    Where that is not found another is sent, under an id of its own: a receiver that was mended since does no id again.
    """
    ids = (events.event_id(keys[0]), f"note~{secrets.token_hex(12)}")
    for key, event_id, times in zip(keys, ids, (2 if settings.keeps_ids else 1, 1), strict=True):
        note = Entry(key=key, heading=SUBJECT, body=TEXT, sent_at=context.now(), automatic=True)
        named = {"id": ticket.id, "number": ticket.number}
        data = {"destination": context.instance, "ticket": named, "if_closed": "stay", "entry": events.entry_of(note)}
        for _ in range(times):
            await calls.post(event_id, events.event("note.added", note.sent_at, data))
        if await adapter.find_entry(ticket, key) is not None:
            return
    raise Credentials(
        f"{context.instance}: an entry of ticket {ticket.number} is not found by its key. "
        "Have the receiver keep `entry.key` and answer it to `ask=entry` with the author's role inbox"
    )
