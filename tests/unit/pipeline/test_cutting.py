"""Answers cut into portions: inside the channel's rules, nothing lost, and where a reader would pause."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import assume, example, given
from hypothesis import strategies as st

from inbox_daemon.model import StoredFile
from inbox_daemon.pipeline.cutting import Portion, cut, join
from inbox_daemon.plugins import FileRule, SendingRules

FAMILY = "👨‍👩‍👧‍👦"
URL = "https://mensajes.gobierno.test/f/eyJhbGciOi.AbC_123-xyz?d=14"
PIECES = ["Hola. ", "¿Qué tal? ", "\n\n", "\n", "Sr. Pérez ", "art. 5 ", f"{FAMILY} ", "🇦🇷", "é", f"{URL} ", "palabra "]
TEXTS = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


def stored(name: str, media_type: str = "image/jpeg", size: int = 1000) -> StoredFile:
    return StoredFile(filename=name, media_type=media_type, size=size, sha256="0" * 64, path=f"/files/{name}")


def link(file: StoredFile) -> str:
    return f"«{file.filename}»: https://a.test/{file.filename}"


def rules(
    chars: int | None = None, caption: int = 0, *, together: bool = False, size: int | None = None
) -> SendingRules:
    files = (
        FileRule(media_types=frozenset({"image/jpeg", "audio/ogg", "application/pdf"}), max_bytes=5000),
        FileRule(media_types=frozenset({"image/webp"}), max_bytes=100),
    )
    return SendingRules(max_chars=chars, max_bytes=size, max_caption_chars=caption, files=files, together=together)


def texts(text: str, chars: int) -> list[str]:
    return [portion.text for portion in cut(text, (), rules(chars), link)]


def weighed(text: str, size: int, chars: int | None = None) -> list[str]:
    return [portion.text for portion in cut(text, (), rules(chars, size=size), link)]


def dense(*parts: str) -> str:
    return "".join("".join(part.split()) for part in parts)


def characters(text: str) -> list[str]:
    return [seen for cluster in regex.findall(r"\X", text) if (seen := cluster.strip())]


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def octets(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


@given(TEXTS, st.integers(2, 120))
@example("a" + "\u0301" * 500, 10)
@example(" \u0301" * 60, 7)
@example("\ud800" * 40, 7)
@example(FAMILY * 20, 12)
def test_nothing_is_lost_and_no_portion_is_too_long(text: str, limit: int) -> None:
    found = texts(text, limit)

    assert dense(*found) == dense(text)
    assert all(0 < units(piece) <= limit for piece in found)
    assert all(piece == piece.strip() for piece in found)


@given(TEXTS, st.integers(12, 120))
def test_no_character_is_cut_in_two(text: str, limit: int) -> None:
    assume(all(units(cluster) <= limit for cluster in regex.findall(r"\X", text)))
    assert [seen for piece in texts(text, limit) for seen in characters(piece)] == characters(text)


@given(st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
def test_no_address_is_cut_where_it_fits(text: str) -> None:
    spaced = text.replace(URL, f" {URL} ")
    assert sum(piece.count(URL) for piece in texts(spaced, 90)) == spaced.count(URL)


@given(st.integers(101, 1000), st.integers(1, 9))
def test_the_last_portion_is_no_crumb(length: int, word: int) -> None:
    found = texts(("a" * word + " ") * (length // (word + 1) + 1), 100)
    assert len(found) < 2 or len(found[-1]) >= 15


@given(TEXTS, st.integers(4, 240), st.one_of(st.none(), st.integers(2, 120)))
@example("a" + "\u0301" * 500, 10, None)
@example("\ud800" * 40, 7, 2)
@example(FAMILY * 20, 25, 11)
@example("ñandú " * 100, 50, 50)
@example("a" * 50 + "ñ" * 50, 60, 40)
def test_nothing_is_lost_and_no_portion_weighs_too_much(text: str, size: int, chars: int | None) -> None:
    found = weighed(text, size, chars)

    assert dense(*found) == dense(text)
    assert all(0 < octets(piece) <= size for piece in found)
    assert chars is None or all(units(piece) <= chars for piece in found)
    assert all(piece == piece.strip() for piece in found)


@given(TEXTS, st.integers(24, 240), st.one_of(st.none(), st.integers(12, 120)))
def test_no_character_is_cut_in_two_by_its_weight(text: str, size: int, chars: int | None) -> None:
    clusters = regex.findall(r"\X", text)
    assume(all(octets(cluster) <= size and units(cluster) <= (chars or 999) for cluster in clusters))
    assert [seen for piece in weighed(text, size, chars) for seen in characters(piece)] == characters(text)


@given(st.lists(st.sampled_from(PIECES), max_size=80).map("".join))
def test_no_address_is_cut_where_its_weight_fits(text: str) -> None:
    spaced = text.replace(URL, f" {URL} ")
    assert sum(piece.count(URL) for piece in weighed(spaced, 90)) == spaced.count(URL)


@given(TEXTS, st.integers(2, 120))
def test_plain_letters_weigh_what_they_count(text: str, limit: int) -> None:
    plain = "".join(char if char < "\x80" else "x" for char in text)
    assert weighed(plain, limit) == texts(plain, limit)


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("á" * 500, 1000, ["á" * 500]),
        ("á" * 501, 1000, ["á" * 376, "á" * 125]),
        ("😀" * 250, 1000, ["😀" * 250]),
        ("a" * 1000, 1000, ["a" * 1000]),
        ("€" * 333, 1000, ["€" * 333]),
        (FAMILY * 2, 49, [FAMILY, FAMILY]),
        ("Él viajó. Mañana volverá.", 15, ["Él viajó.", "Mañana", "volverá."]),
        ("¿Sí, señora? Ya está. Volverá el miércoles.", 40, ["¿Sí, señora? Ya está.", "Volverá el miércoles."]),
        (f"Vea aquí: {URL}", len(URL) + 2, ["Vea aquí:", URL]),
    ],
)
def test_accents_and_emoji_count_by_their_bytes(text: str, size: int, expected: list[str]) -> None:
    assert weighed(text, size) == expected


def test_a_real_answer_goes_inside_instagram_s_limit() -> None:
    sentence = "Señora: el trámite de renovación está listo y podrá retirarlo en Mesa de Entradas, de 7 a 12. "
    text = sentence * 25 + URL
    found = weighed(text, 1000)
    assert all(octets(piece) <= 1000 for piece in found)
    assert all(piece.endswith(".") for piece in found[:-1])
    assert found[-1].endswith(URL)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("Uno dos.\n\nTres cuatro. Cinco seis.", 26, ["Uno dos.", "Tres cuatro. Cinco seis."]),
        ("Uno dos tres. Cuatro cinco seis.", 20, ["Uno dos tres.", "Cuatro cinco seis."]),
        ("Traiga:\n- DNI\n- Partida\n- Una foto", 24, ["Traiga:\n- DNI\n- Partida", "- Una foto"]),
        ("¿Puede venir? ¡Lo esperamos! Gracias por todo.", 30, ["¿Puede venir? ¡Lo esperamos!", "Gracias por todo."]),
        ("Venga con la Dra. Gómez. Gracias de nuevo.", 25, ["Venga con la Dra. Gómez.", "Gracias de nuevo."]),
        ("uno dos tres cuatro", 10, ["uno dos", "tres", "cuatro"]),
        ("a" * 25, 10, ["a" * 10, "a" * 10, "a" * 5]),
        ("😀" * 9, 10, ["😀" * 5, "😀" * 4]),
        (f"Vea {URL}", len(URL) + 2, ["Vea", URL]),
    ],
)
def test_it_is_cut_where_a_reader_pauses(text: str, limit: int, expected: list[str]) -> None:
    assert texts(text, limit) == expected


@pytest.mark.parametrize(
    "phrase",
    ["el Sr. Pérez", "la Dra. Gómez", "el art. 5", "el N.º 30", "8 a 12 hs. Lunes", "la Av. 25 de Mayo", "J. Pérez",
     "p. ej. Resistencia", "el 24.11. a", "a las 9 a. m. si", "etc. y más"],
)  # fmt: skip
def test_no_sentence_ends_at_an_abbreviation(phrase: str) -> None:
    before, stop, after = phrase.rpartition(". " if ". " in phrase else "º ")
    text = f"Primero va una frase corta. Y después {before}{stop}{after} sigue una más larga."
    limit = len(f"Primero va una frase corta. Y después {before}{stop}") + 1

    assert texts(text, limit)[0] == "Primero va una frase corta."


def test_a_numbered_line_ends_no_sentence_at_its_number() -> None:
    assert texts("Primero esto y aquello. Sí.\n2. Segundo punto de la lista", 30) == [
        "Primero esto y aquello. Sí.",
        "2. Segundo punto de la lista",
    ]


def test_a_short_text_is_the_caption_of_a_single_file() -> None:
    photo = stored("a.jpg")
    assert cut("Mire", [photo], rules(caption=10), link) == [Portion(text="Mire", files=(photo,))]


@pytest.mark.parametrize("text", ["Un texto más largo", "😀😀😀😀😀😀"])
def test_a_longer_text_goes_before_the_file(text: str) -> None:
    photo = stored("a.jpg")
    assert cut(text, [photo], rules(caption=10), link) == [Portion(text=text), Portion(files=(photo,))]


@pytest.mark.parametrize("file", [stored("a.ogg", "audio/ogg; codecs=opus"), stored("a.webp", "image/webp", 50)])
def test_what_shows_no_caption_gets_none(file: StoredFile) -> None:
    assert cut("Mire", [file], rules(caption=10), link) == [Portion(text="Mire"), Portion(files=(file,))]


def test_several_files_go_one_by_one() -> None:
    one, two = stored("a.jpg"), stored("b.PDF", "Application/PDF; name=b")
    assert cut("Mire", [one, two], rules(caption=10), link) == [
        Portion(text="Mire"),
        Portion(files=(one,)),
        Portion(files=(two,)),
    ]


def test_together_means_one_portion_and_files_beside_the_end_of_the_text() -> None:
    files = (stored("a.jpg"), stored("b.jpg"))
    assert cut("Mire", files, rules(together=True), link) == [Portion(text="Mire", files=files)]
    assert cut("", files, rules(together=True), link) == [Portion(files=files)]
    assert cut("Uno dos. Tres cuatro.", files, rules(12, together=True), link) == [
        Portion(text="Uno dos."),
        Portion(text="Tres cuatro.", files=files),
    ]


@pytest.mark.parametrize("file", [stored("a.exe", "application/x-msdownload"), stored("a.jpg", size=5001)])
@pytest.mark.parametrize("together", [True, False])
def test_a_file_that_is_not_taken_goes_as_a_link(file: StoredFile, *, together: bool) -> None:
    taken = stored("b.jpg")
    assert cut("Mire", [file], rules(together=together), link) == [Portion(text=f"Mire\n\n{link(file)}")]
    assert cut("", [file], rules(together=together), link) == [Portion(text=link(file))]
    assert [
        portion.files for portion in cut("Mire", [taken, file], rules(together=together), link) if portion.files
    ] == [(taken,)]


def test_a_link_is_cut_like_the_text_it_stands_in() -> None:
    files = [stored(f"{number}.exe", "application/x-msdownload") for number in range(5)]
    found = cut("Mire", files, rules(60), link)
    assert all(len(portion.text) <= 60 for portion in found)
    assert all(sum(link(file) in portion.text for portion in found) == 1 for file in files)


@pytest.mark.parametrize("text", ["", " \n\t "])
@pytest.mark.parametrize("together", [True, False])
def test_an_empty_answer_is_no_portion(text: str, *, together: bool) -> None:
    assert cut(text, (), rules(10, together=together), link) == []


def test_any_length_is_one_portion_where_there_is_no_limit() -> None:
    assert cut("a b. " * 50_000, (), rules(), link) == [Portion(text=("a b. " * 50_000).strip())]


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "Hola. " * 50_000, "\u0301" * 300_000, "@." * 150_000, ". " * 150_000, "1. " * 100_000]
)
def test_a_huge_text_takes_no_more_than_its_length(text: str) -> None:
    began = time.process_time()
    assert dense(*weighed(text, 1000, 2000)) == dense(text)
    assert time.process_time() - began < 8


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        ([], ""),
        (["Hola", " ", "Su turno es el lunes. "], "Hola\nSu turno es el lunes."),
        (["Hola", "Uno\n\nDos", "Tres"], "Hola\n\nUno\n\nDos\n\nTres"),
    ],
)
def test_consecutive_lines_become_one_answer(lines: list[str], joined: str) -> None:
    assert join(lines) == joined


def test_a_portion_keeps_people_s_words_out_of_logs() -> None:
    assert "secreto" not in repr(Portion(text="secreto"))
