"""osTicket for the contract suite: its API, its mails and our mailbox are fakes over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from contract.mail_provider import MailBackstage, lies_of, mail_office, mailer_for
from contract.ticketing_model import AdapterUnderTest, Line
from inbox_daemon.model import TicketId
from inbox_daemon.plugins import Secret
from inbox_ticketing._by_mail.compose import ABOVE_HERE, NOTE, WHOLE_NAME
from inbox_ticketing.osticket import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.mail_office_fake import ADDRESS, AUTHSERV, OFFICE
from support.osticket_fake import ALL, OsTicket, osticket_fake


@dataclass(frozen=True)
class OsTicketBackstage(MailBackstage):
    """What agents see in osTicket: the stored text, or the whole one from its file where osTicket kept that."""

    system: OsTicket

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        lines = []
        for mail in self.office.of(ticket):
            own = str(mail["Message-ID"])
            whole = self.system.files[own].get(WHOLE_NAME)
            text = self.system.bodies[own] if whole is None else whole.decode("utf-8")
            text = text.replace("\r\n", "\n").removeprefix(f"{ABOVE_HERE}\n\n")
            kind = "note" if text.startswith(NOTE) else "public"
            lines.append(Line(kind=kind, text=text, author=str(mail["From"])))
        return lines

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        kept = [self.system.files[str(mail["Message-ID"])] for mail in self.office.of(ticket)]
        return {name: raw for files in kept for name, raw in files.items() if name != WHOLE_NAME}


def osticket_settings(system: OsTicket, **changes: Any) -> Any:
    """Settings of an adapter in front of the fakes."""
    values = {
        "url": f"http://127.0.0.1:{system.port}",
        "key": Secret(system.key),
        "to": OFFICE,
        "address": ADDRESS,
        "agents": ["@obras.example"],
        "authserv_id": AUTHSERV,
        "host": "127.0.0.1",
        "port": system.office.mailbox.port,
        "tls": "none",
        "user": ADDRESS,
        "password": Secret(system.office.mailbox.password),
        "timeout_seconds": 2.0,
        "api_timeout_seconds": 1.0,
        "probe_seconds": 2.0,
    }
    return plugin.settings.model_validate(values | changes)


@asynccontextmanager
async def over_the_osticket_fake(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """Fresh fakes for each scenario."""
    async with (
        mail_office() as office,
        osticket_fake(office) as system,
        FaultProxy("127.0.0.1", system.port) as proxy,
        lend_context("obras-osticket", mail=mailer_for(office)) as context,
        AsyncExitStack() as opened,
    ):
        system.file_types = ALL  # scenarios also send files without an ending; what it drops is played in its own tests

        def adapter(**changes: Any) -> Any:
            made = plugin.build(osticket_settings(system, url=proxy.url, file_types=["*"], **changes), context)
            opened.push_async_callback(made.aclose)
            return made

        yield AdapterUnderTest(
            adapter=adapter(timeout_seconds=1.0),
            backstage=OsTicketBackstage(office, system),
            proxy=proxy,
            is_write=lambda method, path: path.endswith("/tickets.email"),
            stranger=adapter(key=Secret("deadbeef"), password=Secret("deadbeef")),
            office=office,
            lies=lies_of(office),
        )
