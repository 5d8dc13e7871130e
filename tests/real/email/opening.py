"""Opens e-mail channels on test mailboxes, and makes the mails that go into them."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from inbox_channels.email.channel import EmailChannel, build
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.model import Cursor
from inbox_daemon.plugins import Mail, Page, Secret
from real.servers.fixtures import Mailbox
from support.contexts import lend_context


def settings(mailbox: Mailbox, **changes: Any) -> EmailSettings:
    """Settings for `mailbox`, in the clear over loopback unless changed."""
    values: dict[str, Any] = {
        "host": mailbox.server.host,
        "port": mailbox.server.imap_port,
        "tls": "none",
        "user": mailbox.user,
        "password": Secret(mailbox.server.password),
    }
    return EmailSettings.model_validate(values | changes)


@asynccontextmanager
async def opened(mailbox: Mailbox, mail: Mail | None = None, **changes: Any) -> AsyncIterator[EmailChannel]:
    """A channel on `mailbox`, which answers by `mail`; closed at the end."""
    async with lend_context("mesa", mail=mail) as context:
        channel = build(settings(mailbox, **changes), context)
        try:
            yield channel
        finally:
            await channel.aclose()


async def drained(channel: EmailChannel, cursor: Cursor | None) -> tuple[list[Page], Cursor]:
    """All pages until there is no more, as the core would take them, and the cursor after the last."""
    pages = []
    while True:
        page = await channel.poll(cursor)
        await channel.committed(page.envelopes)
        pages.append(page)
        cursor = page.cursor
        assert cursor is not None
        if not page.more:
            return pages, cursor


def mail(subject: str, text: str = "Buenas tardes, quería saber el horario.", *, at: datetime | None = None) -> bytes:
    """An invented citizen's mail."""
    message = EmailMessage()
    message["From"] = "Rosa Benítez <rosa.benitez@correo.example>"
    message["To"] = "mesa@centro.test"
    message["Subject"] = subject
    message["Message-ID"] = f"<{zlib.crc32(subject.encode()):08x}@correo.example>"
    message["Date"] = format_datetime(at or datetime.now(UTC))
    message.set_content(text)
    return message.as_bytes()


def subjects(*pages: Page) -> list[str]:
    """Subject lines of the envelopes, in order; empty where a mail has none."""
    found = []
    for envelope in (envelope for page in pages for envelope in page.envelopes):
        line = re.search(rb"^Subject: (.*(?:\r?\n .*)*)", envelope.body.replace(b"\r\n", b"\n"), re.MULTILINE)
        text = line[1].decode(errors="replace") if line else ""
        found.append(str(make_header(decode_header(text))) if text.startswith("=?utf-8") else text)
    return found
