from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inbox_daemon.identity import casenumber
from inbox_daemon.identity.casenumber import encode, find_all, parse

SYMBOLS = "0123456789ABCDEFGHJKMNPQRTWXY"
SERIALS = [0, 1, 2, 28, 29, 1000, 123_456, 19_999_999, 29**5 - 1, 29**5, 29**5 + 29**6 - 1, 29**5 + 29**6]


def test_it_is_short_quotable_and_holds_enough() -> None:
    assert 29**5 >= 20_000_000
    assert all(len(encode(n)) == 7 and encode(n)[5] == "-" for n in range(500))
    assert [len(encode(n)) for n in (29**5 - 1, 29**5, 29**5 + 29**6)] == [7, 8, 9]
    assert not set("ILOSZUV") & set("".join(encode(n) for n in range(2000)))


def test_no_two_conversations_share_a_number() -> None:
    near_both_ends = [*range(150_000), *range(29**5 - 20_000, 29**5 + 20_000)]
    assert len({encode(n) for n in near_both_ends}) == len(near_both_ends)


def test_each_step_of_the_mixing_can_be_undone() -> None:
    assert math.gcd(casenumber._MULTIPLIER, 29) == 1
    for length in (1, 2, 3):
        every = {tuple(casenumber._mixed(n, length)) for n in range(29**length)}
        assert len(every) == 29**length


def test_neighbours_do_not_look_alike() -> None:
    differing = [sum(a != b for a, b in zip(encode(n)[:5], encode(n + 1)[:5], strict=True)) for n in range(5000)]
    assert min(differing) >= 3
    assert sum(differing) / len(differing) > 4.5
    bodies = [encode(n)[:5] for n in range(1000)]
    assert sum(a < b for a, b in itertools.pairwise(bodies)) in range(350, 650)


def test_the_check_symbol_catches_every_single_error_and_every_transposition() -> None:
    for serial in [*SERIALS, *range(7, 7_000_000, 350_003)]:
        case = encode(serial)
        symbols = case.replace("-", "")
        for place, wrong in itertools.product(range(len(symbols)), SYMBOLS):
            if wrong != symbols[place]:
                assert parse(symbols[:place] + wrong + symbols[place + 1 :]) is None
        for i, j in itertools.combinations(range(len(symbols)), 2):
            swapped = list(symbols)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            assert parse("".join(swapped)) == (case if symbols[i] == symbols[j] else None)


@pytest.mark.parametrize("serial", SERIALS)
def test_tolerant_reading(serial: int) -> None:
    case = encode(serial)
    bare = case.replace("-", "")
    look_alike = case.translate(str.maketrans("0152B", "OISZV"))
    for written in (
        case, case.lower(), bare, bare.lower(), f" {case} ", " ".join(bare), case.replace("-", " - "),
        case.replace("-", "–"), case.replace("-", "\u2011"), case.replace("-", " "), look_alike, look_alike.lower(),
        case.replace("1", "l"), f"#{case}", f"caso {case}", f"Caso N° {case}", f"caso nº {bare}", f"CASO: {case}",
        f"Estado {case.lower()}", f"número {case}", f"nro. {case}", f"trámite #{case}",
    ):  # fmt: skip
        assert parse(written) == case, written


@pytest.mark.parametrize(
    "text",
    ["", "caso", "4F7K", "hola", "12345", "-", "#", "#" * 79, "caso " * 15, "9" * 300, "ñandú-1", "GM3QN--", "U" * 6],
)
def test_what_is_no_case_number(text: str) -> None:
    assert parse(text) is None


@given(st.text(max_size=90))
@example("ſſſſſ-ſ")
@example("\u212a\u212a\u212a\u212a\u212a-\u212a")
def test_reading_never_raises_and_gives_canonical_forms(text: str) -> None:
    for case in (parse(text), *find_all(text)):
        assert case is None or (parse(case) == case and find_all(f"caso {case}") == [case])


@pytest.mark.parametrize("number", [-1, 29**5 + 29**6 + 29**7 + 29**8])
def test_numbers_outside_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=r"never negative|more conversations"):
        encode(number)


def test_quoted_numbers_are_found_in_order_and_once() -> None:
    one, two, three = "GM3QN-R", "0QG82-M", "DT0QB-M"
    assert [encode(5), encode(6), encode(7)] == [one, two, three]
    text = f"""Buenas, escribo por el caso {two.lower()}. También por {one} (ya cerrado) y
    por el #{three.replace("-", "")}, que repito: {two}."""
    assert find_all(text) == [two, one, three]
    assert find_all(f"Estado {one}?") == find_all(f"[{one}]") == find_all(f"Re: Su consulta {one}") == [one]
    assert find_all(f"caso n° {one.lower().replace('-', ' ')}") == [one]
    assert find_all(f"caso {two.replace('0', 'o').lower()}") == [two]
    assert find_all(f"{one.replace('-', '–')}; {three.replace('-', ' - ')}") == [one, three]
    assert find_all(f"atencion+{one.lower()}@gob.test, {three}.m7") == [one, three]
    assert find_all(two.replace("0", "O")) == []  # look-alikes are forgiven only after the word
    assert find_all(f"caso {three.replace('-', '')} y {one}") == [three, one]
    letters_only = next(c for n in range(9999) if (c := encode(n)).replace("-", "").isalpha())
    assert find_all(letters_only) == find_all(f"caso {letters_only.lower()}") == [letters_only]
    assert find_all(letters_only.lower()) == []
    figures_only = next(c for n in range(999_999) if (c := encode(n)).replace("-", "").isdigit())
    assert find_all(f"caso {figures_only}") == [figures_only]
    assert find_all(f"Expediente {figures_only}") == []


PROSE = """
Buenas tardes, quería saber el estado de mi trámite. El caso urgente sigue abierto, la consulta médica es mañana.
Vivo en Av. 25 de Mayo 1234-5, CP 3500, tel 0362-4123456 y 362-15-4123456, DNI 30.123.456, CUIT 20-30123456-7.
Expediente E10-2026-12345-A, patente AB123CD y ABC123, turno el 23-11-2026 a las 10:30, aula grupo-a, CLASE-B, turno-B.
El caso cerrado y el estado actual: caso 123456, reclamo 987654, consulta 2026-11, número 12345, ticket 000123, #tag.
uuid 3f2a9b1c-4d5e-6f70-8a9b-0c1d2e3f4a5b, sha 4f7k2a9, mail ana@correo.example, https://gob.test/tramites/12345-6.
COVID-19, H1N1-2, post-op, e-mail, Lunes-Viernes, 6:30-18:00, A4-B5, Ley 25326-2, Decreto 12345-67, caso Fulano-Mengano.
""".strip()


def test_ordinary_prose_has_none() -> None:
    assert find_all(PROSE) == []


def test_chance_hits_among_figures_and_words_are_rare() -> None:
    figures = " ".join(f"{n}" for n in range(100_000, 104_000)) + " ".join(
        f"{n}-{n % 9}" for n in range(10_000, 14_000)
    )
    assert find_all(figures) == []
    words = " ".join("".join(w) + "-" + w[0] for w in itertools.product("abcde", repeat=5))
    assert find_all(words) == []
    led = [f"caso {n}" for n in range(100_000, 110_000)]
    assert [w for w in led if find_all(w)] == []
