"""The loop firewall in the pipeline, on both engines: at the way out, and where something comes in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from inbox_daemon.model import Automatic
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.settings.dialogue import Loops
from inbox_daemon.store import parked
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch, message, portion
from support.memory_channel import MemoryChannel
from support.pipes import ZONE
from unit.pipeline.cells import short_pauses
from unit.pipeline.scripted import Office, holding, says

FIREWALL = LoopFirewall(Loops(), Texts.load("es-AR", {}, ZONE))
MAX_HOPS = Loops().max_hops
THEIRS = "Gracias por escribir. Registramos su solicitud {n} y la responderemos en 48 horas."


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


class Desk(Office):
    """An office whose answers go to people's sessions, with the firewall up."""

    def __init__(self, database: Database, **more: Any) -> None:
        self.channel = MemoryChannel()
        super().__init__(database, channel=self.channel, firewall=FIREWALL, **more)
        self.number = 0

    async def hears(self, text: str, *, by: str = "ana", **more: Any) -> None:
        """Somebody says this now, and it is in the ticket if anything lets it."""
        self.number += 1
        now = datetime.now(UTC)
        said = says(text, self.number, by=by, **more)
        object.__setattr__(said, "sent_at", now)
        await self.pipes.deliver(holding(said))

    async def answers(self, text: str, ticket: str = "1") -> list[str]:
        """An agent, or a machine, of the office writes this; the texts that people got of it."""
        before = len(self.channel.received)
        self.adapter.say(ticket, text)
        await self.pipes.follow()
        async with self.pipes.dispatching():
            await self.pipes.settled()
        return [one.text for one in self.channel.received[before:]]

    async def opens(self, *people: str) -> None:
        """Each has a ticket, and answers are carried from now on."""
        for one in people or ("ana",):
            await self.hears(f"hola, soy {one}", by=one)
        await self.pipes.follow()

    def entries(self, ticket: int = 0) -> list[str]:
        """What stands in a ticket."""
        return [text for _, _, text in self.adapter.tickets[ticket].entries]

    async def ignored(self) -> dict[str, int]:
        """What made no entry, by its reason."""
        return dict((await self.line()).ignored)


