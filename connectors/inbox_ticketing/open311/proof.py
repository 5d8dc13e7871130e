"""The self-check: the service exists, lists are narrowed by time, and what is written is found, updates included.

The first check of an instance opens one request, adds an update and closes it. It stays as the proof that every later
check finds without writing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket
from inbox_daemon.plugins import Context, TicketingAdapter, put_away
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.open311 import parse
from inbox_ticketing.open311.calls import Calls
from inbox_ticketing.open311.reading import Reader
from inbox_ticketing.open311.settings import Open311Settings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = "Este pedido prueba que inbox-daemon escribe y encuentra sus casos aquí: ñ, «», 😀. No hace falta hacer nada."
FILLING = "Renglón de prueba de un texto largo.\n"


async def prove(
    adapter: TicketingAdapter, settings: Open311Settings, calls: Calls, reader: Reader, pace: Pace, context: Context
) -> None:
    """Raise the `EdgeError` that says what is missing, and where to mend it."""
    await _service(settings, calls, context)
    await _narrowed(reader, context)
    reference = Reference(f"PRUEBA-{context.instance}")
    try:
        ticket = await adapter.find(reference)
    except Permanent as error:
        if f"carry the reference {reference}" not in str(error):
            raise
        return  # two nodes made their first check at once: found, which is all that is asked
    if ticket is None:
        ticket = await pace.write(partial(_open, adapter, reference, settings, context))
    if await adapter.find_entry(ticket, MessageKey(f"{reference}.m1")) is None:
        raise _unfound(ticket, "the request's own description", context)
    if not await _stands(adapter, ticket, MessageKey(f"{reference}.m2")):
        await pace.write(partial(_update, adapter, ticket, reference, settings, context))
    await put_away(
        adapter,
        ticket,
        f"{context.instance}: request {ticket.number} cannot be closed by an update. Have the endpoint take the "
        "status of updates, and configure `closed_status` as it knows it",
    )


async def _service(settings: Open311Settings, calls: Calls, context: Context) -> None:
    answer = await calls.get("/services.json")
    try:
        codes = {parse.read_id(row, "service_code") for row in parse.rows_of(answer.json)}
    except parse.NotUnderstood:
        codes = set()
    if settings.service_code not in codes:
        raise Credentials(
            f"{context.instance}: there is no service {settings.service_code!r} among {len(codes)} of the endpoint. "
            "Configure `service_code` as /services.json has it, and `jurisdiction_id` where there are several"
        )


async def _narrowed(reader: Reader, context: Context) -> None:
    later = context.now() + timedelta(days=2)
    if await reader.requests(later, later + timedelta(days=1)):
        raise Credentials(
            f"{context.instance}: GET /requests.json answers requests from outside of start_date and end_date. "
            "It has to keep to both, or rows get lost where it cuts the list"
        )


def _unfound(ticket: Ticket, what: str, context: Context) -> Credentials:
    return Credentials(
        f"{context.instance}: what was written is not found again in {what} of request {ticket.number}. "
        "The endpoint has to list our own texts unchanged; without that a double can't be excluded"
    )


def _body(settings: Open311Settings) -> str:
    """As long as it may be: an endpoint that cuts texts without a word cuts off the line that finds them."""
    filled = f"{TEXT}\n{FILLING * (settings.max_description_chars // len(FILLING))}"
    return filled[: settings.max_description_chars - 400]


async def _open(adapter: TicketingAdapter, reference: Reference, settings: Open311Settings, context: Context) -> Ticket:
    key, body = MessageKey(f"{reference}.m1"), _body(settings)
    first = Entry(key=key, heading=SUBJECT, body=body, sent_at=context.now(), automatic=True)
    draft = Draft(reference=reference, case_number=CaseNumber(reference), subject=SUBJECT, first=first)
    await adapter.open_ticket(draft)
    ticket = await adapter.find(reference)
    if ticket is None:
        raise Credentials(
            f"{context.instance}: a request was opened with the reference {reference} and is not found again. "
            "GET /requests.json has to show it at once, with its description whole and as it was written; where it "
            "cuts long ones, configure `max_description_chars`"
        )
    return ticket


async def _stands(adapter: TicketingAdapter, ticket: Ticket, key: MessageKey) -> bool:
    """Whether an update is found. Several were made where an endpoint did not show them for a while."""
    try:
        return await adapter.find_entry(ticket, key) is not None
    except Permanent as error:
        if "more than one update" not in str(error):
            raise
        return True


async def _update(
    adapter: TicketingAdapter, ticket: Ticket, reference: Reference, settings: Open311Settings, context: Context
) -> None:
    key = MessageKey(f"{reference}.m2")
    await adapter.append(ticket, Entry(key=key, heading=SUBJECT, body=_body(settings), sent_at=context.now()))
    if not await _stands(adapter, ticket, key):
        raise _unfound(ticket, "an update (GET /servicerequestupdates)", context)
