"""The journal on both engines: what is acknowledged is there, in order, and read by one node at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select, update

from inbox_daemon.model import Envelope
from inbox_daemon.pipeline.receive import Journal
from inbox_daemon.store import envelopes
from inbox_daemon.store.database import Database
from inbox_daemon.store.envelopes import Journaled
from inbox_daemon.store.schema import envelope as table
from unit.store.rows import AT, DAY, LEASE, envelope


def _append(database: Database, *words: str, received_at: datetime = AT) -> None:
    rows = [(envelope(one, received_at=received_at), DAY) for one in words]
    database.run_now(lambda connection: envelopes.append(connection, rows))


def _claim(database: Database, holder: str = "a", *, lease: timedelta = LEASE, limit: int = 20) -> list[Journaled]:
    return database.run_now(lambda connection: envelopes.claim(connection, holder, lease, limit))


def _bodies(items: list[Journaled]) -> list[str]:
    return [item.envelope.body.decode() for item in items]


def _count(database: Database) -> int:
    return database.run_now(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())


def test_envelopes_come_back_as_they_came_and_oldest_first(database: Database) -> None:
    _append(database, "uno", "dos\x00", "tres ñandú 🦤")
    items = _claim(database)
    assert _bodies(items) == ["uno", "dos\x00", "tres ñandú 🦤"]
    assert items[0].envelope == envelope("uno")
    assert [item.attempts for item in items] == [1, 1, 1]
    assert database.run_now(lambda c: envelopes.read(c, items[1].id)) == envelope("dos\x00")
    assert database.run_now(lambda c: envelopes.read(c, 999)) is None


def test_two_nodes_share_the_work_without_meeting(database: Database) -> None:
    _append(database, *(str(n) for n in range(6)))
    assert _bodies(_claim(database, "a", limit=4)) == ["0", "1", "2", "3"]
    with Database(database.url) as second:
        assert _bodies(_claim(second, "b")) == ["4", "5"]
    assert database.run_now(envelopes.unread) == 6


def test_a_node_that_died_loses_its_envelopes_when_its_lease_is_over(database: Database) -> None:
    _append(database, "uno")
    [dead] = _claim(database, "a")
    assert _claim(database, "b") == []
    database.run_now(lambda c: c.execute(update(table).values(lease_until=AT - timedelta(days=3000))))
    [item] = _claim(database, "b")
    assert item.attempts == 2
    assert not database.run_now(lambda c: envelopes.still_mine(c, dead.id, "a"))
    assert database.run_now(lambda c: envelopes.still_mine(c, item.id, "b"))


def test_a_node_takes_up_at_once_what_it_was_cut_off_in(database: Database) -> None:
    _append(database, "uno")
    _claim(database, "a", lease=timedelta(hours=1))
    assert _claim(database, "b") == []
    assert _bodies(_claim(database, "a")) == ["uno"]
    assert database.run_now(lambda c: envelopes.recover(c, "b")) == 0
    assert database.run_now(lambda c: envelopes.recover(c, "a")) == 1
    assert _bodies(_claim(database, "b")) == ["uno"]


@pytest.mark.parametrize("off", [timedelta(hours=3), timedelta(days=40), -timedelta(hours=3)])
def test_the_clock_of_a_receiving_node_delays_nothing(database: Database, off: timedelta) -> None:
    _append(database, "uno", received_at=datetime.now(UTC) + off)
    assert _bodies(_claim(database)) == ["uno"]


def test_a_postponed_envelope_waits_and_comes_back(database: Database) -> None:
    _append(database, "uno")
    [item] = _claim(database)
    database.run_now(lambda c: envelopes.postpone(c, item.id, timedelta(hours=1)))
    assert _claim(database) == []
    assert database.run_now(envelopes.unread) == 1
    database.run_now(lambda c: envelopes.postpone(c, item.id, -timedelta(seconds=1)))
    assert _bodies(_claim(database)) == ["uno"]


def test_what_is_finished_or_parked_is_not_read_again_unless_replayed(database: Database) -> None:
    _append(database, "uno", "dos")
    one, two = _claim(database)
    database.run_now(lambda c: envelopes.finish(c, one.id, events=1, ignored={"status": 1}, malformed=[]))
    database.run_now(lambda c: envelopes.park(c, two.id, "no JSON"))
    assert _claim(database) == []
    assert database.run_now(lambda c: envelopes.replay(c, only_parked=True)) == 1
    assert _bodies(_claim(database)) == ["dos"]
    assert database.run_now(lambda c: envelopes.replay(c, ids=[one.id])) == 1
    assert database.run_now(lambda c: envelopes.replay(c, instance="other")) == 0
    assert database.run_now(lambda c: envelopes.replay(c, since=AT + timedelta(days=1))) == 0


async def test_concurrent_senders_share_a_commit_and_all_are_acknowledged_in_order(database: Database) -> None:
    groups: list[int] = []
    journal = Journal(database, lambda _: DAY, asyncio.Event(), lambda group, _: groups.append(len(group)))
    await asyncio.gather(*(journal.append(envelope(str(n))) for n in range(300)))
    assert _bodies(_claim(database, limit=400)) == [str(n) for n in range(300)]
    assert sum(groups) == 300
    assert len(groups) < 10
    await asyncio.wait_for(journal.gap(), 0.5)  # nothing is being written any more


async def test_a_group_that_cannot_be_written_is_acknowledged_to_nobody(database: Database) -> None:
    arrived = asyncio.Event()
    journal = Journal(database, lambda _: DAY, arrived)

    def refuse(connection: Connection) -> None:
        connection.exec_driver_sql("DROP TABLE ignored")
        connection.exec_driver_sql("DROP TABLE malformed")
        connection.exec_driver_sql("ALTER TABLE envelope RENAME TO elsewhere")

    database.run_now(refuse)
    results = await asyncio.gather(*(journal.append(envelope(str(n))) for n in range(20)), return_exceptions=True)
    assert all(isinstance(one, Exception) for one in results)
    assert not arrived.is_set()
    database.run_now(lambda c: c.exec_driver_sql("ALTER TABLE elsewhere RENAME TO envelope"))
    assert _count(database) == 0
    await journal.append(envelope("after"))  # and it goes on
    assert _bodies(_claim(database)) == ["after"]


async def test_a_sender_that_went_away_harms_no_other(database: Database) -> None:
    journal = Journal(database, lambda _: DAY, asyncio.Event())
    gone = asyncio.create_task(journal.append(envelope("gone")))
    stays = asyncio.create_task(journal.append(envelope("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert "stays" in _bodies(_claim(database))


async def test_a_bug_before_the_write_leaves_no_sender_hanging(database: Database) -> None:
    def broken(_: datetime) -> int:
        raise OverflowError("no such day")

    journal = Journal(database, broken, asyncio.Event())
    async with asyncio.timeout(5):
        results = await asyncio.gather(*(journal.append(envelope(str(n))) for n in range(3)), return_exceptions=True)
    assert [type(one) for one in results] == [OverflowError] * 3


async def test_large_bodies_make_small_groups(database: Database) -> None:
    groups: list[int] = []
    journal = Journal(database, lambda _: DAY, asyncio.Event(), lambda group, _: groups.append(len(group)))
    big = Envelope(instance=envelope("").instance, body=bytes(12_000_000), received_at=AT)
    await asyncio.gather(*(journal.append(big) for _ in range(7)))
    assert sum(groups) == 7
    assert max(groups) <= 3
    assert _count(database) == 7
