"""Zammad's answers read. `testcases/` are composed after its source and documentation, not recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from inbox_daemon.model import MessageKey, TicketState
from inbox_daemon.plugins import Secret
from inbox_ticketing import zammad
from inbox_ticketing.zammad import parse
from inbox_ticketing.zammad.lineage import Lineage, Stretch, sources_of, target_of
from inbox_ticketing.zammad.settings import ZammadSettings

CASES = Path(zammad.__file__).parent / "testcases"


def case(name: str) -> Any:
    return json.loads((CASES / f"{name}.json").read_text("utf-8"))


def test_a_ticket() -> None:
    row = parse.read_row(case("ticket"), "inbox_reference")
    assert (row.id, row.number, row.state, row.group, row.customer) == ("81", "10081", "open", "Obras Públicas", 8)
    assert row.reference == "4F7K2-8/k7f3qx"
    assert row.updated_at.isoformat() == "2026-11-13T14:40:00.020000+00:00"
    assert not row.merged


def test_an_attribute_that_is_not_there_is_told_from_one_that_is_empty() -> None:
    ticket = case("ticket")
    assert parse.read_row(ticket, "otra").reference is None
    assert parse.read_row({**ticket, "inbox_reference": None}, "inbox_reference").reference == ""


def test_articles() -> None:
    ours, answer, mail, machine = (parse.read_article(item) for item in case("articles"))
    assert parse.our_key(ours) == "4F7K-2.m1"
    assert (ours.sender, ours.origin, ours.creator, ours.html) == ("Customer", 8, 3, False)
    assert (answer.author, answer.kind, answer.internal, answer.html) == ("Emma Taylor", "note", False, True)
    [file] = answer.files
    assert (file.filename, file.media_type, file.size, file.remote) == (
        "plano ñ.pdf",
        "application/pdf",
        19,
        "81/105/17",
    )
    assert mail.to == ("ana@example.com", "otra@example.com")
    assert mail.author == "Emma Taylor via Obras"
    assert parse.our_key(mail) is None
    assert machine.sender == "System"


@pytest.mark.parametrize("value", [None, "false", 0, "", "missing"])
def test_what_is_not_surely_visible_is_internal(value: object) -> None:
    article = {**case("articles")[1], "internal": value}
    if value == "missing":
        del article["internal"]
    assert parse.read_article(article).internal


def test_an_entry_is_what_our_account_wrote_under_exactly_its_key() -> None:
    article = parse.read_article(case("articles")[0])
    key = MessageKey("4F7K-2.m1")
    assert parse.is_entry(article, key, 3)
    assert not parse.is_entry(article, key, 5)
    for other in ("4F7K-2.m", "4F7K-2.m10", "4f7k-2.m1", ""):
        assert not parse.is_entry(article, MessageKey(other), 3)
    by_id = parse.read_article({**case("articles")[0], "subject": None})
    assert parse.is_entry(by_id, key, 3)
    by_subject = parse.read_article({**case("articles")[0], "message_id": None})
    assert parse.is_entry(by_subject, key, 3)


@pytest.mark.parametrize("broken", [{}, {"id": "x"}, {"id": 1, "ticket_id": None}, [], None, "x"])
def test_what_is_no_article_raises_what_the_reader_expects(broken: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        parse.read_article(broken)


def test_a_history_tells_what_was_written_where() -> None:
    target = [parse.read_event(item, "81") for item in case("history")["history"]]
    source = [parse.read_event(item, "79") for item in case("merged_history")["history"]]
    assert sources_of(target, "81") == ["79"]
    assert target_of(source, "79") == "81"
    lineage = Lineage(final="81", histories={"81": target, "79": source})
    assert lineage.members == ("81", "79")
    assert lineage.stretches("79") == (Stretch(ticket="79"), Stretch(ticket="81", after=930))
    assert [lineage.holds("81", one) for one in ("104", "105", "102", "999")] == [True, True, False, False]
    assert [lineage.holds("79", one) for one in ("104", "105", "102", "999")] == [False, False, True, False]
    assert [event.after for event in lineage.turns("81")] == ["open"]
    assert lineage.turns("79") == []


def test_an_article_without_a_birth_is_told_only_where_nothing_was_merged() -> None:
    assert Lineage(final="81", histories={"81": ()}).holds("81", "5")
    assert not Lineage(final="81", histories={"81": ()}).holds("79", "5")
    assert not Lineage(final="81", histories={"81": (), "79": ()}).holds("81", "5")


def test_merges_in_a_circle_end() -> None:
    def merged(source: str, target: str, number: int) -> parse.Event:
        item = {"id": number, "o_id": target, "object": "Ticket", "type": "received_merge", "id_from": source}
        return parse.read_event({**item, "created_at": "2026-11-13T15:00:00Z"}, target)

    lineage = Lineage(final="3", histories={"1": [merged("2", "1", 5)], "2": [merged("1", "2", 6)], "3": []})
    assert {one.ticket for one in lineage.stretches("1")} == {"1", "2"}
    assert not lineage.holds("3", "9")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (json.dumps({"ticket": 7}), "7"),
        (json.dumps({"ticket_id": "7"}), "7"),
        (json.dumps({"ticket": None, "article": {"ticket_id": 7}}), "7"),
        (json.dumps({"ticket": {"id": True}}), None),
        (json.dumps({"ticket": {"id": -7}}), None),
        (json.dumps({"ticket": {"id": "7/../8"}}), None),
        ("[]", None),
        ("{", None),
        ("[" * 100_000, None),
        ("\udcff", None),
    ],
)
def test_hints(body: str, expected: str | None) -> None:
    assert parse.hinted_ticket(body.encode("utf-8", "surrogateescape")) == expected


def test_zammads_own_webhook_is_a_hint() -> None:
    assert parse.hinted_ticket((CASES / "webhook.json").read_bytes()) == "81"


def test_refusals_are_told_without_people() -> None:
    said = parse.safe_words("Email address 'ana@example.com' is already used, call +5493624000001\nor DNI 20123456")
    assert "ana" not in said
    assert "4000001" not in said
    assert "20123456" not in said
    assert "already used" in said


def test_states_that_nobody_configured_are_work_going_on() -> None:
    settings = ZammadSettings(url="https://z.example", token=Secret("x"), group="G")
    assert settings.meaning_of("En análisis") is TicketState.IN_PROGRESS
    assert settings.meaning_of("Removed") is TicketState.DELETED
    assert settings.state_for(TicketState.WAITING) == "pending reminder"
    assert settings.state_for(TicketState.REFERRED) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://u:p@z.example"},
        {"url": "ftp://z.example"},
        {"reference_field": "title"},
        {"reference_field": "otra_id"},
        {"reference_field": "Con Espacios"},
        {"answer_types": ["sms"]},
        {"mute_domain": "@z.example"},
        {"sobra": 1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ZammadSettings.model_validate({"url": "https://z.example", "token": Secret("x"), "group": "G", **wrong})
