"""Texts that GLPI is given, and answers of GLPI (`testcases/`, after those noted on 2026-11-23) read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import inbox_ticketing.glpi as package
from contract.ticketing_words import draft, entry
from inbox_daemon.model import MessageKey, Reference, StoredFile, TicketState
from inbox_ticketing._writing import texts as words
from inbox_ticketing.glpi import parse, texts
from inbox_ticketing.glpi.quoting import own_words

CASE = Reference("4F7K2-8/k7f3qx")
ZONE = ZoneInfo("America/Argentina/Cordoba")
RECORDED = Path(package.__file__).parent / "testcases"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text("utf-8"))


def file(name: str, media_type: str = "application/pdf") -> StoredFile:
    return StoredFile(filename=name, media_type=media_type, size=3, sha256="", path="/nowhere")


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("subject", ["ü" * 300, "😀" * 300, "&" * 300, "<b>" * 100, "x" * 300])
def test_a_title_fits_also_where_glpi_10_counts_entities(subject: str) -> None:
    title = texts.title_of(replace(draft(CASE), subject=subject), in_title=True)
    stored = title.replace("&", "&#38;").replace("<", "&#60;").replace(">", "&#62;")
    assert len(stored) <= texts.MAX_TITLE
    assert len(stored) > 200
    assert parse.references_in(title) == {CASE}


def test_a_title_is_one_line_with_the_reference_or_the_case_number_in_front() -> None:
    one = replace(draft(CASE), subject="Luminaria\r\n apagada\x00 [urgente]")
    assert texts.title_of(one, in_title=True) == f"[{CASE}] Luminaria apagada (urgente)"
    assert texts.title_of(replace(one, subject="\n"), in_title=False) == f"[{one.case_number}] {words.NO_SUBJECT}"


def test_a_content_shows_the_words_as_they_are_and_nothing_in_them_is_html() -> None:
    body = "\nuno <script>alert(1)</script> & &#60;\r\n  dos   tres\x00\n"
    content = texts.content_of(replace(entry(CASE, 7, body), heading="WhatsApp ·\n Ana"))
    assert "<script" not in content
    assert "\x00" not in content
    expected = f"WhatsApp · Ana\n\nuno <script>alert(1)</script> & &#60;\n  dos   tres\n\n[ref:{CASE}.m7]"
    assert parse.text_of(content) == expected
    sanitized = content.replace("&", "&#38;").replace("<", "&#60;").replace(">", "&#62;")
    assert parse.text_of(parse.raw_content(sanitized)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("añ😀 acción.pdf", "añ😀 acción.pdf"),
        ('../../etc/"x"\r\ny%.txt', "_.._etc__x_ y_.txt"),
        ("", "archivo"),
        ("..", "archivo"),
        ("a" * 300 + ".pdf", "a" * 100 + ".pdf"),
        ("sin punto " * 30, ("sin punto " * 12).rstrip()),
    ],
)
def test_a_file_name_survives(name: str, expected: str) -> None:
    assert texts.file_name(file(name)) == expected
    assert texts.document_name(entry(CASE, 3), file(name)).startswith(f"[ref:{CASE}.m3] ")
    assert len(texts.document_name(entry(CASE, 3), file(name))) <= texts.MAX_TITLE


@pytest.mark.parametrize(
    ("given", "expected"),
    [("Image/JPEG; q=1", "image/jpeg"), ("", "application/octet-stream"), ("a b/c", "application/octet-stream")],
)
def test_a_type_is_whole_or_unknown(given: str, expected: str) -> None:
    assert words.file_type(file("x", given)) == expected


# ---------------------------------------------------------------- what is answered


def test_a_ticket_of_either_version() -> None:
    ten = parse.read_row(recorded("ticket_10"), in_title=True)
    assert (ten.id, ten.state, ten.recipient, ten.entity) == (15, TicketState.IN_PROGRESS, 7, 3)
    assert ten.references == {CASE}
    assert parse.is_entry(ten.content, MessageKey("4F7K-2.m1"))
    assert not parse.is_entry(ten.content, MessageKey("4F7K-2.m"))
    assert "2 < 3 & más" in parse.text_of(ten.content)
    eleven = parse.read_row(recorded("ticket_11"), in_title=False)
    assert eleven.references == {CASE}
    assert eleven.state is TicketState.DELETED
    assert parse.text_of(eleven.content) == parse.text_of(ten.content)


def test_followups_tell_private_and_copied_ones() -> None:
    answer, note, copy = [parse.read_remark(item, "F", ZONE) for item in recorded("followups")]
    assert (answer.public, answer.copied, answer.author, answer.ticket) == (True, 0, 8, 15)
    assert answer.at == datetime(2026, 11, 23, 13, 5, 31, tzinfo=UTC)
    assert not note.public
    assert note.changed > note.at
    assert copy.copied == 12


@pytest.mark.parametrize("private", [1, "1", None, "", "no", True])
def test_whatever_does_not_say_that_it_is_not_private_is_private(private: object) -> None:
    item = {**recorded("followups")[0], "is_private": private}
    assert not parse.read_remark(item, "F", ZONE).public
    del item["is_private"]
    assert not parse.read_remark(item, "F", ZONE).public


@pytest.mark.parametrize(("status", "public"), [(1, True), (2, True), (3, True), (4, False), (None, False)])
def test_a_refused_solution_is_no_answer(status: int | None, public: bool) -> None:
    item = {**recorded("followups")[0], "status": status, "is_private": 0}
    assert parse.read_remark(item, "S", ZONE).public is public


def test_only_changes_of_status_are_turns() -> None:
    turn, other = [parse.read_turn(item, 12, ZONE) for item in recorded("log")]
    assert other is None
    assert turn is not None
    assert (turn.status, turn.user, turn.name) == (5, 8, "agente")


def test_errors_and_noise_are_told_apart() -> None:
    assert parse.error_of(recorded("refused")) == (
        "ERROR_GLPI_ADD",
        "You don't have permission to perform this action.",
    )
    assert parse.error_of(recorded("search")) == ("", "")
    assert parse.error_of([]) == ("", "")
    assert parse.read_json((RECORDED / "with_warning.txt").read_text("utf-8"))["id"] == 15
    for broken in ("", "<html><form action='/login'>", '{"id":', "Warning\n{", "\n[1]x"):
        assert parse.read_json(broken) is None, broken


def test_a_search_row_is_compared_whole() -> None:
    [row] = recorded("search")["data"]
    assert "data" not in recorded("search_none")
    assert parse.carries(row["1"], CASE, in_title=True)
    for other in ("4F7K2-8", f"{CASE}0", "4f7k2-8/k7f3qx", "Luminaria"):
        assert not parse.carries(row["1"], Reference(other), in_title=True)
    assert parse.carries(str(CASE), CASE, in_title=False)
    assert not parse.carries(f"{CASE}0", CASE, in_title=False)


# ---------------------------------------------------------------- the agent's own words

OURS = f"<p>WhatsApp · Ana<br><br>Mi nota<br><br>[ref:{CASE}.n3]</p>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<p>Pasa mañana.</p>", ("Pasa mañana.", False)),
        ("<p>Uno</p>\n<p>Dos &amp; tres<br>cuatro</p>", ("Uno\n\nDos & tres\ncuatro", False)),
        ("Sin\nformato", ("Sin\nformato", False)),
        ('<p>Ver <a href="https://x.example">esto</a></p>', ('<p>Ver <a href="https://x.example">esto</a></p>', True)),
        (f"<p>Ya está.</p><p>El lunes Ana escribió:</p><blockquote>{OURS}</blockquote>", ("Ya está.", False)),
        (f"<p>Ya está.<br>&gt; Mi nota<br>&gt; [ref:{CASE}.n3]</p>", ("Ya está.", False)),
        (f"<p>Ya está. [ref:{CASE}.n3]</p>", ("Ya está. ", False)),
        ("<blockquote>otra cosa</blockquote><p>Sí</p>", ("<blockquote>otra cosa</blockquote><p>Sí</p>", True)),
    ],
)
def test_what_we_wrote_does_not_come_back(content: str, expected: tuple[str, bool]) -> None:
    assert own_words(content) == expected
