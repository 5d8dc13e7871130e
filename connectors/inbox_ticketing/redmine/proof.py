"""The self-check: what is configured exists, and a reference and an entry are written *and found*.

A filter that Redmine does not know is ignored, and a wrong key finds nothing: both are answered with status 200. Only
finding the right thing, and not finding what is not there, proves a search. The first check of an instance opens one
issue, closes it, and leaves it as the proof that every later check finds without writing.
"""

from __future__ import annotations

import secrets
from functools import partial

from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, Ticket
from inbox_daemon.plugins import Context, TicketingAdapter, put_away
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.redmine.reading import Reader
from inbox_ticketing.redmine.settings import RedmineSettings

SUBJECT = "Prueba de conexión (no responder)"
TEXT = (
    "Este caso prueba que inbox-daemon puede escribir y encontrar sus casos en este proyecto. No hace falta hacer nada."
)
SIGN = "😀"
"""Outside of the basic plane: a MySQL database in `utf8` fails on it, or cuts the text there."""


async def prove(
    adapter: TicketingAdapter, settings: RedmineSettings, reader: Reader, pace: Pace, context: Context
) -> None:
    """Raise the `EdgeError` that says what is missing, and where to give it."""
    me = await reader.log_in()
    await _place(settings, reader, context)
    await _statuses(settings, reader, context)
    await _people(me, settings, reader, context)
    reference = Reference(f"PRUEBA-{context.instance}")
    try:
        ticket = await adapter.find(reference)
        if ticket is None:
            ticket = await pace.write(partial(_open, adapter, reference, context))
    except Permanent as error:
        if "carry the reference" in str(error):  # two nodes made their first check at once: found, which is all
            return
        raise
    await _found_again(adapter, settings, reference, context)
    key = MessageKey(f"{reference}.n2")
    if await adapter.find_entry(ticket, key) is None:
        await pace.write(partial(_note, adapter, ticket, key, context))
    await _words_kept(adapter, reader, ticket, key, context)
    await _put_away(adapter, ticket, settings, context)


async def _place(settings: RedmineSettings, reader: Reader, context: Context) -> None:
    place, where = await reader.place(fresh=True), context.instance
    if not place.is_active:
        raise Credentials(f"{where}: project {settings.project!r} is closed or archived. Reopen it, or name another")
    if place.is_public and not settings.public_project:
        raise Credentials(
            f"{where}: project {settings.project!r} is public: other people could read citizens' messages. Take "
            "'Public' off in its settings, or set `public_project = true`"
        )
    if place.fields is not None and settings.reference_field not in place.fields:
        raise Credentials(
            f"{where}: custom field number {settings.reference_field} is not used in project {settings.project!r}, or "
            f"{settings.account!r} may not see it. Tick it in the project's settings, and its visibility for the role"
        )


async def _statuses(settings: RedmineSettings, reader: Reader, context: Context) -> None:
    await reader.statuses(fresh=True)
    for name, ends in ((settings.open_status, False), (settings.closed_status, True)):
        if (await reader.state_of(await reader.status_id(name))).ends is not ends:
            raise Credentials(
                f"{context.instance}: status {name!r} {'does not end' if ends else 'ends'} an issue, by `states` or by "
                "'Issue closed' in Redmine. Correct `states`, `open_status` or `closed_status`"
            )


async def _people(me: int, settings: RedmineSettings, reader: Reader, context: Context) -> None:
    members = await reader.agents((await reader.place()).project)
    if settings.agent_roles and not members - {me}:
        raise Credentials(
            f"{context.instance}: no member of {settings.project!r} has one of the roles {list(settings.agent_roles)}: "
            "nobody could answer. Configure `agent_roles` by the exact names of roles, or leave it out"
        )
    if not settings.agent_roles and me not in members:
        raise Credentials(
            f"{context.instance}: {settings.account!r} is not among the members of {settings.project!r} that it can "
            "see. Make it a member; by their membership agents are told from other people"
        )


def _entry(key: MessageKey, context: Context) -> Entry:
    return Entry(key=key, heading=f"inbox-daemon {SIGN}", body=TEXT, sent_at=context.now())


async def _open(adapter: TicketingAdapter, reference: Reference, context: Context) -> Ticket:
    first = _entry(MessageKey(f"{reference}.n1"), context)
    case = CaseNumber(reference)
    return await adapter.open_ticket(Draft(reference=reference, case_number=case, subject=SUBJECT, first=first))


async def _note(adapter: TicketingAdapter, ticket: Ticket, key: MessageKey, context: Context) -> None:
    """What is wrong with this note would be wrong with everybody's: nothing is to be written before it is mended."""
    try:
        await adapter.note(ticket, _entry(key, context))
    except Permanent as error:
        raise Credentials(str(error)) from error


async def _found_again(
    adapter: TicketingAdapter, settings: RedmineSettings, reference: Reference, context: Context
) -> None:
    if await adapter.find(reference) is None:
        raise Credentials(
            f"{context.instance}: a reference was written into field number {settings.reference_field} and is not "
            "found again. Mark the field as 'Used as a filter', for all projects or this one"
        )
    await adapter.find(Reference(f"PRUEBA-{secrets.token_hex(8)}"))  # raises where the filter is ignored


async def _words_kept(
    adapter: TicketingAdapter, reader: Reader, ticket: Ticket, key: MessageKey, context: Context
) -> None:
    written = await adapter.find_entry(ticket, key)
    if written is None:
        raise Credentials(
            f"{context.instance}: a private note in issue {ticket.number} is not found again. Give the role the "
            "permission Set notes as private"
        )
    issue = await reader.issue(ticket.id)
    note = next((one for one in issue.journals if str(one.id) == written.entry), None)
    if note is not None and note.private is not True:
        raise Credentials(
            f"{context.instance}: the private note of this check in issue {ticket.number} is public. Make it private, "
            "and give the role the permission Set notes as private"
        )
    if note is None or SIGN not in note.notes:
        raise Credentials(
            f"{context.instance}: Redmine's database does not keep emoji. Convert it (MySQL, MariaDB) to utf8mb4"
        )


async def _put_away(adapter: TicketingAdapter, ticket: Ticket, settings: RedmineSettings, context: Context) -> None:
    await put_away(
        adapter,
        ticket,
        f"{context.instance}: issue {ticket.number} cannot be closed. Give the role of {settings.account!r} Edit "
        f"issues, and in the workflow the way from every status to {settings.closed_status!r} and back to "
        f"{settings.open_status!r}",
    )
