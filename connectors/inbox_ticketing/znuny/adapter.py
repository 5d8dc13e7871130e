"""Znuny or OTOBO as a destination, over a web service of their generic interface.

Every write of an entry begins by reading the ticket: the interface adds articles to closed, removed and merged tickets
without a word, and reopens none.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace

from inbox_daemon.errors import Credentials, Gone, Permanent, Uncertain
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
from inbox_daemon.plugins import Capabilities, Context, WebhookRequest, read_stored
from inbox_ticketing._writing import texts
from inbox_ticketing.znuny import parse
from inbox_ticketing.znuny.download import fetch
from inbox_ticketing.znuny.proof import Proof
from inbox_ticketing.znuny.reading import Reader, Several
from inbox_ticketing.znuny.rest import Answer, Client, Refusal
from inbox_ticketing.znuny.settings import ZnunySettings
from inbox_ticketing.znuny.watch import Watch
from inbox_ticketing.znuny.writing import message, new_ticket, note

CAPABILITIES = Capabilities(
    find="immediate",
    find_entry="immediate",
    author="entries",
    customer_needs_email=True,
    attach="inline",
    max_attachment_bytes=10_000_000,
    max_subject_bytes=parse.MAX_TITLE_BYTES,
    reopen="explicit",
    merges="follow",
    updates="poll",
    parallel=4,
)
"""Of both products. An instance with a `hint_secret` has `updates="both"`."""

WAITING_MINUTES = "10080"
"""A pending state needs a time until when; a week is the product's own default for reminders set by agents."""
ADDRESS_REFUSED = ("Ticket->CustomerUser", "Article->From")


