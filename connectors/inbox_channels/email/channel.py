"""The e-mail channel: one folder of one mailbox over IMAP, polled and watched by IDLE from a thread of its own.

Answers go out by the mail server that the core lends (`sending`).
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta
from typing import TypeVar, TypeVarTuple

from inbox_channels.email.imap import Mailbox, tls_context
from inbox_channels.email.parse import attachment_bytes, self_test
from inbox_channels.email.reading import TRUNCATED, Reader
from inbox_channels.email.sending import Postman
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import Gone, SettingsError
from inbox_daemon.model import Attachment, Cursor, Envelope, Handle, Reply, Sent, Window
from inbox_daemon.plugins import Context, Page

WITHOUT_IDLE_SECONDS = 60.0
"""Longest pause between polls of a server that has no IDLE."""
CLOSE_SECONDS = 5.0
CHUNK_BYTES = 65_536

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class EmailChannel:
    """Powers: `Polled`, `Watching`, `Fetching`, `Replying`.

    All IMAP runs in one thread, so a connection never has two users.
    """

    def __init__(self, settings: EmailSettings, context: Context) -> None:
        self.poll_seconds = settings.poll_seconds
        self._settings = settings
        self._context = context
        self._tls = _trusted(settings)
        self._mailbox = Mailbox(settings, self._tls, readonly=settings.after == "nothing")
        self._reader = Reader(
            instance=context.instance,
            folder_name=settings.folder,
            limit_bytes=settings.max_message_bytes,
            rescan=timedelta(days=settings.rescan_days),
            line=_line(settings, context),
            now=context.now,
        )
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"imap-{context.instance}")
        self._postman = Postman(settings, context)
        self.rules = self._postman.rules
        self._stop = threading.Event()  # of the wait that is on
        self._closed = False

    async def check(self) -> None:
        """Log in over a connection of its own and look at the folder, read-only; log in where answers are sent."""
        mailbox = Mailbox(self._settings, self._tls, readonly=True)
        try:
            await asyncio.to_thread(self._look, mailbox)
        finally:
            await asyncio.to_thread(mailbox.close)
        await self._postman.check()

    def _look(self, mailbox: Mailbox) -> None:
        folder = mailbox.select()
        if self._settings.after == "move":
            mailbox.require_folder(self._settings.move_to)
        able = {name: mailbox.has(name) for name in ("IDLE", "MOVE", "UIDPLUS")}
        self._context.log.info("mailbox.checked", mails=folder.exists, **able)

    async def poll(self, cursor: Cursor | None) -> Page:
        """The next mails after `cursor`, at most `PAGE_MAILS` of them and about `PAGE_BYTES`; none is marked read."""
        return await self._in_thread(self._reader.page, self._mailbox, cursor)

    async def watch(self) -> None:
        """Return when the server announces a mail (IDLE), or after `poll_seconds`; without IDLE after a minute.

        When it is cancelled, the thread leaves IDLE within a second, and the next call waits for that.
        """
        self._stop = stop = threading.Event()
        try:
            known = self._reader.known_uidnext
            if await self._in_thread(self._mailbox.wait, known, self.poll_seconds, stop):
                return
        finally:
            stop.set()
        await asyncio.sleep(min(self.poll_seconds, WITHOUT_IDLE_SECONDS))

    async def committed(self, envelopes: Sequence[Envelope]) -> None:
        """Mark as read, or move, what is on disk now. A mail of which not everything was read is left as it is."""
        if self._settings.after == "nothing":
            return
        whole: dict[int, list[int]] = defaultdict(list)
        for envelope in envelopes:
            if TRUNCATED not in envelope.headers:
                whole[int(envelope.headers["uidvalidity"])].append(int(envelope.headers["uid"]))
        for uidvalidity, uids in whole.items():
            await self._in_thread(self._settle, uidvalidity, uids)

    def _settle(self, uidvalidity: int, uids: list[int]) -> None:
        if self._mailbox.select().uidvalidity != uidvalidity:
            return  # these UIDs are other mails now; the rescan hands all of them again
        if self._settings.after == "move":
            self._mailbox.move(uids, self._settings.move_to)
        else:
            self._mailbox.mark_seen(uids)

    async def fetch(self, attachment: Attachment, envelope: Envelope) -> AsyncIterator[bytes]:
        """The bytes of a part, out of the raw mail: nothing is asked of the server."""
        if TRUNCATED in envelope.headers:
            raise Gone("the mail was taken in without its body; it is still in the mailbox", reason="truncated")
        data = await asyncio.to_thread(attachment_bytes, envelope.body, attachment.remote)
        for start in range(0, len(data), CHUNK_BYTES):
            yield data[start : start + CHUNK_BYTES]

    def window(self, to: Handle, last_inbound: datetime | None) -> Window:
        """No limit: mail may be answered at any time."""
        return Window()

    def address(self, handles: Sequence[Handle]) -> Handle | None:
        """The mail address that wrote: proven, or else (`answer_unproven`) as the mail says."""
        return self._postman.address(handles)

    async def send(self, reply: Reply) -> Sent:
        """Send one mail, once; its Message-ID is the same on every try."""
        return await self._postman.send(reply)

    async def aclose(self) -> None:
        """Log out; a call that still hangs in the connection is cut off."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._in_thread(self._mailbox.close)
        except TimeoutError:
            self._mailbox.cut()
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _in_thread(self, call: Callable[[*Ts], T], *args: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)


def build(settings: EmailSettings, context: Context) -> EmailChannel:
    """Make the channel without connecting.

    Raises `SettingsError` when `ca_file` can't be used, or when a mail could fool this installation's parsing.
    """
    if problems := self_test():
        raise SettingsError(
            f"mail can't be read safely here: {'; '.join(problems)}",
            key=f"channels.{context.instance}",
            remedy="install a Python with current security fixes (3.11.15 or newer, or a distribution's patched one)",
        )
    return EmailChannel(settings, context)


def _line(settings: EmailSettings, context: Context) -> datetime | None:
    if settings.import_since is None:
        return None
    return datetime.combine(settings.import_since, time.min, tzinfo=context.zone)


def _trusted(settings: EmailSettings) -> ssl.SSLContext | None:
    try:
        return tls_context(settings)
    except OSError as error:  # also ssl.SSLError
        raise SettingsError(
            f"the certificates in {settings.ca_file} can't be used: {error.strerror or 'it is no PEM file'}",
            key="ca_file",
            remedy="name a readable PEM file with the certificate of the authority, or leave ca_file out",
        ) from error
