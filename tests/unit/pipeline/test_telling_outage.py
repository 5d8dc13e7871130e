"""Notices about a destination that is down, on both engines and several nodes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from inbox_daemon.model import Automatic, Message, Proof
from inbox_daemon.pipeline import telling as telling_module
from inbox_daemon.settings.dialogue import Notices
from inbox_daemon.store import schema
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, message, reply
from unit.pipeline.noticing import HOUR, Desk, mail, now
from unit.pipeline.scripted import holding, says

QUIET = Notices(out_of_hours=False)


async def test_who_waits_for_a_destination_that_is_down_is_told_once(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    await desk.hears("¿están?")
    await desk.hears("hola", by="luis")
    assert await desk.goes_down(for_=timedelta(minutes=119)) == 0
    assert await desk.goes_down(for_=timedelta(minutes=121)) == 2
    assert await desk.looks() == 0
    await desk.hears("¿y?")
    assert await desk.goes_down(for_=timedelta(minutes=200)) == 0
    assert await desk.kinds() == ["down", "down"]


async def test_after_a_delivery_another_outage_is_told_of_again(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    assert await desk.goes_down(for_=3 * HOUR) == 1
    await desk.delivers_all()
    await desk.hears("gracias")
    assert await desk.looks() == 0, "what was down before the last delivery is over"
    await desk.set(dispatch, done_at=now() - 10 * HOUR)
    began = now() - 3 * HOUR
    await desk.set(message, received_at=began, sent_at=began)
    await database.run(
        lambda c: c.execute(
            update(dispatch).where(dispatch.c.state == "waiting").values(created_at=began, first_tried_at=began)
        )
    )
    assert await desk.looks() == 1
    assert await desk.looks() == 0


async def test_all_nodes_together_tell_once(database: Database, database_url: Any) -> None:
    desk = Desk(database, notices=QUIET)
    for name in ("ana", "luis", "eva"):
        await desk.hears(by=name)
    await desk.set(schema.dispatch, created_at=now() - 5 * HOUR, first_tried_at=now() - 5 * HOUR)
    await desk.set(message, received_at=now() - 5 * HOUR, sent_at=now() - 5 * HOUR)
    with Database(database_url) as second:
        told = await asyncio.gather(
            *(node.run(lambda c: desk.telling.down(c, "gobierno")) for node in (database, second) for _ in range(4))
        )
    assert sum(told) == 3
    assert await desk.kinds() == ["down"] * 3


async def test_what_the_node_saw_itself_counts_unless_something_was_delivered_since(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    assert await desk.goes_down(for_=timedelta(minutes=10)) == 0, "all that the outbox knows of"
    assert await desk.looks(since=now() - timedelta(minutes=119)) == 0
    await desk.hears("hola", by="luis")
    await database.run(
        lambda c: c.execute(
            update(dispatch).where(dispatch.c.conversation_id == 2).values(state="done", done_at=now() - HOUR)
        )
    )
    assert await desk.looks(since=now() - 3 * HOUR) == 0
    assert await desk.looks(since=now() - timedelta(minutes=59)) == 0
    await database.run(
        lambda c: c.execute(update(dispatch).where(dispatch.c.state == "done").values(done_at=now() - 4 * HOUR))
    )
    assert await desk.looks(since=now() - 3 * HOUR) == 1


@pytest.mark.parametrize(
    ("more", "minutes"),
    [
        ({}, 4),
        ({}, 25 * 60),
        ({"state": "parked"}, 180),
        ({"state": "done"}, 180),
        ({"state": "discarded"}, 180),
        ({"destination": "salud"}, 180),
        ({"kind": "open", "state": "parked"}, 180),
    ],
    ids=["a moment", "a day", "parked", "done", "discarded", "another", "no ticket"],
)
async def test_who_does_not_wait_for_it_is_not_told(database: Database, more: dict[str, Any], minutes: int) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    await desk.goes_down(for_=timedelta(minutes=minutes), **more)
    await desk.looks(since=now() - 10 * HOUR)
    assert await desk.told() == []


async def test_behind_a_ticket_that_could_not_be_opened_nobody_waits_for_the_system(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    await desk.hears("¿están?")
    await desk.set(dispatch, created_at=now() - 9 * HOUR, first_tried_at=now() - 9 * HOUR)
    await desk.set(message, received_at=now() - 9 * HOUR, sent_at=now() - 9 * HOUR)
    await database.run(
        lambda c: c.execute(update(dispatch).where(dispatch.c.id == 1).values(kind="open", state="parked"))
    )
    assert await desk.looks() == 0
    assert await desk.looks(since=now() - 8 * HOUR) == 0, "not even while it is down"
    await desk.hears("hola", by="luis")
    assert await desk.looks() == 0, "nor does it make an outage longer"


async def test_a_step_that_fails_while_others_are_taken_is_no_outage(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    await desk.hears("hola", by="luis")
    assert await desk.goes_down(for_=timedelta(minutes=110)) == 0
    await database.run(
        lambda c: c.execute(
            update(dispatch).where(dispatch.c.conversation_id == 2).values(state="done", done_at=now() - HOUR)
        )
    )
    await database.run(
        lambda c: c.execute(
            update(dispatch).where(dispatch.c.conversation_id == 1).values(first_tried_at=now() - 5 * HOUR)
        )
    )
    assert await desk.looks() == 0


async def test_refused_credentials_are_an_outage_and_steps_that_are_not_due_are_none(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    assert await desk.goes_down(for_=3 * HOUR, first_tried_at=None, reason=None) == 0, (
        "it waits for the citizen's choice"
    )
    assert await desk.goes_down(for_=3 * HOUR, first_tried_at=None) == 1


async def test_machines_imports_and_forged_addresses_hear_of_no_outage(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears(automatic=Automatic.SYSTEM)
    forged = Message(
        external_id=says("x").external_id, sent_at=now(), sender=mail("ana@correo.test", Proof.HINT), text="hola"
    )
    await desk.take(holding(forged))
    assert await desk.goes_down(for_=3 * HOUR) == 0
    await desk.hears(by="luis")
    await desk.set(message, received_at=now() - 3 * HOUR, sent_at=now() - 30 * HOUR)
    await desk.set(dispatch, created_at=now() - 3 * HOUR, first_tried_at=now() - 3 * HOUR)
    assert await desk.looks() == 0


async def test_many_are_told_in_several_runs_and_none_is_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling_module, "MOST_AT_ONCE", 2)
    desk = Desk(database, notices=QUIET)
    for n in range(5):
        await desk.hears(by=f"p{n}")
    await desk.hears(by="noreply")
    assert await desk.goes_down(for_=3 * HOUR) == 2
    assert [await desk.looks() for _ in range(4)] == [2, 2, 0, 0]


async def test_those_who_may_not_be_told_do_not_stand_before_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling_module, "MOST_AT_ONCE", 2)
    desk = Desk(database, notices=QUIET)
    for n in range(5):
        address = f"noreply+{n}@sistema.test"
        one = Message(external_id=says(str(n), n).external_id, sent_at=now(), sender=mail(address), text="aviso")
        await desk.take(holding(one))
    await desk.hears(by="ana")
    assert await desk.goes_down(for_=3 * HOUR) == 1
    number = await database.read(lambda c: c.execute(select(func.count()).select_from(reply)).scalar_one())
    assert number == 1
