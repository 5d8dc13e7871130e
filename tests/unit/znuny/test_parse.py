"""What answers of Znuny and OTOBO mean, and what is written into them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from contract.ticketing_words import draft, entry, reference
from inbox_daemon.model import StoredFile
from inbox_ticketing._writing import texts
from inbox_ticketing.znuny import parse
from inbox_ticketing.znuny.quoting import own_words

CASES = Path(__file__).parents[3] / "connectors/inbox_ticketing/znuny/testcases"
SHAPE = parse.Shape(
    reference_field="InboxReference",
    message_field="InboxMessage",
    zone=ZoneInfo("America/Argentina/Cordoba"),
)


def case(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text("utf-8"))


def file(name: str, media_type: str = "application/pdf", size: int = 5) -> StoredFile:
    return StoredFile(filename=name, media_type=media_type, size=size, sha256="0", path="/x")


def test_a_ticket_is_read_whether_numbers_are_strings_or_numbers() -> None:
    row = parse.read_row(case("ticket")["Ticket"][0], SHAPE)
    assert (row.id, row.number, row.state_type) == ("12", "2026112310000012", "open")
    assert row.reference == "4F7K2-8/k7f3qx"
    assert row.changed == datetime(2026, 11, 23, 14, 2, 10, tzinfo=UTC), "the server's zone is three hours behind"
    first, answer = row.articles
    assert (first.number, first.sender, first.key, first.created_by) == (34, "customer", "4F7K-2.m1", "7")
    assert (answer.number, answer.sender, answer.key, answer.created_by) == (41, "agent", "", "9")
    assert answer.visible
    assert answer.author == "Atención Ciudadana"
    [plan] = answer.files
    assert (plan.filename, plan.media_type, plan.size, plan.remote) == (
        "plano ñ.pdf",
        "application/pdf",
        4722,
        "12-41-1",
    )
    assert parse.place_of(plan.remote) == ("12", 41, "1")


@pytest.mark.parametrize("value", [0, "0", None, "", "2", "yes"])
def test_only_a_one_is_visible(value: object) -> None:
    item = case("ticket")["Ticket"][0]["Article"][1] | {"IsVisibleForCustomer": value}
    assert not parse.read_article(item, "12", SHAPE).visible
    deleted = item | {"IsVisibleForCustomer": 1, "ArticleDeleted": 1}
    assert not parse.read_article(deleted, "12", SHAPE).visible


@pytest.mark.parametrize("broken", [{}, [], None, {"TicketID": 1}, "x"])
def test_what_is_no_ticket_is_refused(broken: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        parse.read_row(broken, SHAPE)


def test_a_history_says_where_a_ticket_went_on_and_which_states_it_had() -> None:
    lines = [parse.read_line(one, SHAPE) for one in case("history_of_merged")["TicketHistory"][0]["History"]]
    assert [parse.new_state(line) for line in lines if parse.new_state(line)] == ["open", "merged"]
    assert [pair for line in lines if (pair := parse.merged_tickets(line))] == [("12", "9")]
    assert [line.article for line in lines] == [0, 0, 55, 0, 0]


def test_a_merge_of_before_version_six_is_read() -> None:
    line = parse.Line(
        kind="Merged",
        name="Merged Ticket (2026112310000012/12) to (2026112310000009/9)",
        article=0,
        at=datetime.now(UTC),
        by="9",
    )
    assert parse.merged_tickets(line) == ("12", "9")


@pytest.mark.parametrize("name", ["", "%%", "%%a%%b%%c%%d", "Merged", "%%1%%2"])
def test_a_line_that_says_nothing_means_nothing(name: str) -> None:
    line = parse.Line(kind="Merged", name=name, article=0, at=datetime.now(UTC), by="9")
    assert parse.merged_tickets(line) is None


@pytest.mark.parametrize(
    ("body", "tickets"),
    [
        (case("hint_event"), ("12",)),
        (case("hint_ticket_generic"), ("12", "9")),
        ({"TicketID": "x/../1"}, ()),
        ({"TicketID": None}, ()),
        ({"Event": []}, ()),
        ([], ()),
        ("12", ()),
        (None, ()),
    ],
)
def test_a_hint_names_tickets_by_number(body: object, tickets: tuple[str, ...]) -> None:
    assert parse.hinted(body) == tickets


def test_times_are_written_in_the_only_form_that_is_understood() -> None:
    moment = datetime(2026, 11, 23, 2, 0, 1, 999, tzinfo=UTC)
    assert parse.write_time(moment, SHAPE.zone) == "2026-11-22 23:00:01"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("image/jpeg", "image/jpeg"),
        ("application/vnd.ms-excel", "application/vnd.ms-excel"),
        ("text/html; charset=utf-8", "application/octet-stream"),
        ("x-foo/bar", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("multipart/mixed", "application/octet-stream"),
    ],
)
def test_types_that_the_interface_refuses_or_converts_go_as_bytes(given: str, made: str) -> None:
    assert parse.file_type(file("x", given)) == made


@pytest.mark.parametrize("name", ["../../x", "a" * 400, "", "..", "a:b*c?.pdf", "\r\n"])
def test_names_have_no_path_and_fit(name: str) -> None:
    made = parse.file_name(file(name))
    assert made
    assert not set('\\/:*?"<>|\r\n') & set(made)
    assert len(made.encode()) <= 200


def test_an_article_counts_only_with_the_file_that_its_subject_speaks_of() -> None:
    item = case("ticket")["Ticket"][0]["Article"][0]
    speaks = item | {"Subject": parse.file_subject(file("plano.pdf", size=4722))}
    files = case("ticket")["Ticket"][0]["Article"][1]["Attachment"]
    assert parse.is_whole(parse.read_article(item, "12", SHAPE), "7")
    assert not parse.is_whole(parse.read_article(speaks, "12", SHAPE), "7")
    assert parse.is_whole(parse.read_article(speaks | {"Attachment": files}, "12", SHAPE), "7")
    assert not parse.is_whole(parse.read_article(item, "12", SHAPE), "9"), "somebody else's"
    assert not parse.is_whole(parse.read_article(item | {"DynamicField": []}, "12", SHAPE), "7")


def test_the_marker_ends_the_text_and_the_subject_is_the_heading() -> None:
    one = entry(reference(), 3, "hola\x00\r\nchau")
    assert texts.text_of(one).endswith(f"hola\nchau\n\n[ref:{one.key}]")
    assert parse.subject_of(one) == one.heading
    assert parse.title_of(draft(reference(), subject="\n")) == "(sin asunto)"


def test_the_agents_own_words_are_what_is_left_of_our_quotation() -> None:
    row = parse.read_row(case("ticket")["Ticket"][0], SHAPE)
    assert own_words(row.articles[1].body) == "Pasa la cuadrilla mañana."


@pytest.mark.parametrize(
    "text",
    ["Hola\n> cita que pegó el agente\nSaludos", "Hola", "", "> solo una cita", "El lunes escribió:\nmañana"],
)
def test_words_without_a_marker_stay_as_they_are(text: str) -> None:
    assert own_words(text) == text


def test_a_marker_outside_of_a_quotation_goes_alone() -> None:
    assert own_words("Ver [ref:4F7K-2.m1]\n[ref:4F7K-2.m1]\nSaludos") == "Ver \nSaludos"
