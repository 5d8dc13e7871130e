"""The checks: that copies are found and, where a person waits for it, that mail can be sent and answers come in.

What is written is deleted again; nothing is mailed to the office.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import InstanceId, MessageKey, Reference
from inbox_daemon.plugins import Mail
from inbox_ticketing._by_mail import compose
from inbox_ticketing._by_mail.book import DRAFT, SEEN, Book
from inbox_ticketing._by_mail.mailbox import Mailbox
from inbox_ticketing._by_mail.settings import CaseMailSettings

SUBJECT = "Prueba de conexión de inbox-daemon"
LOOK_SECONDS = 0.25
LEFT_OVER = timedelta(hours=1)


async def prove_folders(settings: CaseMailSettings, instance: InstanceId, inbox: Mailbox, books: Mailbox) -> None:
    """Copies are written and found, and the folder of answers can be read."""
    await asyncio.to_thread(_prove_book, settings, instance, books, _probe(settings))
    await asyncio.to_thread(_clear, inbox, "")


def _probe(settings: CaseMailSettings) -> EmailMessage:
    """A mail of a case that never was."""
    case = compose.token(Reference(f"check/{secrets.token_hex(16)}"))
    outgoing = compose.Outgoing(
        token=case,
        key=MessageKey(f"check.{secrets.token_hex(8)}"),
        kind="note",
        subject=f"{SUBJECT} {case}",
        text="Se borra sola.",
        author="inbox-daemon",
        at=datetime.now(UTC),
    )
    to = compose.own_address(settings.address, case, plus=settings.plus)
    return compose.build(outgoing, to=to, address=settings.address, plus=settings.plus)


def _prove_book(settings: CaseMailSettings, instance: InstanceId, books: Mailbox, probe: EmailMessage) -> None:
    """A copy is found by its Message-ID, once, and another search does not find everything."""
    book = Book(books, settings.address.partition("@")[2])
    identity = str(probe["Message-ID"])
    token = identity.strip("<").partition(".")[0]
    _clear(books, "")
    with books.opened():
        if books.search("HEADER", "Message-ID", f"{token}."):
            raise Credentials(
                f"{instance}: the IMAP server finds mails under an id that no mail has. Its search ignores headers: "
                "put the mailbox on a server whose SEARCH HEADER works"
            )
        books.put(probe.as_bytes(), [DRAFT, SEEN])
    found = [copy for copy in book.copies(token) if copy.message_id == identity and copy.draft]
    with books.opened():
        books.delete([copy.uid for copy in found])
    if len(found) != 1:
        raise Credentials(
            f"{instance}: a copy in {settings.book_folder!r} is not found by its Message-ID. Let the user of the "
            "mailbox read, write and delete there, and put it on a server whose SEARCH HEADER works at once"
        )


async def prove_way_back(settings: CaseMailSettings, instance: InstanceId, mail: Mail, inbox: Mailbox) -> None:
    """A mail to a case's address arrives in the folder that answers are read from."""
    await mail.check()
    probe = _probe(settings)
    await mail.send(probe, sender=settings.address)
    token = str(probe["Message-ID"]).strip("<").partition(".")[0]
    deadline = time.monotonic() + settings.probe_seconds
    while not await asyncio.to_thread(_clear, inbox, token):
        if time.monotonic() > deadline:
            raise Transient(
                f"{instance}: a mail to {'address+CASE' if settings.plus else '`address`'} did not arrive in "
                f"{settings.folder!r} within {settings.probe_seconds:g} seconds. Let the mail server deliver "
                "`address+anything` there (recipient_delimiter) and no filter move it, or set plus = false; a longer "
                "probe_seconds is for a slow server"
            )
        await asyncio.sleep(LOOK_SECONDS)


def _clear(folder: Mailbox, token: str) -> bool:
    """Delete the probe `token`; without one, what earlier checks left (another node's may still be under way)."""
    with folder.opened():
        found = folder.search("HEADER", compose.KEY_HEADER, "check.", "HEADER", "Message-ID", f"{token}.")
        rows = [row for row in folder.rows(found) if str(row.head.get(compose.KEY_HEADER, "")).startswith("check.")]
        late = datetime.now(UTC) - LEFT_OVER
        gone = [row.uid for row in rows if token or row.at < late]
        folder.delete(gone)
    return bool(gone)
