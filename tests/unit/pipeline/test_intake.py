"""The intake on both engines: repeats, disorder, corrections, trouble in one item or envelope, automatic mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select

from inbox_daemon.model import (
    Automatic,
    CallEvent,
    EditEvent,
    ExternalId,
    Handle,
    HandleChanged,
    Ignored,
    Malformed,
    Message,
    ReactionEvent,
    RemoteId,
    RevokeEvent,
    Sender,
    SendState,
    StatusEvent,
)
from inbox_daemon.pipeline import filing
from inbox_daemon.store import parked, sendings
from inbox_daemon.store.columns import metadata
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import conversation, send_status
from unit.pipeline.scripted import AT, MINUTE, Office, holding, person, says, unreadable


async def test_repeats_are_swallowed_whatever_envelope_brings_them(database: Database) -> None:
    office = Office(database)
    first, second = says("uno"), says("dos", 1)
    told = await office.told(holding(first, first), holding(first), holding(second, first))
    assert told == [["uno", "dos"]]
    line = await office.line()
    assert (line.received, line.delivered, line.ignored) == (5, 2, {"repeat": 3})
    assert await office.told(holding(first, second)) == [["uno", "dos"]]


async def test_a_reused_id_with_other_content_is_no_repeat(database: Database) -> None:
    office = Office(database)
    assert await office.told(holding(says("uno", id="x")), holding(says("dos", 1, id="x"))) == [["uno", "dos"]]


async def test_what_arrives_out_of_order_within_the_grace_is_put_in_order(database: Database) -> None:
    office = Office(database, order_grace=timedelta(seconds=0.3))
    await office.take(holding(says("tres", 3)), holding(says("uno", 1)))
    assert await office.told(holding(says("dos", 2))) == [["uno", "dos", "tres"]]


async def test_what_arrives_later_than_the_grace_is_appended(database: Database) -> None:
    office = Office(database)
    await office.told(holding(says("uno", 1)), holding(says("tres", 3)))
    assert await office.told(holding(says("dos", 2))) == [["uno", "tres", "dos"]]


async def test_corrections_withdrawals_and_reactions_stand_beside_what_they_are_about(database: Database) -> None:
    office = Office(database)
    ana, target = person(), ExternalId("ana0")
    after: dict[str, Any] = {"sent_at": AT + MINUTE, "target": target}
    edit = EditEvent(external_id=ExternalId("e1"), message=says("mañana a las 10", 1, id="e1"), **after)
    revoke = RevokeEvent(external_id=ExternalId("r1"), sender=ana, **after)
    reaction = ReactionEvent(external_id=ExternalId("s1"), emoji="👍", sender=ana, **after)
    taken_back = ReactionEvent(external_id=ExternalId("s2"), emoji="", sender=ana, **after)
    events = holding(edit, revoke, reaction, taken_back)
    assert await office.told(holding(says("mañana a las 9")), events, events) == [
        [
            "mañana a las 9",
            "[Corrige un mensaje anterior. Ahora dice:]\nmañana a las 10",
            "[Eliminó un mensaje anterior; lo que se recibió sigue más arriba]",
            "[Reaccionó a un mensaje: 👍]",
            "[Quitó su reacción a un mensaje]",
        ]
    ]
    assert (await office.line()).ignored == {"repeat": 4}


async def test_corrections_of_what_is_not_known(database: Database) -> None:
    office = Office(database)
    nobody: dict[str, Any] = {"sent_at": AT, "target": ExternalId("nobody's")}
    edit = EditEvent(external_id=ExternalId("e1"), message=says("ahora sí", id="e1"), **nobody)
    revoke = RevokeEvent(external_id=ExternalId("r1"), sender=person(), **nobody)
    reaction = ReactionEvent(external_id=ExternalId("s1"), emoji="👍", sender=person(), **nobody)
    told = await office.told(holding(edit, revoke, reaction))
    assert told == [["[Corrige un mensaje anterior. Ahora dice:]\nahora sí"]]
    assert (await office.line()).ignored == {"reaction_without_message": 1, "revoke_without_message": 1}


async def test_a_signed_change_of_handles_keeps_the_conversation(database: Database) -> None:
    office = Office(database)
    old, new = (Handle(kind="phone", value=f"+549362400000{n}") for n in (1, 2))
    change = HandleChanged(external_id=ExternalId("c1"), sent_at=AT + MINUTE, old=(old,), new=(new,))
    one = Message(external_id=ExternalId("a"), sent_at=AT, sender=Sender(handles=(old,)), text="uno")
    two = Message(external_id=ExternalId("b"), sent_at=AT + 2 * MINUTE, sender=Sender(handles=(new,)), text="dos")
    assert await office.told(holding(one), holding(change), holding(two)) == [["uno", "dos"]]


async def test_a_malformed_item_is_parked_by_itself(database: Database) -> None:
    office = Office(database)
    broken = Malformed(place="entry[0]", problem="no id")
    line = await office.take(holding(says("uno"), broken, says("dos", 1)))
    assert (line.received, line.pending, line.parked) == (3, 2, 1)
    [item] = await database.read(parked.items)
    assert (item.id, item.reason, item.what) == ("M1", "no id", "item entry[0] of E1")
    assert await database.run(lambda c: parked.discard(c, "M1"))
    assert (await office.line()).ignored == {"discarded": 1}
    assert await office.told() == [["uno", "dos"]]


async def test_an_unreadable_envelope_is_parked_and_the_rest_goes_on(database: Database) -> None:
    office = Office(database)
    told = await office.told(holding(says("uno")), unreadable("no JSON"), b"no pickle", holding(says("dos", 1)))
    assert told == [["uno", "dos"]]
    states = await office.states()
    assert [state for state, _ in states] == ["done", "parked", "parked", "done"]
    assert states[1][1] == "no JSON"
    assert str(states[2][1]).startswith("the parser failed with UnpicklingError")
    assert (await office.line()).parked == 2


class Broken(Exception):
    """A bug in filing."""


@pytest.mark.parametrize("bug", ["exception", "integrity", "data"])
async def test_a_bug_in_filing_parks_one_envelope(
    database: Database, monkeypatch: pytest.MonkeyPatch, bug: str
) -> None:
    right = filing.Filing._enter

    def enter(self: Any, parcel: Any, message: Any, author: Any, thread: Any, type_: str) -> None:
        right(self, parcel, message, author, thread, type_)
        if message.text == "dos" and bug == "exception":
            raise Broken("a citizen's words")
        if message.text == "dos" and bug == "integrity":
            parcel.connection.execute(conversation.insert().values(id=thread.id))
        if message.text == "dos" and bug == "data":
            parcel.connection.exec_driver_sql("SELECT ,")

    monkeypatch.setattr(filing.Filing, "_enter", enter)
    office = Office(database)
    told = await office.told(holding(says("uno")), holding(says("dos", 1)), holding(says("tres", 2)))
    assert told == [["uno", "tres"]]
    [_, (state, reason), _] = await office.states()
    assert state == "parked"
    assert str(reason).endswith("while taking it in")
    assert "citizen" not in str(reason)
    monkeypatch.undo()
    await database.run(lambda c: parked.retry(c, "E2"))
    await office.pipes.take_in()
    assert await office.told() == [["uno", "tres", "dos"]]


async def test_an_instance_that_is_not_configured_loses_nothing(database: Database) -> None:
    office = Office(database)
    channels = office.pipes.intake._channels
    office.pipes.intake._channels = {}
    line = await office.take(holding(says("uno")))
    assert (line.received, line.pending) == (1, 1)
    office.pipes.intake._channels = channels
    await office.pipes.take_in()
    assert (await office.states())[0][0] == "new"  # not before its time
    await database.run(lambda c: c.exec_driver_sql("UPDATE envelope SET due_at = 0"))
    assert await office.told() == [["uno"]]


@pytest.mark.parametrize("automatic", list(Automatic))
async def test_automatic_mail(database: Database, automatic: Automatic) -> None:
    office = Office(database)
    answer = says("Estoy de vacaciones", 2, automatic=automatic, in_reply_to=ExternalId("ana0"))
    alone = says("Estoy de vacaciones", 1, by="eva", automatic=automatic)
    told = await office.told(holding(says("uno"), alone, answer))
    ignored = (await office.line()).ignored
    if automatic in {Automatic.BOUNCE, Automatic.LIST}:
        assert (told, ignored) == ([["uno"]], {automatic.value: 2})
    elif automatic is Automatic.AUTO_REPLY:
        assert told == [["uno", "[Respuesta automática de su correo]\nEstoy de vacaciones"]]
        assert ignored == {"auto_reply": 1}
    else:
        words = "[Enviado por un sistema]\nEstoy de vacaciones"
        assert sorted(told) == [[words], ["uno", words]]


async def test_answers_go_where_the_answered_went_if_it_is_the_same_person(database: Database) -> None:
    office = Office(database)
    year = 60 * 24 * 300
    answer = says("sigue igual", year, in_reply_to=ExternalId("ana0"))
    thread = says("y ahora", year + 1, thread=(ExternalId("unknown"), ExternalId("ana0")))
    stranger = says("me meto", year + 2, by="eva", in_reply_to=ExternalId("ana0"))
    control = says("otra cosa", year * 2)
    told = await office.told(holding(says("uno")), holding(answer, thread, stranger, control))
    assert sorted(told) == [["me meto"], ["otra cosa"], ["uno", "sigue igual", "y ahora"]]


async def test_what_makes_no_message_is_counted_by_its_reason(database: Database) -> None:
    office = Office(database)
    call = CallEvent(external_id=ExternalId("c"), sent_at=AT, sender=person(), outcome="missed")
    line = await office.take(holding(Ignored(reason="echo"), Ignored(reason="echo"), call, says("x", echo=True)))
    assert (line.received, line.ignored) == (4, {"echo": 2, "echo_to_nobody": 1, "call": 1})


@given(order=st.lists(st.sampled_from(list(SendState)), min_size=1, max_size=8))
def test_a_status_never_falls_back(order: list[SendState]) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine, tables=[send_status])
    with engine.begin() as connection:
        for n, state in enumerate(order):
            told = StatusEvent(external_id=ExternalId(str(n)), sent_at=AT, target=RemoteId("w1"), state=state)
            news = sendings.note_status(connection, "w", told)
            assert news == (state.rank > max((one.rank for one in order[:n]), default=-1))
        kept = connection.execute(select(send_status.c.state)).scalar_one()
    assert kept == max(order, key=lambda one: one.rank)
    engine.dispose()
