"""Notices to offices, on both engines: none is forgotten, and none holds up a case."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from datetime import UTC, datetime, timedelta

import pytest

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import MessageKey, Ticket
from inbox_daemon.plugins import Notifying
from inbox_daemon.store import conversations, notices, outbox, parked
from inbox_daemon.store.database import Database
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import Fault, MemoryAdapter
from support.pipes import Pipes, body_of

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ANA = Phone(number="5493624000001", bsuid="AR.ana1", name="Ana")
LEASE = timedelta(seconds=60)


class Office(MemoryAdapter):
    """Cases in memory, and an office that is told of them; `failures` are taken first, oldest first."""

    notifies = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str, bool]] = []
        self.failures: deque[Exception] = deque()
        self.dead = False
        self.hang = False

    async def notify(self, ticket: Ticket, key: MessageKey, *, opened: bool) -> None:
        assert any(key == own for kept in self.tickets for _, own, _ in kept.entries), "told before it was there"
        if self.hang:
            await asyncio.sleep(3600)
        if self.dead:
            raise Transient("no mail server")
        if self.failures:
            raise self.failures.popleft()
        self.told.append((ticket.number, key, opened))


def _pipes(database: Database, office: MemoryAdapter, **options: object) -> Pipes:
    return Pipes(database, {"gobierno": office}, rules=(), **options)  # type: ignore[arg-type]


def _texts(number: int) -> list[bytes]:
    return [body([ANA.text(f"Mensaje {n}", at=AT + timedelta(minutes=n))]) for n in range(number)]


async def test_each_entry_is_told_once_and_the_books_balance(database: Database) -> None:
    office = Office()
    assert isinstance(office, Notifying)
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(3))
    keys = [key for _, key, _ in office.tickets[0].entries]
    assert sorted(office.told) == [("T1", keys[0], True), ("T1", keys[1], False), ("T1", keys[2], False)]
    [books] = await pipes.books()
    assert (books.received, books.delivered, books.pending) == (3, 3, 0)
    assert [number for _, number in await database.read(lambda c: conversations.told_since(c, AT))] == [3]


async def test_who_needs_no_notices_gets_none(database: Database) -> None:
    office = Office()
    office.notifies = False
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(2))
    assert office.told == []
    assert pipes.notifiers == {}


async def test_a_notice_outlives_the_process_that_wrote_the_case(database: Database) -> None:
    office = Office()
    office.dead = True
    before = _pipes(database, office, node="before")
    await before.receive(*_texts(1))
    await before.take_in()
    async with before.dispatching():
        await before.until(lambda found: bool(office.tickets))
    office.dead = False
    after = _pipes(database, office, node="after")
    async with after.dispatching():
        await after.settled()
    assert len(office.told) == 1
    await after.books()


async def test_a_notice_cut_off_by_a_kill_is_told_again(database: Database) -> None:
    office = Office()
    pipes = _pipes(database, office)
    await pipes.receive(*_texts(1))
    await pipes.take_in()
    pipes.notifiers.clear()  # as if the process died before its first round
    async with pipes.dispatching():
        await pipes.until(lambda found: bool(office.tickets))
    await asyncio.sleep(0.1)
    claimed = await database.run(lambda c: notices.claim(c, "gobierno", "node", LEASE, 10))
    assert [one.opened for one in claimed] == [True]
    assert await database.run(lambda c: notices.claim(c, "gobierno", "other", LEASE, 10)) == []
    assert await database.run(lambda c: outbox.recover(c, "node", "gobierno", timedelta(0))) == 1
    again = _pipes(database, office)
    async with again.dispatching():
        await again.settled()
    assert len(office.told) == 1
    assert len(office.tickets[0].entries) == 1


async def test_a_dead_mail_server_slows_no_case_and_blames_no_destination(database: Database) -> None:
    office = Office()
    office.dead = True
    pipes = _pipes(database, office)
    await pipes.receive(*_texts(20))
    await pipes.take_in()
    began = time.monotonic()
    async with pipes.dispatching():
        await pipes.until(lambda found: bool(office.tickets) and len(office.tickets[0].entries) == 20)
        assert time.monotonic() - began < 8
        await pipes.until(lambda found: pipes.notifiers["gobierno"].trouble == "no mail server")
        assert pipes.dispatchers["gobierno"].state.state == "up"
        assert pipes.dispatchers["gobierno"].state.failed == 0
        [books] = await pipes.books()
        assert (books.delivered, books.pending) == (20, 0)
        office.dead = False
        await pipes.settled()
    assert len(office.told) == 20
    assert pipes.notifiers["gobierno"].trouble == ""


async def test_a_mail_server_that_never_answers_holds_up_no_later_message(database: Database) -> None:
    office = Office()
    office.hang = True
    pipes = _pipes(database, office)
    await pipes.receive(*_texts(1))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda found: bool(office.tickets))
        await asyncio.sleep(1.2)  # the notice is under way
        await pipes.receive(body([ANA.text("Otra cosa", at=AT + timedelta(minutes=9))]))
        await pipes.take_in()
        await pipes.until(lambda found: len(office.tickets[0].entries) == 2, seconds=5)
        office.hang = False
        for one in pipes.notifiers.values():
            await one.drain(0)
    again = _pipes(database, office)
    async with again.dispatching():
        await again.settled()
    assert len(office.told) == 2


async def test_an_unknown_outcome_is_told_again_without_asking(database: Database) -> None:
    office = Office()
    office.failures.extend([Uncertain("no last word"), Transient("busy"), RuntimeError("a bug")])
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(1))
    assert len(office.told) == 1
    assert office.lookups == 0
    assert await database.read(parked.items) == []


async def test_refused_for_good_it_is_parked_and_goes_on_when_told_so(database: Database) -> None:
    office = Office()
    office.failures.append(Permanent("no such recipient"))
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(1))
    [item] = await database.read(parked.items)
    assert (item.instance, item.reason) == ("gobierno", "no such recipient")
    assert item.what.startswith("notify for case ")
    [books] = await pipes.books()
    assert (books.delivered, books.parked) == (1, 0)
    await pipes.deliver(body([ANA.text("Sigo", at=AT + timedelta(minutes=9))]))
    assert body_of(office.tickets[0]) == ["Mensaje 0", "Sigo"]
    assert await database.run(lambda c: parked.retry(c, item.id))
    async with pipes.dispatching():
        await pipes.settled()
    assert len(office.told) == 2


@pytest.mark.parametrize("failure", [Credentials("smtp.password is refused"), Transient("down")])
async def test_many_failures_end_with_the_mail(database: Database, failure: Exception) -> None:
    office = Office()
    office.failures.extend([failure] * 4)
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(2))
    assert len(office.told) == 2
    assert pipes.dispatchers["gobierno"].state.state == "up"


async def test_a_case_that_is_gone_is_not_told_of_and_opens_no_other(database: Database) -> None:
    office = Office()
    office.failures.append(Gone("deleted", reason="deleted"))
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(1))
    assert (len(office.told), len(office.tickets)) == (0, 1)
    assert await database.read(parked.items) == []


async def test_a_lost_answer_of_the_case_is_looked_up_and_told_once(database: Database) -> None:
    office = Office()
    office.faults.append(Fault.LOST_ANSWER)
    pipes = _pipes(database, office)
    await pipes.deliver(*_texts(1))
    assert len(office.tickets) == 1
    assert [opened for _, _, opened in office.told] == [True]


async def test_a_notice_stays_with_its_ticket_when_the_conversation_moves_on(database: Database) -> None:
    office = Office()
    office.dead = True
    pipes = _pipes(database, office)
    await pipes.receive(*_texts(1))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda found: bool(office.tickets))
        office.tickets[0].gone = True
        await pipes.receive(body([ANA.text("Otra vez", at=AT + timedelta(minutes=9))]))
        await pipes.take_in()
        await pipes.until(lambda found: len(office.tickets) == 2)
        office.dead = False
        await pipes.settled()
    assert sorted((number, opened) for number, _, opened in office.told) == [("T1", True), ("T2", True)]


async def test_notices_nobody_wants_any_more_are_given_up(database: Database) -> None:
    office = Office()
    office.dead = True
    pipes = _pipes(database, office)
    await pipes.receive(*_texts(1))
    await pipes.take_in()
    async with pipes.dispatching():
        await pipes.until(lambda found: bool(office.tickets) and bool(found.queues["gobierno"].oldest))
        await asyncio.sleep(0.2)
    assert await database.run(lambda c: notices.drop(c, "gobierno")) == 1
    await pipes.settled(seconds=1)
    [books] = await pipes.books()
    assert books.delivered == 1
