"""The judges of a run complain about each thing that may be wrong, and about nothing in a run that is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from real.answers import oracle
from real.answers.oracle import Evidence, Item
from real.answers.script import BOOK, Act, Case, Citizen, play
from real.answers.tokens import Kind, Token, tokens_in

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def token(case: int, serial: int, kind: Kind = "answer", part: int = 1) -> Token:
    return Token(case=case, serial=serial, part=part, kind=kind)


def answered(*tokens: Token) -> Act:
    return Act(verb="answers", text=" ".join(map(str, tokens)), token=tokens[0], parts=tokens)


def items(*words: str, told: str | None = "read") -> list[Item]:
    return [Item(text=text, at=AT + timedelta(seconds=n), told=told) for n, text in enumerate(words)]


FIRST, LONG, OTHER, SHARED = token(1, 2), (token(1, 3), token(1, 3, part=2)), token(2, 2), token(2, 4, "shared")
CASES = (
    Case(number=1, citizen=Citizen(name="ana"), office=BOOK, plot="plain", acts=(answered(FIRST), answered(*LONG))),
    Case(number=2, citizen=Citizen(name="luis"), office=BOOK, plot="plain", acts=(answered(OTHER), answered(SHARED))),
)
ANA = items(f"{FIRST} hola", f"{LONG[0]} uno", f"{LONG[1]} dos")


def note(about: Token, words: str) -> str:
    return f"Sobre su respuesta «{about} …»\n{words}"


READ, TAKEN = "Respuesta leída en WhatsApp", "Respuesta aceptada por WhatsApp"
UNKNOWN = "No se sabe si la respuesta llegó a la persona"
NOTES = (
    note(FIRST, TAKEN),
    note(FIRST, READ),
    note(LONG[0], READ),
    note(OTHER, UNKNOWN),
    note(SHARED, "este se unió con el de otra persona"),
)
GOOD = Evidence(
    cases=CASES,
    inboxes={"ana": ANA, "luis": []},
    notes=NOTES,
    parked=[{"id": "D1", "reason": "no se sabe", "what": "send for case 4F7K2-8"}],
    books=[{"balance": 0, "pending": 0}],
    case_numbers={2: ["4F7K2-8"]},
)


def with_inbox(**inboxes: Sequence[Item]) -> Evidence:
    changed: Mapping[str, Sequence[Item]] = {**GOOD.inboxes, **inboxes}
    return replace(GOOD, inboxes=changed)


def test_a_run_that_is_right_has_no_complaints() -> None:
    assert oracle.complaints(GOOD) == {}


WRONG: Mapping[str, tuple[str, Evidence]] = {
    "an inbox twice": ("doubled", with_inbox(ana=[*ANA, *ANA])),
    "one portion twice": ("doubled", with_inbox(ana=[*ANA, ANA[2]])),
    "the same with two people": ("doubled", with_inbox(luis=[ANA[0]])),
    "another's answer": ("foreign", with_inbox(luis=[ANA[0]])),
    "another's words": ("foreign", with_inbox(luis=items(f"> {token(1, 1, 'citizen')}"))),
    "an internal note": ("inner", with_inbox(ana=[*ANA, *items(str(token(1, 9, "note")))])),
    "an answer taken back": ("inner", with_inbox(ana=[*ANA, *items(str(token(1, 9, "withdrawn")))])),
    "an answer for two persons": ("inner", with_inbox(luis=items(str(SHARED)))),
    "nothing came": ("missing", with_inbox(ana=[])),
    "half of it came": ("missing", with_inbox(ana=ANA[:2])),
    "what is stopped is in no ticket": ("missing", replace(GOOD, notes=[n for n in NOTES if UNKNOWN not in n])),
    "a merge that nobody is told of": ("unanswered_merges", replace(GOOD, notes=NOTES[:-1])),
    "what is stopped is in no list": ("unlisted", replace(GOOD, parked=[])),
    "parked for no reason": ("unlisted", replace(GOOD, parked=[*GOOD.parked, {"id": "D2", "reason": "", "what": ""}])),
    "the second answer first": ("disordered", with_inbox(ana=items(ANA[1].text, ANA[2].text, ANA[0].text))),
    "the second portion first": ("disordered", with_inbox(ana=items(ANA[0].text, ANA[2].text, ANA[1].text))),
    "a state backwards": ("wrong_statuses", replace(GOOD, notes=(NOTES[1], NOTES[0], *NOTES[2:]))),
    "a state twice": ("wrong_statuses", replace(GOOD, notes=(NOTES[0], *NOTES))),
    "a state that is not true": ("wrong_statuses", with_inbox(ana=items(*(one.text for one in ANA), told="delivered"))),
    "the books": ("unbalanced", replace(GOOD, books=[{"balance": 1, "pending": 0}])),
    "something still waits": ("unbalanced", replace(GOOD, books=[{"balance": 0, "pending": 1}])),
    "told twice": ("doubled", with_inbox(luis=[replace(one, template=True) for one in items("c|1")])),
}


@pytest.mark.parametrize(("judge", "evidence"), WRONG.values(), ids=WRONG)
def test_each_wrong_is_seen(judge: str, evidence: Evidence) -> None:
    assert judge in oracle.complaints(evidence)


def test_what_was_stopped_may_come_after_a_later_answer() -> None:
    late = with_inbox(ana=items(ANA[1].text, ANA[2].text, ANA[0].text))
    notes = (note(FIRST, "La respuesta está en espera: pasó el plazo"), note(FIRST, READ), *NOTES[2:])
    assert oracle.complaints(replace(late, notes=notes)) == {}


def test_a_play_is_the_same_for_the_same_seed_and_each_mark_stands_once() -> None:
    one, same = (play(seed=5, run="x", domain="centro.test", sizes=((BOOK, 40), ("salud", 40))) for _ in range(2))
    assert one == same
    marks = [mark for case in one for act in case.acts for mark in tokens_in(act.text)]
    assert len(marks) == len(set(marks))
    assert {case.number for case in one} == set(range(80))
