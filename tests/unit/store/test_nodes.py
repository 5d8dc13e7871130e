"""Races between two nodes on one PostgreSQL, each frozen at its worst moment. SQLite has one writer at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from inbox_daemon.model import Handle, Sender
from inbox_daemon.store import envelopes, outbox, people
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import citizen, handle, lease
from inbox_daemon.store.schema import envelope as table
from real.servers.postgresql import PostgreSQL
from unit.store.rows import AT, DAY, INSTANCE, LEASE, Box, envelope

pytestmark = pytest.mark.real


@pytest.fixture
def nodes(postgresql: PostgreSQL) -> Iterator[tuple[Database, Database]]:
    """Two nodes on one database."""
    url = postgresql.fresh()
    with Database(url) as one, Database(url) as other:
        yield one, other


def test_a_step_being_claimed_blocks_an_earlier_one_that_arrives_meanwhile(nodes: tuple[Database, Database]) -> None:
    one, other = Box(database=nodes[0]), Box(database=nodes[1])
    conversation = one.conversation(ticket=False)
    late = one.step(conversation, 20)
    with one.database.engine.begin() as connection:
        [claimed] = outbox.claim(connection, "salud", "a", LEASE, 10)
        early = other.step(conversation, 10)  # filed by the other node before this claim is committed
        assert other.claim("b") == []  # else both would open a ticket
    assert claimed.id == late
    assert other.claim("b") == []
    assert one.done(claimed)
    assert other.ids("b") == [early]


def test_nodes_that_claim_at_once_take_different_steps(nodes: tuple[Database, Database]) -> None:
    one, other = Box(database=nodes[0]), Box(database=nodes[1])
    ids = {one.step(one.conversation(), 1) for _ in range(10)}
    with one.database.engine.begin() as connection:
        first = {step.id for step in outbox.claim(connection, "salud", "a", LEASE, 4)}
        second = set(other.ids("b"))
    assert len(first) == 4
    assert first | second == ids
    assert not first & second


def test_filing_a_message_does_not_wait_for_a_claim(nodes: tuple[Database, Database]) -> None:
    one, other = Box(database=nodes[0]), Box(database=nodes[1])
    conversation = one.conversation()
    one.step(conversation, 1)
    with one.database.engine.begin() as connection:
        assert outbox.claim(connection, "salud", "a", LEASE, 10)
        filing = threading.Thread(target=other.step, args=(conversation, 2))
        filing.start()
        filing.join(5)
        assert not filing.is_alive()


def test_a_late_outcome_that_waited_for_the_take_over_is_refused(nodes: tuple[Database, Database]) -> None:
    one, other = Box(database=nodes[0]), Box(database=nodes[1])
    one.step(one.conversation(), 1)
    [zombie] = one.claim("a", lease=timedelta(milliseconds=-1))
    outcome: list[bool] = []
    with other.database.engine.begin() as connection:
        [heir] = outbox.claim(connection, "salud", "b", LEASE, 10)
        late = threading.Thread(target=lambda: outcome.append(one.done(zombie)))
        late.start()
        late.join(0.3)
        assert late.is_alive()  # it waits for the row
    late.join(10)
    assert outcome == [False]
    assert other.done(heir)


def _one_envelope(connection: Connection) -> int:
    envelopes.append(connection, [(envelope("uno"), DAY)])
    return int(connection.execute(select(table.c.id)).scalar_one())


def test_first_messages_of_one_citizen_at_two_nodes_make_one_citizen(nodes: tuple[Database, Database]) -> None:
    sender = Sender(name="Ana Invento", handles=(Handle(kind="phone", value="+5493624000001"),))
    barrier = threading.Barrier(2)
    found: list[int] = []
    tries: list[int] = []

    def work(connection: Connection) -> int:
        tries.append(1)
        connection.execute(select(citizen)).all()
        if len(tries) <= 2:
            barrier.wait(10)  # both are under way
        author = people.resolve(connection, sender, INSTANCE, AT, envelope_id=parcel)
        time.sleep(0.2)  # the slower one waits for the row of the quicker one, and loses
        return author.citizen_id

    parcel = nodes[0].run_now(_one_envelope)
    threads = [threading.Thread(target=lambda one=one: found.append(one.run_now(work))) for one in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(tries) == 3
    assert len(found) == 2
    assert len(set(found)) == 1
    assert nodes[0].run_now(lambda c: len(c.execute(select(citizen)).all())) == 1
    assert nodes[0].run_now(lambda c: len(c.execute(select(handle)).all())) == 1


def test_a_dead_lock_is_run_again(nodes: tuple[Database, Database]) -> None:
    names = ["x", "y"]

    def prepare(connection: Connection) -> None:
        connection.execute(lease.insert(), [{"name": name, "holder": "", "token": 0, "until": AT} for name in names])

    nodes[0].run_now(prepare)
    barrier = threading.Barrier(2)
    tries: list[str] = []

    def crosswise(order: list[str]) -> None:
        def work(connection: Connection) -> None:
            tries.append(order[0])
            for name in order:
                connection.execute(select(lease).where(lease.c.name == name).with_for_update())
                if name == order[0] and len(tries) <= 2:
                    barrier.wait(20)

        (nodes[0] if order == names else nodes[1]).run_now(work)

    threads = [threading.Thread(target=crosswise, args=(order,)) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(tries) >= 3, tries  # one of the two lost, and was run again
