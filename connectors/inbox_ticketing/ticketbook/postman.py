"""Hands notices to the mail server. A case never waits for it or fails because of it: what is not taken is kept."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import aiosmtplib

from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.plugins import Context
from inbox_ticketing.ticketbook.settings import TicketbookSettings

RETRY = timedelta(seconds=60)
MAX_KEPT = 1000


class Postman:
    """Sends at once, and keeps what failed in memory until a later `retry` (a restart forgets it)."""

    def __init__(self, settings: TicketbookSettings, context: Context) -> None:
        self._settings = settings
        self._log = context.log
        self._now = context.now
        self._kept: dict[str, EmailMessage] = {}
        self._next_try: datetime | None = None
        self._lock = asyncio.Lock()

    async def send(self, mail: EmailMessage) -> None:
        """Hand over one notice, or keep it. Never raises."""
        self._kept[str(mail["Message-ID"])] = mail
        while len(self._kept) > MAX_KEPT:
            self._kept.pop(next(iter(self._kept)))
            self._log.error("ticketbook.notice_dropped", kept=MAX_KEPT)
        await self.retry()

    async def retry(self) -> None:
        """Hand over what is kept, unless the server failed within the last minute. Never raises."""
        if not self._kept or self._lock.locked() or (self._next_try is not None and self._now() < self._next_try):
            return
        async with self._lock:
            try:
                await self._hand_over()
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                if self._next_try is None:  # once, not for each notice and each minute
                    self._log.error("ticketbook.notice_failed", error=type(error).__name__, waiting=len(self._kept))
                self._next_try = self._now() + RETRY
                return
            if self._next_try is not None:
                self._log.info("ticketbook.notices_work_again")
            self._next_try = None

    async def check(self) -> None:
        """Log in and out. Raises `Credentials` and `Transient`, also while notices are waiting."""
        where = f"the mail server {self._settings.smtp_host}:{self._settings.smtp_port}"
        try:
            async with aiosmtplib.SMTP(**self._connection()):
                pass
        except aiosmtplib.SMTPAuthenticationError:
            raise Credentials(f"{where} refuses smtp_user or smtp_password") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Transient(f"{where} can't be used ({type(error).__name__}): see smtp_host and smtp_tls") from error
        await self.retry()
        if self._kept:
            raise Transient(f"{len(self._kept)} notices to the office wait for {where}")

    async def _hand_over(self) -> None:
        async with aiosmtplib.SMTP(**self._connection()) as server:
            for name, mail in list(self._kept.items()):
                try:
                    await server.send_message(mail, sender=self._settings.from_address)
                except aiosmtplib.SMTPResponseException as error:
                    if error.code < 500:
                        raise
                    self._refused(error.code)
                except aiosmtplib.SMTPRecipientsRefused as error:
                    if any(one.code < 500 for one in error.recipients):
                        raise
                    self._refused(error.recipients[0].code)
                self._kept.pop(name, None)

    def _refused(self, code: int) -> None:
        """The server will never take this one: there is nothing to wait for."""
        self._log.error("ticketbook.notice_refused", code=code)

    def _connection(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "hostname": settings.smtp_host,
            "port": settings.smtp_port,
            "use_tls": settings.smtp_tls == "implicit",
            "start_tls": settings.smtp_tls == "starttls",
            "username": settings.smtp_user or None,
            "password": settings.smtp_password.reveal() if settings.smtp_password else None,
            "timeout": settings.smtp_timeout_seconds,
        }
