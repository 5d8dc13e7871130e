"""Replays on both engines: only what was missed comes anew, and the books balance through every state."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from inbox_daemon.model import Malformed
from inbox_daemon.store import envelopes, parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.ledger import Line
from support.memory_adapter import Fault
from unit.pipeline.scripted import Misreading, Office, holding, says


@pytest.fixture(autouse=True)
def _mended() -> Iterator[None]:
    Misreading.events = None
    yield
    Misreading.events = None


async def _replay(office: Office, **which: Any) -> Line:
    """Replay, with balanced books before it is read again and after."""
    await office.pipes.database.run(partial(envelopes.replay, **which))
    await office.line()
    await office.pipes.take_in()
    return await office.line()


async def test_a_replay_of_what_was_taken_in_changes_nothing(database: Database) -> None:
    office = Office(database)
    first = says("uno")
    told = await office.told(holding(first, first, says("dos", 1)), holding(first))
    before = await office.line()
    for _ in range(2):
        assert await _replay(office) == before
        assert await office.told() == told == [["uno", "dos"]]


async def test_after_a_mended_parser_only_what_was_missed_comes(database: Database) -> None:
    office = Office(database)
    Misreading.events = [says("uno"), Malformed(place="messages[1]", problem="unknown kind")]
    assert await office.told(holding(says("uno"), says("dos", 1))) == [["uno"]]
    assert (await office.line()).parked == 1
    Misreading.events = None
    line = await _replay(office)
    assert (line.received, line.parked) == (2, 0)
    assert await office.told() == [["uno", "dos"]]


async def test_an_envelope_parked_by_a_bug_comes_whole(database: Database) -> None:
    office = Office(database)
    Misreading.events = RuntimeError("a bug")
    assert await office.told(holding(says("uno"), says("dos", 1))) == []
    Misreading.events = None
    assert (await _replay(office, only_parked=True)).received == 2
    assert await office.told() == [["uno", "dos"]]


async def test_what_is_read_otherwise_comes_as_another_entry_and_both_count(database: Database) -> None:
    office = Office(database)
    Misreading.events = [says("")]
    assert await office.told(holding(says("uno"))) == [["—"]]
    Misreading.events = None
    line = await _replay(office)
    assert (line.received, line.delivered, line.pending) == (2, 1, 1)
    assert await office.told() == [["—", "uno"]]
    assert await _replay(office) == await office.line()
    assert await office.told() == [["—", "uno"]]


async def test_a_replay_that_fails_keeps_what_was_delivered(database: Database) -> None:
    office = Office(database)
    told = await office.told(holding(says("uno"), says("dos", 1)))
    Misreading.events = RuntimeError("a new bug")
    assert (await _replay(office)).parked == 1
    Misreading.events = None
    line = await _replay(office)
    assert (line.received, line.delivered, line.parked) == (2, 2, 0)
    assert await office.told() == told


async def test_the_books_balance_in_every_state(database: Database) -> None:
    office = Office(database)
    broken = Malformed(place="messages[3]", problem="no id")
    line = await office.take(holding(says("uno"), says("dos", 1), says("tres", 2), broken), b"no pickle")
    assert (line.received, line.pending, line.parked) == (5, 3, 2)
    await office.pipes.receive(holding(says("cuatro", 3)))
    line = await office.line()
    assert (line.received, line.pending) == (6, 4)
    await office.pipes.take_in()
    office.adapter.faults.extend([None, Fault.PERMANENT, Fault.LOST_ANSWER])
    async with office.pipes.dispatching():
        while (await office.line()).delivered < 3:
            pass
    line = await office.line()
    assert (line.received, line.delivered, line.parked) == (6, 3, 3)
    for item in await database.read(parked.items):
        assert await database.run(partial(parked.discard, item=item.id))
        await office.line()
    line = await office.line()
    assert (line.delivered, line.parked, line.ignored) == (3, 0, {"discarded": 3})
    line = await _replay(office)  # discarded items of an envelope are read again with it
    assert (line.received, line.delivered, line.parked) == (6, 3, 2)


async def test_control_a_lost_message_shows_in_the_books(database: Database) -> None:
    office = Office(database)
    await office.told(holding(says("uno"), says("dos", 1)))
    await database.run(lambda c: c.exec_driver_sql("DELETE FROM dispatch WHERE id = 2"))
    with pytest.raises(AssertionError):
        await office.line()
