"""The menu of offices on both engines: asked once, understood or given up, never a trap, the books balanced."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from inbox_daemon.model import Automatic, Content, EditEvent, ExternalId, Handle, Message, Sender, TicketState
from inbox_daemon.pipeline.asking import Menu
from inbox_daemon.pipeline.triage import Option
from inbox_daemon.settings.dialogue import Triage
from inbox_daemon.store import conversations, outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, handle
from support.memory_adapter import Fault
from unit.pipeline.scripted import holding
from unit.pipeline.town import OPTIONS, TEXTS, Town, asking, spoken

ASK, AGAIN, GAVE_UP = (TEXTS.say(f"menu_{name}") for name in ("ask", "again", "gave_up"))


async def _asked(database: Database, words: str = "hola", **more: Any) -> Town:
    """Ana wrote, and was asked."""
    town = Town(database, asking=asking(**more))
    await town.says(words)
    await town.carries()
    return town


def _heard(town: Town) -> list[str]:
    return [one.text for one in town.told]


def _opened(town: Town) -> dict[str, list[list[str]]]:
    return {name: town.tickets(name) for name in town.offices if town.tickets(name)}


async def test_nobody_is_asked_unless_wanted(database: Database) -> None:
    town = Town(database)
    await town.says("hola")
    await town.carries()
    assert (_opened(town), town.told) == ({"gobierno": [["hola"]]}, [])


@pytest.mark.parametrize("words", ["2", "opción dos", "Cultura y museos", "los museos por favor"])
async def test_a_choice_leads_to_its_office_and_is_no_entry(database: Database, words: str) -> None:
    town = await _asked(database)
    assert _heard(town) == [ASK]
    assert [one.title for one in town.told[0].choices] == [one.title for one in OPTIONS]
    assert _opened(town) == {}
    assert (await town.line()).pending == 1
    await town.says(words)
    await town.carries()
    assert _opened(town) == {"cultura": [["hola"]]}
    [case] = await town.cases()
    assert (case.destination, case.matter, case.asked) == ("cultura", "tramite", None)
    line = await town.line()
    assert (line.received, line.delivered, line.ignored) == (2, 1, {"menu_choice": 1})
    await town.says("¿y el horario?")
    await town.carries()
    assert (_opened(town), _heard(town)) == ({"cultura": [["hola", "¿y el horario?"]]}, [ASK])


COMMENTS = Sender(name="Ana", handles=(Handle(kind="fb_user", value="900", scope="p1"),))
WRITES = Sender(name="Ana", handles=(Handle(kind="psid", value="800", scope="p1"),))


async def _are_one(database: Database) -> None:
    """The channel told that who comments and who writes in private is one person."""

    def join(connection: Connection) -> None:
        ids = [one.handles[0].value for one in (COMMENTS, WRITES)]
        known = {row.value: row.citizen_id for row in connection.execute(select(handle))}
        connection.execute(update(handle).where(handle.c.value == ids[0]).values(citizen_id=known[ids[1]]))

    await database.run(join)


@pytest.mark.parametrize("words", ["¿dónde pago?", "estado"])
async def test_who_comments_in_public_is_asked_nothing_and_waits_for_nothing(database: Database, words: str) -> None:
    """A comment takes one private message, which is the office's: the case goes its way at once."""
    town = Town(database, asking=asking())
    await town.says(words, sender=COMMENTS)
    await town.carries()
    assert (_opened(town), town.told, town.channel.calls) == ({"gobierno": [[words]]}, [], 0)


async def test_a_comment_amid_a_question_in_private_is_not_answered_with_another(database: Database) -> None:
    """Asked in Messenger, they write below a post what is no choice: neither asked again nor told that we give up."""
    town = Town(database, asking=asking(tries=1))
    await town.says("buenas", sender=COMMENTS)
    await town.carries()
    await town.says("hola", sender=WRITES)
    await town.carries()
    assert _heard(town) == [ASK]
    await _are_one(database)
    await town.says("¿nadie contesta?", sender=COMMENTS)
    await town.carries()
    assert _heard(town) == [ASK]
    assert town.tickets("gobierno") == [["buenas"], ["hola", "¿nadie contesta?"]]


async def test_a_tap_is_a_choice(database: Database) -> None:
    town = await _asked(database)
    tapped: dict[str, Any] = {
        "details": {"choice": OPTIONS[0].id, "interactive": "list_reply"},
        "content": Content.INTERACTIVE,
    }
    menu = ExternalId(town.channel.ids[town.told[0].tag][0])
    await town.says("Salud", in_reply_to=menu, **tapped)
    await town.carries()
    assert _opened(town) == {"salud": [["hola"]]}


async def test_a_choice_that_says_more_is_an_entry_too(database: Database) -> None:
    town = await _asked(database)
    await town.says("la 1, me duele la espalda")
    await town.carries()
    assert _opened(town) == {"salud": [["hola", "la 1, me duele la espalda"]]}


async def test_words_that_a_rule_knows_are_a_choice(database: Database) -> None:
    town = await _asked(database)
    await town.says("necesito un turno")
    await town.carries()
    assert _opened(town) == {"salud": [["hola", "necesito un turno"]]}


