"""Hands outgoing mail to the mail server of the `[smtp]` table, and says what became of it in three values."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.policy import SMTP

import aiosmtplib
import structlog

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.settings import Smtp

GOODBYE_SECONDS = 5.0
"""How long a server may take to answer QUIT; the mail is its own by then."""
_ANY_SERVER = SMTP.clone(cte_type="7bit")
"""Servers without 8BITMIME take this too (RFC 6152)."""
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
"""aiosmtplib takes anything and writes to the address it finds in it."""
_NEEDS_LOGIN = {530, 534, 535, 538}
_log = structlog.get_logger(__name__)


class Mailer:
    """`plugins.Mail` over one mail server: a connection for each mail, nothing kept, nothing tried twice."""

    def __init__(self, smtp: Smtp) -> None:
        self._smtp = smtp
        self._where = f"the mail server {smtp.host}:{smtp.port}"

    @property
    def from_address(self) -> str:
        """See `Mail.from_address`."""
        return self._smtp.from_address

    async def check(self) -> None:
        """See `Mail.check`."""
        async with self._session():
            pass

    async def send(
        self, message: EmailMessage, *, recipients: Sequence[str] | None = None, sender: str | None = None
    ) -> None:
        """See `Mail.send`."""
        wanted = _recipients(message) if recipients is None else recipients
        if not wanted:
            raise Permanent("the mail has no recipient")
        sender = sender or self.from_address
        if not all(_PLAIN_ADDRESS.fullmatch(address) for address in (sender, *wanted)):
            raise Permanent("an address of the mail is none that a mail server takes")
        content = message.as_bytes(policy=_ANY_SERVER)
        async with self._session() as server:
            await self._address(server, sender, wanted)
            await self._hand_over(server, content)

    async def _address(self, server: aiosmtplib.SMTP, sender: str, recipients: Sequence[str]) -> None:
        """Sender and recipients. Nothing is sent before `_hand_over`, so that whatever fails here was not done."""
        refused = []
        try:
            await server.mail(sender)
            for recipient in recipients:
                try:
                    await server.rcpt(recipient)
                except aiosmtplib.SMTPRecipientRefused as error:
                    refused.append(error.code)
        except aiosmtplib.SMTPSenderRefused as error:
            if error.code in _NEEDS_LOGIN:
                raise Credentials(f"{self._where} wants a log-in: set smtp.user and smtp.password") from None
            if error.code >= 500:  # every mail would be refused: the matter is not this one's
                raise Credentials(f"{self._where} refuses the sender {_domain(sender)} ({error.code})") from None
            raise Transient(f"{self._where} takes no mail now ({error.code})") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Transient(f"{self._where} broke off before the mail ({type(error).__name__})") from error
        if len(refused) == len(recipients):
            raise self._refusal(min(refused), "every recipient")
        if refused:
            _log.warning("mail.recipients_refused", refused=len(refused), of=len(recipients), codes=sorted(refused))

    async def _hand_over(self, server: aiosmtplib.SMTP, content: bytes) -> None:
        """The mail itself. A reply says what became of it; without one nobody knows (RFC 5321, 4.2.5 and 4.5.3.2.6)."""
        try:
            await server.data(content)
        except aiosmtplib.SMTPDataError as error:
            if 200 <= error.code < 300:
                return
            raise self._refusal(error.code, "the mail") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Uncertain(f"{self._where} did not say whether it took the mail ({type(error).__name__})") from error

    def _refusal(self, code: int, what: str) -> EdgeError:
        """What a reply means; its text is not told, as servers put addresses into it."""
        told = f"{self._where} refuses {what} ({code})"
        if 400 <= code < 500:
            return Transient(told)
        return Permanent(told) if code >= 500 else Uncertain(told)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Connected, protected and logged in. Raises `Transient` and `Credentials`."""
        smtp = self._smtp
        server = aiosmtplib.SMTP(
            hostname=smtp.host,
            port=smtp.port,
            use_tls=smtp.tls == "implicit",
            start_tls=smtp.tls == "starttls",
            username=smtp.user or None,
            password=smtp.password.reveal() if smtp.password else None,
            timeout=smtp.timeout_seconds,
        )
        try:
            await server.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            if error.code < 500:
                raise Transient(f"{self._where} can't check the log-in now ({error.code})") from None
            raise Credentials(f"{self._where} refuses smtp.user or smtp.password") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            hint = "see smtp.host, smtp.port and smtp.tls"
            raise Transient(f"{self._where} can't be used ({type(error).__name__}): {hint}") from error
        try:
            yield server
        finally:
            await self._leave(server)

    async def _leave(self, server: aiosmtplib.SMTP) -> None:
        try:
            await server.quit(timeout=min(GOODBYE_SECONDS, self._smtp.timeout_seconds))
        except (aiosmtplib.SMTPException, OSError):
            pass  # it was sent, or its own error says why not
        finally:
            server.close()


def _domain(address: str) -> str:
    """What of an address may be told: whose it is, not who it is."""
    return f"…@{address.rpartition('@')[2]}"


def _recipients(message: EmailMessage) -> list[str]:
    headers = [*message.get_all("To", []), *message.get_all("Cc", [])]
    return [address.addr_spec for header in headers for address in header.addresses]
