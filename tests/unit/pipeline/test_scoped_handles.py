"""Ids that Meta gives to one page or account: they mean somebody only there, and only Meta's own word joins them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from inbox_daemon.model import CallEvent, ExternalId, Handle, HandleChanged, Sender
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import handle, identity_event
from unit.pipeline.town import Town

PAGE, OTHER_PAGE = "1001", "1002"
ANA = Handle(kind="psid", value="24987654321", scope=PAGE)
NEW = replace(ANA, value="24987654399")


async def _says(town: Town, one: Handle, ago: timedelta = timedelta(0)) -> None:
    await town.says("Necesito un turno", sender=Sender(name="Ana", handles=(one,)), ago=ago)


async def _holders(database: Database) -> dict[tuple[str, str, str], int | None]:
    rows = await database.read(lambda c: c.execute(select(handle).order_by(handle.c.id)).all())
    return {(row.kind, row.value, row.scope): row.citizen_id for row in rows}


async def _suggested(database: Database) -> int:
    wanted = select(identity_event.c.id).where(identity_event.c.kind == "suggested")
    return len(await database.read(lambda c: c.execute(wanted).all()))


def _key(one: Handle) -> tuple[str, str, str]:
    return one.kind, one.value, one.scope


def _changed(old: Handle, new: Handle, ago: timedelta = timedelta(0)) -> HandleChanged:
    at = datetime.now(UTC) - ago
    return HandleChanged(external_id=ExternalId("c1"), sent_at=at, old=(old,), new=(new,))


@pytest.mark.parametrize(
    "other",
    [
        replace(ANA, scope=OTHER_PAGE),
        replace(ANA, kind="fb_user"),
        replace(ANA, kind="igsid", scope="17841"),
    ],
)
async def test_the_same_digits_elsewhere_are_somebody_else_and_suggest_nobody(
    database: Database, other: Handle
) -> None:
    town = Town(database)
    await _says(town, ANA)
    await _says(town, other)
    await _says(town, ANA)
    assert await _holders(database) == {_key(ANA): 1, _key(other): 2}
    assert await _suggested(database) == 0


async def test_one_without_its_scope_is_nobodys(database: Database) -> None:
    town = Town(database)
    await _says(town, replace(ANA, scope=""))
    await _says(town, replace(ANA, scope=""))
    assert await _holders(database) == {}
    assert await town.types() == ["message", "message"]  # taken in all the same


async def test_meta_s_word_moves_somebody_to_another_id(database: Database) -> None:
    town = Town(database)
    await _says(town, ANA, ago=timedelta(minutes=2))
    change = _changed(ANA, NEW, ago=timedelta(minutes=1))
    await town.takes(change, change)
    await town.takes(change)  # delivered again
    await _says(town, NEW)
    await town.reads_again()
    assert await _holders(database) == {_key(ANA): None, _key(NEW): 1}
    assert (await town.line()).ignored == {"handle_changed": 3}


async def test_the_new_id_of_somebody_who_had_another_one_comes_back_to_its_holder_once(database: Database) -> None:
    town = Town(database)
    await _says(town, NEW, ago=timedelta(days=3))
    await _says(town, ANA, ago=timedelta(days=2))
    change = _changed(ANA, NEW, ago=timedelta(days=1))
    for _ in range(3):
        await town.takes(change)
    assert await _holders(database) == {_key(NEW): 2, _key(ANA): None}


async def test_a_word_that_comes_late_takes_nobody_s_id(database: Database) -> None:
    town = Town(database)
    await _says(town, ANA, ago=timedelta(days=2))
    await _says(town, NEW)
    await town.takes(_changed(ANA, NEW, ago=timedelta(days=1)))
    assert (await _holders(database))[_key(NEW)] == 2
    assert await _suggested(database) == 1


async def test_of_an_id_that_nobody_has_nothing_follows(database: Database) -> None:
    town = Town(database)
    await town.takes(_changed(ANA, NEW))
    assert await _holders(database) == {}


async def test_a_call_is_counted_and_no_message(database: Database) -> None:
    town = Town(database)
    await town.takes(
        CallEvent(
            external_id=ExternalId("k1"), sent_at=datetime.now(UTC), sender=Sender(handles=(ANA,)), outcome="missed"
        )
    )
    assert (await town.line()).ignored == {"call": 1}