async def test_a_denuncia_chosen_is_reserved_with_all_that_was_said(database: Database) -> None:
    town = await _asked(database, words="hola, me llamo Ana")
    await town.says("quiero denunciar a alguien")
    await town.carries()
    [case] = await town.cases()
    assert (case.destination, case.matter) == ("gobierno", "denuncia")


async def test_not_understood_is_asked_again_and_then_given_up(database: Database) -> None:
    town = await _asked(database)
    await town.says("no entiendo")
    await town.carries()
    assert (_heard(town), _opened(town)) == ([ASK, AGAIN], {})
    await town.says("bueno da igual")
    await town.carries()
    assert _heard(town) == [ASK, AGAIN, GAVE_UP]
    assert _opened(town) == {"gobierno": [["hola", "no entiendo", "bueno da igual"]]}
    await town.says("2")
    await town.carries()
    assert _opened(town) == {"gobierno": [["hola", "no entiendo", "bueno da igual", "2"]]}
    assert (await town.line()).ignored == {}


async def test_who_does_not_answer_is_not_trapped(database: Database) -> None:
    town = Town(database, asking=asking(wait=4))
    await town.says("hola")
    await town.says("es urgente", ago=timedelta(seconds=30))
    await town.carries()
    assert _opened(town) == {}
    await asyncio.sleep(4.1)
    await town.carries()
    assert _opened(town) == {"gobierno": [["es urgente", "hola"]]}
    await town.says("Salud")
    await town.carries()
    assert _opened(town) == {"gobierno": [["es urgente", "hola", "Salud"]]}
    assert _heard(town) == [ASK]


async def test_what_was_written_before_the_question_was_there_is_no_wrong_answer(database: Database) -> None:
    town = await _asked(database)
    await town.says("buenas", ago=timedelta(seconds=5))
    await town.says("mirá", content=Content.IMAGE)
    await town.carries()
    assert _heard(town) == [ASK]
    await town.says("1")
    await town.carries()
    assert _opened(town) == {"salud": [["buenas", "hola", "[Imagen]\nmirá"]]}


@pytest.mark.parametrize(
    ("words", "more"),
    [
        ("Necesito un turno", {}),
        ("hola", {"automatic": Automatic.SYSTEM}),
        ("hola", {"ago": timedelta(hours=2)}),
    ],
    ids=["a rule knows", "a machine", "history"],
)
async def test_who_is_never_asked(database: Database, words: str, more: dict[str, Any]) -> None:
    town = Town(database, asking=asking())
    await town.says(words, **more)
    await town.carries()
    assert _heard(town) == []
    assert sum(map(len, _opened(town).values())) == 1


@pytest.mark.parametrize("more", [{"answerable": ()}, {"channels": frozenset({"whatsapp"})}])
async def test_where_nobody_is_asked(database: Database, more: dict[str, Any]) -> None:
    town = await _asked(database, **more)
    assert (_heard(town), _opened(town)) == ([], {"gobierno": [["hola"]]})


async def test_who_did_not_say_is_not_asked_again_within_the_window(database: Database) -> None:
    town = await _asked(database, tries=1)
    await town.says("no entiendo")
    await town.carries()
    assert _heard(town) == [ASK, GAVE_UP]
    await database.run(lambda c: conversations.set_open(c, 1, is_open=False))
    await town.says("hola de nuevo")
    await town.carries()
    assert _heard(town) == [ASK, GAVE_UP]
    assert _opened(town) == {"gobierno": [["hola", "no entiendo"], ["hola de nuevo"]]}


async def test_an_answer_in_a_closed_case_is_not_asked_about(database: Database) -> None:
    town = Town(database, asking=asking())
    first = await town.says("Necesito un turno")
    await town.carries()
    await database.run(lambda c: conversations.set_open(c, 1, is_open=False))
    await town.says("gracias por todo", in_reply_to=first.external_id)
    await town.carries()
    assert _heard(town) == []


async def test_repeats_of_all_that_was_said_change_nothing(database: Database) -> None:
    town = await _asked(database)
    choice = spoken("2")
    await town.takes(choice, choice)
    await town.takes(choice)
    await town.reads_again()
    await town.carries()
    await town.reads_again()
    assert (_heard(town), _opened(town)) == ([ASK], {"cultura": [["hola"]]})
    line = await town.line()
    assert (line.received, line.ignored) == (4, {"menu_choice": 1, "repeat": 2})


async def test_it_goes_on_after_a_restart_and_on_another_node(database: Database) -> None:
    town = await _asked(database)
    other = Town(database, town, asking=asking(), node="other")
    await other.says("no entiendo")
    await other.carries()
    await town.says("2")
    await town.carries()
    assert (_heard(town), _opened(town)) == ([ASK, AGAIN], {"cultura": [["hola", "no entiendo"]]})


