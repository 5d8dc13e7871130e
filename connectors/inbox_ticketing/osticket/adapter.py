"""osTicket as a destination: raw mails to its API, which swallows repeats; agents' answers by the mail it sends itself.

The API can do nothing but create: no search, no reading, no states. A mail to it is its whole pipeline, with threads.
"""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.plugins import Answer, Caller, Capabilities, Context
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


class ByApi:
    """A `Carrier`: `POST /api/tickets.email`. One call, one attempt; a repeat is answered with the same number."""

    def __init__(self, settings: OsTicketSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._caller = Caller(
            context,
            settings.url,
            "osTicket",
            seconds=settings.api_timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
        )
        self._where = self._caller.where

    async def check(self) -> None:
        """Call it with what is no ticket: osTicket looks at the key first, and refuses only then."""
        answer = await self._post("/api/tickets.json", b"{", write=False)
        status = answer.status
        if status == 400:
            return
        if parse.outcome(status, answer.text) == "not_allowed":
            raise self._not_allowed(status)
        raise Transient(
            f"{self._where} answers {status} to a call that it ought to refuse with 400: compare `url`, and look for a "
            "proxy or a login page in front of it"
        )

    def fit(self, outgoing: Outgoing) -> Outgoing:
        """Refuse a file that osTicket would drop; add the text as a file where it would drop characters of it."""
        if outgoing.file and not self._settings.takes(file_name(outgoing.file)):
            raise Permanent(
                f"{self._context.instance}: a file of this type is not among `file_types`",
                told="el sistema no admite archivos de este tipo",
            )
        return replace(outgoing, whole=outgoing.text) if parse.loses(outgoing.text) else outgoing

    async def carry(self, mail: EmailMessage, sender: str) -> str:
        """The number of the ticket that the mail went into."""
        answer = await self._post("/api/tickets.email", mail.as_bytes(), write=True)
        status, text = answer.status, answer.text
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
                    "domain (Settings, Emails, Verify Email Addresses)",
                    retry_after=answer.retry_after,
                )
            case _:
                raise Uncertain(f"{self._where} did not say whether it took the mail ({status})")

    async def aclose(self) -> None:
        """Close the session."""
        await self._caller.aclose()

    def _not_allowed(self, status: int) -> EdgeError:
        return Credentials(
            f"{self._where} does not let us in ({status}). Make an API key for this machine's address, as osTicket "
            "sees it behind proxies, with Can Create Tickets; compare `url`, which is without /api"
        )

    async def _post(self, path: str, body: bytes, *, write: bool) -> Answer:
        headers = {
            "X-API-Key": self._settings.key.reveal(),
            "Content-Type": "text/plain",
            "Connection": "close",  # a connection that died while it was kept would look like a lost answer
        }
        return await self._caller.call(
            "POST",
            f"{self._settings.url}{path}",
            write=write,
            headers=headers,
            data=body,
            size=len(body),
            most=MAX_ANSWER_BYTES,
        )


def build(settings: OsTicketSettings, context: Context) -> Cases:
    """The adapter. Without a mail server the check can't try the way back, and leaves it out."""
    carrier = ByApi(settings, context)
    return Cases(settings, context, carrier, CAPABILITIES, to=settings.to, probes=context.mail)
