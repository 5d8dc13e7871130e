"""Texts that Redmine is given, and its recorded answers (`testcases/`, real Redmine 5.0.4) read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import inbox_ticketing.redmine as package
from contract.ticketing_words import draft, entry
from inbox_daemon.model import MessageKey, Reference, StoredFile
from inbox_ticketing._writing import texts
from inbox_ticketing.redmine import parse

CASE = Reference("4F7K2-8")
RECORDED = Path(package.__file__).parent / "testcases"
US, AGENT = 5, 6


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text("utf-8"))


def file(name: str, media_type: str = "application/pdf") -> StoredFile:
    return StoredFile(filename=name, media_type=media_type, size=3, sha256="", path="/nowhere")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Luminaria  apagada\r\nBcc: otro", "Luminaria apagada Bcc: otro"),
        ("ü" * 300, "ü" * 255),
        ("😀" * 300, "😀" * 255),
        (" \n\x00", texts.NO_SUBJECT),
    ],
)
def test_a_subject_is_one_line_of_255_characters(subject: str, expected: str) -> None:
    assert parse.subject_of(draft(CASE, subject=subject)) == expected


@pytest.mark.parametrize(
    ("text_format", "body", "inside"),
    [
        ("textile", "a</pre>{{include(X)}}", "a< /pre>{{include(X)}}"),
        ("textile", "a <PRE> b <code>c</code>", "a < PRE> b < code>c< /code>"),
        ("textile", "sale <precio>!</notextile>", "sale < precio>!< /notextile>"),
        ("textile", "<script>1 < 2</script> ~~~ ```", "<script>1 < 2</script> ~~~ ```"),
        ("markdown", "a\n~~~\n@admin", "a\n~ ~~\n@admin"),
        ("common_mark", "`````", "` ` ` ``"),
        ("common_mark", "</pre> ~~ ``", "</pre> ~~ ``"),
    ],
)
def test_nothing_that_a_citizen_writes_ends_the_block(text_format: str, body: str, inside: str) -> None:
    text = parse.text_of(entry(CASE, 1, body), text_format)
    begin, end = ("<pre>", "</pre>") if text_format == "textile" else ("~~~", "~~~")
    lines = text.split("\n")
    assert (lines[0], lines[-1], lines[-2]) == (begin, end, f"[ref:{CASE}.m1]")
    assert inside in text
    assert end not in "\n".join(lines[1:-1])


def test_a_name_that_is_markup_stands_in_the_block_too() -> None:
    hostile = replace(entry(CASE, 1, "x"), heading="Ana </pre> !http://x.example/a.png!\n@admin")
    assert parse.text_of(hostile, "textile").split("\n")[1] == "Ana < /pre> !http://x.example/a.png! @admin"


def test_plain_text_is_not_wrapped_and_its_marker_is_found() -> None:
    text = parse.text_of(entry(CASE, 1, "x"), "plain")
    assert text.startswith("WhatsApp")
    assert parse.is_marked(text)


@pytest.mark.parametrize("text_format", ["textile", "markdown", "common_mark", "plain"])
def test_only_the_last_line_is_a_marker(text_format: str) -> None:
    quoting = parse.text_of(entry(CASE, 2, f"> [ref:{CASE}.m1]"), text_format)
    assert parse.last_line(quoting.replace("\n", "\r\n")) == f"[ref:{CASE}.m2]"
    assert not parse.is_marked(f"{quoting}\n\nYa está")
    assert not parse.is_marked("")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plano ñ 😀.pdf", "plano ñ 😀.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"b:c*?<d>.pdf', "a_b_c___d_.pdf"),
        ("..", "archivo"),
        ("a" * 300 + ".pdf", "a" * 180 + ".pdf"),
        ("sin.una-terminación-que-lo-sea", "sin.una-terminación-que-lo-sea"),
    ],
)
def test_a_file_name_is_one_that_redmine_keeps(name: str, expected: str) -> None:
    assert parse.file_name(file(name)) == expected


@pytest.mark.parametrize(
    ("given", "named"),
    [("image/JPEG", "image/jpeg"), ("text/html; charset=utf-8", "text/html"), ("", "application/octet-stream")],
)
def test_a_type_is_named_without_its_parameters(given: str, named: str) -> None:
    assert texts.file_type(file("x", given)) == named


def test_the_time_of_a_filter_is_in_the_one_form_that_is_taken() -> None:
    at = datetime.fromisoformat("2026-11-24T10:19:40.999-03:00")
    assert parse.filter_time(at) == "2026-11-24T13:19:40Z"


# ---------------------------------------------------------------- recorded answers


def test_a_recorded_issue_is_read_with_all_that_matters() -> None:
    issue = parse.read_issue(recorded("issue")["issue"], 1)
    assert issue.references == (CASE,)
    assert (issue.status, issue.author, issue.is_duplicate) == (5, US, True)
    ours, answer, relation, closed = issue.journals
    assert [one.user for one in issue.journals] == [US, AGENT, AGENT, AGENT]
    assert [one.private for one in issue.journals] == [False] * 4
    assert [one.status_id for one in issue.journals] == [None, 2, None, 5]
    [number] = answer.added_files
    assert issue.files[number].filename == "plano ñ.pdf"
    assert (issue.files[number].media_type, issue.files[number].size) == ("application/pdf", 8)
    assert (ours.added_files, relation.added_files, closed.added_files) == ((), (), ())
    assert answer.at.tzinfo is not None


def test_our_entries_are_found_in_a_recorded_issue_and_nothing_else() -> None:
    issue = parse.read_issue(recorded("issue")["issue"], 1)
    assert parse.entry_of(issue, MessageKey(f"{CASE}.m1"), US) is issue
    assert parse.entry_of(issue, MessageKey(f"{CASE}.m2"), US) is issue.journals[0]
    assert parse.entry_of(issue, MessageKey(f"{CASE}.m"), US) is None
    assert parse.entry_of(issue, MessageKey(f"{CASE}.m2"), AGENT) is None


def test_a_private_note_is_shown_to_agents_only() -> None:
    """Recorded: the same issue by the key of the service account, which has not the permission to see them."""
    ours = parse.read_issue(recorded("issue")["issue"], 1)
    theirs = parse.read_issue(recorded("issue_seen_by_agent")["issue"], 1)
    [hidden] = [one for one in theirs.journals if one.private]
    assert hidden.id not in {one.id for one in ours.journals}


def test_recorded_lists_are_read() -> None:
    [row] = recorded("found")["issues"]
    assert parse.read_issue(row, 1).references == (CASE,)
    assert parse.read_issue(row, 2).references == ()
    assert recorded("found_with_wrong_key")["issues"] == []
    statuses = parse.read_statuses(recorded("statuses")["issue_statuses"])
    assert [one.name for one in statuses if one.is_closed] == ["Closed", "Rejected"]


def test_a_privacy_that_redmine_does_not_tell_is_unknown() -> None:
    [_, answer, *_] = recorded("issue")["issue"]["journals"]
    del answer["private_notes"]
    assert parse.read_journal(answer).private is None
    assert parse.read_journal(answer | {"private_notes": "false"}).private is None


@pytest.mark.parametrize("item", [None, {}, {"id": "x"}, {"id": 1, "project": 3}, []])
def test_what_is_no_issue_is_refused(item: Any) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse.read_issue(item, 1)