async def test_two_nodes_that_hear_one_choice_keep_it_once(database: Database) -> None:
    town = await _asked(database)
    with Database(database.url) as second:
        other = Town(second, town, asking=asking(), node="other")
        choices = [spoken("2", by=f"p{n}") for n in range(5)]
        for n in range(5):
            await town.says("hola", by=f"p{n}")
        await town.carries()
        for choice in choices:
            choice = spoken("2", by=choice.sender.handles[0].value)
            await asyncio.gather(_quietly(town, choice), _quietly(other, choice))
        await town.carries()
    assert _opened(town) == {"cultura": [["hola"]] * 5}
    line = await town.line()
    assert line.ignored == {"menu_choice": 5, "repeat": 5}


async def _quietly(town: Town, choice: Message) -> None:
    """Take it in while another node may be in the middle of it."""
    await town.pipes.receive(holding(choice))
    await town.pipes.take_in()


async def test_what_provably_reached_nobody_can_still_be_led_elsewhere(database: Database) -> None:
    town = Town(database, asking=asking(wait=0.01))
    town.offices["gobierno"].down = True
    await town.says("hola")
    async with town.pipes.dispatching():
        await asyncio.sleep(0.3)
    await town.says("2")
    await town.carries()
    assert _opened(town) == {"cultura": [["hola"]]}


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.LOST_REQUEST])
async def test_what_may_have_reached_an_office_stays_there(database: Database, fault: Fault) -> None:
    town = Town(database, asking=asking(wait=0.01))
    town.offices["gobierno"].faults.append(fault)
    await town.says("hola")
    async with town.pipes.dispatching():
        await asyncio.sleep(0.1)
    await database.run(
        lambda c: c.execute(update(dispatch).where(dispatch.c.state == "waiting").values(state="unknown"))
    )
    await town.says("2")
    await town.carries()
    assert _opened(town) == {"gobierno": [["hola", "2"]]}


async def test_a_choice_waits_for_a_worker_that_is_just_claiming(database: Database) -> None:
    town = Town(database, asking=asking(wait=0.01))
    await town.says("hola")
    await asyncio.sleep(0.05)
    claimed, go_on = threading.Event(), threading.Event()

    def claim(connection: Connection) -> int:
        found = outbox.claim(connection, "gobierno", "other", timedelta(seconds=0.2), 5)
        claimed.set()
        go_on.wait(10)
        return len(found)

    with Database(database.url) as second:
        claiming = asyncio.create_task(second.run(claim))
        await asyncio.to_thread(claimed.wait, 10)
        choosing = asyncio.create_task(town.says("2"))
        await asyncio.sleep(0.3)
        assert not choosing.done()
        go_on.set()
        assert await claiming == 1
        await choosing
    assert [one.destination for one in await town.cases()] == ["gobierno"]
    await town.carries()
    assert _opened(town) == {"gobierno": [["hola", "2"]]}


async def test_a_query_in_the_middle_is_answered_and_the_question_stays_open(database: Database) -> None:
    town = await _asked(database)
    [case] = await town.cases()
    await town.says(f"estado {case.case_number}")
    await town.carries()
    assert len(_heard(town)) == 2
    assert (await town.cases())[0].asked == 1
    await town.says("1")
    await town.carries()
    assert _opened(town) == {"salud": [["hola"]]}


async def test_an_edit_in_the_middle_waits_along(database: Database) -> None:
    town = Town(database, asking=asking())
    first = await town.says("hola")
    new = spoken("hola, soy Ana", id="e1")
    edit = EditEvent(external_id=ExternalId("e1"), sent_at=datetime.now(UTC), target=first.external_id, message=new)
    await town.takes(edit)
    await town.carries()
    assert _opened(town) == {}
    await town.says("1")
    await town.carries()
    assert [len(ticket) for ticket in town.tickets("salud")] == [2]


async def test_an_edit_of_a_choice_is_heard_as_words_of_its_own(database: Database) -> None:
    town = await _asked(database)
    choice = await town.says("2")
    new = spoken("1", id=str(choice.external_id))
    edit = EditEvent(external_id=ExternalId("e1"), sent_at=datetime.now(UTC), target=choice.external_id, message=new)
    await town.takes(edit)
    await town.carries()
    assert [len(ticket) for ticket in town.tickets("cultura")] == [2]


async def test_an_office_that_refuses_the_choice_hands_the_case_on(database: Database) -> None:
    town = await _asked(database)
    await town.says("2")
    await town.carries()
    await town.follows()
    town.offices["cultura"].turn("1", TicketState.NOT_COMPETENT)
    await town.follows()
    assert [len(ticket) for ticket in town.tickets("gobierno")] == [1]


def test_the_menu_as_configured() -> None:
    lines = [
        {"title": "Salud", "destination": "salud", "keywords": ["médico"]},
        {"title": "Cultura", "description": "Museos", "destination": "cultura", "matter": "tramite"},
    ]
    menu = Menu.of(Triage(enabled=True, options=lines, wait_minutes=5, tries=1, channels=["whatsapp"]))
    assert menu.options == (
        Option(title="Salud", destination="salud", keywords=("médico",)),
        Option(title="Cultura", description="Museos", destination="cultura", matter="tramite"),
    )
    assert (menu.wait, menu.tries, menu.channels) == (timedelta(minutes=5), 1, frozenset({"whatsapp"}))
