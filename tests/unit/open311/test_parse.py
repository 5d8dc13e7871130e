"""Texts that an Open311 endpoint is given, and answers as endpoints give them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import inbox_ticketing.open311 as package
from contract.ticketing_words import draft, entry
from inbox_daemon.model import Reference, TicketState
from inbox_ticketing._writing import texts
from inbox_ticketing.open311 import parse
from inbox_ticketing.open311.settings import DEFAULT_STATES

CASE = Reference("4F7K2-8/k7f3qx")
RECORDED = Path(package.__file__).parent / "testcases"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text("utf-8"))


def read(name: str, one: Any) -> list[Any]:
    found = []
    for row in parse.rows_of(recorded(name)):
        try:
            found.append(one(row))
        except parse.NotUnderstood:
            continue
    return found


def test_a_request_carries_its_reference_and_key_in_its_last_line() -> None:
    text = parse.request_text(draft(CASE), heading=True)
    assert text.startswith("WhatsApp · Ana Gómez")
    assert "\n\nLuminaria apagada\n\n" in text
    marker = parse.marker_of(text)
    assert marker == parse.Marker(reference=CASE, key=f"{CASE}.m1", intact=True)


def test_where_descriptions_are_public_nobody_is_named() -> None:
    for text in (parse.request_text(draft(CASE), heading=False), parse.update_text(entry(CASE, 2), heading=False)):
        assert "Ana" not in text
        assert "362" not in text
        assert parse.marker_of(text) is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"  {text}\n\n",
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("·", "").replace("/", "/").replace("ñ", "?"),
        lambda text: text.replace("\n\n", "\n"),
    ],
)
def test_what_an_endpoint_may_do_to_a_text_leaves_it_ours(change: Any) -> None:
    marker = parse.marker_of(parse._text(change(parse.update_text(entry(CASE, 2), heading=True))))
    assert marker is not None
    assert marker.intact
    assert marker.key == f"{CASE}.m2"


def test_a_quotation_is_not_the_entry() -> None:
    text = parse.update_text(entry(CASE, 2), heading=True)
    for quoted in (f"> {text}\n\nListo\n\n{text}", text.replace(".m2", ".m5"), f"Ya está.\n{text}"):
        marker = parse.marker_of(quoted)
        assert marker is not None
        assert not marker.intact
    assert parse.marker_of(f"{text}\nGracias") is None
    assert parse.marker_of(text[:-1]) is None
    assert parse.marker_of("") is None


def test_the_sample_of_the_specification_is_read() -> None:
    [closed, opened] = read("requests", parse.read_request)
    assert (closed.id, closed.status, closed.description) == ("638344", "closed", "")
    assert closed.requested == datetime(2010, 4, 14, 14, 37, 38, tzinfo=UTC)
    assert (opened.id, opened.status) == ("abc-7", "open")


def test_updates_are_told_with_their_states() -> None:
    [answer, closing] = [parse.tell(one, DEFAULT_STATES, "La oficina") for one in read("updates", parse.read_change)]
    assert (answer.text, answer.public, answer.own, answer.state) == (
        "La cuadrilla pasa mañana.\nSaludos",
        True,
        False,
        TicketState.IN_PROGRESS,
    )
    assert closing.at == datetime(2026, 11, 24, 12, 31, tzinfo=UTC)
    assert closing.state is TicketState.CLOSED
    assert [one.filename for one in closing.attachments] == ["foto ñ.jpg"]
    assert closing.public


def test_what_ends_in_a_line_of_ours_never_goes_back_out() -> None:
    [answer, _] = read("updates", parse.read_change)
    ours = parse.update_text(entry(CASE, 2), heading=True)
    for text in (ours, f"Ya está.\n{ours}", ours.replace(".m2", ".m3")):
        told = parse.tell(replace(answer, description=text), DEFAULT_STATES, "La oficina")
        assert told.own
        assert not told.public
    assert not parse.tell(replace(answer, description=" \n"), DEFAULT_STATES, "x").public
    assert parse.tell(replace(answer, status="unchanged"), DEFAULT_STATES, "x").state is None


@pytest.mark.parametrize("answer", [None, 7, "x", {}, {"a": 1}, {"a": [], "b": []}, ["x"], [[]], parse])
def test_what_is_no_list_is_not_taken_for_an_empty_one(answer: object) -> None:
    with pytest.raises(parse.NotUnderstood):
        parse.rows_of(answer)


def test_errors_are_told_from_answers() -> None:
    assert parse.is_refusal(recorded("error_403"))
    assert parse.refuses_key(recorded("error_400_key"))
    assert not parse.refuses_key(recorded("error_403"))
    for fine in (recorded("requests"), recorded("updates"), [], [{"service_code": "1", "description": "x"}], 7, None):
        assert not parse.is_refusal(fine)


def test_small_things() -> None:
    assert parse.instant(datetime(2026, 11, 24, 9, 0, tzinfo=timezone(-timedelta(hours=3)))) == "2026-11-24T12:00:00Z"
    assert parse.names("Ana María Gómez") == ("Ana", "María Gómez")
    assert parse.names("") == ("", "")
    assert parse.path_part("a/b ?") == "a%2Fb%20%3F"
    assert texts.clean("a\x00\r\nb\rc\ud800") == "a\nb\nc"
