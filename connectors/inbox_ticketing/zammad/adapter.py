"""Zammad as a destination, over its REST API.

Every write of an entry begins by reading the ticket: Zammad adds articles to a ticket that was merged away, where
nobody sees them, and appending by the API reopens nothing (docs and source as read on 2026-11-23).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Uncertain
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
from inbox_daemon.plugins import Answer, Capabilities, Context, WebhookRequest, is_signed, read_stored
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.pace import Pace
from inbox_ticketing.zammad import parse, writing
from inbox_ticketing.zammad.proof import prove
from inbox_ticketing.zammad.reading import MAKE_ATTRIBUTE, Reader
from inbox_ticketing.zammad.rest import RestClient
from inbox_ticketing.zammad.settings import ZammadSettings
from inbox_ticketing.zammad.watch import Watch

CAPABILITIES = Capabilities(
    find="immediate",
    find_entry="immediate",
    author="entries",
    attach="inline",
    max_attachment_bytes=30_000_000,
    max_body_chars=writing.MAX_BODY_CHARS,
    max_subject_bytes=writing.MAX_SUBJECT_BYTES,
    reopen="auto",
    merges="follow",
    updates="poll",
    parallel=6,
)
"""Of the product; an instance with a `hint_secret` has `updates="both"`."""

SIGNATURE_HEADER = "x-hub-signature"


class Zammad:
    """A `TicketingAdapter`."""

    def __init__(self, settings: ZammadSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._pace = Pace(context.now)
        self._rest = RestClient(settings, context)
        self._reader = Reader(settings, self._rest, context)
        self._watch = Watch(settings, self._reader, context)
        self.capabilities = replace(
            CAPABILITIES,
            updates="both" if settings.hint_secret else "poll",
            max_attachment_bytes=settings.max_attachment_bytes,
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._rest.aclose()

    async def check(self) -> None:
        """See `proof.prove`."""
        await prove(self, self._settings, self._rest, self._reader, self._pace, self._context)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create ticket, customer and first article in one transaction of Zammad's, and look for the reference in the
        answer: an attribute that Zammad does not know is dropped without a word."""
        settings = self._settings
        customer = writing.customer_of(draft, fallback=settings.customer_fallback, mute_domain=settings.mute_domain)
        body: dict[str, object] = {
            "title": writing.title_of(draft),
            "group": settings.group,
            "customer": customer,
            settings.reference_field: draft.reference,
            "tags": writing.tags_of(draft),
            "article": self._article(draft.first, writing.text_of(draft.first, follows=draft.follows)),
        }
        answer = await self._rest.send("POST", "/tickets", body)
        if answer.status != 201:
            raise Uncertain(f"{self._context.instance}: Zammad answered a creation with status {answer.status}")
        row = self._row_written(answer)
        if row.reference != draft.reference:
            await self._put_away(row)
        return self._ticket(row)

    async def _put_away(self, row: parse.Row) -> None:
        """Nobody could find this ticket again: it is closed, and the case waits in sight: no try makes another."""
        field = self._settings.reference_field
        with suppress(EdgeError):  # whatever comes of it, the ticket is there: nothing may say that it is not
            await self._rest.send("PUT", f"/tickets/{row.id}", {"state": self._settings.closed_state})
        raise Permanent(
            f"{self._context.instance}: Zammad dropped the reference of ticket {row.number}. Close that one. "
            f"Attribute {field!r} is not there. {MAKE_ATTRIBUTE}; then try the case again",
            told="el sistema abrió el caso sin su referencia, y nadie podría encontrarlo",
        )

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add the citizen's article; the state goes along in the same request where it has to change."""
        first, row = await self._target(ticket)
        return await self._add(row, entry.key, self._article(entry, writing.text_of(entry), origin=first.customer))

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add an internal note; never changes the state."""
        _, row = await self._target(ticket, closed_too=True)
        article = self._article(entry, writing.text_of(entry))
        article |= {"sender": "Agent", "type": "note", "internal": True}
        return self._written(row, await self._write("POST", row, {**article, "ticket_id": int(row.id)}))

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Add an article with the file inside it."""
        content = await read_stored(file, self._context.instance, limit=self._settings.max_attachment_bytes)
        first, row = await self._target(ticket)
        article = self._article(entry, writing.file_text(entry, file), origin=first.customer)
        article["attachments"] = [writing.file_json(file, content)]
        return await self._add(row, entry.key, article, size=len(content) * 4 // 3)

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Set the state and see it in the answer: a rule of the office may undo a change that was taken.

        A ticket that ended in another way than asked stays as its agent left it.
        """
        settings = self._settings
        name = settings.state_for(state)
        if name is None:
            raise Permanent(f"{self._context.instance}: no state of Zammad means {state.value!r} (`states`)")
        _, row = await self._target(ticket, closed_too=True)
        now = settings.meaning_of(row.state)
        if row.state.lower() == name.lower() or now is state or (now.ends and state.ends):
            return
        body: dict[str, object] = {"state": name}
        if name.lower().startswith("pending"):
            body["pending_time"] = (self._context.now() + timedelta(days=settings.pending_days)).isoformat()
        answer = await self._write("PUT", row, body)
        if self._row_written(answer).state.lower() != name.lower():
            raise Permanent(f"{self._context.instance}: Zammad does not set ticket {row.number} to {name!r}")

    def _article(self, entry: Entry, text: str, *, origin: int | None = None) -> dict[str, object]:
        """An article by the citizen: with sender Customer nothing is mailed, nor is any type of its used that would."""
        domain = urlsplit(self._settings.url).hostname or "localhost"
        return {
            "subject": texts.marker(entry.key),
            "body": text,
            "content_type": "text/plain",
            "type": self._settings.article_type,
            "sender": "Customer",
            "internal": False,
            "message_id": writing.message_id(entry.key, domain),
            **({"origin_by_id": origin} if origin is not None else {}),
        }

    async def _add(self, row: parse.Row, key: MessageKey, article: dict[str, object], *, size: int = 0) -> Written:
        settings = self._settings
        now = settings.meaning_of(row.state)
        if not (now.ends or now is TicketState.WAITING):
            body = {**article, "ticket_id": int(row.id)}
            return self._written(row, await self._write("POST", row, body, size=size))
        changes: dict[str, object] = {"state": settings.open_state, "article": article}
        answer = await self._write("PUT", row, changes, size=size)
        ticket = self._ticket(self._row_written(answer))
        try:  # the answer names all articles, and another node's may be among the new ones
            found = await self.find_entry(ticket, key)
        except EdgeError:
            found = None
        return Written(ticket=ticket, entry=found.entry if found else None, reopened=now.ends and ticket.open)

    async def _write(self, method: str, row: parse.Row, body: dict[str, object], *, size: int = 0) -> Answer:
        """Change a ticket, or add an article to it. It may have been deleted or moved since it was read."""
        path = "/ticket_articles" if method == "POST" else f"/tickets/{row.id}"
        answer = await self._rest.send(method, path, body, size=size, accept=(403,))
        self._reader.see_ticket(row.id, answer)
        return answer

    # ------------------------------------------------------------ reading

    async def find(self, reference: Reference) -> Ticket | None:
        """See `reading.Reader.bearer`."""
        row = await self._reader.bearer(reference)
        return None if row is None else self._ticket(row)

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """Look through the thread of the ticket, where a merge has moved the entry, too."""
        me = await self._reader.me()
        row = await self._reader.final(await self._reader.row(ticket.id))
        found = parse.entry_among(await self._reader.articles(row.id), key, me)
        return None if found is None else Written(ticket=self._ticket(row), entry=EntryId(found.id))

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
        """See `reading.Reader.fetch`."""
        return self._reader.fetch(attachment)

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """Zammad's webhook, signed with its signature token (HMAC-SHA1 over the raw body, without a time)."""
        secret = self._settings.hint_secret
        if secret is None:
            return None
        if not is_signed(request.body, request.headers.get(SIGNATURE_HEADER, ""), secret, digest="sha1"):
            raise Credentials(
                f"{self._context.instance}: a hint came with a wrong signature. Compare `hint_secret` with the "
                "signature token of the webhook in Zammad"
            )
        number = parse.hinted_ticket(request.body)
        return Hint(tickets=(TicketId(number),)) if number else None

    # ------------------------------------------------------------ parts

    async def _target(self, ticket: Ticket, *, closed_too: bool = False) -> tuple[parse.Row, parse.Row]:
        """The ticket that the core knows, and the one to write into after merges. Raises `Gone`."""
        first = await self._reader.row(ticket.id)
        row = await self._reader.final(first)
        now = self._settings.meaning_of(row.state)
        if now is TicketState.DELETED:
            raise Gone(f"{self._context.instance}: ticket {row.number} is removed", reason="deleted")
        if now.ends and self._settings.closed == "new" and not closed_too:
            raise Gone(f"{self._context.instance}: ticket {row.number} is closed", reason="closed")
        return first, row

    def _row_written(self, answer: Answer) -> parse.Row:
        try:
            return parse.read_row(answer.json, self._settings.reference_field)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Uncertain(f"{self._context.instance}: Zammad did not say which ticket it wrote") from error

    def _written(self, row: parse.Row, answer: Answer) -> Written:
        try:
            article = parse.read_article(answer.json)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Uncertain(f"{self._context.instance}: Zammad did not say where the entry stands") from error
        if answer.status != 201 or article.ticket != row.id:
            raise Uncertain(f"{self._context.instance}: Zammad did not say where the entry stands")
        return Written(ticket=self._ticket(row), entry=EntryId(article.id))

    def _ticket(self, row: parse.Row) -> Ticket:
        base = self._settings.link_base or self._settings.url
        return Ticket(
            id=TicketId(row.id),
            number=row.number,
            url=f"{base}/#ticket/zoom/{row.id}",
            open=not self._settings.meaning_of(row.state).ends,
        )
