"""Notices about messages and closed cases, on both engines: who is told what, once, and who nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from inbox_daemon.model import Automatic, Handle, Message, Proof, Sender, TicketState
from inbox_daemon.pipeline.telling import MOST_A_DAY
from inbox_daemon.plugins import SendingRules
from inbox_daemon.settings.dialogue import Notices
from inbox_daemon.store import conversations, schema
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import conversation, reply
from support.pipes import INSTANCE, ZONE
from unit.pipeline.noticing import ALL, HOUR, MONDAY_NIGHT, NEVER, OFFICE, Desk, mail, now
from unit.pipeline.scripted import holding, says

# ---------------------------------------------------------------- a message was taken in


async def test_the_first_message_of_a_case_is_confirmed_with_its_number(database: Database) -> None:
    desk = Desk(database)
    await desk.hears("hola")
    await desk.hears("¿están?")
    [(kind, text)] = await desk.told()
    case = await database.read(lambda c: conversations.read(c, 1).case_number)
    assert (kind, case in text) == ("acknowledgement", True)
    await desk.hears("hola", by="luis")
    assert await desk.kinds() == ["acknowledgement"] * 2


async def test_nothing_is_said_unless_it_is_configured(database: Database) -> None:
    nothing = Notices(acknowledgement=False, out_of_hours=False, closed=False, down_after_minutes=None)
    desk = Desk(database, notices=nothing, hours=OFFICE)
    desk.at = MONDAY_NIGHT
    await desk.hears()
    desk.at = None
    await desk.turns(TicketState.CLOSED)
    assert await desk.goes_down(for_=23 * HOUR) == 0
    assert await desk.told() == []


async def test_outside_of_hours_one_notice_says_both_once_a_closure(database: Database) -> None:
    desk = Desk(database, hours=OFFICE)
    desk.at = MONDAY_NIGHT
    await desk.hears("hola")
    desk.at += HOUR
    await desk.hears("¿están?")
    desk.at += 3 * HOUR  # past midnight: it is the same closure
    await desk.hears("¿y ahora?")
    [(kind, text)] = await desk.told()
    assert kind == "hours"
    assert "caso" in text
    assert "martes 24/11 06:30" in text
    desk.at = datetime(2026, 11, 24, 10, 0, tzinfo=ZONE)
    await desk.hears("¿abrieron?")
    assert len(await desk.told()) == 1
    desk.at = datetime(2026, 11, 27, 19, 0, tzinfo=ZONE)  # a Friday
    await desk.hears("sigo esperando")
    desk.at = datetime(2026, 11, 29, 19, 0, tzinfo=ZONE)
    await desk.hears("¿hola?")
    [_, (kind, text)] = await desk.told()
    assert (kind, "lunes 30/11 06:30" in text) == ("hours", True)


async def test_an_office_that_never_opens_confirms_all_the_same(database: Database) -> None:
    desk = Desk(database, hours=NEVER)
    await desk.hears()
    assert await desk.kinds() == ["acknowledgement"]


@pytest.mark.parametrize("automatic", [Automatic.SYSTEM, Automatic.AUTO_REPLY, Automatic.LIST, Automatic.BOUNCE])
async def test_machines_are_told_nothing(database: Database, automatic: Automatic) -> None:
    desk = Desk(database)
    await desk.hears(automatic=automatic)
    await desk.hears(echo=True)
    assert await desk.told() == []


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        (mail("ana@correo.test"), True),
        (mail("reply.ana@correo.test"), True),
        (mail("ana@correo.test", Proof.HINT), False),
        (mail("ana@correo.test", Proof.CLAIM), False),
        (mail("no-reply@sistema.test"), False),
        (mail("No.Responder+77@sistema.test"), False),
        (mail("MAILER-DAEMON@sistema.test"), False),
        (Sender(handles=(Handle(kind="session", value="noreply"),)), True),
        (Sender(name="Nadie"), False),
    ],
)
async def test_only_addresses_that_the_channel_vouches_for_are_told(
    database: Database, sender: Sender, told: bool
) -> None:
    desk = Desk(database)
    one = Message(external_id=says("x").external_id, sent_at=now(), sender=sender, text="hola")
    await desk.take(holding(one))
    assert len(await desk.told()) == told


async def test_old_messages_bring_no_notice(database: Database) -> None:
    desk = Desk(database)
    await desk.hears(ago=timedelta(minutes=61))
    assert await desk.told() == []
    await desk.hears(by="luis", ago=timedelta(minutes=59))
    assert len(await desk.told()) == 1
    desk.at = now() + 2 * HOUR  # the daemon was down for two hours with this in its journal
    await desk.take(holding(replace(says("hola", by="eva"), sent_at=now())))
    assert len(await desk.told()) == 1


async def test_notices_that_cost_are_given_as_configured(database: Database) -> None:
    await Desk(
        database, notices=ALL.model_copy(update={"on_paid_channels": False}), rules=SendingRules(costs=True)
    ).hears()
    desk = Desk(database, notices=ALL, rules=SendingRules(costs=True))
    assert await desk.told() == []
    await desk.hears(by="luis")
    assert len(await desk.told()) == 1


async def test_where_nobody_can_be_answered_nothing_is_written(database: Database) -> None:
    desk = Desk(database)
    desk.telling._instances = []
    await desk.hears()
    assert await desk.told() == []


async def test_a_question_that_is_open_is_enough_and_what_is_no_case_has_no_number(database: Database) -> None:
    desk = Desk(database, notices=Notices(acknowledgement=False))
    await desk.hears()

    def again(**values: Any) -> Any:
        def work(connection: Any) -> str | None:
            connection.execute(update(conversation).values(**values))
            return desk.telling.taken_in(
                connection,
                conversation=conversations.read(connection, 1),
                message=replace(says("hola"), sent_at=now()),
                handle_id=1,
                instance=INSTANCE,
                opened=True,
                received_at=now(),
            )

        return database.run(work)

    desk.telling._settings = ALL
    assert await again(asked=1) is None
    assert await again(asked=None, state=conversations.UNFILED) is None
    assert await again(asked=0, state="open") == "acknowledgement"
    assert await again(asked=None) is None, "once"


async def test_one_address_gets_only_so_many_notices_a_day(database: Database) -> None:
    desk = Desk(database)
    for _ in range(MOST_A_DAY + 3):
        await desk.hears("otro caso")
        await desk.set(conversation, state="closed")
    assert len(await desk.told()) == MOST_A_DAY
    await desk.hears("hola", by="luis")
    assert len(await desk.told()) == MOST_A_DAY + 1
    await desk.set(reply, learnt_at=now() - timedelta(hours=25))
    await desk.hears("un caso de hoy")
    assert len(await desk.told()) == MOST_A_DAY + 2


async def test_an_envelope_that_is_read_again_says_nothing_twice(database: Database) -> None:
    desk = Desk(database)
    one = holding(replace(says("hola"), sent_at=now()))
    await desk.take(one, one)
    await desk.set(schema.envelope, state="new", due_at=now() - HOUR, events=None)
    await desk.take()
    assert len(await desk.told()) == 1


# ---------------------------------------------------------------- a ticket was closed


async def test_who_wrote_last_is_told_that_the_case_is_closed_once(database: Database) -> None:
    desk = Desk(database, notices=Notices(closed=True))
    await desk.hears("hola")
    await desk.turns(TicketState.SOLVED)
    await desk.turns(TicketState.SOLVED)
    await desk.turns(TicketState.CLOSED)
    [(kind, text)] = await desk.told()
    assert kind == "closed"
    assert "quedó resuelto" in text
    await desk.turns(TicketState.REOPENED)
    await desk.turns(TicketState.CLOSED)
    assert len(await desk.told()) == 1, "they wrote nothing since"
    await desk.hears("no está resuelto")
    await desk.turns(TicketState.CLOSED)
    assert "quedó cerrado" in (await desk.told())[1][1]


async def test_a_machine_that_answers_the_notice_brings_no_other(database: Database) -> None:
    desk = Desk(database, notices=Notices(closed=True))
    await desk.hears("hola")
    for n in range(3):
        await desk.turns(TicketState.CLOSED)
        await desk.hears(f"Estoy de vacaciones {n}", automatic=Automatic.AUTO_REPLY)
    assert len(await desk.told()) == 1


@pytest.mark.parametrize("state", [one for one in TicketState if one not in {TicketState.SOLVED, TicketState.CLOSED}])
async def test_other_states_are_no_closure(database: Database, state: TicketState) -> None:
    desk = Desk(database, notices=Notices(closed=True), public=list(TicketState))
    await desk.hears()
    await desk.turns(state)
    assert await desk.told() == []


async def test_what_citizens_must_not_learn_is_not_said(database: Database) -> None:
    desk = Desk(database, notices=Notices(closed=True), public=[TicketState.CLOSED])
    await desk.hears()
    await desk.turns(TicketState.SOLVED)
    assert await desk.told() == []
    await desk.turns(TicketState.CLOSED)
    assert len(await desk.told()) == 1


async def test_an_imported_case_is_closed_in_silence(database: Database) -> None:
    desk = Desk(database)
    await desk.hears(ago=timedelta(days=30))
    await desk.turns(TicketState.CLOSED)
    assert await desk.told() == []


async def test_a_denuncia_is_confirmed_at_once_and_later_nothing_comes_unasked(database: Database) -> None:
    desk = Desk(database)
    await desk.hears("quiero hacer una denuncia")
    [(kind, text)] = await desk.told()
    assert kind == "acknowledgement"
    assert "denuncia" not in text.lower()
    await desk.turns(TicketState.CLOSED)
    assert await desk.goes_down(for_=5 * HOUR) == 0
    assert len(await desk.told()) == 1
