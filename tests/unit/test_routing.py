"""Which rule a message falls under: accents, case, whole words, order, patterns."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.pipeline.routing import MAX_SEARCHED_CHARS, Route, compile_rule, fold, route

SALUD = compile_rule(name="salud", destination="salud", keywords=["turno", "Atención médica", "año"])
DENUNCIA = compile_rule(name="denuncia", destination="seguridad", keywords=["denuncia"], matter="denuncia")
EXPEDIENTE = compile_rule(name="expediente", destination="gobierno", pattern=r"\bE-?\d{4,}-\d+\b", matter="trámite")
MAIL = compile_rule(name="mail", destination="cultura", channels=["email"], instances=["mesa"], keywords=["taller"])
RULES = (DENUNCIA, SALUD, EXPEDIENTE, MAIL)


def _route(text: str, *, channel: str = "whatsapp", instance: str = "w1") -> Route:
    return route(RULES, "mesa", channel=channel, instance=instance, text=text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Necesito un turno", "salud"),
        ("TURNO", "salud"),
        ("¿turno?", "salud"),
        ("turno,por favor", "salud"),
        ("«turno»", "salud"),
        ("el turno.", "salud"),
        ("turnos", "default"),
        ("saturno", "default"),
        ("turno_1", "default"),
        ("atencion medica", "salud"),
        ("ATENCIÓN   MÉDICA", "salud"),
        ("atención\nmédica", "salud"),
        ("atencio\u0301n me\u0301dica", "salud"),
        ("atención muy médica", "default"),
        ("este año", "salud"),
        ("ESTE AÑO", "salud"),
        ("este ano", "salud"),
        ("an\u0303o", "salud"),
        ("turno para una denuncia", "denuncia"),
        ("E-2026-12", "expediente"),
        ("e2026-12", "expediente"),
        ("E-20-12", "default"),
        ("", "default"),
        ("\n\t ", "default"),
        ("🦤", "default"),
    ],
)
def test_rules(text: str, rule: str) -> None:
    assert _route(text).rule == rule


def test_the_first_rule_that_fits_decides_all_that_follows() -> None:
    assert _route("turno y denuncia") == Route(
        destination="seguridad", matter="denuncia", rule="denuncia", explicit=True
    )
    assert route(RULES[1:], "mesa", channel="x", instance="y", text="turno y denuncia").destination == "salud"
    assert _route("hola") == Route(destination="mesa", matter="consulta", rule="default", explicit=False)


@pytest.mark.parametrize(
    ("channel", "instance", "text", "rule"),
    [
        ("email", "mesa", "taller", "mail"),
        ("email", "otra", "taller", "default"),
        ("whatsapp", "mesa", "taller", "default"),
        ("email", "mesa", "otra cosa", "default"),
    ],
)
def test_every_condition_must_hold(channel: str, instance: str, text: str, rule: str) -> None:
    assert _route(text, channel=channel, instance=instance).rule == rule


def test_a_rule_without_conditions_takes_all() -> None:
    everything = compile_rule(name="all", destination="x")
    assert route([everything], "mesa", channel="a", instance="b", text="").rule == "all"


def test_keywords_are_no_patterns() -> None:
    rule = compile_rule(name="r", destination="x", keywords=["a.c", "(", "c++"])
    for text, fits in (("abc", False), ("a.c", True), ("(", True), ("c++", True), ("c", False)):
        assert route([rule], "mesa", channel="", instance="", text=text).explicit is fits, text


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(re.error):
        compile_rule(name="r", destination="x", pattern="(")


def test_only_the_beginning_of_a_long_text_is_searched() -> None:
    assert _route("x" * (MAX_SEARCHED_CHARS - 6) + " turno").rule == "salud"
    assert _route("x" * MAX_SEARCHED_CHARS + " turno").rule == "default"
    began = time.monotonic()
    _route("á" * 10_000_000)
    assert time.monotonic() - began < 1


@given(st.text(max_size=200))
def test_folding_is_stable(text: str) -> None:
    once = fold(text)
    assert fold(once) == fold(fold(once))
    assert once == once.strip()
    assert "  " not in once


@given(st.text(max_size=100), st.text(max_size=100))
def test_a_keyword_between_blanks_is_always_found(before: str, after: str) -> None:
    assert route([SALUD], "mesa", channel="", instance="", text=f"{before} turno {after}").rule == "salud"