async def test_two_systems_that_answer_each_other_stop_with_a_reason_and_a_person_passes(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    for n in range(3 * MAX_HOPS):
        if not await desk.answers(f"Su mensaje {n} fue recibido."):
            break
        await desk.hears(THEIRS.format(n=n))
    # Nothing came before the first answer that it could have been quick upon but the greeting: it counts, too.
    assert len(desk.channel.received) == MAX_HOPS
    [item] = await database.read(parked.items)
    assert item.reason.startswith("Envío detenido: parece que dos sistemas")
    assert any("dos sistemas" in note for note in desk.entries())
    await desk.hears("Perdón, contestaba mi correo solo. ¿Qué llevo?")
    assert "Perdón, contestaba mi correo solo. ¿Qué llevo?" in desk.entries()
    assert await desk.answers("Lleve el DNI.") == ["Lleve el DNI."]
    assert await desk.answers("Su mensaje 99 fue recibido.") == ["Su mensaje 99 fue recibido."]
    await desk.pipes.books()


async def test_two_loops_at_a_time_stop_each_for_itself_and_others_are_served(database: Database) -> None:
    desk = Desk(database)
    await desk.opens("ana", "luis", "eva")
    got: dict[str, int] = {"1": 0, "2": 0}
    for n in range(MAX_HOPS + 2):
        for ticket, by in (("1", "ana"), ("2", "luis")):
            sent = await desk.answers(f"Su mensaje {n} fue recibido.", ticket)
            got[ticket] += len(sent)
            if sent:
                await desk.hears(THEIRS.format(n=n), by=by)
    assert got == {"1": MAX_HOPS, "2": MAX_HOPS}
    assert await desk.answers("Su mensaje 7 fue recibido.", "3") == ["Su mensaje 7 fue recibido."]


async def test_what_a_person_let_go_goes(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    for n in range(MAX_HOPS):
        await desk.answers(f"Su mensaje {n} fue recibido.")
        await desk.hears(THEIRS.format(n=n))
    assert await desk.answers("Su mensaje 9 fue recibido.") == []
    [item] = await database.read(parked.items)
    assert await database.run(lambda c: parked.retry(c, item.id))
    async with desk.pipes.dispatching():
        await desk.pipes.settled()
    assert desk.channel.received[-1].text == "Su mensaje 9 fue recibido."


async def test_an_hour_has_room_for_so_many_messages(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    assert len(await desk.answers("un saludo")) == 1
    await database.run(lambda c: _more_portions(c, 59))
    assert await desk.answers("otro saludo") == []
    [item] = await database.read(parked.items)
    assert "60 envíos por hora" in item.reason
    await database.run(lambda c: c.execute(update(portion).values(tried_at=datetime.now(UTC) - timedelta(minutes=61))))
    assert await desk.answers("uno más") == ["uno más"]


def _more_portions(connection: Connection, times: int) -> None:
    """The only portion again and again, as if a long answer had been cut into so many."""
    row = dict(connection.execute(select(portion)).one()._mapping)
    row.pop("id")
    for number in range(times):
        connection.execute(insert(portion).values(**row | {"number": 100 + number, "tag": f"copy{number}"}))


# ---------------------------------------------------------------- what comes in


async def test_what_the_channel_brings_back_under_our_own_id_is_ours(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    await desk.answers("Ya.")
    remote = await database.read(lambda c: c.execute(select(portion.c.remote_id)).scalar_one())
    await desk.hears("Ya.", by="somebody", id=remote)
    assert (await desk.ignored())["own"] == 1
    assert len(desk.adapter.tickets) == 1
    await desk.hears("Ya.", by="ana", id="another id")
    assert desk.entries()[-1] == "Ya.", "short words are anybody's"


async def test_our_own_words_that_come_back_at_once_are_an_echo(database: Database) -> None:
    desk = Desk(database)
    await desk.opens("ana", "luis")
    words = "La reunión es el martes 24/11 a las 9:30, en Mitre 150."
    await desk.answers(words)
    await desk.hears(words.upper().replace(" ", "  "))
    assert (await desk.ignored())["own"] == 1
    before = len(desk.entries())
    await desk.hears("La reunión es el martes 24/11 a las 8:30, en Mitre 150.")
    await desk.hears(words, details={"forwarded": "yes"})
    await desk.hears(words, by="luis")
    assert len(desk.entries()) == before + 2
    assert words in desk.entries(1), "nobody sent it to him"
    await database.run(lambda c: c.execute(update(portion).values(tried_at=datetime.now(UTC) - timedelta(minutes=11))))
    await desk.hears(words)
    assert len(desk.entries()) == before + 3
    assert (await desk.ignored())["own"] == 1


async def test_a_mailbox_that_answers_by_itself_is_heard_so_often_a_day(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    for n in range(MAX_HOPS + 3):
        await desk.hears(f"Estoy de vacaciones ({n})", automatic=Automatic.AUTO_REPLY)
    assert (await desk.ignored())["auto_reply_loop"] == 3
    assert len([text for text in desk.entries() if "vacaciones" in text]) == MAX_HOPS
    await desk.hears("Volví, ¿hay novedades?")
    assert "Volví, ¿hay novedades?" in desk.entries()
    yesterday = datetime.now(UTC) - timedelta(hours=25)
    await database.run(lambda c: c.execute(update(message).values(received_at=yesterday)))
    await desk.hears("Estoy de vacaciones (otra vez)", automatic=Automatic.AUTO_REPLY)
    assert (await desk.ignored())["auto_reply_loop"] == 3


async def test_a_machine_without_marks_is_known_by_saying_the_same_to_everything(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    for letter in "abcdefgh"[: MAX_HOPS + 2]:  # the office's words differ each time, so they go
        assert await desk.answers(f"Respuesta {letter}: se agregó documentación al expediente")
        await desk.hears(THEIRS.format(n=1))
    assert (await desk.ignored())["loop"] == 2
    assert len([text for text in desk.entries() if text.startswith("Gracias por escribir")]) == MAX_HOPS
    await desk.hears("Por favor, que me llame una persona")
    await desk.hears("sí")
    assert desk.entries()[-2:] == ["Por favor, que me llame una persona", "sí"]


async def test_nothing_is_lost_of_what_the_firewall_refuses(database: Database) -> None:
    desk = Desk(database)
    await desk.opens()
    words = "Le recordamos que la reunión es mañana a primera hora"
    await desk.answers(words)
    await desk.hears(words)
    line = await desk.line()
    assert (line.received, line.delivered, line.ignored["own"]) == (2, 1, 1)
    assert await desk.states() == [("done", None), ("done", None)]
    states = await database.read(lambda c: set(c.execute(select(dispatch.c.state)).scalars()))
    assert states == {"done"}
