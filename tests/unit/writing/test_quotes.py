"""Quotations of what we wrote never go back out."""

from __future__ import annotations

import time

import pytest

from inbox_ticketing._writing.quotes import ATTRIBUTION, MARKER, QUOTED, without_quotations

OURS = "<blockquote>Hay un pozo<br>[ref:4F7K2-8.m1]</blockquote>"
OTHERS = "<blockquote>El pliego dice esto</blockquote>"


def test_ours_go_and_others_stay() -> None:
    kept = without_quotations(f"<p>Va la cuadrilla</p>{OURS}{OTHERS}<p>Saludos</p>")
    assert "Va la cuadrilla" in kept
    assert "Saludos" in kept
    assert "pliego" in kept
    assert "pozo" not in kept
    assert "4F7K2-8" not in kept


def test_all_go_where_all_are_old() -> None:
    assert without_quotations(f"<p>Sí</p>{OURS}{OTHERS}", of_others=True) == "<p>Sí</p>"


def test_the_line_that_says_whose_words_they_are_goes_with_them() -> None:
    kept = without_quotations(f"<div>Listo</div><div>El lunes, Ana escribió:</div><br>{OURS}")
    assert "Listo" in kept
    assert "escribió" not in kept


def test_a_quotation_of_ours_goes_with_all_that_is_around_it() -> None:
    nested = f"<blockquote>Reenvío {OURS} fin</blockquote><p>Eso</p>"
    assert without_quotations(nested) == "<p>Eso</p>"


@pytest.mark.parametrize("html", ["", "Hola", "<p>a &lt; b</p>", OTHERS, "<p>sin cerrar"])
def test_what_holds_none_comes_back_as_it_was_given(html: str) -> None:
    assert without_quotations(html) == html


def test_a_mail_that_quotes_itself_a_thousand_times_costs_little() -> None:
    began = time.monotonic()
    assert "ref:" not in without_quotations("<blockquote>" * 1000 + "[ref:4F7K2-8.m1]" + "</blockquote>" * 1000)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("line", ["> uno", "  > uno", ">"])
def test_a_quoted_line(line: str) -> None:
    assert QUOTED.match(line)
    assert not QUOTED.match("    " + line), "code is no quotation"


def test_a_marker_is_short_and_has_no_blanks() -> None:
    assert MARKER.fullmatch("[ref:4F7K2-8/k7f3qx.m1]")
    assert not MARKER.search("[ref:a b]")
    assert not MARKER.search(f"[ref:{'x' * 201}]")


def test_who_wrote_is_told_in_both_languages() -> None:
    assert ATTRIBUTION.match("El lun, 23 nov 2026, Ana <ana@example.com> escribió:")
    assert ATTRIBUTION.match("On Mon, Ana wrote:")
    assert not ATTRIBUTION.match("Ella escribió: no vino nadie")