class Znuny:
    """A `TicketingAdapter`."""

    def __init__(self, settings: ZnunySettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._client = Client(settings, context)
        self._reader = Reader(settings, self._client)
        self._watch = Watch(settings, self._client, self._reader)
        self._proof = Proof(self, settings, self._client, self._reader, context)
        self._empty: dict[Reference, str] = {}
        """Tickets that look-ups met without an article of ours: what a creation that failed half-way has left."""
        self.capabilities = replace(
            CAPABILITIES,
            updates="both" if settings.hint_secret else "poll",
            max_attachment_bytes=settings.max_attachment_bytes,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> None:
        """See `proof.Proof`."""
        await self._proof.run()

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create the ticket with its reference, its first article and that one's key, all in one request.

        Where an earlier try has left one without its article, and the look-up has met it, that one is gone on with.
        """
        if draft.reference in self._empty and (begun := await self._filled(draft)) is not None:
            return begun

        def body(address: str) -> dict[str, object]:
            return new_ticket(draft, address, self._settings)

        answer = await self._write("TicketCreate", body, draft.first)
        ticket, number = str(answer.data.get("TicketID") or ""), str(answer.data.get("TicketNumber") or "")
        if not parse.is_number(ticket) or not number:
            raise Uncertain(f"{self._client.where} answered a creation without a ticket")
        return self._ticket(ticket, number, is_open=True)

    async def _filled(self, draft: Draft) -> Ticket | None:
        """The empty ticket, with its first article by now; None where it was taken away meanwhile."""
        try:
            row = await self._reader.final(self._empty[draft.reference], articles=True)
        except Gone:
            row = None
        if row is None or self._reader.state_of(row) is TicketState.DELETED:
            self._empty.pop(draft.reference, None)
            return None
        us = await self._client.user()
        if not any(one.key == draft.first.key and parse.is_whole(one, us) for one in row.articles):
            text = texts.text_of(draft.first, preface=texts.preface_of(draft.follows))
            await self._add(row, draft.first, text, subject=parse.title_of(draft))
        self._empty.pop(draft.reference, None)
        return self._ticket(row.id, row.number, is_open=True)

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add the citizen's article; a closed ticket is reopened in the same request."""
        return await self._add(await self._target(ticket), entry, texts.text_of(entry))

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add an article that customers do not see; never changes the state."""
        row = await self._target(ticket, closed_too=True)
        answer = await self._client.write("TicketUpdate", {"TicketID": row.id, **note(entry, self._settings)})
        return self._written(row, answer)

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Add an article with one file, in base64."""
        content = await read_stored(file, self._context.instance, limit=self._settings.max_attachment_bytes)
        if not content:
            raise Permanent(
                f"{self._context.instance}: a file without content is refused", told="el archivo está vacío"
            )
        made = {
            "Filename": parse.file_name(file),
            "ContentType": parse.file_type(file),
            "Content": base64.b64encode(content).decode("ascii"),
        }
        text, subject = texts.file_text(entry, file), parse.file_subject(file)
        return await self._add(await self._target(ticket), entry, text, subject=subject, file=made)

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Set the state and read it back: an event module or a process may put it elsewhere.

        A ticket that ended in another way than asked stays as its agent left it.
        """
        name = self._settings.state_name(state)
        if name is None:
            raise Permanent(f"{self._context.instance}: no state there means {state.value!r} (`states`)")
        row = await self._reader.final(ticket.id)
        now = self._reader.state_of(row)
        if now is TicketState.DELETED:
            raise Gone(f"{self._client.where}: ticket {row.number} is removed", reason="deleted")
        if row.state == name or now is state or (now.ends and state.ends):
            return
        change: dict[str, object] = {"State": name}
        if self._settings.states.get(name) is TicketState.WAITING:
            change["PendingTime"] = {"Diff": WAITING_MINUTES}
        await self._client.write("TicketUpdate", {"TicketID": row.id, "Ticket": change})
        if (await self._reader.row(row.id)).state != name:
            raise Permanent(f"{self._client.where} does not keep ticket {row.number} in state {name!r}")

    # ------------------------------------------------------------ looking

    async def find(self, reference: Reference) -> Ticket | None:
        """Search by the dynamic field; see `reading.Reader.carrying`. Raises `Several`."""
        found = await self._reader.carrying(reference)
        tickets = tuple(self._of(found.rows[one]) for one in sorted(found.rows, key=int))
        if len(tickets) > 1:
            numbers = ", ".join(one.number for one in tickets)
            raise Several(
                f"{self._client.where}: tickets {numbers} carry the reference {reference}. Merge them there", tickets
            )
        if found.empty and not tickets:
            self._empty[reference] = found.empty[0].id
        return tickets[0] if tickets else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """Read the ticket's articles, which came along with every merge, and compare their keys.

        One whose file is missing was cut off half-way, and counts as not there: better told twice than lost.
        """
        row = await self._reader.final(ticket.id, articles=True)
        us = await self._client.user()
        found = next((one for one in row.articles if one.key == key and parse.is_whole(one, us)), None)
        return None if found is None else Written(ticket=self._of(row), entry=EntryId(str(found.number)))

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """See `watch.Watch`."""
        return await self._watch.updates(cursor)

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """See `watch.Watch.thread`."""
        return await self._watch.thread(ticket)

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """See `watch.Watch.entry`."""
        return await self._watch.entry(ticket, entry)

    def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """See `download.fetch`."""
        return fetch(attachment, self._settings, self._client, self._reader)

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """What an invoker posts for an event. Its body has no signature: Basic authentication stands for one."""
        secret = self._settings.hint_secret
        if secret is None:
            return None
        word = base64.b64encode(f"{self._settings.hint_user}:{secret.reveal()}".encode()).decode("ascii")
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(f"Basic {word}".encode(), given.encode("utf-8", "replace")):
            raise Credentials(f"{self._context.instance}: a hint came with a wrong user name or password")
        try:
            tickets = parse.hinted(json.loads(request.body))
        except ValueError:
            return None
        return Hint(tickets=tuple(TicketId(one) for one in tickets)) if tickets else None

    # ------------------------------------------------------------ parts

    async def _add(
        self, row: parse.Row, entry: Entry, text: str, *, subject: str = "", file: Mapping[str, str] | None = None
    ) -> Written:
        closed = self._has_ended(row)

        def body(address: str) -> dict[str, object]:
            made = {"TicketID": row.id, **message(entry, text, address, self._settings, subject=subject)}
            if closed:
                made["Ticket"] = {"State": self._settings.open_state}
            if file:
                made["Attachment"] = [file]
            return made

        answer = await self._write("TicketUpdate", body, entry, size=len(file["Content"]) if file else 0)
        return self._written(row, answer, reopened=closed)

    async def _write(
        self, operation: str, body: Callable[[str], dict[str, object]], entry: Entry, *, size: int = 0
    ) -> Answer:
        """Write under the citizen's own address, and under the configured one where that is refused.

        The first of the two requests did nothing then: addresses are looked at before anything is written.
        """
        fallback = self._settings.customer_fallback
        first = entry.reply_address or fallback
        answer = await self._client.write(operation, body(first), accept=("InvalidParameter",), size=size)
        if answer.refusal and first != fallback and _is_of_address(answer.refusal):
            answer = await self._client.write(operation, body(fallback), accept=("InvalidParameter",), size=size)
        if answer.refusal and _is_of_address(answer.refusal):
            raise Credentials(
                f"{self._client.where} refuses the customer {fallback!r} ({answer.refusal.words[:200]}). Configure "
                "`customer_fallback` as an address whose domain exists, or as the login of a customer"
            )
        if answer.refusal:
            raise self._client.error_of(answer.refusal, write=True)
        return answer

    async def _target(self, ticket: Ticket, *, closed_too: bool = False) -> parse.Row:
        """The ticket to write into, after merges. Raises `Gone`."""
        row = await self._reader.final(ticket.id)
        if self._reader.state_of(row) is TicketState.DELETED:
            raise Gone(f"{self._client.where}: ticket {row.number} is removed", reason="deleted")
        if self._has_ended(row) and self._settings.closed == "new" and not closed_too:
            raise Gone(f"{self._client.where}: ticket {row.number} is closed", reason="closed")
        return row

    def _written(self, row: parse.Row, answer: Answer, *, reopened: bool = False) -> Written:
        article = str(answer.data.get("ArticleID") or "")
        if not parse.is_number(article):
            raise Uncertain(f"{self._client.where} did not say where the entry stands")
        ticket = self._ticket(row.id, row.number, is_open=reopened or not self._has_ended(row))
        return Written(ticket=ticket, entry=EntryId(article), reopened=reopened)

    def _has_ended(self, row: parse.Row) -> bool:
        return self._reader.state_of(row).ends

    def _of(self, row: parse.Row) -> Ticket:
        return self._ticket(row.id, row.number, is_open=not self._has_ended(row))

    def _ticket(self, number: str, shown: str, *, is_open: bool) -> Ticket:
        base = self._settings.link_base or self._settings.base
        link = f"{base}/index.pl?Action=AgentTicketZoom;TicketID={number}"
        return Ticket(id=TicketId(number), number=shown, url=link, open=is_open)


def _is_of_address(refusal: Refusal) -> bool:
    return any(named in refusal.words for named in ADDRESS_REFUSED)
