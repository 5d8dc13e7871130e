"""osTicket as a destination: raw mails to its API, which swallows repeats; agents' answers by the mail it sends itself.

The API can do nothing but create: no search, no reading, no states. A mail to it is its whole pipeline, with threads.
"""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from urllib.parse import urlsplit

import aiohttp

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Capabilities, Context
from inbox_ticketing._by_mail.cases import Cases
from inbox_ticketing._by_mail.compose import MAX_SUBJECT_BYTES, Outgoing, file_name
from inbox_ticketing.osticket import parse
from inbox_ticketing.osticket.settings import OsTicketSettings

CAPABILITIES = Capabilities(
    states=False,
    find="none",
    find_entry="none",
    idempotency="message_id",
    author="entries",
    customer_needs_email=True,
    attach="multipart",
    max_attachment_bytes=10_000_000,
    max_subject_bytes=MAX_SUBJECT_BYTES,
    reopen="auto",
    merges="none",
    updates="poll",
    parallel=4,
)
MAX_ANSWER_BYTES = 65_536
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Raised by aiohttp before the first byte of a request: DNS, refused, TLS, connect time-out."""


class ByApi:
    """A `Carrier`: `POST /api/tickets.email`. One call, one attempt; a repeat is answered with the same number."""

    def __init__(self, settings: OsTicketSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._where = f"{context.instance}: osTicket at {urlsplit(settings.url).netloc}"

    async def check(self) -> None:
        """Call it with what is no ticket: osTicket looks at the key first, and refuses only then."""
        status, text = await self._post("/api/tickets.json", b"{", sent=Transient)
        if status == 400:
            return
        if parse.outcome(status, text) == "not_allowed":
            raise self._not_allowed(status)
        raise Transient(
            f"{self._where} answers {status} to a call that it ought to refuse with 400: compare `url`, and look for a "
            "proxy or a login page in front of it"
        )

    def fit(self, outgoing: Outgoing) -> Outgoing:
        """Refuse a file that osTicket would drop; add the text as a file where it would drop characters of it."""
        ending = file_name(outgoing.file).rpartition(".")[2].lower() if outgoing.file else ""
        if outgoing.file and self._settings.file_types and ending not in self._settings.file_types:
            raise Permanent(
                f"{self._context.instance}: a file of this type is not among `file_types`",
                told="el sistema no admite archivos de este tipo",
            )
        return replace(outgoing, whole=outgoing.text) if parse.loses(outgoing.text) else outgoing

    async def carry(self, mail: EmailMessage, sender: str) -> str:
        """The number of the ticket that the mail went into."""
        status, text = await self._post("/api/tickets.email", mail.as_bytes(), sent=Uncertain)
        match parse.outcome(status, text):
            case "taken":
                return parse.number_of(text)
            case "refused":
                raise Permanent(
                    f"{self._where} refuses the mail ({status}: {parse.reason(text)}). See its system log; lift the "
                    "limit of open tickets per user, and take the addresses of cases out of the ban list and filters",
                    told="el sistema de tickets rechazó el mensaje",
                )
            case "not_allowed":
                raise self._not_allowed(status)
            case "not_now":
                raise Transient(
                    f"{self._where} takes no mail now ({status}). If that lasts: it looks up the MX of our address's "
                    "domain (Settings, Emails, Verify Email Addresses)"
                )
            case _:
                raise Uncertain(f"{self._where} did not say whether it took the mail ({status})")

    async def aclose(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()

    def _not_allowed(self, status: int) -> EdgeError:
        return Credentials(
            f"{self._where} does not let us in ({status}). Make an API key for this machine's address, as osTicket "
            "sees it behind proxies, with Can Create Tickets; compare `url`, which is without /api"
        )

    async def _post(self, path: str, body: bytes, *, sent: type[EdgeError]) -> tuple[int, str]:
        """Status and words of the answer; `sent` is raised when the request may have arrived and no answer came."""
        if self._session is None or self._session.closed:
            self._session = self._context.session(frozenset({urlsplit(self._settings.url).hostname or ""}))
        headers = {
            "X-API-Key": self._settings.key.reveal(),
            "Content-Type": "text/plain",
            "Connection": "close",  # a connection that died while it was kept would look like a lost answer
        }
        total = self._settings.api_timeout_seconds + len(body) / 100_000
        limit = aiohttp.ClientTimeout(total=total, sock_connect=self._settings.connect_timeout_seconds)
        try:
            async with self._session.post(
                f"{self._settings.url}{path}", data=body, headers=headers, timeout=limit, allow_redirects=False
            ) as answer:
                content = b""  # to its very end: half a number is a number, too
                async for piece in answer.content.iter_chunked(4096):
                    content += piece
                    if len(content) > MAX_ANSWER_BYTES:
                        break
                return answer.status, content.decode("utf-8", "replace")
        except NOT_SENT as error:
            raise Transient(f"{self._where} can't be reached ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise sent(f"{self._where} did not answer ({type(error).__name__})") from error


def build(settings: OsTicketSettings, context: Context) -> Cases:
    """The adapter. Without a mail server the check can't try the way back, and leaves it out."""
    carrier = ByApi(settings, context)
    return Cases(settings, context, carrier, CAPABILITIES, to=settings.to, probes=context.mail)
