"""A town for a play: citizens with phones and mailboxes, offices with their tools, Meta, and a daemon between them."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from contract.request_tracker_provider import is_write
from real.answers.mailboxes import read_mailbox
from real.answers.moods import Moods
from real.answers.offices import Agents, Where
from real.answers.oracle import Evidence, Item
from real.answers.script import Act, Case, Citizen, Office
from real.answers.tokens import Token, tokens_in
from real.servers.fixtures import Dovecot, Mailbox, Postfix
from real.servers.request_tracker import RequestTrackerServer
from support.daemon import Daemon
from support.fault_proxy import Fault as LineFault
from support.fault_proxy import FaultProxy
from support.graph_fake import GraphFake
from support.rt_fake import RtState

GRACE_SECONDS = 2.5
"""How long an answer can be taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Real ones, shared by all tests."""

    tracker: RequestTrackerServer
    dovecot: Dovecot
    postfix: Postfix


@dataclass(kw_only=True)
class Town:
    """Everything that runs.

    `late` are withdrawals that took longer than the grace, `wamids` each citizen's first message, `over` tells of each
    case whether all of it has been played.
    """

    servers: Servers
    mailbox: Mailbox
    daemon: Daemon
    graph: GraphFake
    moods: Moods
    http: aiohttp.ClientSession
    rt: RtState
    line: FaultProxy
    agents: dict[Office, Agents]
    tickets: dict[str, Where] = field(default_factory=dict)
    """Where the message with this mark stands; kept up to date by `look`."""
    late: set[tuple[int, int]] = field(default_factory=set)
    wamids: dict[str, str] = field(default_factory=dict)
    over: dict[int, asyncio.Event] = field(default_factory=dict)

    # ------------------------------------------------------------ asking the daemon's own file, to know when to go on

    def rows(self, statement: str) -> list[Any]:
        """Rows of the daemon's database. What is judged never comes from here."""
        uri = f"file:{self.daemon.state_dir / 'inbox.sqlite3'}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
                return connection.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []

    async def until(self, what: Callable[[], str], seconds: float) -> None:
        """Wait until `what` has nothing more to say; it says what is missing."""
        deadline = time.monotonic() + seconds
        while missing := await asyncio.to_thread(what):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:g} s: {missing}\n{self.daemon.log.read_text()[-1500:]}")
            await asyncio.sleep(0.3)

    async def look(self) -> None:
        """Keep `tickets` up to date, until cancelled."""
        statement = (
            "SELECT m.text, c.ticket_id, c.ticket_url FROM message m JOIN conversation c ON c.id = m.conversation_id"
            " WHERE c.ticket_id IS NOT NULL"
        )
        while True:
            for text, ticket, url in await asyncio.to_thread(self.rows, statement):
                for mark in tokens_in(text):
                    self.tickets.setdefault(str(mark), Where(ticket=ticket, path=urlsplit(url or "").path))
            await asyncio.sleep(0.4)

    async def begin(self) -> None:
        """Wait until the daemon follows every office: what is older is not its to carry."""
        self.graph.webhook = f"http://127.0.0.1:{self.daemon.public_port}/hooks/whatsapp-centro"
        wanted = {f"updates:{office}" for office in self.agents} | {"mesa"}

        def unfollowed() -> str:
            known = {name for (name,) in self.rows("SELECT instance FROM cursor WHERE value IS NOT NULL")}
            return ", ".join(sorted(wanted - known))

        await self.until(unfollowed, 30)
        await asyncio.sleep(1.1)  # RT tells whole seconds

    async def settled(self, answers: Sequence[Token], *, seconds: float) -> None:
        """Wait until every answer was learnt, nothing is under way and Meta has no more to tell."""
        quiet = 0

        def left() -> str:
            nonlocal quiet
            learnt = {mark.said for (text,) in self.rows("SELECT text FROM reply") for mark in tokens_in(text)}
            unknown = [str(token) for token in answers if token.said not in learnt]
            busy = self.rows(
                "SELECT destination, kind, state, count(*), max(reason) FROM dispatch"
                " WHERE state IN ('waiting', 'sending', 'unknown') GROUP BY 1, 2, 3"
            )
            unread = self.rows("SELECT count(*) FROM envelope WHERE state = 'new'")
            reasons = []
            if unknown:
                reasons.append(f"{len(unknown)} answers are not learnt, among them {unknown[:5]}")
            if busy:
                reasons.append(f"under way: {busy}")
            if self.graph.untold or unread != [(0,)]:
                reasons.append(f"Meta has {self.graph.untold} to tell, {unread} envelopes are unread")
            quiet = 0 if reasons else quiet + 1
            return "; ".join(reasons) or ("" if quiet > 4 else "it is quiet since a moment only")

        await self.until(left, seconds)

    # ------------------------------------------------------------ actors

    async def live(self, cases: Sequence[Case], *, within: float) -> None:
        """All cases, each from a moment of its own on; all begin within so many seconds."""
        self.over = {case.number: asyncio.Event() for case in cases}

        async def one(case: Case) -> None:
            await asyncio.sleep(within * (case.number * 197 % len(cases)) / len(cases))
            await self.act(case)

        async with asyncio.TaskGroup() as group:
            for case in cases:
                group.create_task(one(case))

    def where(self, case: Case) -> Where | None:
        """The ticket with the first words of a case."""
        return self.tickets.get(str(case.acts[0].token))

    async def act(self, case: Case) -> None:
        """One case from its first word to its last."""
        chance = random.Random(case.number)
        first = case.acts[0].token
        answer = ""
        began = 0.0
        for act in case.acts:
            if not act.at_once:
                await asyncio.sleep(chance.uniform(0.2, 2.0))
            if act.verb in ("says", "edits"):
                await self._citizen(case, act)
                continue
            where = await self._where(case, str(first))
            if act.verb == "answers":
                began = time.monotonic()
            answer = await self._agent(case, act, where, answer)
            if act.verb in ("takes_back", "deletes") and time.monotonic() - began > GRACE_SECONDS - 0.5:
                assert act.token is not None
                self.late.add(act.token.said)
        self.over[case.number].set()

    async def _where(self, case: Case, mark: str) -> Where:
        deadline = time.monotonic() + 150
        while mark not in self.tickets:
            assert time.monotonic() < deadline, f"no ticket of {case.office} holds the first words of {case.citizen}"
            await asyncio.sleep(0.2)
        return self.tickets[mark]

    async def _agent(self, case: Case, act: Act, where: Where, answer: str) -> str:
        """Do what an agent does; returns the answer that a withdrawal would be about."""
        agents = self.agents[case.office]
        match act.verb:
            case "answers":
                return await agents.answers(where, act.text, html=act.html, file=act.file)
            case "takes_back":
                await agents.takes_back(where, answer)
            case "deletes":
                await agents.deletes(where)
            case "notes":
                await agents.notes(where, act.text)
            case "writes_as_us":
                await agents.writes_as_us(where, act.text)
            case "replies_automatically":
                await agents.replies_automatically(where, act.text)
            case "closes" | "reopens":
                await agents.set_open(where, is_open=act.verb == "reopens")
            case "merges":
                await asyncio.wait_for(self.over[act.other].wait(), 150)
                await agents.merges(where, self.tickets[str(Token(act.other, 1, 1, "citizen"))])
            case _:
                raise AssertionError(act.verb)
        return answer

    async def _citizen(self, case: Case, act: Act) -> None:
        citizen = case.citizen
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=act.hours)
        if citizen.phone is None:
            await asyncio.to_thread(self._mails, citizen, act, at)
            return
        if case.plot == "late" and not act.hours:
            await self._told_of_an_answer(citizen)
        first = self.wamids.get(citizen.name, "")
        if act.verb == "edits":
            self.graph.write(citizen.phone.edit(first, act.text, at=at))
            return
        update = citizen.phone.text(act.text, at=at)
        self.wamids.setdefault(citizen.name, update["messages"][0]["id"])
        self.graph.write(update)

    async def _told_of_an_answer(self, citizen: Citizen) -> None:
        """They write again when the template came; also when it never does."""
        assert citizen.phone is not None
        for _ in range(60):
            if any(one.kind == "template" for one in self.graph.inbox(citizen.phone)):
                return
            await asyncio.sleep(0.3)

    def _mails(self, citizen: Citizen, act: Act, at: datetime) -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = citizen.address, self.mailbox.user, "Consulta"
        mail["Message-ID"], mail["Date"] = make_msgid(domain="correo.example"), format_datetime(at)
        mail.set_content(act.text)
        self.servers.postfix.send(citizen.address, self.mailbox.user, mail)

    # ------------------------------------------------------------ what goes wrong

    async def kill(self, times: int, *, seed: int) -> None:
        """SIGKILL at random moments, from the daemon's very start on."""
        chance = random.Random(seed)
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0.3, 4.0))
            await asyncio.to_thread(self.daemon.kill)
            await asyncio.to_thread(self.daemon.start, wait=chance.random() < 0.7)
        await asyncio.to_thread(self.daemon.wait_ready)

    async def spoil(self) -> None:
        """The line to one office is bad in several ways, until cancelled."""
        faults = (LineFault.LATENCY, LineFault.DROP_RESPONSE, LineFault.ERROR_500, LineFault.TRUNCATE)
        try:
            for round_ in range(1000):
                self.line.plan(0.35, seed=round_, faults=faults, match=is_write)
                await asyncio.sleep(12)
                self.line.plan(0.05, seed=round_, faults=faults)
                await asyncio.sleep(6)
                self.line.fault = (LineFault.REFUSE, LineFault.BUSY_503)[round_ % 2]
                await asyncio.sleep(4)
                self.line.fault = LineFault.PASS
                await asyncio.sleep(5)
        finally:
            self.line.fault = LineFault.PASS

    # ------------------------------------------------------------ what is left

    async def evidence(self, cases: Sequence[Case]) -> Evidence:
        """Everything that the judges look at."""
        citizens = {case.citizen.name: case.citizen for case in cases}
        inboxes = {name: await asyncio.to_thread(self.inbox, citizen) for name, citizen in citizens.items()}
        notes = [note for agents in self.agents.values() for note in await agents.internal()]
        listed = await asyncio.to_thread(self.daemon.command, "parked", "list", "--json")
        numbers: dict[int, list[str]] = {}
        statement = "SELECT m.text, c.case_number FROM message m JOIN conversation c ON c.id = m.conversation_id"
        for text, number in self.rows(statement):
            for mark in tokens_in(text):
                numbers.setdefault(mark.case, []).append(number)
        return Evidence(
            cases=cases,
            inboxes=inboxes,
            notes=notes,
            parked=_lines(listed),
            books=await asyncio.to_thread(self.daemon.books),
            joined=self._joined(),
            late=frozenset(self.late),
            case_numbers=numbers,
        )

    def inbox(self, citizen: Citizen) -> list[Item]:
        """What a phone or mailbox holds, in order."""
        if citizen.phone is not None:
            return [
                Item(
                    text="\n".join((one.text, one.filename, one.content.decode("latin-1"))),
                    at=one.at,
                    template=one.kind == "template",
                    told=self.moods.told.get(one.wamid),
                )
                for one in self.graph.inbox(citizen.phone)
            ]
        domain = self.mailbox.user.partition("@")[2]
        if not citizen.address.endswith(f"@{domain}") or citizen.address.startswith("desconocido"):
            return []
        return read_mailbox(Mailbox(server=self.servers.dovecot, user=citizen.address))

    def _joined(self) -> dict[tuple[int, int], tuple[int, int]]:
        rows = self.rows("SELECT r.text, l.text FROM reply r JOIN reply l ON l.id = r.joined_id")
        return {
            marks[0].said: leads[0].said
            for marks, leads in ((tokens_in(one), tokens_in(other)) for one, other in rows)
            if marks and leads and marks[0].said != leads[0].said
        }


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
