"""Texts for citizens and agents: the same in every language, and no office's own text breaks or leaks anything."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from inbox_daemon.errors import SettingsErrors
from inbox_daemon.model import SendState, TicketState
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.settings import wording

ZONE = ZoneInfo("America/Argentina/Cordoba")
LANGUAGES = ("es-AR", "en")
AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


def test_languages_have_the_same_texts_with_the_same_places() -> None:
    spanish, english = (
        {key: wording.places(text) for key, text in wording.language(name).texts.items()} for name in LANGUAGES
    )
    assert spanish == english
    assert len(spanish) > 40


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_state_has_words(name: str) -> None:
    texts = wording.language(name).texts
    assert {f"state_{state.value}" for state in TicketState} == {key for key in texts if key.startswith("state_")}
    assert {f"sent_{state.value}" for state in SendState} == {key for key in texts if key.startswith("sent_")}
    assert all(text == text.strip() and len(text) <= 300 for text in texts.values())


@pytest.mark.parametrize("name", LANGUAGES)
def test_what_a_deleted_ticket_says_is_what_a_closed_one_says(name: str) -> None:
    texts = Texts.load(name, {}, ZONE)
    assert texts.state(TicketState.DELETED) == texts.state(TicketState.CLOSED)


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_answer_about_an_unknown_case_has_nothing_of_any_case_in_it(name: str) -> None:
    assert wording.places(wording.language(name).texts["status_unknown"]) == frozenset()


@pytest.mark.parametrize(("name", "written"), [("es-AR", "martes 24/11 09:30"), ("en", "Tuesday 24/11 09:30")])
def test_a_moment_is_by_the_office_s_clock(name: str, written: str) -> None:
    assert Texts.load(name, {}, ZONE).moment(AT) == written


def test_a_moment_of_another_year_says_so_by_the_office_s_clock() -> None:
    texts = Texts.load("es-AR", {}, ZONE)
    assert texts.moment(AT, now=datetime(2027, 1, 2, tzinfo=UTC)) == "martes 24/11/2026 09:30"
    assert texts.moment(AT, now=datetime(2027, 1, 1, 2, tzinfo=UTC)) == "martes 24/11 09:30"  # 31st, 23:00 there


def test_an_office_s_own_text_stands_instead_of_ours() -> None:
    texts = Texts.load("es-AR", {"acknowledgement": "Listo, {case}. {{Gracias}}"}, ZONE)
    assert texts.say("acknowledgement", case="4F7K2-8") == "Listo, 4F7K2-8. {Gracias}"
    assert texts.say("menu_hint") == "Responda con el número."


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    said = Texts.load("es-AR", {}, ZONE).say("file_missing", name="{url} {0.__class__} %s.pdf")
    assert "{url} {0.__class__} %s.pdf" in said


def test_a_forgotten_value_is_a_bug_and_not_half_a_text() -> None:
    with pytest.raises(KeyError):
        Texts.load("es-AR", {}, ZONE).say("status", case="4F7K2-8")


@pytest.mark.parametrize(
    ("key", "text", "problem", "remedy"),
    [
        ("acknowledgment", "{case}", "no such text", 'Did you mean "acknowledgement"?'),
        ("acknowledgement", "Gracias.", "{case} is missing", "{case}"),
        ("acknowledgement", "{case} {opens}", "no place {opens}", "Places are: {case}."),
        ("menu_hint", "{case}", "no place {case}", "Places are: none."),
        ("acknowledgement", "{case", "brace", "twice"),
        ("acknowledgement", "case}", "brace", "twice"),
        ("acknowledgement", "{}", "brace", "twice"),
        ("acknowledgement", "{0}", "brace", "twice"),
        ("acknowledgement", "{case.__class__.__mro__}", "brace", "twice"),
        ("acknowledgement", "{case[0]}", "brace", "twice"),
        ("acknowledgement", "{case:>999999999}", "brace", "twice"),
        ("acknowledgement", "{case!r}", "brace", "twice"),
        ("acknowledgement", "{case:{case}}", "brace", "twice"),
        ("acknowledgement", " \n", "empty", "[notices]"),
        ("acknowledgement", "{case}" + "a" * 1000, "too long", "1000"),
    ],
)
def test_a_text_that_cannot_be_used_is_told_with_its_remedy(key: str, text: str, problem: str, remedy: str) -> None:
    with pytest.raises(SettingsErrors) as caught:
        Texts.load("es-AR", {key: text}, ZONE)

    (mistake,) = caught.value.errors
    assert mistake.key == f"notices.texts.{key}"
    assert problem in mistake.problem
    assert remedy in mistake.remedy


def test_all_wrong_texts_are_told_at_once() -> None:
    with pytest.raises(SettingsErrors) as caught:
        Texts.load("en", {"down": "", "closed": "x", "nothing": ""}, ZONE)
    assert [error.key for error in caught.value.errors] == [
        "notices.texts.down",
        "notices.texts.closed",
        "notices.texts.nothing",
    ]
