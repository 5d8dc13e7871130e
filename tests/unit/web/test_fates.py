"""What the case page says of an answer's way: true in every state, and taking back is offered only while it helps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from inbox_daemon.plugins import CaseEntry
from inbox_daemon.web.fates import FRESH, Fate, can_withdraw, fates
from inbox_daemon.web.words import Words

WORDS = Words.load("es-AR", ZoneInfo("America/Argentina/Cordoba"))
NOW = datetime(2027, 3, 10, 13, 30, tzinfo=UTC)  # 10:30 in Argentina
OUT = ["accepted", "sent", "delivered", "read"]
STATES = ["waiting", "held", *OUT, "failed", "withdrawn", "parked", "call"]


@dataclass(frozen=True)
class State:
    """An answer's state as a store tells it."""

    state: str
    at: datetime | None = NOW
    reason: str = ""
    due_at: datetime | None = None
    channel: str = "WhatsApp"


def entry(direction: str = "agent", *, at: datetime = NOW) -> CaseEntry:
    return CaseEntry(id=5, direction=direction, heading="", body="Sí.", at=at)


def fate(state: State | None, direction: str = "agent", *, at: datetime = NOW) -> Fate:
    return fates([entry(direction, at=at)], {} if state is None else {5: state}, WORDS, NOW)[5]


SAID = [
    (State("waiting", due_at=NOW + timedelta(minutes=2)), "Se envía a las 10:32."),
    (State("waiting", due_at=NOW + timedelta(days=1)), "Se envía el 11/03/2027 10:30."),
    (State("waiting", due_at=NOW + timedelta(hours=13, minutes=29)), "Se envía a las 23:59."),
    (State("waiting", due_at=NOW + timedelta(hours=13, minutes=30)), "Se envía el 11/03/2027 00:00."),
    (State("waiting", due_at=NOW), "Se está enviando."),
    (State("waiting"), "Se está enviando."),
    (State("held"), "Espera a que la persona escriba: el canal ya no permite escribirle antes."),
    (State("accepted"), "Aceptada por WhatsApp."),
    (State("accepted", channel=""), "Aceptada por el canal."),
    (State("sent"), "Enviada por WhatsApp."),
    (State("delivered"), "Entregada por WhatsApp."),
    (State("read"), "Leída por la persona."),
    (State("failed", reason="el número no usa {WhatsApp}"), "No se pudo entregar. Motivo: el número no usa {WhatsApp}"),
    (State("parked"), "Detenida: alguien tiene que revisarla."),
    (State("call"), "Ningún canal puede llevarla: llame a la persona por teléfono."),
    (State("withdrawn"), "Retirada, no se envió."),
    (State("of a later release"), "Sin datos de su envío."),
    (State("reason"), "Sin datos de su envío."),
    (None, "Se envía en unos instantes."),
]


@pytest.mark.parametrize(("state", "text"), SAID)
def test_each_state_in_words(state: State | None, text: str) -> None:
    assert fate(state).text == text


def test_every_state_of_a_reply_is_told() -> None:
    unknown = fate(State("of a later release")).text
    assert [state for state in STATES if fate(State(state)).text == unknown] == []


@pytest.mark.parametrize("state", STATES)
def test_only_what_still_waits_can_be_taken_back(state: str) -> None:
    assert fate(State(state)).can_withdraw == (state in {"waiting", "held"})
    assert not fate(State(state), "withdrawn").can_withdraw


def test_an_answer_not_taken_up_yet_can_be_taken_back_and_one_of_before_promises_nothing() -> None:
    assert fate(None, at=NOW - FRESH + timedelta(seconds=1)).can_withdraw
    old = fate(None, at=NOW - FRESH)
    assert (old.text, old.can_withdraw) == ("Sin datos de su envío.", False)


@pytest.mark.parametrize("direction", ["citizen", "note", "system"])
def test_other_entries_have_no_fate(direction: str) -> None:
    assert fates([entry(direction)], {5: State("waiting")}, WORDS, NOW) == {}
    assert not can_withdraw(entry(direction), State("waiting"), NOW)


def test_where_nothing_sends_answers_nothing_is_said_of_it() -> None:
    assert fates([entry()], None, WORDS, NOW) == {}
    assert fates([entry("withdrawn")], None, WORDS, NOW)[5].struck


@pytest.mark.parametrize("state", ["waiting", "held", "withdrawn", "call", None])
def test_taken_back_in_time_is_struck_out(state: str | None) -> None:
    told = fate(None if state is None else State(state), "withdrawn")
    assert (told.text, told.struck) == ("Retirada, no se envió.", True)


@pytest.mark.parametrize("state", [*OUT, "failed", "parked"])
def test_taken_back_too_late_never_claims_that_it_was_not_sent(state: str) -> None:
    told = fate(State(state), "withdrawn")
    assert not told.struck
    assert "no se envió" not in told.text
    assert told.text == f"Se retiró del caso cuando ya estaba en camino. {fate(State(state)).text}"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 segundo"), (20, "20 segundos"), (119, "119 segundos"), (120, "2 minutos"), (3600, "60 minutos")],
)
def test_spans(seconds: float, said: str) -> None:
    assert WORDS.span(seconds) == said
