"""The agent's own words: nothing that we wrote comes back to a citizen, and nothing that the agent wrote is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_ticketing.request_tracker.quoting import own_words

MARK = "[ref:4F7K2-8/k7f3qx.m1]"
OURS = f"> WhatsApp · Ana Gómez · +54 9 362 400-0001\n>\n> La luminaria sigue apagada.\n>\n> {MARK}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"On Mon Nov 23 09:30:00 2026, inbox wrote:\n\n{OURS}\n\nPasa mañana.\nAtte.", "Pasa mañana.\nAtte."),
        (f"El lun 23 nov 2026, inbox escribió:\n{OURS}\n\nPasa mañana.", "Pasa mañana."),
        (f"Pasa mañana.\n\n{OURS}", "Pasa mañana."),
        (f"Uno.\n{OURS}\nDos.", "Uno.\nDos."),
        (f"Pasa mañana.\n\n{MARK}", "Pasa mañana."),
        (f"Pasa mañana. {MARK}\nAtte.", "Pasa mañana. \nAtte."),
        (f">> {MARK}\nSí.", "Sí."),
        ("> Art. 1 de la ordenanza\n\nEso rige.", "> Art. 1 de la ordenanza\n\nEso rige."),
        (f"> Art. 1 de la ordenanza\n\nEso rige.\n\n{OURS}", "> Art. 1 de la ordenanza\n\nEso rige."),
        ("La vecina escribió:\n\nque no anda.", "La vecina escribió:\n\nque no anda."),
        ("\n  sangría\n\nfin\n", "\n  sangría\n\nfin\n"),
        (OURS, ""),
    ],
)
def test_an_answer_on_the_page_loses_what_we_wrote_and_nothing_else(text: str, expected: str) -> None:
    assert own_words(text, html=False, by_mail=False) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Pasa mañana.\n\nOn Mon, Nov 23, 2026 at 9:30 AM inbox wrote:\n{OURS}\n", "Pasa mañana."),
        (
            "Pasa mañana.\n\nEl lun, 23 nov 2026 a la(s) 09:30, inbox\n(<a@x.test>) escribió:\n\n> Hola\n>\n> No",
            "Pasa mañana.",
        ),
        ("Pasa mañana.\n\n-----Mensaje original-----\nDe: inbox\n\nHola", "Pasa mañana."),
        ("Pasa mañana.\n\nDe: inbox <a@x.test>\nEnviado: lunes\nPara: b@x.test\nAsunto: x\n\nHola", "Pasa mañana."),
        ("> ¿Cuándo?\nMañana.\n> ¿Dónde?\nEn casa.", "> ¿Cuándo?\nMañana.\n> ¿Dónde?\nEn casa."),
        ("De: inbox\nEnviado: hoy\nPara: b\n\nAbajo respondo.", "De: inbox\nEnviado: hoy\nPara: b\n\nAbajo respondo."),
        ("De: Salud\nCuento con usted.", "De: Salud\nCuento con usted."),
        ("Sin cita.", "Sin cita."),
    ],
)
def test_an_answer_by_mail_loses_the_history_below_it(text: str, expected: str) -> None:
    assert own_words(text, html=False, by_mail=True) == expected


@pytest.mark.parametrize(
    ("text", "by_mail", "expected"),
    [
        ("<p>Pasa <b>mañana</b></p>", False, "<p>Pasa <b>mañana</b></p>"),
        (
            f"<p>On Mon, inbox wrote:</p><blockquote><p>Hola</p><p>{MARK}</p></blockquote><p>Sí</p>",
            False,
            "<p>Sí</p>",
        ),
        (f"<p>Sí {MARK}</p>", False, "<p>Sí </p>"),
        ("<blockquote>Art. 1</blockquote><p>Rige.</p>", False, "<blockquote>Art. 1</blockquote><p>Rige.</p>"),
        (
            '<div>Va</div><div class="gmail_quote"><div>On x wrote:</div><blockquote>Hola</blockquote></div>',
            True,
            "<div>Va</div>",
        ),
        (f"<blockquote>a<blockquote>b {MARK}</blockquote></blockquote><p>Sí</p>", False, "<p>Sí</p>"),
    ],
)
def test_an_html_answer_loses_quotations_of_ours(text: str, by_mail: bool, expected: str) -> None:
    assert own_words(text, html=True, by_mail=by_mail) == expected


@given(
    st.lists(st.sampled_from(["Sí.", "", "> cita", ">", OURS, MARK, f"a {MARK} b", "El lunes escribió:", "De: x"])),
    st.booleans(),
)
def test_no_marker_and_no_word_of_ours_is_left_and_the_agents_words_are(lines: list[str], by_mail: bool) -> None:
    kept = own_words("\n".join(lines), html=False, by_mail=by_mail)
    assert "[ref:" not in kept
    assert "luminaria" not in kept
    assert kept.count("Sí.") == lines.count("Sí.")


@given(st.text(), st.booleans())
def test_any_text_comes_through_and_unmarked_ones_as_they_are(text: str, by_mail: bool) -> None:
    kept = own_words(text, html=False, by_mail=by_mail)
    if not by_mail and "[ref:" not in text:
        assert kept == text
    own_words(text, html=True, by_mail=by_mail)
