"""An office that reads mail, and the mail server between it and us.

Mail to `…@ciudad.example` is delivered into the mailbox of the IMAP fake, all other mail to the office. An office that
`swallows_repeats` takes a second mail with one Message-ID for the first one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import make_msgid

from support.imap_fake import ImapFake
from support.smtp_sink import Sink

ADDRESS = "casos@ciudad.example"
OFFICE = "mesa@obras.example"
AGENT = "Laura Paz <laura@obras.example>"
AUTHSERV = "mx.ciudad.example"
PROVEN = f"{AUTHSERV}; dkim=pass header.d=obras.example; dmarc=pass (p=REJECT) header.from=obras.example"


@dataclass
class MailOffice(Sink):
    """The sink sorts what it takes: `arrived` is what the office has."""

    mailbox: ImapFake = field(default_factory=ImapFake)
    arrived: list[EmailMessage] = field(default_factory=list)
    swallows_repeats: bool = False
    delivers_plus: bool = True
    _server: asyncio.Server | None = field(default=None, repr=False)

    async def _take(self, reader: asyncio.StreamReader) -> None:
        await super()._take(reader)
        if self._answer("END")[:1] in {"4", "5"}:
            return  # it will say that it does not take it
        raw = self.raw[-1]
        mail = message_from_bytes(raw, policy=policy.default)
        to = str(mail["To"])
        if to.endswith("@ciudad.example"):
            if self.delivers_plus or "+" not in to:
                self.mailbox.folders["INBOX"].put(b"Delivered-To: " + to.encode() + b"\r\n" + raw)
        elif not (self.swallows_repeats and any(one["Message-ID"] == mail["Message-ID"] for one in self.arrived)):
            self.arrived.append(mail)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Nothing listens on the mail server's port while the block lasts."""
        await self.stop()
        try:
            yield
        finally:
            await self.start(self.port)

    async def start(self, port: int = 0) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", port, limit=1 << 26)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more; sessions under way end by themselves."""
        assert self._server is not None
        self._server.close()

    def of(self, token: str) -> list[EmailMessage]:
        """What the office has of a case, as it came."""
        return [mail for mail in self.arrived if str(mail["Message-ID"]).startswith(f"<{token}.")]

    def answer(self, token: str, *, sender: str = AGENT, proof: str = PROVEN, **headers: str) -> EmailMessage:
        """An agent's answer to the last mail of a case, without words yet."""
        last = self.of(token)[-1]
        mail = EmailMessage()
        if proof:
            mail["Authentication-Results"] = proof
        mail["Received"] = "from mail.obras.example by mx.ciudad.example; Tue, 24 Nov 2026 10:00:00 -0300"
        mail["From"] = sender
        mail["To"] = headers.pop("to", str(last["Reply-To"]))
        mail["Subject"] = headers.pop("subject", f"RE: {last['Subject']}")
        mail["Message-ID"] = make_msgid(domain="obras.example")
        mail["Date"] = "Tue, 24 Nov 2026 10:00:00 -0300"
        mail["In-Reply-To"] = str(last["Message-ID"])
        mail["References"] = " ".join([str(last["References"] or ""), str(last["Message-ID"])]).strip()
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        return mail

    def post(self, mail: EmailMessage) -> int:
        """The answer arrives in our mailbox: its UID."""
        return self.mailbox.folders["INBOX"].put(mail.as_bytes())
