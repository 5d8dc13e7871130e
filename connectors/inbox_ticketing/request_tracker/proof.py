"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

A search by a custom field that RT does not know answers "none", like one for a ticket that is not there yet; only
finding something proves it. The first check of an instance opens one ticket without a requestor, closes it again, and
leaves it as the proof that every later check finds without writing.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from urllib.parse import quote as url_quote

from inbox_daemon.errors import Credentials, EdgeError, Permanent
from inbox_daemon.model import MessageKey, Reference, Ticket
from inbox_daemon.plugins import Context, TicketingAdapter, put_away
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.request_tracker import parse
from inbox_ticketing.request_tracker.rest import RestClient
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en esta cola. No hace falta hacer nada."


async def prove(
    adapter: TicketingAdapter, settings: RequestTrackerSettings, rest: RestClient, pace: Pace, context: Context
) -> None:
    """Raise the `EdgeError` that says what is missing, and where to give it."""
    await _account(settings, rest, context)
    await _queue_and_field(settings, rest, context)
    reference = Reference(f"PRUEBA-{context.instance}")
    key = MessageKey(f"PRUEBA-{context.instance}.n1")
    try:
        ticket = await adapter.find(reference)
    except Permanent as error:
        if f"carry the reference {reference}" not in str(error):
            raise
        return  # two nodes made their first check at once: found, which is all that is asked
    if ticket is None:
        ticket = await pace.write(partial(_open, adapter, reference, settings, rest, context))
    if await adapter.find_entry(ticket, key) is None:
        await pace.write(partial(_comment, adapter, ticket, key, settings, rest, context))
    await _put_away(adapter, ticket, settings, context)


async def _account(settings: RequestTrackerSettings, rest: RestClient, context: Context) -> None:
    await rest.get("/rt")
    answer = await rest.get(f"/user/{url_quote(settings.account, safe='')}", accept=(403, 404))
    id_in_token = re.match(r"\d+-(\d+)-", settings.token.reveal())
    if answer.status != 200 or (id_in_token and parse.user_id(answer.json) != id_in_token[1]):
        raise Credentials(
            f"{context.instance}: the token is not one of account {settings.account!r}. "
            "Configure `account` as the name of the user that the token was made for"
        )


async def _queue_and_field(settings: RequestTrackerSettings, rest: RestClient, context: Context) -> None:
    answer = await rest.get(f"/queue/{url_quote(settings.queue, safe='')}", accept=(403, 404))
    if answer.status != 200 or not isinstance(answer.json, dict):
        raise Credentials(
            f"{context.instance}: there is no queue {settings.queue!r}, or {settings.account!r} may not see it. "
            "Configure `queue` by its exact name and give the right SeeQueue"
        )
    fields = answer.json.get("TicketCustomFields") or ()
    if settings.reference_field not in {field.get("name") for field in fields if isinstance(field, dict)}:
        raise Credentials(
            f"{context.instance}: the custom field {settings.reference_field!r} is not applied to queue "
            f"{settings.queue!r}, or {settings.account!r} may not see it. Apply it and give the right SeeCustomField"
        )


async def _open(
    adapter: TicketingAdapter,
    reference: Reference,
    settings: RequestTrackerSettings,
    rest: RestClient,
    context: Context,
) -> Ticket:
    """One that is not found again is closed: nobody would ever need it."""
    ticket = {
        "Queue": settings.queue,
        "Subject": SUBJECT,
        "Content": TEXT,
        "ContentType": "text/plain",
        "CustomFields": {settings.reference_field: reference},
    }
    answer = await rest.send("POST", "/ticket", ticket)
    found = await adapter.find(reference)
    if found is not None:
        return found
    with suppress(EdgeError):
        await rest.send("PUT", f"/ticket/{answer.part('id')}", {"Status": settings.closed_status})
    raise Credentials(
        f"{context.instance}: a reference was written into {settings.reference_field!r} and is not found again. "
        f"Give {settings.account!r} SeeCustomField and ModifyCustomField on queue {settings.queue!r}"
    )


async def _comment(
    adapter: TicketingAdapter,
    ticket: Ticket,
    key: MessageKey,
    settings: RequestTrackerSettings,
    rest: RestClient,
    context: Context,
) -> None:
    comment = {"Content": f"{TEXT}\n\n{texts.marker(key)}", "ContentType": "text/plain"}
    await rest.send("POST", f"/ticket/{ticket.id}/comment", comment)
    if await adapter.find_entry(ticket, key) is None:
        raise Credentials(
            f"{context.instance}: a comment written into ticket {ticket.number} is not found again. "
            f"Give {settings.account!r} ShowTicketComments on queue {settings.queue!r}"
        )


async def _put_away(
    adapter: TicketingAdapter, ticket: Ticket, settings: RequestTrackerSettings, context: Context
) -> None:
    await put_away(
        adapter,
        ticket,
        f"{context.instance}: ticket {ticket.number} cannot be closed. Give {settings.account!r} ModifyTicket on "
        f"queue {settings.queue!r} and configure `closed_status` as a status of its lifecycle",
    )
