"""Notices to citizens, on both engines: who is told what, once, and who is told nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from inbox_daemon.model import Automatic, Envelope, Handle, Message, Proof, Sender, TicketState
from inbox_daemon.pipeline import telling as telling_module
from inbox_daemon.pipeline.hours import ServiceHours
from inbox_daemon.pipeline.receive import day_in
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.pipeline.telling import MOST_A_DAY, Telling
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import SendingRules
from inbox_daemon.settings.dialogue import Notices, Service
from inbox_daemon.store import conversations, envelopes, schema
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import conversation, dispatch, message, reply
from support.pipes import INSTANCE, ZONE
from unit.pipeline.scripted import Office, holding, says

ALL = Notices(acknowledgement=True, out_of_hours=True, closed=True, down_after_minutes=120)
EVERY_DAY = Service(days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), opens="00:00", closes="24:00")
ALWAYS = ServiceHours.of(EVERY_DAY, ZONE, [])
NEVER = ServiceHours.of(EVERY_DAY.model_copy(update={"days": ()}), ZONE, [])
OFFICE = ServiceHours.of(Service(), ZONE, [])
TEXTS = Texts.load("es-AR", {}, ZONE)
HOUR = timedelta(hours=1)
MONDAY_NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=ZONE).astimezone(UTC)
DENUNCIA = compile_rule(name="denuncia", destination="gobierno", keywords=["denuncia"], matter="denuncia")
PUBLIC = (TicketState.SOLVED, TicketState.CLOSED)


def _now() -> datetime:
    return datetime.now(UTC)


class Desk(Office):
    """An office whose citizens are told things; its clock can be set, and goes else."""

    def __init__(
        self,
        database: Database,
        *,
        notices: Notices = ALL,
        hours: ServiceHours = ALWAYS,
        rules: SendingRules | None = None,
        public: Collection[TicketState] = PUBLIC,
    ) -> None:
        self.database = database
        self.at: datetime | None = None
        self.number = 0
        self.telling = Telling(
            settings=notices,
            hours=hours,
            texts=TEXTS,
            rules={INSTANCE: rules or SendingRules()},
            public_states={"gobierno": public},
            clock=lambda: self.at or _now(),
        )
        super().__init__(database, telling=self.telling, rules=[DENUNCIA])

    async def hears(self, text: str = "hola", *, ago: timedelta = timedelta(0), **more: Any) -> None:
        """Somebody wrote this; it is taken in now."""
        self.number += 1
        now = self.at or _now()
        one = replace(says(text, self.number, **more), sent_at=now - ago)
        content = Envelope(instance=INSTANCE, body=holding(one), received_at=now)
        await self.database.run(lambda c: envelopes.append(c, [(content, day_in(ZONE)(now))]))
        await self.pipes.take_in()

    async def told(self) -> list[tuple[str, str]]:  # type: ignore[override]
        """(kind, text) of what was said."""
        rows = await self.database.read(lambda c: c.execute(select(reply).order_by(reply.c.id)).all())
        lanes = await self.database.read(
            lambda c: list(c.execute(select(dispatch.c.destination).where(dispatch.c.kind == "send")).scalars())
        )
        assert lanes == [INSTANCE] * len(rows)
        return [(row.origin, row.text) for row in rows]

    async def kinds(self) -> list[str]:
        """Kinds of what was said."""
        return [kind for kind, _ in await self.told()]

    async def set(self, table: Any, **values: Any) -> None:
        """Set columns of all rows."""
        await self.database.run(lambda c: c.execute(update(table).values(**values)))

    async def turns(self, state: TicketState, number: int = 1) -> None:
        """The ticket of the `number`-th conversation comes into this state."""
        await self.database.run(lambda c: self.telling.turned(c, conversations.read(c, number), state))

    async def goes_down(self, *, for_: timedelta, **more: Any) -> int:
        """All that waits has waited so long, in vain; how many are told."""
        began = _now() - for_
        await self.set(message, received_at=began, sent_at=began)
        tried = {"first_tried_at": began, "due_at": _now() + HOUR, "attempts": 9, "reason": "refused"}
        await self.set(dispatch, created_at=began, **tried | more)
        return await self.looks()

    async def looks(self, since: datetime | None = None) -> int:
        """The job that tells of an outage comes round."""
        return await self.database.run(lambda c: self.telling.down(c, "gobierno", since))

    async def delivers_all(self) -> None:
        """The destination is up again, and takes what waits."""
        await self.set(dispatch, state="done", done_at=_now())


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


def _mail(address: str, proof: Proof = Proof.CHANNEL) -> Sender:
    return Sender(handles=(Handle(kind="email", value=address, proof=proof),))


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        (_mail("ana@correo.test"), True),
        (_mail("reply.ana@correo.test"), True),
        (_mail("ana@correo.test", Proof.HINT), False),
        (_mail("ana@correo.test", Proof.CLAIM), False),
        (_mail("no-reply@sistema.test"), False),
        (_mail("No.Responder+77@sistema.test"), False),
        (_mail("MAILER-DAEMON@sistema.test"), False),
        (Sender(handles=(Handle(kind="session", value="noreply"),)), True),
        (Sender(name="Nadie"), False),
    ],
)
async def test_only_addresses_that_the_channel_vouches_for_are_told(
    database: Database, sender: Sender, told: bool
) -> None:
    desk = Desk(database)
    one = Message(external_id=says("x").external_id, sent_at=_now(), sender=sender, text="hola")
    await desk.take(holding(one))
    assert len(await desk.told()) == told


async def test_old_messages_bring_no_notice(database: Database) -> None:
    desk = Desk(database)
    await desk.hears(ago=timedelta(minutes=61))
    assert await desk.told() == []
    await desk.hears(by="luis", ago=timedelta(minutes=59))
    assert len(await desk.told()) == 1
    desk.at = _now() + 2 * HOUR  # the daemon was down for two hours with this in its journal
    await desk.take(holding(replace(says("hola", by="eva"), sent_at=_now())))
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
                message=replace(says("hola"), sent_at=_now()),
                handle_id=1,
                instance=INSTANCE,
                opened=True,
                received_at=_now(),
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
    await desk.set(reply, learnt_at=_now() - timedelta(hours=25))
    await desk.hears("un caso de hoy")
    assert len(await desk.told()) == MOST_A_DAY + 2


async def test_an_envelope_that_is_read_again_says_nothing_twice(database: Database) -> None:
    desk = Desk(database)
    one = holding(replace(says("hola"), sent_at=_now()))
    await desk.take(one, one)
    await desk.set(schema.envelope, state="new", due_at=_now() - HOUR, events=None)
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


# ---------------------------------------------------------------- a destination is down

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
    await desk.set(dispatch, done_at=_now() - 10 * HOUR)
    began = _now() - 3 * HOUR
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
    await desk.set(schema.dispatch, created_at=_now() - 5 * HOUR, first_tried_at=_now() - 5 * HOUR)
    await desk.set(message, received_at=_now() - 5 * HOUR, sent_at=_now() - 5 * HOUR)
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
    assert await desk.looks(since=_now() - timedelta(minutes=119)) == 0
    await desk.hears("hola", by="luis")
    await database.run(
        lambda c: c.execute(
            update(dispatch).where(dispatch.c.conversation_id == 2).values(state="done", done_at=_now() - HOUR)
        )
    )
    assert await desk.looks(since=_now() - 3 * HOUR) == 0
    assert await desk.looks(since=_now() - timedelta(minutes=59)) == 0
    await database.run(
        lambda c: c.execute(update(dispatch).where(dispatch.c.state == "done").values(done_at=_now() - 4 * HOUR))
    )
    assert await desk.looks(since=_now() - 3 * HOUR) == 1


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
    await desk.looks(since=_now() - 10 * HOUR)
    assert await desk.told() == []


async def test_behind_a_ticket_that_could_not_be_opened_nobody_waits_for_the_system(database: Database) -> None:
    desk = Desk(database, notices=QUIET)
    await desk.hears("hola")
    await desk.hears("¿están?")
    await desk.set(dispatch, created_at=_now() - 9 * HOUR, first_tried_at=_now() - 9 * HOUR)
    await desk.set(message, received_at=_now() - 9 * HOUR, sent_at=_now() - 9 * HOUR)
    await database.run(
        lambda c: c.execute(update(dispatch).where(dispatch.c.id == 1).values(kind="open", state="parked"))
    )
    assert await desk.looks() == 0
    await desk.hears("hola", by="luis")
    assert await desk.looks() == 0, "nor does it make an outage longer"


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
        external_id=says("x").external_id, sent_at=_now(), sender=_mail("ana@correo.test", Proof.HINT), text="hola"
    )
    await desk.take(holding(forged))
    assert await desk.goes_down(for_=3 * HOUR) == 0
    await desk.hears(by="luis")
    await desk.set(message, received_at=_now() - 3 * HOUR, sent_at=_now() - 30 * HOUR)
    await desk.set(dispatch, created_at=_now() - 3 * HOUR, first_tried_at=_now() - 3 * HOUR)
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
        one = Message(external_id=says(str(n), n).external_id, sent_at=_now(), sender=_mail(address), text="aviso")
        await desk.take(holding(one))
    await desk.hears(by="ana")
    assert await desk.goes_down(for_=3 * HOUR) == 1
    number = await database.read(lambda c: c.execute(select(func.count()).select_from(reply)).scalar_one())
    assert number == 1
