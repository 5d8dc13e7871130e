"""An office, or a system that takes mail: mail out by the installation's server, answers in by IMAP."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage

from inbox_daemon.errors import SettingsError
from inbox_daemon.plugins import Capabilities, Context
from inbox_daemon.plugins import Mail as MailServer
from inbox_ticketing._by_mail.cases import Cases
from inbox_ticketing._by_mail.compose import MAX_SUBJECT_BYTES, Outgoing
from inbox_ticketing.mail.settings import MailSettings

CAPABILITIES = Capabilities(
    states=False,
    find="none",
    find_entry="none",
    idempotency="none",
    author="entries",
    attach="multipart",
    max_attachment_bytes=10_000_000,
    max_subject_bytes=MAX_SUBJECT_BYTES,
    reopen="auto",
    merges="none",
    updates="poll",
    parallel=4,
)
"""Of mail as such. Where the receiving system `swallows_repeats`, `idempotency` is "message_id": sending again is safe.
"""


class BySmtp:
    """A `Carrier`: one mail, to one address, so that the server's answer speaks of just this."""

    def __init__(self, server: MailServer, to: str) -> None:
        self._server = server
        self._to = to

    async def check(self) -> None:
        """Log in and out."""
        await self._server.check()

    def fit(self, outgoing: Outgoing) -> Outgoing:
        """Mail takes everything."""
        return outgoing

    async def carry(self, mail: EmailMessage, sender: str) -> str:
        """Mail gets no number."""
        await self._server.send(mail, recipients=[self._to], sender=sender)
        return ""

    async def aclose(self) -> None:
        """Nothing is open."""


def build(settings: MailSettings, context: Context) -> Cases:
    """The adapter. Raises `SettingsError` where no mail server is configured."""
    if context.mail is None:
        raise SettingsError(
            "no mail server is configured to send by",
            key=f"destinations.{context.instance}",
            remedy="add an [smtp] table",
        )
    sheet = replace(CAPABILITIES, idempotency="message_id" if settings.swallows_repeats else "none")
    return Cases(settings, context, BySmtp(context.mail, settings.to), sheet, to=settings.to, probes=context.mail)
