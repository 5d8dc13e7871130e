"""What an answer to the menu means. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.pipeline.triage import Ambiguous, Option, Understood, understand

OPTIONS = (
    Option(title="Salud", destination="salud", keywords=("hospital", "turno médico")),
    Option(title="Seguridad", destination="seguridad", keywords=("policía", "comisaría")),
    Option(title="Instituto de Cultura", destination="cultura"),
    Option(title="Instituto de Vivienda", destination="vivienda"),
)
SALUD, SEGURIDAD, CULTURA, VIVIENDA = OPTIONS


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("2", SEGURIDAD),
        ("la 2", SEGURIDAD),
        ("La 2 por favor", SEGURIDAD),
        ("opción dos", SEGURIDAD),
        ("OPCION 2", SEGURIDAD),
        ("2)", SEGURIDAD),
        ("2.", SEGURIDAD),
        ("2️⃣", SEGURIDAD),
        ("nº 3", CULTURA),
        ("n° 3", CULTURA),
        ("la segunda", SEGURIDAD),
        ("salud", SALUD),
        ("¡SALUD!", SALUD),
        ("quiero salud, gracias", SALUD),
        ("Saluud", SALUD),
        ("slaud", SALUD),
        ("segurida", SEGURIDAD),
        ("policia", SEGURIDAD),
        ("instituto de cultura", CULTURA),
        ("cultura", CULTURA),
        ("turno medico", SALUD),
    ],
)
def test_a_bare_choice(text: str, option: Option) -> None:
    assert understand(text, "", OPTIONS) == Understood(option=option, bare=True)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("la 2, me robaron la moto", SEGURIDAD),
        ("2) me robaron la moto", SEGURIDAD),
        ("opción 1 necesito ver un médico", SALUD),
        ("necesito ir al hospital", SALUD),
        ("no puedo sacar turno en el hospital", SALUD),
        ("me atendieron mal en la comisaria tercera", SEGURIDAD),
        ("es por una casa del instituto de vivienda", VIVIENDA),
    ],
)
def test_a_choice_with_more_to_say(text: str, option: Option) -> None:
    assert understand(text, "", OPTIONS) == Understood(option=option, bare=False)


@pytest.mark.parametrize("text", ["1 y 3", "instituto", "la policía o el hospital", "cultura o salud"])
def test_what_fits_two_lines_decides_nothing(text: str) -> None:
    assert understand(text, "", OPTIONS) is Ambiguous.AMBIGUOUS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hola",
        "sí",
        "7",
        "0",
        "99",
        "una consulta",
        "2 hijos tengo enfermos",
        "me robaron 2 motos",
        "2.500 pesos me cobraron",
        "no es salud",
        "salida",
        "no sé",
        "👍",
    ],
)
def test_what_says_nothing_of_the_menu(text: str) -> None:
    assert understand(text, "", OPTIONS) is None


def test_a_tapped_line_needs_no_words_and_survives_another_order() -> None:
    again = tuple(reversed(OPTIONS))
    assert understand("Salud", SALUD.id, again) == Understood(option=SALUD, bare=True)
    assert understand("", SALUD.id, again) == Understood(option=SALUD, bare=True)
    assert understand("Salud", "menu:otra cosa", OPTIONS) == Understood(option=SALUD, bare=True)


def test_a_title_with_a_number_is_no_number() -> None:
    options = (Option(title="Mesa 2", destination="a"), Option(title="Mesa 1", destination="b"))
    assert understand("mesa 1", "", options) == Understood(option=options[1], bare=True)
    assert understand("1", "", options) == Understood(option=options[0], bare=True)


def test_what_is_typed_right_comes_before_a_slip() -> None:
    options = (Option(title="Cartas", destination="a"), Option(title="Cortas", destination="b"))
    assert understand("cortas", "", options) == Understood(option=options[1], bare=True)
    assert understand("cartss", "", options) == Understood(option=options[0], bare=True)
    assert understand("cirtas", "", options) is Ambiguous.AMBIGUOUS


@given(st.text(max_size=300), st.text(max_size=20))
def test_nothing_makes_it_fail(text: str, choice: str) -> None:
    found = understand(text, choice, OPTIONS)
    assert found is None or found is Ambiguous.AMBIGUOUS or found.option in OPTIONS


@given(st.sampled_from(OPTIONS), st.text(max_size=100))
def test_a_tap_means_its_line_whatever_stands_beside_it(option: Option, text: str) -> None:
    found = understand(text, option.id, OPTIONS)
    assert isinstance(found, Understood)
    assert found.option == option


@given(st.integers(min_value=1, max_value=len(OPTIONS)))
def test_numbers_count_from_one(number: int) -> None:
    assert understand(str(number), "", OPTIONS) == Understood(option=OPTIONS[number - 1], bare=True)
