"""Texts that Request Tracker is given, and its recorded answers (`testcases/`, real RT 5.0.3) read."""

from __future__ import annotations

import email
import email.policy
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import inbox_ticketing.request_tracker as package
from contract.ticketing_words import draft, entry
from inbox_daemon.model import MessageKey, Reference, StoredFile
from inbox_ticketing._writing import texts
from inbox_ticketing.request_tracker import parse

CASE = Reference("4F7K2-8")
RECORDED = Path(package.__file__).parent / "testcases"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text("utf-8"))


def file(name: str, media_type: str = "application/pdf") -> StoredFile:
    return StoredFile(filename=name, media_type=media_type, size=3, sha256="", path="/nowhere")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Luminaria  apagada\r\nBcc: otro", "Luminaria apagada Bcc: otro"),
        ("ü" * 300, "ü" * 100),
        ("a" + "😀" * 90, "a" + "😀" * 49),
        (" \n\x00", texts.NO_SUBJECT),
    ],
)
def test_a_subject_is_one_line_of_at_most_200_bytes(subject: str, expected: str) -> None:
    assert parse.subject_of(replace(draft(CASE), subject=subject)) == expected


def test_a_text_is_heading_body_and_marker() -> None:
    one = replace(entry(CASE, 7, "\nuno\r\ndos\x00\n"), heading="WhatsApp ·\n Ana")
    assert texts.text_of(one) == "WhatsApp · Ana\n\nuno\ndos\n\n[ref:4F7K2-8.m7]"
    following = replace(draft(CASE, body="Hola"), follows="12\n3")
    assert "\n\nContinúa el caso N.º 12 3.\n\nHola\n\n" in texts.text_of(
        following.first, preface=texts.preface_of(following.follows)
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("añ😀 acción.pdf", "añ😀 acción.pdf"),
        ('../../etc/"x"\r\ny%.txt', "_.._etc__x_ y_.txt"),
        ("", "archivo"),
        ("..", "archivo"),
        ("ñ" * 300 + ".pdf", "ñ" * 90 + ".pdf"),
        ("sin.un" + "x" * 300, "sin.un" + "x" * 194),
    ],
)
def test_file_names_survive_headers(name: str, expected: str) -> None:
    assert parse.file_name(file(name)) == expected


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/pdf", "application/pdf"),
        ("Image/JPEG; q=1", "image/jpeg"),
        ("text/plain", "application/octet-stream"),
        ("message/rfc822", "application/octet-stream"),
        ("", "application/octet-stream"),
        ("a/b\r\nX: y", "application/octet-stream"),
    ],
)
def test_texts_travel_as_bytes(media_type: str, expected: str) -> None:
    assert parse.file_type(file("x", media_type)) == expected


def test_a_gate_mail_is_ascii_from_the_citizen_and_always_the_same() -> None:
    one = entry(CASE, 3, "Hola ñ 😀\n.\nFrom aquí", address="ana.gomez@example.com")
    raw = parse.gate_mail(one, ticket="12", domain="rt.salud.example")
    assert raw == parse.gate_mail(one, ticket="12", domain="rt.salud.example")
    assert raw.isascii()
    mail = email.message_from_string(raw, policy=email.policy.default)
    assert mail["From"].addresses[0].addr_spec == "ana.gomez@example.com"
    assert mail["From"].addresses[0].display_name == "Ana Gómez"
    assert mail["Message-ID"] == "<inbox.4F7K2-8.m3@rt.salud.example>"
    assert mail.get_content().rstrip("\n") == texts.text_of(one)


@pytest.mark.parametrize("address", ["", "sin arroba", "a@b\r\nBcc: c@d", "ñandú@example.com", "a@b@c"])
def test_what_is_no_address_makes_no_mail(address: str) -> None:
    with pytest.raises((ValueError, IndexError, email.errors.HeaderParseError)):
        parse.gate_mail(entry(CASE, 3, address=address), ticket="12", domain="x.test")


