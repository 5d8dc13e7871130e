"""Events as they are sent, and what receivers answer, as the protocol's schema has both."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import inbox_ticketing.webhook as package
from contract.ticketing_words import draft, entry
from inbox_daemon.model import MessageKey, Reference, StoredFile, TicketState
from inbox_ticketing.webhook import events as sending
from inbox_ticketing.webhook import parse
from support.webhook_schema import problems

FOLDER = Path(package.__file__).parent
CASE = Reference("4F7K2-8/k7f3qx")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FILE = StoredFile(filename="añ/o.pdf", media_type="application/pdf; x=y", size=3, sha256="ab" * 32, path="/nowhere")


def recorded(name: str) -> Any:
    return json.loads((FOLDER / "testcases" / f"{name}.json").read_text("utf-8"))


def events() -> dict[str, dict[str, object]]:
    into = {"destination": "obras", "ticket": {"id": "7", "number": "OP-7"}}
    about: dict[str, object] = {**into, "if_closed": "reopen", "entry": sending.entry_of(entry(CASE, 2))}
    return {
        "inbox.ping": {"destination": "obras", "queue": ""},
        "ticket.opened": sending.opening(draft(CASE), instance="obras", queue="Reclamos"),
        "entry.added": about,
        "note.added": {**about, "if_closed": "stay"},
        "file.added": {**about, "file": {**sending.file_of(FILE), "content": "YWJj"}},
        "state.changed": {**into, "state": "solved"},
    }


@pytest.mark.parametrize("kind", events())
def test_each_event_is_as_the_schema_says(kind: str) -> None:
    assert problems("event", json.loads(sending.event(kind, NOW, events()[kind]))) == []


def test_the_schema_refuses_what_it_should() -> None:
    event = json.loads(sending.event("ticket.opened", NOW, events()["ticket.opened"]))
    del event["data"]["ticket"]["reference"]
    assert problems("event", event) != []
    assert problems("event", {"type": "other", "timestamp": "", "data": {}}) != []
    assert problems("found", {"tickets": []}) != []


@pytest.mark.parametrize("name", sorted(one.stem for one in (FOLDER / "testcases").glob("*.json")))
def test_each_recorded_case_is_as_the_schema_says(name: str) -> None:
    assert problems(name.split("-")[0], recorded(name)) == []


def test_the_id_of_an_event_has_no_dot_and_is_its_keys_own() -> None:
    keys = ["4F7K2-8.m7", "4F7K2-8~m7", "4F7K2-8~2Em7", "4F7K2-8%7Em7", "4F7K2-8..m7", "4F7K2-8/x.m7", "ñ.m1"]
    ids = [sending.event_id(key) for key in keys]
    assert ids[0] == "4F7K2-8~m7"
    assert len(set(ids)) == len(keys)
    assert all(one.isascii() and not set(one) & set(". \r\n") for one in ids)


def test_an_entry_answered_is_public_only_as_an_agents_answer() -> None:
    [answer, note, own, withdrawn, state, automatic] = parse.read_found(recorded("found-thread")).entries
    assert [one.update.public for one in (answer, note, own, withdrawn, state, automatic)] == [True] + [False] * 5
    assert answer.update.text == "<p>Pasa <b>mañana</b></p>"
    assert answer.update.html
    assert [(one.filename, one.remote, one.size) for one in answer.update.attachments] == [("plano.pdf", "f9", 3)]
    assert own.update.own
    assert own.key == f"{CASE}.m2"
    assert state.update.state is TicketState.SOLVED
    assert automatic.update.automatic


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "answer.edited"},
        {"type": "Answer.Added"},
        {"visibility": "internal"},
        {"visibility": None},
        {"visibility": True},
        {"author": {"role": "citizen", "name": "Ana"}},
        {"author": {"role": "system"}},
        {"author": {}},
        {"author": None},
        {"author": "agent"},
        {"author": {"role": "inbox"}},
        {"key": "4F7K2-8.m1"},
        {"key": 7},
        {"automatic": True},
        {"automatic": "no"},
        {"text": "", "files": []},
        {"text": None, "files": []},
        {"text": 7, "files": []},
    ],
)
def test_public_is_an_allow_list(changed: dict[str, object]) -> None:
    answer = recorded("found-thread")["entries"][0]
    assert parse.read_entry(answer).update.public
    assert not parse.read_entry(answer | changed).update.public


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": None},
        {"id": True},
        {"id": "x" * 201},
        {"id": "a\nb"},
        {"ticket": {}},
        {"at": "2026-11-24T12:00:00"},
        {"at": "ayer"},
        {"at": 5},
        {"files": "x"},
        {"files": 7},
        {"files": [{"name": "x"}]},
        {"files": ["x"]},
    ],
)
def test_an_odd_entry_is_left_out_and_counted(changed: dict[str, object]) -> None:
    found = recorded("found-thread")
    found["entries"][0] |= changed
    read = parse.read_found(found)
    assert (len(read.entries), read.unread) == (5, 1)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "x",
        7,
        {},
        {"tickets": []},
        {"tickets": "", "entries": []},
        {"tickets": {}, "entries": []},
        {"tickets": [7], "entries": []},
    ],
)
def test_what_is_no_answer_is_not_taken_for_none(answer: object) -> None:
    with pytest.raises(parse.NotUnderstood):
        parse.read_found(answer)


def test_a_ticket_may_be_told_shortly() -> None:
    row = parse.read_outcome({"ticket": {"id": 7}}).ticket
    assert row is not None
    assert (row.ticket.id, row.ticket.number, row.ticket.url, row.ticket.open) == ("7", "7", "", True)
    odd = parse.read_row(
        {"id": "7", "number": None, "url": "javascript:alert(1)", "state": "Neu", "references": [1, "a"]}
    )
    assert (odd.url, odd.state, odd.references) == ("", TicketState.IN_PROGRESS, frozenset("a"))
    assert parse.read_row({"id": "7", "url": "http://[bad"}).url == ""
    assert not parse.read_row({"id": "7", "state": "duplicate"}).ticket.open
    assert parse.read_outcome(None) == parse.Outcome()
    assert parse.read_outcome({}) == parse.Outcome()
    odd_ones: list[Any] = [{"ticket": {}}, {"ticket": "7"}, {"ticket": {"id": "7", "references": "x"}}, [], "ok"]
    for wrong in odd_ones:
        with pytest.raises(parse.NotUnderstood):
            parse.read_outcome(wrong)


def test_only_words_of_the_protocol_are_shown_of_a_refusal() -> None:
    assert parse.read_error({"error": "unknown_queue"}) == "unknown_queue"
    others: list[Any] = [{"error": "Ana Gómez, DNI 1"}, {"error": 7}, {"error": "x" * 100}, [], None, "closed"]
    for other in others:
        assert parse.read_error(other) == ""


@pytest.mark.parametrize(
    ("data", "tickets"),
    [
        ({"ticket": "7"}, ("7",)),
        ({"ticket": 7}, ("7",)),
        ({"ticket": {"id": "7", "number": "x"}}, ("7",)),
        ({"tickets": ["7", {"id": 8}]}, ("7", "8")),
        ({"ticket": ""}, ()),
        ({"ticket": None}, ()),
        ({"tickets": "78"}, ("7", "8")),
        ({}, ()),
        (None, ()),
        ([], ()),
    ],
)
def test_a_hint_names_tickets(data: object, tickets: tuple[str, ...]) -> None:
    assert parse.read_hint(json.dumps({"type": "answer.added", "data": data}).encode()) == tickets


def test_a_hint_of_anything_else_names_none() -> None:
    for body in (b"", b"[]", b"7", b"\xff", b"{", b"[" * 100_000):
        assert parse.read_hint(body) == ()
    many = json.dumps({"data": {"tickets": list(range(500))}}).encode()
    assert len(parse.read_hint(many)) == parse.MAX_TICKETS


def test_an_entry_written_under_a_key_is_ours_once() -> None:
    own = parse.read_found(recorded("found-thread")).entries[2]
    agent = parse.read_entry(recorded("found-thread")["entries"][0])
    assert parse.ours([own, own, agent], MessageKey(f"{CASE}.m2")) == [own]
    assert parse.ours([own, agent], MessageKey(f"{CASE}.m20")) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("", "archivo"),
        ("..", "archivo"),
        ("x" * 300 + ".pdf", "x" * 180 + ".pdf"),
        ('a"b\r\nc\\d.txt', "a_b c_d.txt"),
        ("añ😀 acción.pdf", "añ😀 acción.pdf"),
    ],
)
def test_a_file_has_a_fit_name(name: str, expected: str) -> None:
    assert sending.file_name(name) == expected
