"""Cursors and leases on both engines: one node polls, and a page is kept with its cursor or not at all."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import Connection, select, update

from inbox_daemon.model import Cursor
from inbox_daemon.store import cursors, envelopes
from inbox_daemon.store.cursors import Lease
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import lease as table
from unit.store.rows import AT, DAY, envelope

LIFE = timedelta(seconds=60)
LONG_AGO = AT - timedelta(days=3000)


def _acquire(database: Database, holder: str, life: timedelta = LIFE) -> Lease | None:
    return database.run_now(lambda c: cursors.acquire(c, "poll:mail", holder, life))


def _holds(database: Database, lease: Lease | None) -> bool:
    assert lease is not None
    return database.run_now(lambda c: cursors.holds(c, lease))


def _read(database: Database) -> tuple[Cursor | None, int]:
    return database.run_now(lambda c: cursors.read_cursor(c, "mail"))


def test_one_holder_at_a_time_and_renewing_keeps_the_token(database: Database) -> None:
    first = _acquire(database, "a")
    assert first is not None
    assert _acquire(database, "b") is None
    assert _acquire(database, "a") == first
    assert _holds(database, first)


def test_an_expired_lease_goes_to_the_next_and_the_late_holder_is_told_apart(database: Database) -> None:
    late = _acquire(database, "a")
    database.run_now(lambda c: c.execute(update(table).values(until=LONG_AGO)))
    assert _holds(database, late)  # nobody took it meanwhile: what it fetched is still nobody else's
    heir = _acquire(database, "b")
    assert heir is not None
    assert not _holds(database, late)
    assert _holds(database, heir)
    database.run_now(lambda c: c.execute(update(table).values(until=LONG_AGO)))
    back = _acquire(database, "a")
    assert back is not None
    assert back.token > heir.token
    assert not _holds(database, late)  # the same node, but another term


def test_a_lease_given_back_is_free_at_once_and_only_by_its_holder(database: Database) -> None:
    held = _acquire(database, "a")
    assert held is not None
    stranger = Lease(name=held.name, holder="b", token=held.token)
    database.run_now(lambda c: cursors.release(c, stranger))
    assert _acquire(database, "b") is None
    database.run_now(lambda c: cursors.release(c, held))
    assert _acquire(database, "b") is not None


def test_nodes_that_race_for_a_new_lease_get_it_once(database: Database) -> None:
    barrier = threading.Barrier(4)
    won: list[Lease] = []

    def node(holder: str) -> None:
        with Database(database.url, pool_size=1) as own:
            own.run_now(lambda c: c.execute(select(table)))
            barrier.wait(10)
            lease = _acquire(own, holder)
            if lease is not None:
                won.append(lease)

    threads = [threading.Thread(target=node, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(won) == 1


def test_a_cursor_is_read_as_written_and_counts_what_was_passed_over(database: Database) -> None:
    assert _read(database) == (None, 0)
    database.run_now(lambda c: cursors.write_cursor(c, "mail", Cursor("1:7"), 3))
    database.run_now(lambda c: cursors.write_cursor(c, "mail", Cursor("1:9"), 2))
    assert _read(database) == (Cursor("1:9"), 5)
    database.run_now(lambda c: cursors.write_cursor(c, "mail", None))
    assert _read(database) == (None, 5)
    database.run_now(lambda c: cursors.forget(c, "mail"))
    assert _read(database) == (None, 0)


def test_page_and_cursor_are_kept_together_or_not_at_all(database: Database) -> None:
    def crash(connection: Connection) -> None:
        envelopes.append(connection, [(envelope("uno"), DAY)])
        cursors.write_cursor(connection, "mail", Cursor("1:7"))
        raise RuntimeError("before the commit")

    try:
        database.run_now(crash)
    except RuntimeError:
        pass
    else:
        raise AssertionError("it was to crash")
    assert database.run_now(envelopes.unread) == 0
    assert _read(database) == (None, 0)
