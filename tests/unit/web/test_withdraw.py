"""Answers on the case page: what became of them, and taking them back while they wait."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from inbox_daemon.model import CaseNumber, InstanceId, MessageKey, Reference
from inbox_daemon.store.database import StorageBroken
from inbox_daemon.web.case import Cases
from unit.web.desk import ATTACK, Office, State
from unit.web.wire import request, serving


@pytest.mark.parametrize("state", [None, State("waiting"), State("held")])
async def test_an_answer_that_waits_is_taken_back_once_however_often_asked(office: Office, state: State | None) -> None:
    entry = await office.answer(state=state)
    html = await office.page()
    assert html.count(f'action="{office.path}/withdraw"') == 1
    assert f'<input type="hidden" name="entry" value="{entry}">' in html
    assert re.search(r'>Retirar <span class="aside">la respuesta del \d\d/', html), "the button says which one"
    answers = await asyncio.gather(*[office.withdraw(entry) for _ in range(5)])
    assert {(answer.status, answer.headers["location"]) for answer in answers} == {
        (303, f"{office.path}?done=withdrawn")
    }
    assert (await office.entries())[1:] == [("withdrawn", "Sí, puede.")]
    html = (await office.get(answers[0].headers["location"])).body.decode()
    assert "La respuesta se retiró del caso." in html
    assert "Retirada, no se envió." in html
    assert "<del>Sí, puede.</del>" in html
    assert "/withdraw" not in html


@pytest.mark.parametrize("state", ["accepted", "sent", "delivered", "read", "failed", "parked", "call"])
async def test_an_answer_that_has_left_is_not_taken_back(office: Office, state: str) -> None:
    entry = await office.answer(state=State(state, at=datetime(2027, 3, 10, 13, 32, tzinfo=UTC)))
    html = await office.page()
    assert "/withdraw" not in html
    assert '<time datetime="2027-03-10T13:32:00+00:00">10/03/2027 10:32</time></p>' in html
    answer = await office.withdraw(entry)
    assert answer.status == 409
    assert "ya no se puede retirar" in answer.body.decode()
    assert f'<a class="more" href="{office.path}">Volver al caso</a>' in answer.body.decode()
    assert (await office.entries())[1:] == [("agent", "Sí, puede.")]


async def test_taken_back_while_it_left_is_told_as_it_was(office: Office) -> None:
    entry = await office.answer(state=State("waiting"))
    assert (await office.withdraw(entry)).status == 303
    office.answers.known[entry] = State("delivered")
    html = await office.page()
    assert "Se retiró del caso cuando ya estaba en camino. Entregada por WhatsApp." in html
    assert "<del>" not in html
    assert "no se envió" not in html


async def test_the_reason_of_a_failure_is_text(office: Office) -> None:
    await office.answer(state=State("failed", reason=ATTACK))
    html = await office.page()
    assert "<script" not in html
    assert f"No se pudo entregar. Motivo: {ATTACK}" in unescape(html)


async def test_only_agents_answers_of_this_case_are_taken_back(office: Office, log: list[Any]) -> None:
    other = await office.book.open_case(
        office=InstanceId("fiduciaria"),
        number=CaseNumber("C-2"),
        reference=Reference("C-2/pruebas"),
        subject="",
        key=MessageKey("m1"),
        heading="",
        body="",
    )
    foreign, _ = await office.book.add_entry(other.id, key=MessageKey("a"), direction="agent", heading="", body="x")
    note, _ = await office.book.add_entry(office.case.id, key=MessageKey("n"), direction="note", heading="", body="y")
    [citizen] = office.case.entries
    for odd in (foreign, note, citizen.id, 0, -1, 10**30, "", "x", "٣", f" {note}"):
        assert (await office.withdraw(odd)).status == 400, odd
    assert (await office.post(f"{office.path}/withdraw", {})).status == 400
    assert {line["reason"] for line in log} == {"form_entry"}
    kept = await office.book.read(other.id)
    assert kept is not None
    assert kept.entries[1].direction == "agent"
    assert [direction for direction, _ in await office.entries()] == ["citizen", "note"]


async def test_while_the_states_cannot_be_read_nothing_is_taken_back_and_no_answer_is_lost(office: Office) -> None:
    entry = await office.answer(state=State("waiting"))
    form = {"once": await office.once(), "text": "Otra."}
    office.answers.trouble = StorageBroken("no disk")
    assert (await office.get(office.path)).status == 503
    assert (await office.withdraw(entry)).status == 503
    assert (await office.post(f"{office.path}/answer", form)).status == 303
    assert (await office.entries())[1:] == [("agent", "Sí, puede."), ("agent", "Otra.")]


async def test_where_nothing_sends_answers_none_is_taken_back(office: Office) -> None:
    entry = await office.answer()
    cases = Cases(office.book, office.links, "Centro", ZoneInfo("UTC"))
    async with serving(cases=cases) as served:
        html = (await served.say(request("GET", office.path))).body.decode()
        body = f"entry={entry}".encode()
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        answer = await served.say(request("POST", f"{office.path}/withdraw", body, **form))
    assert "/withdraw" not in html
    assert 'class="fate' not in html
    assert answer.status == 409
    assert (await office.entries())[1:] == [("agent", "Sí, puede.")]