@pytest.mark.parametrize("value", ["4F7K2-8", "it's", "a\\", "' OR id > 0 OR '"])
def test_a_quoted_value_stays_inside_its_quotes(value: str) -> None:
    quoted = parse.quote(value)
    inside, rest = [], iter(quoted[1:-1])
    for char in rest:
        assert char != "'"
        inside.append(next(rest) if char == "\\" else char)
    assert "".join(inside) == value


def test_a_ticket_is_read_in_each_of_its_shapes() -> None:
    whole = parse.read_row(recorded("ticket"), "InboxReference")
    assert (whole.id, whole.effective, whole.status) == (whole.id, whole.id, "resolved")
    assert whole.references == ("REC-4F7K2-8",)
    assert whole.requestors == {"ana.gomez@example.com"}
    [found] = [parse.read_row(item, "InboxReference") for item in recorded("merged_found")["items"]]
    assert found.id == whole.id
    assert found.effective != whole.id
    assert found.references == ("REC-4F7K2-8",)
    target = parse.read_row(recorded("merged_ticket"), "InboxReference")
    assert target.id == target.effective == found.effective


def test_transactions_are_read() -> None:
    items = recorded("transactions")["items"]
    answer, opened, closed = [parse.read_transaction(item) for item in items]
    assert (answer.kind, answer.creator, answer.creator_name) == ("Correspond", "agente", "Agente")
    assert answer.at == datetime.fromisoformat(items[0]["Created"])
    assert answer.ticket == parse.read_row(recorded("ticket"), "").id
    assert (opened.kind, opened.creator, opened.new_value) == ("Status", "RT_System", "open")
    assert (closed.creator, closed.new_value) == ("agente", "resolved")


def test_an_answer_with_a_file_is_read() -> None:
    parts = [parse.read_part(item) for item in recorded("attachments_of_answer")["items"]]
    body = parse.body_part(parts)
    assert body is not None
    assert body.media_type == "text/html"
    [plan] = parse.files_of(parts)
    assert (plan.filename, plan.media_type, plan.size) == ("plano.pdf", "application/pdf", 4)
    assert parse.read_content(recorded("attachment")).decode() == "<p>La cuadrilla pasa <b>mañana</b>.</p>"
    assert not parse.is_automatic(parts)


def test_an_entry_is_ours_by_its_last_line_and_its_author() -> None:
    [part] = [parse.read_part(item) for item in recorded("found_entry")["items"]]
    key = MessageKey("4F7K2-8.m1")
    assert parse.is_entry(part, key, "inbox")
    assert parse.is_entry(part, key, "Inbox")
    assert not parse.is_entry(part, MessageKey("4F7K2-8.m"), "inbox")
    assert not parse.is_entry(replace(part, content=part.content + "\nSaludos"), key, "inbox")
    assert not parse.is_entry(replace(part, creator="agente"), key, "inbox")
    by_mail = replace(part, creator="ana@example.com", message_id=parse.message_id(key, "x.test"))
    assert parse.is_entry(by_mail, key, "inbox")
    assert not parse.is_entry(
        replace(by_mail, message_id=parse.message_id(MessageKey("4F7K2-8.m10"), "x.test")), key, "inbox"
    )


@pytest.mark.parametrize(
    ("header", "automatic"),
    [
        ("Auto-Submitted: auto-replied", True),
        ("Precedence: bulk", True),
        ("Auto-Submitted: no", False),
        ("X: y", False),
    ],
)
def test_an_absence_note_is_automatic(header: str, automatic: bool) -> None:
    part = parse.read_part({"id": 1, "Headers": f"Subject: x\n{header}\n folded: no"})
    assert parse.is_automatic([part]) is automatic


def test_a_location_names_the_transaction() -> None:
    assert parse.transaction_of("/REST/2.0/transaction/35") == "35"
    assert parse.transaction_of("/REST/2.0/ticket/35") is None
    assert parse.transaction_of("") is None
