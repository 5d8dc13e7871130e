"""A real Request Tracker that knows of nothing but mail: its own tag keeps a case in one ticket, agents answer.

Postfix carries our mail; what RT mails (an mbox here) is handed to Postfix.
"""

from __future__ import annotations

import asyncio
import re
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import pytest

from contract.request_tracker_backstage import rt_backstage
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.model import TicketId
from real.mail_ticketing.test_mail import SECONDS, World, opened
from real.servers.fixtures import Dovecot, Postfix
from real.servers.request_tracker import RequestTrackerServer
from real.servers.request_tracker import request_tracker as request_tracker

pytestmark = pytest.mark.real


async def through_the_gate(server: RequestTrackerServer, mail: EmailMessage) -> None:
    """What RT's own script does with a mail that arrives."""
    form = {"queue": server.queue, "action": "correspond", "message": mail.as_bytes().decode("latin-1")}
    async with aiohttp.ClientSession() as session, session.post(server.mail_gate, data=form) as answer:
        said = await answer.text()
    assert said.startswith("ok"), said


async def mailed(server: RequestTrackerServer, token: str, number: int) -> list[bytes]:
    """What RT mailed to a case's address, as soon as there are so many."""
    async with asyncio.timeout(SECONDS):
        while len(found := await asyncio.to_thread(_to, server.directory, token)) < number:
            await asyncio.sleep(0.2)
    return found


def _to(directory: Path, token: str) -> list[bytes]:
    written = b"".join(path.read_bytes() for path in sorted(directory.glob("var/*.mbox")))
    mails = [mail.partition(b"\n")[2] for mail in re.split(rb"^From (?=\S+ )", written, flags=re.MULTILINE)[1:]]
    return [mail for mail in mails if token in str(message_from_bytes(mail)["To"])]


async def test_a_case_stays_one_ticket_and_its_agents_answer(
    dovecot: Dovecot, postfix: Postfix, request_tracker: RequestTrackerServer
) -> None:
    case, server = reference(), request_tracker
    cases, gate = dovecot.mailbox("casos"), dovecot.mailbox("puerta")
    settings = {"to": gate.user, "agents": ["@chaco.test"], "bulk_is_automatic": False}
    async with opened(cases, postfix, **settings) as adapter:
        world = World(adapter, cases, gate, postfix)
        ticket = await adapter.open_ticket(draft(case))
        _, cursor = await adapter.updates(None)
        await through_the_gate(server, (await world.arrived(1))[0])
        [confirmation] = await mailed(server, ticket.id, 1)
        tag = re.search(rb"\[chaco\.test #(\d+)\]", confirmation)
        assert tag is not None
        number = TicketId(tag[1].decode())
        address = f"{cases.user.partition('@')[0]}+{ticket.id}@centro.test"
        postfix.send("atencion@chaco.test", address, confirmation)
        told, _ = await world.told(cursor, lambda one: not one.own)
        assert not told.public, "RT's confirmation is no answer"
        await adapter.append(ticket, entry(case, 2))
        second = (await world.arrived(2))[-1]
        assert f"[chaco.test #{number}]" in second["Subject"]
        await through_the_gate(server, second)
        async with rt_backstage(server.url, server.agent_token, server.reference_field) as agents:
            first, following = [line.text for line in await agents.thread(number)]
            assert f"[ref:{case}.m1]" in first
            assert f"[ref:{case}.m2]" in following
            await agents.agent_answers(number, "La cuadrilla pasa mañana.")
        answers = await mailed(server, ticket.id, 2)
        postfix.send("atencion@chaco.test", address, answers[-1])
        answer, _ = await world.told(cursor, lambda one: one.public)
        assert (answer.ticket, answer.text) == (ticket.id, "La cuadrilla pasa mañana.")
