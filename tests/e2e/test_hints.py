"""Hints of destinations on a real socket: believed in nothing, lost without harm, never in anybody's way."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest
import structlog
from structlog.testing import LogCapture

from inbox_daemon.errors import Credentials
from inbox_daemon.model import Hint, TicketId
from inbox_daemon.plugins import WebhookRequest
from inbox_daemon.web.hints import MOST_ID_CHARS, MOST_TICKETS
from inbox_daemon.web.public import Limits
from unit.web.wire import STRICT_HEADERS, Answer, Served, request, serving, sign

CONTENT = "Mi-DNI-es-secreto"
HOOK = "/hooks/salud"
FAST = Limits(body_seconds=0.4, keepalive_seconds=0.6, max_body_bytes=50_000)


class Desk:
    """A destination whose webhook is a list of ticket ids under a shared word; an empty list is nothing to see."""

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        if not hmac.compare_digest(request.headers.get("x-word", "").encode(), b"invented-word"):
            raise Credentials(f"the word of {CONTENT} is wrong")
        told = orjson.loads(request.body)["tickets"]
        if "case" in request.query:
            told = [*told, request.query["case"]]
        return Hint(tickets=tuple(TicketId(str(one)) for one in told)) if told else None


@pytest.fixture
def log() -> Iterator[list[Any]]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
async def served(log: list[Any]) -> AsyncIterator[Served]:
    async with serving(FAST, hints={"salud": Desk()}) as running:
        yield running
        assert running.journal.envelopes == [], "no hint is ever kept"
        assert CONTENT not in repr(log)
        running.hinted.clear()
        running.follower_trouble = None
        assert (await hint(running, 1)).status == 200, "it no longer serves"
        assert running.hinted == [("salud", Hint(tickets=(TicketId("1"),)))]


async def hint(served: Served, *tickets: object, word: str = "invented-word", path: str = HOOK) -> Answer:
    return await served.post(orjson.dumps({"note": CONTENT, "tickets": tickets}), path, X_Word=word)


async def test_a_hint_is_told_at_once_and_answered_ok(served: Served, log: list[Any]) -> None:
    answer = await hint(served, 7, "T-8", path=f"{HOOK}?case=9")
    assert (answer.status, answer.body, answer.closed) == (200, b"ok", False)
    assert STRICT_HEADERS.items() <= answer.headers.items()
    assert served.hinted == [("salud", Hint(tickets=(TicketId("7"), TicketId("T-8"), TicketId("9"))))]
    assert log == []


async def test_a_hint_of_nothing_is_fine(served: Served, log: list[Any]) -> None:
    assert (await hint(served)).status == 200
    assert served.hinted == []
    assert log == []


async def test_a_wrong_signature_is_401_and_tells_nobody(served: Served, log: list[Any]) -> None:
    for word in ("", "another", "ñ"):
        answer = await hint(served, 7, word=word)
        assert answer.status == 401
        assert CONTENT.encode() not in answer.body
    assert served.hinted == []
    assert [(line["instance"], line["status"], line["reason"]) for line in log] == [("salud", 401, "signature")]


NOT_UNDERSTOOD = {
    "no JSON": b"hola",
    "empty": b"",
    "deep JSON": b"[" * 20_000 + b"]" * 20_000,
    "another form": b'{"tickets": 5}',
    "no tickets": b'{"note": "Mi-DNI-es-secreto"}',
    "a list": b"[1, 2]",
    "invalid UTF-8": b'{"tickets":["\xff\xfe"]}',
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
async def test_what_the_plugin_stumbles_over_is_logged_and_does_not_cost_the_webhook(
    served: Served, log: list[Any], name: str
) -> None:
    for _ in range(3):
        answer = await served.post(NOT_UNDERSTOOD[name], HOOK, X_Word="invented-word")
        assert (answer.status, answer.body) == (200, b"ok")
    assert served.hinted == []
    [line] = log
    assert (line["instance"], line["reason"], line["size"]) == ("salud", "failed", len(NOT_UNDERSTOOD[name]))
    assert " at " in line["error"], "type and place"


async def test_a_follower_that_breaks_does_not_cost_the_webhook(served: Served, log: list[Any]) -> None:
    served.follower_trouble = RuntimeError(CONTENT)
    assert (await hint(served, 7)).status == 200
    assert [(line["reason"], line["error"].split()[0]) for line in log] == [("failed", "RuntimeError")]


async def test_one_hint_names_a_bounded_number_of_tickets(served: Served) -> None:
    await hint(served, "", "x" * (MOST_ID_CHARS + 1), "8", *range(1000, 1000 + 3 * MOST_TICKETS))
    [(_, told)] = served.hinted
    assert told.tickets[0] == "8"
    assert len(told.tickets) <= MOST_TICKETS


async def test_a_hint_of_unusable_ids_is_none(served: Served) -> None:
    assert (await hint(served, "", "x" * 5000)).status == 200
    assert served.hinted == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_only_posts_are_hints(served: Served, log: list[Any], method: str) -> None:
    answer = await served.say(request(method, HOOK, b"", X_Word="invented-word"))
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert served.hinted == []
    assert [line["reason"] for line in log] == ["method"]


async def test_bodies_have_the_limits_of_channels(served: Served, log: list[Any]) -> None:
    assert (await served.post(b"x" * 50_001, HOOK, X_Word="invented-word")).status == 413
    slow = request("POST", HOOK, Content_Length="100", X_Word="invented-word")
    assert (await served.say(slow, b"half ")).status == 408
    assert (await served.say(request("POST", HOOK, Content_Length="x"), b"")).status == 400
    assert [line["reason"] for line in log] == ["too_large", "slow_body", "broken_http"]
    assert served.hinted == []


async def test_a_replayed_flood_is_answered_and_only_remembered(served: Served, log: list[Any]) -> None:
    answers = await asyncio.gather(*[hint(served, 7) for _ in range(100)])
    assert {answer.status for answer in answers} == {200}
    assert {told.tickets for _, told in served.hinted} == {(TicketId("7"),)}
    assert log == []


async def test_a_hint_needs_no_disk_and_no_started_daemon(served: Served) -> None:
    served.accepting = False
    assert (await hint(served, 7)).status == 200
    assert len(served.hinted) == 1


async def test_channels_and_strangers_are_answered_as_before(served: Served, log: list[Any]) -> None:
    body = b'{"tickets": [1]}'
    assert (await served.post(body, X_Hub_Signature_256=sign(body))).status == 200
    assert len(served.journal.envelopes) == 1
    served.journal.envelopes.clear()
    assert (await hint(served, 7, path="/hooks/seguridad")).status == 404
    assert served.hinted == []
    assert [(line["instance"], line["reason"]) for line in log] == [("unknown", "unknown_instance")]
