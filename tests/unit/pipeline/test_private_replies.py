"""Who comments on a page is answered once in private, and then by Messenger, where the channel told who they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from inbox_daemon.errors import WindowClosed
from inbox_daemon.model import (
    ExternalId,
    Handle,
    Message,
    Reply,
    Sender,
    SendState,
    Sent,
    Window,
)
from inbox_daemon.pipeline.detours import Ways
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.plugins import SendingRules
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, handle, identity_event, reply
from support.memory_adapter import MemoryAdapter
from support.memory_channel import Fault, MemoryChannel
from support.pipes import INSTANCE, Pipes
from unit.pipeline.cells import short_pauses
from unit.pipeline.desk import Desk
from unit.pipeline.scripted import holding, plugin

PAGE = "pagina1"
RULES = SendingRules(max_chars=60)
THREE = "Su turno es el martes a las nueve en la mesa. Traiga el DNI y la partida de nacimiento. Pregunte por Marta."
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


def commenter(value: str = "c1") -> Handle:
    return Handle(kind="fb_user", value=value, scope=PAGE)


def writer(value: str = "p1") -> Handle:
    return Handle(kind="psid", value=value, scope=PAGE)


def said(by: Handle, text: str, *, ago: timedelta = timedelta(0)) -> bytes:
    at = datetime.now(UTC) - ago
    sender = Sender(name="Ana Invento", handles=(by,))
    return holding(Message(external_id=ExternalId(f"{by.value}.{text}"), sent_at=at, sender=sender, text=text))


class Page(MemoryChannel):
    """A page: one private reply to each comment, whose answer tells who that is in Messenger; there, after they wrote.

    `known` are the Messenger identities by commenter.
    """

    def __init__(self, **known: str) -> None:
        super().__init__(RULES)
        self.known = known or {"c1": "p1", "c2": "p2"}
        self.written: set[str] = set()
        self.told = ""
        self.refused = 0

    def window(self, to: Handle, last_inbound: datetime | None) -> Window:
        """Seven days for a comment, a day for a message."""
        life = timedelta(days=7 if to.kind == "fb_user" else 1)
        return Window(open_until=(last_inbound or datetime(2020, 1, 1, tzinfo=UTC)) + life)

    async def send(self, reply: Reply) -> Sent:
        """Take it, once where it answers a comment."""
        if self.faults and self.faults[0] is Fault.REFUSED:
            return await super().send(reply)
        comment = (reply.to.value, reply.in_reply_to)
        if reply.to.kind == "fb_user":
            if reply.in_reply_to is None or any((one.to.value, one.in_reply_to) == comment for one in self.received):
                self.refused += 1
                raise WindowClosed("one private reply to a comment", told=self.told)
            sent = await super().send(reply)
            told = self.known.get(reply.to.value)
            return Sent(id=sent.id, learned=(writer(told),) if told else ())
        return await super().send(reply)

    def came(self) -> list[tuple[str, str]]:
        """(to whom, what) of all that was taken."""
        return [(one.to.value, one.text) for one in self.received]


class Counter(Desk):
    """The office behind the page."""

    def __init__(self, database: Database, channel: Page | None = None, **more: Any) -> None:
        super().__init__(database, channel or Page(), plugin=plugin, rules=(), **more)

    @property
    def page(self) -> Page:
        assert isinstance(self.channel, Page)
        return self.channel

    async def comments(self, text: str = "¿cuándo es mi turno?", *, by: str = "c1", **more: Any) -> None:
        await self.pipes.deliver(said(commenter(by), text, **more))
        await self.pipes.follow()

    async def writes(self, text: str = "hola, me escribieron", *, by: str = "p1", **more: Any) -> None:
        await self.pipes.deliver(said(writer(by), text, **more))

    async def people(self) -> dict[str, int]:
        rows = await self.database.read(lambda c: c.execute(select(handle)).all())
        return {row.value: row.citizen_id for row in rows}

    async def evidence(self) -> list[tuple[str, str]]:
        wanted = select(identity_event.c.kind, identity_event.c.evidence).order_by(identity_event.c.id)
        return [(row.kind, row.evidence) for row in await self.database.read(lambda c: c.execute(wanted).all())]


async def test_the_rest_waits_in_sight_and_goes_once_when_they_write_in_messenger(database: Database) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.adapter.say("1", THREE)
    await desk.settles()
    first = ("c1", "Su turno es el martes a las nueve en la mesa.")
    assert desk.page.came() == [first]
    assert [state for state, _ in await desk.steps()] == ["parked"]
    assert await desk.states() == ["held"]
    assert any("pasó el plazo" in note for note in desk.notes())
    await desk.settles()
    assert desk.page.came() == [first]

    await desk.writes()
    assert desk.page.came() == [
        first,
        ("p1", "Traiga el DNI y la partida de nacimiento."),
        ("p1", "Pregunte por Marta."),
    ]
    assert [state for state, _ in await desk.steps()] == ["done"]
    assert await desk.states() == ["accepted"]
    assert desk.page.refused == 1
    await desk.writes("gracias")
    assert len(desk.page.received) == 3
    assert len(desk.adapter.tickets) == 1
    await desk.pipes.books()


async def test_the_channel_s_word_is_the_evidence_that_links_them(database: Database) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.adapter.say("1", "Es el martes.")
    await desk.settles()
    people = await desk.people()
    assert people["p1"] == people["c1"]
    assert ("linked", "learned: told by the channel when it took an answer to a fb_user") in await desk.evidence()
    before = len(await desk.evidence())
    await desk.comments("¿y el jueves?")
    desk.adapter.say("1", "También.")
    await desk.settles()
    assert len(await desk.evidence()) == before  # told again, known already


async def test_who_wrote_in_messenger_before_is_another_until_a_person_says_otherwise(database: Database) -> None:
    desk = Counter(database)
    await desk.writes("quiero saber de mi trámite")
    await desk.comments()
    desk.adapter.say("2", THREE)
    await desk.settles()
    people = await desk.people()
    assert people["p1"] != people["c1"]
    kinds = [kind for kind, evidence in await desk.evidence() if evidence.startswith("learned") or kind == "suggested"]
    assert kinds == ["suggested"]
    assert [to for to, _ in desk.page.came()] == ["c1"]
    await desk.writes("¿y mi trámite?")
    assert [to for to, _ in desk.page.came()] == ["c1"], "never to who was not proven to be the same"
    assert await desk.states() == ["held"]
    desk.adapter.say("1", "su trámite está listo")
    await desk.settles()
    assert desk.page.came()[-1] == ("p1", "su trámite está listo")


async def test_two_commenters_stay_apart(database: Database) -> None:
    desk = Counter(database)
    await desk.comments(by="c1")
    await desk.comments("otra cosa", by="c2")
    desk.adapter.say("1", THREE)
    desk.adapter.say("2", THREE)
    await desk.settles()
    people = await desk.people()
    assert (people["c1"], people["c2"]) == (people["p1"], people["p2"])
    assert people["c1"] != people["c2"]
    await desk.writes(by="p2")
    assert [to for to, _ in desk.page.came() if to.startswith("p")] == ["p2", "p2"]


async def test_a_second_answer_waits_for_messenger_too_and_goes_in_order(database: Database) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.adapter.say("1", THREE)
    await desk.settles()
    desk.adapter.say("1", "Y otra cosa.")
    await desk.settles()
    assert [state for state, _ in await desk.steps()] == ["parked", "parked"]
    await desk.writes()
    assert [text for to, text in desk.page.came() if to == "p1"] == [
        "Traiga el DNI y la partida de nacimiento.",
        "Pregunte por Marta.",
        "Y otra cosa.",
    ]


@pytest.mark.parametrize("call_task", [False, True])
async def test_the_note_has_the_channel_s_own_reason_why_nothing_goes(database: Database, call_task: bool) -> None:
    """Seconds after the comment no time is over: what the agent reads is what Meta says."""
    desk = Counter(database, ways=Ways(replying=[INSTANCE], call_task=call_task))
    await desk.comments()
    desk.page.told = "un comentario se responde una sola vez"
    for text in ("Es el martes.", "Y otra cosa."):
        desk.adapter.say("1", text)
        await desk.settles()
    assert (await desk.states())[1] == "held"
    [note] = [note for note in desk.notes() if "espera" in note]
    assert "Motivo: un comentario se responde una sola vez." in note
    assert "pasó el plazo" not in note
    await desk.writes()
    assert desk.page.came()[1:] == [("p1", "Y otra cosa.")]


async def test_the_office_that_is_to_phone_reads_the_channel_s_own_reason(database: Database) -> None:
    desk = Desk(database, MemoryChannel(), ways=Ways(replying=[INSTANCE], call_task=True))
    await desk.opens()

    async def send(reply: Reply) -> Sent:
        raise WindowClosed("not now", told="la persona cerró la conversación")

    desk.channel.send = send  # type: ignore[method-assign]  # stands between the two
    desk.adapter.say("1", "Es el martes.")
    await desk.settles()
    [note] = [note for note in desk.notes() if "llame al" in note]
    assert "la persona cerró la conversación" in note
    assert "pasó el plazo" not in note


def two_offices(database: Database) -> tuple[Counter, MemoryAdapter]:
    """The desk of one office, and the other office, for all about hospitals."""
    desk, salud = Counter(database), MemoryAdapter()
    rule = compile_rule(name="salud", destination="salud", keywords=["hospital"])
    offices = {"gobierno": desk.adapter, "salud": salud}
    desk.pipes = Pipes(database, offices, channel=desk.channel, plugin=plugin, rules=(rule,))
    return desk, salud


async def test_what_was_held_before_waits_at_the_handle_that_was_learnt_since(database: Database) -> None:
    desk, salud = two_offices(database)
    await desk.comments()
    await desk.comments("¿dónde queda el hospital?")
    desk.channel.faults.append(Fault.WINDOW)  # the first comment was deleted
    desk.adapter.say("1", "Es el martes.")
    await desk.settles()
    assert await desk.states() == ["held"]
    salud.say("1", "En la avenida.")
    await desk.settles()
    await desk.writes("¿a qué altura de la avenida queda el hospital?")
    assert desk.page.came() == [("c1", "En la avenida."), ("p1", "Es el martes.")]
    assert await desk.states() == ["accepted", "accepted"]


async def test_an_answer_goes_at_once_to_messenger_where_they_wrote_there_and_commented_again(
    database: Database,
) -> None:
    desk = Counter(database)
    await desk.comments(ago=HOUR * 3)
    desk.adapter.say("1", "Es el martes.")
    await desk.settles()
    await desk.writes(ago=HOUR * 2)
    await desk.comments("¿y el jueves?", ago=HOUR)
    desk.adapter.say("1", THREE)
    await desk.settles()
    assert desk.page.came()[1:] == [
        ("c1", "Su turno es el martes a las nueve en la mesa."),
        ("p1", "Traiga el DNI y la partida de nacimiento."),
        ("p1", "Pregunte por Marta."),
    ]
    assert await desk.states() == ["accepted", "accepted"]


async def test_an_answer_to_the_conversation_goes_where_they_wrote_last(database: Database) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.adapter.say("1", "Es el martes.")
    await desk.settles()
    await desk.writes("¿a qué hora?")
    desk.adapter.say("1", "A las nueve.")
    await desk.settles()
    assert desk.page.came() == [("c1", "Es el martes."), ("p1", "A las nueve.")]
    assert len(desk.adapter.tickets) == 1


async def test_where_the_channel_tells_nothing_the_rest_waits_for_the_commenter(database: Database) -> None:
    desk = Counter(database, Page(c9="p9"))
    await desk.comments()
    desk.adapter.say("1", THREE)
    await desk.settles()
    await desk.writes()
    assert [to for to, _ in desk.page.came()] == ["c1"]
    assert await desk.states() == ["held"]
    await desk.comments("sigo esperando")
    await desk.carries()
    assert [to for to, _ in desk.page.came()][:1] == ["c1"]


# ---------------------------------------------------------------- cut off in between


async def test_a_lost_answer_leaves_no_link_and_what_is_left_goes_to_nobody_else(database: Database) -> None:
    """It was sent, and the process died before it heard who that is: the report tells that it went, but not to whom."""
    desk = Counter(database)
    await desk.comments()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", THREE)
    await desk.settles()
    assert [state for state, _ in await desk.steps()] == ["parked"]
    await desk.hears(desk.status(0, SendState.DELIVERED))
    await desk.carries()
    assert len(desk.page.received) == 1, "what was reported of does not go again"
    assert await desk.states() == ["held"]
    await desk.writes()
    people = await desk.people()
    assert people["p1"] != people["c1"]
    assert [to for to, _ in desk.page.came()] == ["c1"]
    assert [state for state, _ in await desk.steps()] == ["parked"], "in everybody's sight"
    assert len(desk.adapter.tickets) == 2


async def test_a_report_that_names_who_it_went_to_makes_up_for_a_lost_answer(database: Database) -> None:
    """The process died before it heard who that is; the echo of the message says it, as often as it comes."""
    desk = Counter(database)
    await desk.comments()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    desk.adapter.say("1", THREE)
    await desk.settles()
    assert [state for state, _ in await desk.steps()] == ["parked"]
    for state in (SendState.SENT, SendState.SENT, SendState.DELIVERED):
        await desk.hears(desk.status(0, state, learned=(writer("p1"),)))
    await desk.carries()
    assert len(desk.page.received) == 1, "what was reported of does not go again"
    assert await desk.states() == ["held"]
    await desk.writes()
    await desk.carries()
    people = await desk.people()
    assert people["p1"] == people["c1"]
    assert [to for to, _ in desk.page.came()] == ["c1", "p1", "p1"]
    assert len(desk.adapter.tickets) == 1


@pytest.mark.parametrize("writes_first", [True, False])
async def test_a_node_that_dies_behind_the_first_portion_goes_on_where_it_stopped(
    database: Database, writes_first: bool
) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.channel.faults.extend([None, Fault.REFUSED])
    desk.adapter.say("1", THREE)
    await desk.pipes.follow()
    async with desk.pipes.dispatching():
        await desk.pipes.until(lambda _: len(desk.page.received) == 1)

    def die(connection: Connection) -> None:
        step = dispatch.c.kind == "send"
        connection.execute(update(dispatch).where(step).values(state="unknown", reason="restarted", attempts=1))
        connection.execute(update(reply).values(state="waiting", reason=None))

    await database.run(die)
    if writes_first:
        await desk.writes()
    await desk.carries()
    await desk.writes("¿y?")
    assert desk.page.came() == [
        ("c1", "Su turno es el martes a las nueve en la mesa."),
        ("p1", "Traiga el DNI y la partida de nacimiento."),
        ("p1", "Pregunte por Marta."),
    ]
    assert await desk.states() == ["accepted"]


async def test_a_portion_lost_in_messenger_is_not_sent_to_the_comment_again(database: Database) -> None:
    desk = Counter(database)
    await desk.comments()
    desk.adapter.say("1", THREE)
    await desk.settles()
    desk.channel.faults.append(Fault.LOST_ANSWER)
    await desk.writes()
    assert [to for to, _ in desk.page.came()] == ["c1", "p1"]
    assert [state for state, _ in await desk.steps()] == ["parked"]
    await desk.hears(desk.status(1, SendState.SENT))
    await desk.carries()
    assert [to for to, _ in desk.page.came()] == ["c1", "p1", "p1"]
    assert [state for state, _ in await desk.steps()] == ["done"]
    await desk.hears(*(desk.status(number, SendState.READ) for number in range(3)))
    assert await desk.states() == ["read"]


async def test_what_waits_for_messenger_goes_also_when_they_write_there_about_something_else(
    database: Database,
) -> None:
    desk, _ = two_offices(database)
    await desk.comments()
    desk.adapter.say("1", THREE)
    await desk.settles()
    await desk.writes("otra cosa: ¿dónde queda el hospital?")
    assert [to for to, _ in desk.page.came()] == ["c1", "p1", "p1"]
    assert await desk.states() == ["accepted"]
