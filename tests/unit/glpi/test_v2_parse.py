"""What the high-level API's answers mean, without a GLPI."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import inbox_ticketing.glpi as package
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import TicketState
from inbox_daemon.plugins import Answer
from inbox_ticketing.glpi.v2 import outcome, parse, rsql

CASES = Path(package.__file__).parent / "testcases"


def recorded(name: str) -> Any:
    return json.loads((CASES / f"v2_{name}.json").read_text("utf-8"))


def answer(status: int, body: Any = None, *, raw: bytes | None = None) -> Answer:
    if raw is not None:
        return Answer(status=status, headers={}, body=raw)
    return Answer(status=status, headers={}, body=json.dumps(body).encode(), json=body, is_json=True)


# ---------------------------------------------------------------- rows


def test_a_ticket_is_read_with_its_status_and_since_when() -> None:
    row = parse.read_row(recorded("ticket"), in_title=False)
    assert (row.id, row.state, row.references) == (221255, TicketState.CLOSED, frozenset({"T-77"}))
    assert (row.recipient, row.editor, row.entity) == (7, 8, 1)
    turn = parse.turn_of(row)
    assert turn is not None
    assert (turn.status, turn.user, turn.at) == (6, 8, datetime(2026, 11, 24, 12, 10, tzinfo=UTC))
    assert parse.read_row(recorded("ticket"), in_title=True).references == {"T-77"}


@pytest.mark.parametrize("changes", [{"is_deleted": None}, {"is_deleted": True}, {"is_deleted": 1}])
def test_what_does_not_say_that_it_is_not_in_the_bin_is(changes: dict[str, Any]) -> None:
    row = parse.read_row(recorded("ticket") | changes, in_title=False)
    assert row.deleted
    assert parse.turn_of(row) is None


@pytest.mark.parametrize("missing", ["id", "status", "is_deleted", "date_mod"])
def test_what_is_no_ticket_is_not_taken_for_one(missing: str) -> None:
    item = recorded("ticket")
    del item[missing]
    with pytest.raises((KeyError, ValueError)):
        parse.read_row(item, in_title=False)


def test_an_entry_says_who_wrote_it_and_what_it_was_copied_from() -> None:
    written, copied = [parse.read_remark(one["item"], "F") for one in recorded("timeline")]
    assert (written.author, written.public, written.copied, written.ticket) == (8, True, 0, 221255)
    assert written.at == datetime(2026, 11, 24, 11, 19, 44, tzinfo=UTC)
    assert written.changed > written.at
    assert (copied.author, copied.copied) == (0, 221001), "an author that is not told is nobody"


@pytest.mark.parametrize("private", [True, None, 0, "", "false"])
def test_only_what_says_that_it_is_not_private_is_public(private: object) -> None:
    assert not parse.read_remark(recorded("timeline")[0]["item"] | {"is_private": private}, "F").public


@pytest.mark.parametrize(("status", "public"), [(1, True), (2, True), (3, True), (4, False), (None, False)])
def test_a_refused_solution_is_no_answer(status: object, public: bool) -> None:
    assert parse.read_remark(recorded("timeline")[0]["item"] | {"status": status}, "S").public is public


@pytest.mark.parametrize("value", ["2026-11-24 08:19:44", "", None, "mañana"])
def test_a_time_without_its_offset_is_none(value: object) -> None:
    with pytest.raises(ValueError, match=r"offset|Invalid"):
        parse.read_time(value)


def test_requesters_are_users_in_that_role() -> None:
    team: list[dict[str, Any]] = [
        {"role": "requester", "id": 9, "href": "/glpi/front/user.form.php?id=9"},
        {"role": "requester", "href": "/front/group.form.php?id=8"},
        {"role": "assigned", "href": "/front/user.form.php?id=7"},
        {"role": 1, "href": "https://x/front/user.form.php?id=6"},
        {"role": "requester", "name": "sin cuenta"},
    ]
    assert parse.requesters_in(team) == {9, 6}


# ---------------------------------------------------------------- filters


def test_every_value_is_quoted() -> None:
    assert rsql.equals("is_deleted", 0) == 'is_deleted=="0"'
    assert rsql.holds("name", 'de "Ana"') == "name=like='*de \"Ana\"*'"
    assert rsql.every(rsql.above("id", 5), rsql.equals("a.id", "x;y)")) == 'id=gt="5";a.id=="x;y)"'
    with pytest.raises(Permanent):
        rsql.literal("\"'")
    asked = rsql.question("Followup", rsql.equals("content", "ñ"), "id")
    assert asked == 'query { Followup(filter: "content==\\"ñ\\"") { id } }'


# ---------------------------------------------------------------- outcomes

DENIED = {"status": "ERROR_RIGHT_MISSING", "title": "You don't have permission to perform this action."}
FAILED = {"status": "ERROR", "title": "Failed to create item(s)", "detail": None}
SQL = FAILED | {"additional_messages": [{"priority": "error", "message": "MySQL query error"}]}
LOST = {"status": "ERROR_ITEM_NOT_FOUND", "title": "Not found"}
OVER = {"status": "ERROR_INVALID_PARAMETER", "title": "Invalid OAuth token"}


@pytest.mark.parametrize(
    ("got", "read", "write"),
    [
        (answer(400, recorded("refused")), Permanent, Permanent),
        (answer(401, {"status": "ERROR_UNAUTHENTICATED"}), Credentials, Credentials),
        (answer(400, OVER), Credentials, Credentials),
        (answer(403, DENIED), Credentials, Credentials),
        (answer(403, raw=b"<html>"), Credentials, Credentials),
        (answer(302, raw=b""), Credentials, Credentials),
        (answer(404, LOST), Permanent, Uncertain),
        (answer(404, raw=b"<html>"), Transient, Uncertain),
        (answer(400, raw=b"<html>"), Transient, Uncertain),
        (answer(413, raw=b""), Permanent, Permanent),
        (answer(429, raw=b""), Transient, Transient),
        (answer(500, FAILED), Permanent, Permanent),
        (answer(500, SQL), Transient, Uncertain),
        (answer(500, raw=b""), Transient, Uncertain),
        (answer(503, raw=b""), Transient, Uncertain),
        (answer(207, []), Transient, Uncertain),
    ],
)
def test_only_what_glpi_itself_refuses_proves_that_nothing_was_done(
    got: Answer, read: type[EdgeError], write: type[EdgeError]
) -> None:
    for is_write, error in ((False, read), (True, write)):
        with pytest.raises(error) as raised:
            outcome.raise_for(got, "salud-glpi: GLPI at x", write=is_write)
        assert type(raised.value) is error


def test_a_refusal_is_told_unless_it_repeats_what_was_sent() -> None:
    refused = answer(400, {"status": "ERROR", "title": "No", "detail": "Campo <b>Ubicación</b> vacío"})
    with pytest.raises(Permanent, match="Ubicación vacío"):
        outcome.raise_for(refused, "x", write=True, private="otra cosa")
    with pytest.raises(Permanent) as raised:
        outcome.raise_for(refused, "x", write=True, private="mi UBICACIÓN es secreta")
    assert "Ubicación" not in str(raised.value)


@pytest.mark.parametrize(
    ("got", "error"),
    [
        (answer(200, []), Transient),
        (answer(200, {"errors": [{"message": 'Cannot query field "x" on type "Followup".'}]}), Credentials),
        (answer(200, {"errors": [{"message": '{"status":"ERROR_RIGHT_MISSING"}'}], "data": {}}), Credentials),
        (answer(200, {"errors": [{"message": "Internal server error"}], "data": {}}), Transient),
        (answer(200, {"data": None}), Transient),
    ],
)
def test_a_question_that_failed_with_status_200_is_no_answer(got: Answer, error: type[EdgeError]) -> None:
    with pytest.raises(error):
        outcome.raise_for_question(got, "Followup", "x")


@pytest.mark.parametrize(
    ("got", "error", "words"),
    [
        (answer(401, {"error": "invalid_client"}), Credentials, "client_secret"),
        (answer(400, {"error": "invalid_grant"}), Credentials, "password"),
        (answer(400, {"error": "unsupported_grant_type"}), Credentials, "Password"),
        (answer(400, {"error": "invalid_scope"}), Credentials, "scopes"),
        (answer(400, {"error": "otra"}), Credentials, "otra"),
        (answer(403, DENIED | {"detail": "The High-Level API is disabled"}), Credentials, "disabled"),
        (answer(500, raw=b""), Transient, "500"),
        (answer(200, raw=b"<html>"), Transient, "login page"),
        (answer(200, {"token_type": "Bearer"}), Transient, "never says"),
    ],
)
def test_a_refused_login_names_what_to_compare(got: Answer, error: type[EdgeError], words: str) -> None:
    with pytest.raises(error, match=words):
        outcome.raise_for_login(got, "x")
