"""Any system as a destination that takes signed webhooks and, where it can, answers signed look-ups.

Events go out under Standard Webhooks; the webhook-id is made of our message key, so that a receiver which keeps the
ids it has seen does each thing once. What comes in is a hint only: the thread is then looked up.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta

from inbox_daemon.errors import Credentials, Gone, Permanent, SettingsError, Transient, Uncertain
from inbox_daemon.model import (
    Attachment,
    Cursor,
    Draft,
    Entry,
    EntryId,
    Hint,
    MessageKey,
    Reference,
    StoredFile,
    Ticket,
    TicketId,
    TicketState,
    TicketUpdate,
    Written,
)
from inbox_daemon.plugins import Capabilities, Context, Secret, WebhookRequest, read_stored
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.webhook import events, parse, signing
from inbox_ticketing.webhook.calls import Calls
from inbox_ticketing.webhook.proof import prove, unfiltered
from inbox_ticketing.webhook.settings import WebhookSettings

CAPABILITIES = Capabilities(
    find="immediate",
    find_entry="immediate",
    idempotency="key",
    author="entries",
    attach="inline",
    max_attachment_bytes=5_000_000,
    reopen="auto",
    merges="follow",
    updates="both",
    parallel=4,
)
"""Of a receiver that keeps the whole protocol. An instance without `read_url` finds nothing and learns nothing
(`find`, `find_entry` and `updates` are "none"), one with files = "link" has `attach="url"` and no limit."""

MOST_PAGES = 1000
MOST_UPDATE_PAGES = 20


class Webhook:
    """A `TicketingAdapter`."""

    def __init__(self, settings: WebhookSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._pace = Pace(context.now)
        self._name = context.instance
        keys = self._keys_of("secrets", settings.secrets)
        self._calls = Calls(settings, context, keys)
        self._incoming = self._keys_of("incoming_secrets", settings.incoming_secrets) or keys
        inline, blind = settings.files == "inline", settings.read_url is None
        self.capabilities = replace(
            CAPABILITIES,
            find="none" if blind else "immediate",
            find_entry="none" if blind else "immediate",
            merges="none" if blind else "follow",
            updates="none" if blind else "both",
            idempotency="key" if settings.keeps_ids else "none",
            attach="inline" if inline else "url",
            max_attachment_bytes=settings.max_attachment_bytes if inline else None,
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._calls.aclose()

    async def check(self) -> None:
        """See `proof.prove`."""
        await prove(self, self._settings, self._calls, self._pace, self._context)

    def _keys_of(self, table_key: str, given: Sequence[Secret]) -> list[bytes]:
        try:
            return [signing.key_of(one.reveal()) for one in given]
        except ValueError as error:
            raise SettingsError(
                str(error),
                key=f"destinations.{self._name}.{table_key}",
                remedy="make one as README.md says, and give it to the receiver, too",
            ) from None

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Post `ticket.opened`. A receiver that says no ticket id is known by our reference."""
        data = events.opening(draft, instance=self._name, queue=self._settings.queue)
        outcome = await self._post("ticket.opened", draft.first, data)
        if outcome.ticket is not None:
            return outcome.ticket.ticket
        if self._settings.read_url is not None:
            raise Uncertain(f"{self._name}: the receiver took a new ticket and did not say its id")
        return Ticket(id=TicketId(draft.reference), number=draft.case_number)

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Post `entry.added`."""
        outcome = await self._post("entry.added", entry, self._into(ticket, entry))
        return self._written(ticket, outcome)

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Post `note.added`; a closed ticket takes notes, and stays closed."""
        outcome = await self._post("note.added", entry, {**self._into(ticket, entry), "if_closed": "stay"})
        return self._written(ticket, outcome)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Post `file.added`, with the bytes in it or with a link to them."""
        told = events.file_of(file)
        if self._settings.files == "link":
            told["url"] = self._context.file_link(file)
        else:
            told["content"] = await self._content(file)
        outcome = await self._post("file.added", entry, {**self._into(ticket, entry), "file": told})
        return self._written(ticket, outcome)

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Post `state.changed`, each time under an id of its own: the same state may be set again after another."""
        if state is TicketState.DELETED:
            raise Permanent(f"{self._name}: tickets are not deleted from here")
        data = {"destination": self._name, "ticket": _named(ticket), "state": state.value}
        body = events.event("state.changed", self._context.now(), data)
        await self._calls.post(f"state~{secrets.token_hex(12)}", body)

    def _into(self, ticket: Ticket, entry: Entry) -> dict[str, object]:
        return {
            "destination": self._name,
            "ticket": _named(ticket),
            "if_closed": "reopen" if self._settings.closed == "append" else "refuse",
            "entry": events.entry_of(entry),
        }

    async def _post(self, kind: str, entry: Entry, data: dict[str, object]) -> parse.Outcome:
        return await self._calls.post(events.event_id(entry.key), events.event(kind, entry.sent_at, data))

    def _written(self, ticket: Ticket, outcome: parse.Outcome) -> Written:
        if self._settings.read_url is not None and (outcome.ticket is None or outcome.entry is None):
            raise Uncertain(f"{self._name}: the receiver took an entry and did not say where it stands")
        row = outcome.ticket
        stands = row.ticket if row else ticket
        return Written(ticket=stands, entry=outcome.entry, reopened=outcome.reopened and stands.open)

    async def _content(self, file: StoredFile) -> str:
        raw = await read_stored(file, self._name, limit=self._settings.max_attachment_bytes)
        return base64.b64encode(raw).decode()

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """See `TicketingAdapter.find`. A ticket with another reference means that the receiver does not filter: who
        knows what it left out, so it is never "not there"."""
        found = await self._ask("ticket", reference=reference)
        if any(reference not in row.references for row in found.tickets):
            raise unfiltered(self._name, "ticket by its reference")
        rows = {row.id: row for row in found.tickets if row.state is not TicketState.DELETED}
        if len(rows) > 1:
            numbers = ", ".join(sorted(row.number for row in rows.values()))
            raise Permanent(f"{self._name}: tickets {numbers} carry the reference {reference}. Merge them there")
        return next((row.ticket for row in rows.values()), None)

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """See `TicketingAdapter.find_entry`. The ticket that it stands in comes along in the same answer."""
        found = await self._ask("entry", ticket=ticket.id, key=key)
        if any(one.key != key for one in found.entries):
            raise unfiltered(self._name, "entry by its key")
        mine = parse.ours(found.entries, key)
        if found.unread and not mine:
            raise Uncertain(f"{self._name}: the answer to a look-up has entries that make no sense")
        if len(mine) > 1:
            raise Permanent(f"{self._name}: ticket {ticket.number} has more than one entry under the key {key}")
        if not mine:
            return None
        rows = [row for row in found.tickets if row.id == mine[0].update.ticket]
        if len(rows) != 1:
            raise Uncertain(f"{self._name}: the answer to a look-up has an entry without its ticket")
        return Written(ticket=rows[0].ticket, entry=mine[0].update.entry)

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """The receiver's own cursor and overlap. So many pages at a time: the next look goes on behind them."""
        told: list[TicketUpdate] = []
        since = cursor
        for _ in range(MOST_UPDATE_PAGES):
            found = await self._ask("updates", **({} if since is None else {"since": str(since)}))
            if not found.next:
                raise Transient(f"{self._name}: the receiver told updates without `next`, the place to go on from")
            told += [one.update for one in found.entries]
            stuck, since = found.next == since, Cursor(found.next)
            if stuck or not found.more or cursor is None:
                break
        return sorted(told, key=lambda one: one.at) if cursor is not None else [], since

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All pages of one ticket. What concerns tickets merged with it comes along, under their own ids: whoever
        hears of an answer has to hear at once that it stands in the ticket of several people."""
        told: list[TicketUpdate] = []
        question, seen = {"ticket": str(ticket)}, {""}
        for _ in range(MOST_PAGES):
            found = await self._ask("thread", **question)
            told += [one.update for one in found.entries]
            if found.next in seen:
                break
            seen.add(found.next)
            question["after"] = found.next
        return sorted(told, key=lambda one: one.at)

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """See `TicketingAdapter.entry`."""
        found = await self._ask("entry", ticket=ticket, entry=entry)
        told = [one.update for one in found.entries if one.update.ticket == ticket and one.update.entry == entry]
        if found.unread and not told:
            raise Transient(f"{self._name}: the receiver tells an entry that makes no sense")
        return told[0] if len(told) == 1 else None

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Stream the bytes of a file, by its id; an address that the receiver writes is never followed."""
        if not attachment.remote.strip() or self._settings.read_url is None:
            raise Gone(f"{self._name}: the file is not there any more", reason="no_file")
        async for piece in self._calls.stream(attachment.remote, attachment.size or 0):
            yield piece

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """Any rightly signed event names tickets; they are then looked up, so a replay does no harm."""
        try:
            signing.verify(
                self._incoming,
                request.headers,
                request.body,
                now=self._context.now(),
                tolerance=timedelta(seconds=self._settings.tolerance_seconds),
            )
        except ValueError as error:
            raise Credentials(f"{self._name}: an event is not taken: {error}") from None
        tickets = parse.read_hint(request.body) if self._settings.read_url else ()
        return Hint(tickets=tickets) if tickets else None

    async def _ask(self, what: str, **question: str) -> parse.Found:
        if self._settings.read_url is None:
            raise Permanent(f"{self._name}: nothing can be looked up without `read_url`")
        return await self._calls.ask(what, **question)


def _named(ticket: Ticket) -> dict[str, str]:
    return {"id": ticket.id, "number": ticket.number}
