"""Tickets of a real Request Tracker, merged at the worst moment: nobody gets another's answer, and none is lost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from real.answers.building import town
from real.answers.offices import Tracker, Where
from real.answers.script import TRACKER, WORDS
from real.answers.tokens import Token
from real.answers.town import GRACE_SECONDS, Servers, Town
from real.servers.fixtures import Dovecot, Postfix
from real.servers.request_tracker import RequestTrackerServer
from support.graph_fake_citizens import Phone

pytestmark = pytest.mark.real

ANA = Phone(number="5493624000901", bsuid="AR.9001", name="Ana Quebracho")
LUIS = Phone(number="5493624000902", bsuid="AR.9002", name="Luis Algarrobo")


@pytest.fixture
def servers(request_tracker: RequestTrackerServer, dovecot: Dovecot, postfix: Postfix) -> Servers:
    return Servers(tracker=request_tracker, dovecot=dovecot, postfix=postfix)


async def opened(made: Town, phone: Phone, number: int, *, word: int = 0) -> Where:
    """They write, and have a ticket."""
    mark = Token(number, 1, 1, "citizen")
    at = datetime.now(UTC).replace(microsecond=0)
    made.graph.write(phone.text(f"Consulta por {WORDS[TRACKER][word]} {mark}", at=at))
    await made.until(lambda: "" if str(mark) in made.tickets else f"a ticket with {mark}", 20)
    return made.tickets[str(mark)]


def agents(made: Town) -> Tracker:
    tracker = made.agents[TRACKER]
    assert isinstance(tracker, Tracker)
    return tracker


def texts(made: Town, phone: Phone) -> list[str]:
    return [one.text for one in made.graph.inbox(phone)]


async def test_a_hint_of_a_merged_ticket_brings_nobody_anothers_answer_before_the_next_poll(
    tmp_path: Path, servers: Servers
) -> None:
    """A scrip tells of the ticket that is left only; the next look at all tickets is a minute away."""
    async with town(tmp_path, servers, calm=True, follow=60) as made:
        hers, his = await opened(made, ANA, 1), await opened(made, LUIS, 2)
        office = agents(made)
        await office.merges(hers, into=his)
        await office.answers(his, "tks0002v03v001q Señora, su análisis dio positivo.")
        await made.until(lambda: "" if made.rows("SELECT 1 FROM reply") else "the answer to be learnt", 10)
        await asyncio.sleep(GRACE_SECONDS + 3)
        assert (texts(made, ANA), texts(made, LUIS)) == ([], [])
        stopped = {(row[0], "otra persona" in row[1]) for row in made.rows("SELECT state, reason FROM reply")}
        assert stopped == {("parked", True)}


async def test_an_answer_from_before_a_merge_reaches_its_citizen_although_it_is_learnt_after_it(
    tmp_path: Path, servers: Servers
) -> None:
    """What the citizen writes meanwhile goes into the ticket that is left, which is her case's from then on."""
    async with town(tmp_path, servers, calm=True, follow=8) as made:
        first, second = await opened(made, ANA, 1), await opened(made, ANA, 2, word=1)
        office = replace(agents(made), hints=None)
        await office.answers(first, "tka0001v02v001q Su turno es el martes.")
        await office.merges(first, into=second)
        more = Token(1, 3, 1, "citizen")
        made.graph.write(ANA.text(f"Y sobre el turno {more}", at=datetime.now(UTC).replace(microsecond=0)))
        await made.until(lambda: "" if texts(made, ANA) else "the answer from before the merge", 25)
        await asyncio.sleep(1)
        assert texts(made, ANA) == ["tka0001v02v001q Su turno es el martes."]


async def test_both_tickets_of_one_person_answer_once_after_a_merge(tmp_path: Path, servers: Servers) -> None:
    async with town(tmp_path, servers, calm=True) as made:
        first, second = await opened(made, ANA, 1), await opened(made, ANA, 2, word=1)
        office = agents(made)
        await office.merges(first, into=second)
        await office.answers(second, "tka0002v03v001q Los dos trámites están listos.")
        await made.until(lambda: "" if texts(made, ANA) else "the answer", 15)
        await asyncio.sleep(4)
        assert texts(made, ANA) == ["tka0002v03v001q Los dos trámites están listos."]
