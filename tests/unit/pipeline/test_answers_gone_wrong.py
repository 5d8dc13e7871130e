"""Answers that can't go, or of which nobody knows whether they went, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Row, select, update

from inbox_daemon.model import SendState
from inbox_daemon.pipeline.detours import Ways
from inbox_daemon.store import parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch
from support.memory_channel import Fault
from support.pipes import INSTANCE, Pipes
from unit.pipeline.cells import short_pauses
from unit.pipeline.desk import ANA, LUIS, Desk


def _sends(connection: Connection) -> list[Row[Any]]:
    return list(connection.execute(select(dispatch).where(dispatch.c.kind == "send")))


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST, Fault.CRASH, Fault.HANG])
async def test_what_nobody_knows_waits_for_a_person(database: Database, fault: Fault) -> None:
    desk = Desk(database, attempt=timedelta(seconds=1))
    await desk.opens()
    desk.channel.faults.append(fault)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    [(state, reason)] = await desk.steps()
    assert state == "parked"
    assert reason.startswith("No se sabe si la respuesta llegó")
    assert any("No se sabe" in note for note in desk.notes())
    [number] = [row.id for row in await database.read(_sends)]
    assert await database.read(parked.doubtful) == {f"D{number}"}  # `retry --all` leaves it to a person
    taken = len(desk.channel.received)
    assert taken == (fault is not Fault.LOST_REQUEST)
    await database.run(
        lambda c: parked.retry(c, f"D{c.execute(select(dispatch.c.id).where(dispatch.c.kind == 'send')).scalar_one()}")
    )
    await desk.carries()
    assert len(desk.channel.received) == taken + 1
    assert await desk.states() == ["accepted"]


async def test_rather_twice_than_never_where_configured(database: Database) -> None:
    desk = Desk(database, ways=Ways(replying=[INSTANCE], on_unknown="twice"))
    await desk.opens()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["respuesta", "respuesta"]


@pytest.mark.parametrize("when", ["before it is looked into", "after it was parked"])
async def test_a_report_tells_what_became_of_an_unknown_send(database: Database, when: str) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    text = " ".join(f"Esta es la oración número {n} de la respuesta." for n in range(8))
    desk.adapter.say("1", text)
    await desk.pipes.follow()
    if when == "after it was parked":
        await desk.carries()
    else:
        async with desk.pipes.dispatching():
            await desk.pipes.until(lambda f: bool(desk.channel.received))
            await desk.hears(desk.status(0, SendState.SENT))
            await desk.pipes.settled()
    await desk.hears(desk.status(0, SendState.DELIVERED))
    await desk.carries()
    assert " ".join(desk.channel.texts()) == text  # the first portion once, and the rest after it
    assert [state for state, _ in await desk.steps()] == ["done"]


async def test_a_refusal_for_good_is_told_and_waits_for_a_person(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.PERMANENT)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert await desk.states() == ["failed"]
    assert await database.read(parked.doubtful) == set()  # it provably did not go
    [note] = desk.notes()
    assert "NO llegó" in note
    assert "el número no recibe mensajes" in note
    assert [state for state, _ in await desk.steps()] == ["parked"]


async def test_refused_credentials_stop_the_channel_and_keep_its_answers(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    desk.channel.faults.append(Fault.CREDENTIALS)
    desk.adapter.say("1", "respuesta")
    await desk.settles()
    assert desk.channel.texts() == ["respuesta"]


@pytest.mark.parametrize("fault", [Fault.DEATH_BEFORE, Fault.DEATH_AFTER])
async def test_the_process_dies_while_it_sends(database: Database, fault: Fault) -> None:
    desk = Desk(database)
    await desk.opens()
    died = asyncio.Event()
    desk.channel.kill = died.set
    desk.channel.faults.append(fault)
    desk.adapter.say("1", "respuesta")
    await desk.pipes.follow()
    answerer = desk.pipes.answerer
    assert answerer is not None
    task = asyncio.create_task(answerer.run())
    await asyncio.wait_for(died.wait(), 10)
    task.cancel()
    for running in list(answerer.running):  # no last words reach the database
        running.cancel()

    def cut(connection: Any) -> None:
        connection.execute(
            update(dispatch).where(dispatch.c.kind == "send").values(state="sending", holder="node", reason=None)
        )

    await asyncio.gather(task, *answerer.running, return_exceptions=True)
    await database.run(cut)
    again = Pipes(database, {"gobierno": desk.adapter}, channel=desk.channel, node="node")
    from inbox_daemon.store import outbox

    await database.run(lambda c: outbox.recover(c, "node", INSTANCE, timedelta(0)))
    async with again.dispatching():
        await again.settled()
    assert len(desk.channel.received) <= 1
    assert [state for state, _ in await desk.steps()] == ["parked"]  # nothing can tell whether it went


async def test_one_persons_limit_slows_nobody_else(database: Database) -> None:
    desk = Desk(database)
    await desk.opens(ANA, LUIS)
    desk.channel.faults.extend([Fault.PAIR] * 4)
    desk.adapter.say("1", "hola Ana")
    await desk.pipes.follow()
    assert desk.pipes.answerer is not None
    async with desk.pipes.dispatching():
        await desk.pipes.until(lambda f: desk.channel.calls >= 2)
        assert desk.pipes.answerer.state.failures_in_row == 0
        await desk.pipes.settled()
    assert desk.channel.texts() == ["hola Ana"]
    assert desk.pipes.answerer.state.state == "up"
