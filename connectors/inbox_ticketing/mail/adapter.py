"""An office, or a system that takes mail, as a destination: mail out by the installation's server, answers in by IMAP.

Nothing can be asked of whoever reads mail, so the sheet says that nothing is found there, and an unclear end is a
possible double. `find` and `find_entry` answer from our own book of mails that surely left.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, SettingsError, Transient
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
from inbox_daemon.plugins import Capabilities, Context, WebhookRequest
from inbox_ticketing.mail import compose
from inbox_ticketing.mail.answers import Answers, entry_of, is_token
from inbox_ticketing.mail.book import Book, Copy, opens
from inbox_ticketing.mail.mailbox import Mailbox
from inbox_ticketing.mail.parse import Policy
from inbox_ticketing.mail.proof import prove
from inbox_ticketing.mail.settings import MailSettings

T = TypeVar("T")
PIECE_BYTES = 65_536
CAPABILITIES = Capabilities(
    states=False,
    find="none",
    find_entry="none",
    idempotency="none",
    author="entries",
    attach="multipart",
    max_attachment_bytes=10_000_000,
    max_subject_bytes=compose.MAX_SUBJECT_BYTES,
    reopen="auto",
    merges="none",
    updates="poll",
    parallel=4,
)
"""Of mail as such. Where the receiving system `swallows_repeats`, `idempotency` is "message_id": sending again is safe.
"""


class Mail:
    """A `TicketingAdapter`. A ticket's id is the short form of our reference that stands in its addresses."""

    def __init__(self, settings: MailSettings, context: Context) -> None:
        if context.mail is None:
            raise SettingsError(
                "no mail server is configured to send by",
                key=f"destinations.{context.instance}",
                remedy="add an [smtp] table",
            )
        self._settings = settings
        self._context = context
        self._mail = context.mail
        self._domain = settings.address.partition("@")[2]
        self._inbox = Mailbox(settings, settings.folder)
        self._books = Mailbox(settings, settings.book_folder, make=True)
        self._book = Book(self._books, self._domain)
        policy = Policy(
            address=settings.address,
            plus=settings.plus,
            agents=frozenset(settings.agents),
            authserv=settings.authserv_id if settings.authentication == "dmarc" else "",
            bulk_is_automatic=settings.bulk_is_automatic,
        )
        self._answers = Answers(self._inbox, self._book, policy, context.log, max_bytes=settings.max_answer_bytes)
        self.capabilities = replace(
            CAPABILITIES,
            idempotency="message_id" if settings.swallows_repeats else "none",
            max_attachment_bytes=settings.max_attachment_bytes,
        )

    async def aclose(self) -> None:
        """Log out of the mailbox."""
        for mailbox in (self._inbox, self._books):
            await asyncio.to_thread(mailbox.close)

    async def check(self) -> None:
        """See `proof.prove`."""
        await prove(self._settings, self._context.instance, self._mail, self._inbox, self._books)

    # ------------------------------------------------------------ writing

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Mail the first message of a case. Its subject and reference are what later mails go by."""
        case = compose.token(draft.reference)
        await self._send(
            compose.Outgoing(
                token=case,
                key=draft.first.key,
                kind="open",
                subject=compose.subject_of(draft),
                text=compose.text_of(draft.first, preface=compose.preface_of(draft)),
                author=draft.first.author_name,
                at=draft.first.sent_at,
                reference=draft.reference,
            )
        )
        return _ticket(case, draft.reference)

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Mail a message in the thread of the case."""
        return await self._add(ticket, entry, "message", compose.text_of(entry))

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Mail a note. Whoever reads the office's mail is the office, so it says in words that it is one."""
        return await self._add(ticket, entry, "note", compose.note_text(entry))

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Mail one file in the thread of the case."""
        limit = self._settings.max_attachment_bytes
        if file.size > limit:
            raise Permanent(
                f"{self._context.instance}: a file of {file.size} bytes is above the {limit} that are mailed",
                told="el archivo es demasiado grande para enviarlo por correo",
            )
        try:
            content = await asyncio.to_thread(Path(file.path).read_bytes)
        except OSError as error:
            raise Permanent(f"{self._context.instance}: a stored file cannot be read ({error.strerror})") from error
        return await self._add(ticket, entry, "file", compose.file_text(entry, file), file, content)

    async def _add(
        self,
        ticket: Ticket,
        entry: Entry,
        kind: compose.Kind,
        text: str,
        file: StoredFile | None = None,
        content: bytes = b"",
    ) -> Written:
        copies, (last, subject) = await self._thread_of(ticket.id)
        opening = next((copy for copy in copies if opens(copy)), None)
        if opening is None:
            raise Gone(f"{self._context.instance}: case {ticket.id} is not in book_folder any more", reason="deleted")
        await self._send(
            compose.Outgoing(
                token=ticket.id,
                key=entry.key,
                kind=kind,
                subject=compose.subject_after(subject, opening.subject),
                text=text,
                author=entry.author_name,
                at=entry.sent_at,
                references=compose.chain([opening.message_id, *(one.message_id for one in copies)], last),
                file=file,
                content=content,
            )
        )
        return self._written(_ticket(ticket.id, opening.reference), entry.key)

    async def _thread_of(self, token: str) -> tuple[list[Copy], tuple[str, str]]:
        if not is_token(token):
            return [], ("", "")
        copies = await self._call(lambda: self._book.copies(token))
        return copies, await self._call(lambda: self._answers.last_of(token)) if copies else ("", "")

    async def _send(self, outgoing: compose.Outgoing) -> None:
        """Note in the book, mail, note that it left. What provably never left is taken out of the book again."""
        settings = self._settings
        mail = compose.build(outgoing, to=settings.to, address=settings.address, plus=settings.plus)
        identity = compose.message_id(outgoing.token, outgoing.key, self._domain)
        uid = await self._call(lambda: self._book.begin(mail.as_bytes(), identity))
        sender = compose.own_address(settings.address, outgoing.token, plus=settings.plus)
        try:
            await self._mail.send(mail, recipients=[settings.to], sender=sender)
        except (Transient, Permanent, Credentials):
            await self._in_passing(lambda: self._book.drop([uid]), "mail.draft_left")
            raise
        await self._in_passing(lambda: self._book.sent(uid), "mail.not_marked_as_sent")

    async def _in_passing(self, work: Callable[[], object], event: str) -> None:
        """Bookkeeping after the fact: what became of the mail is known, whatever becomes of this."""
        try:
            await self._call(work)
        except EdgeError as error:
            self._context.log.warning(event, error=str(error))

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """There are none."""
        raise Permanent(f"{self._context.instance}: a mail has no state {state.value!r}")

    # ------------------------------------------------------------ looking up

    async def find(self, reference: Reference) -> Ticket | None:
        """The case in our book whose first mail surely left. Two first mails are two cases to whoever got them."""
        case = compose.token(reference)
        copies = await self._call(lambda: self._book.copies(case))
        found = [one for one in copies if opens(one) and one.reference == reference and not one.draft]
        if len(found) > 1 and self.capabilities.idempotency == "none":
            raise Permanent(f"{self._context.instance}: {len(found)} mails opened the case {reference}: a double")
        return _ticket(case, reference) if found else None

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """The mail of our book that surely left under `key`."""
        if not is_token(ticket.id):
            return None
        copies = await self._call(lambda: self._book.copies(ticket.id))
        opening = next((copy for copy in copies if opens(copy)), None)
        wanted = compose.message_id(ticket.id, key, self._domain)
        if opening is None or not any(copy.message_id == wanted and not copy.draft for copy in copies):
            return None
        return self._written(_ticket(ticket.id, opening.reference), key)

    def _written(self, ticket: Ticket, key: MessageKey) -> Written:
        identity = compose.message_id(ticket.id, key, self._domain)
        return Written(ticket=ticket, entry=entry_of(identity))

    # ------------------------------------------------------------ answers

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """What came in and what we sent since; the cursor is UIDVALIDITY and UID of both folders."""
        if cursor is None:
            return [], await self._call(self._answers.now)
        return await self._call(lambda: self._answers.since(cursor))

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All of one case."""
        return await self._call(lambda: self._answers.thread(ticket))

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One mail as it lies in the mailbox now: who deletes it there takes the answer back."""
        return await self._call(lambda: self._answers.entry(ticket, entry))

    async def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """A file of a mail; the mail is read again."""
        index, _, entry = attachment.remote.partition(":")
        found = await self._call(lambda: self._answers.find(EntryId(entry)))
        files = [] if found is None else [file for file in found.mail.files if str(file.index) == index]
        if not files:
            raise Gone(f"{self._context.instance}: the file is not in the mailbox any more", reason="no_file")
        content = files[0].content
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """Nobody posts hints."""
        return None

    async def _call(self, work: Callable[[], T]) -> T:
        """Blocking calls go to threads; the mailbox lets in one at a time."""
        return await asyncio.to_thread(work)


def _ticket(case: str, reference: str) -> Ticket:
    return Ticket(id=TicketId(case), number=compose.number_of(reference))
