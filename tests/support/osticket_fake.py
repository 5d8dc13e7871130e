"""osTicket 1.18 as far as its API for mails goes, with its faults, over real HTTP.

As observed: the number as bare text, the key looked at before anything else, validation as 500, symbols taken out of
texts, files of other types dropped, the same Message-ID swallowed. By its source: a reply to a ticket that does not
reopen begins another.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiohttp import web

from support.mail_office_fake import MailOffice

AS_INSTALLED = frozenset({"doc", "pdf", "jpg", "jpeg", "gif", "png", "xls", "docx", "xlsx", "txt"})
ALL = frozenset({"*"})
_SYMBOLS = re.compile(r"[\u2600-\u27bf\U0001f000-\U0001faff\U0001f1e6-\U0001f1ff]")


@dataclass
class Kept:
    """A ticket. `ids` are the Message-IDs of its thread."""

    number: str
    owner: str
    ids: list[str] = field(default_factory=list)
    open: bool = True


@dataclass
class OsTicket:
    """`office` is what its agents see and mail. `says` answers the next call in place of osTicket."""

    office: MailOffice
    key: str = "clave inventada"
    port: int = 0
    tickets: list[Kept] = field(default_factory=list)
    reopens: bool = True
    file_types: frozenset[str] = AS_INSTALLED
    verify_fails: bool = False
    most_open: int = 0
    says: web.Response | None = None
    bodies: dict[str, str] = field(default_factory=dict)
    """Texts as they are stored, by Message-ID."""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Files that were kept, by Message-ID."""

    async def json(self, request: web.Request) -> web.Response:
        if (refused := self._gate(request)) is not None:
            return refused
        return web.Response(status=400, text="Unexpected control character found", content_type="text/html")

    async def email(self, request: web.Request) -> web.Response:
        if (refused := self._gate(request)) is not None:
            return refused
        mail = message_from_bytes(await request.read(), policy=policy.default)
        if not mail["Subject"]:
            return self._invalid("20\nIssue Summary is a required field")
        if self.verify_fails:
            return self._invalid("user\nIncomplete client information")
        ticket = self._of(mail)
        owned = [one for one in self.tickets if one.open and one.owner == str(mail["From"].addresses[0].addr_spec)]
        if ticket is None:
            if self.most_open and len(owned) >= self.most_open:
                return web.Response(status=403, text="Ticket denied", content_type="text/html")
            ticket = Kept(number=str(229_888 + len(self.tickets)), owner=str(mail["From"].addresses[0].addr_spec))
            self.tickets.append(ticket)
        self._store(ticket, mail)
        return web.Response(status=201, text=ticket.number, content_type="text/html")

    def _gate(self, request: web.Request) -> web.Response | None:
        if self.says is not None:
            said, self.says = self.says, None
            return said
        if request.headers.get("X-API-Key") != self.key:
            return web.Response(status=401, text="Valid API key required", content_type="text/html")
        return None

    def _invalid(self, what: str) -> web.Response:
        return web.Response(status=500, text=f"Unable to create new ticket :{what}", content_type="text/html")

    def _of(self, mail: EmailMessage) -> Kept | None:
        """The ticket that a mail belongs to: known by its id, by those it answers, or by the number in its subject."""
        own = str(mail["Message-ID"])
        for ticket in self.tickets:
            if own in ticket.ids:
                return ticket
        answered = f"{mail['References'] or ''} {mail['In-Reply-To'] or ''}"
        for ticket in reversed(self.tickets):
            tagged = f"[#{ticket.number}]" in str(mail["Subject"])
            if tagged or any(one in answered for one in ticket.ids):
                ticket.open = ticket.open or self.reopens
                return ticket if ticket.open else None
        return None

    def _store(self, ticket: Kept, mail: EmailMessage) -> None:
        own = str(mail["Message-ID"])
        if own in ticket.ids:
            return
        ticket.ids.append(own)
        body = mail.get_body(("plain",))
        assert body is not None
        self.bodies[own] = _SYMBOLS.sub("", body.get_content())
        parts = {part.get_filename() or "": part.get_payload(decode=True) for part in mail.iter_attachments()}
        self.files[own] = {name: bytes(raw) for name, raw in parts.items() if self._takes(name)}
        self.office.arrived.append(mail)

    def _takes(self, name: str) -> bool:
        _, dot, ending = name.rpartition(".")
        return self.file_types == ALL or (bool(dot) and ending.lower() in self.file_types)


@asynccontextmanager
async def osticket_fake(office: MailOffice) -> AsyncIterator[OsTicket]:
    """Serve it on loopback until the block ends."""
    fake = OsTicket(office)
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/api/tickets.email", fake.email)
    app.router.add_post("/api/tickets.json", fake.json)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.port = runner.addresses[0][1]
    try:
        yield fake
    finally:
        await runner.cleanup()
