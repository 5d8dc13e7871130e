"""Bad input on the public listener: a clear status, a log line without content, no envelope, no crash."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from inbox_daemon.store.database import StorageBroken, StorageFull
from inbox_daemon.web.public import Limits
from unit.web.wire import STRICT_HEADERS, VERIFY_TOKEN, Answer, Served, request, serving, sign

CONTENT = "Mi-DNI-es-secreto"
"""Stands in every body and header that is sent here, and in no line of the log."""

GOOD = json.dumps({"object": "whatsapp_business_account", "note": CONTENT}).encode()
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
HOOK = "/hooks/whatsapp-centro"
FAST = Limits(body_seconds=0.4, keepalive_seconds=0.6, max_body_bytes=3_500_000)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.configure(**before)


@pytest.fixture
async def served(log: list[Any]) -> AsyncIterator[Served]:
    async with serving(FAST) as running:
        yield running
        assert (await running.post(GOOD, X_Hub_Signature_256=sign(GOOD))).status == 200, "it no longer serves"
        running.journal.envelopes.pop()


def refused(served: Served, log: list[Any], answer: Answer, status: int, reason: str) -> dict[str, Any]:
    """Assert one refusal in all its respects and return its log line."""
    assert answer.status == status
    assert STRICT_HEADERS.items() <= answer.headers.items()
    assert CONTENT.encode() not in answer.body
    assert len(answer.body) < 40
    assert served.journal.envelopes == []
    assert [line["reason"] for line in log] == [reason]
    assert CONTENT not in repr(log)
    assert set(log[0]) == {"event", "log_level", "instance", "status", "reason", "size", "remote"}
    assert log[0]["status"] == status
    assert log[0]["remote"] == "127.0.0.1"
    return dict(log[0])


async def test_a_good_webhook_is_recorded_as_it_came_and_answered_ok(served: Served, log: list[Any]) -> None:
    answer = await served.post(GOOD, X_Hub_Signature_256=sign(GOOD), X_Note="ñandú", X_Other=CONTENT)
    assert (answer.status, answer.body, answer.closed) == (200, b"ok", False)
    assert STRICT_HEADERS.items() <= answer.headers.items()
    [envelope] = served.journal.envelopes
    assert envelope.body == GOOD
    assert envelope.instance == "whatsapp-centro"
    assert envelope.headers == {"x-hub-signature-256": sign(GOOD), "x-note": "ñandú"}
    assert envelope.received_at.tzinfo is not None
    assert log == []


SIGNED_ODDITIES = {
    "deep JSON": DEEP,
    "invalid UTF-8": b'{"text":"\xff\xfe\xc3"}',
    "NUL bytes": b'{"text":"\x00"}\x00',
    "not JSON": b"hola",
    "empty": b"",
}


@pytest.mark.parametrize("name", SIGNED_ODDITIES)
async def test_a_signed_oddity_is_kept_and_acknowledged(served: Served, log: list[Any], name: str) -> None:
    body = SIGNED_ODDITIES[name]
    answer = await served.post(body, X_Hub_Signature_256=sign(body))
    assert (answer.status, answer.body) == (200, b"ok")
    assert [envelope.body for envelope in served.journal.envelopes] == [body]
    assert log == []


async def test_a_kept_header_that_is_no_utf8_becomes_storable_text(served: Served, log: list[Any]) -> None:
    answer = await served.post(GOOD, X_Hub_Signature_256=sign(GOOD), X_Note="\udcff\udcfe")
    assert answer.status == 200
    served.journal.envelopes[0].headers["x-note"].encode("utf-8")


async def test_the_signature_covers_the_bytes_on_the_wire_not_what_they_unpack_to(served: Served) -> None:
    packed = gzip.compress(GOOD)
    answer = await served.post(packed, X_Hub_Signature_256=sign(packed), Content_Encoding="gzip")
    assert answer.status == 200
    assert served.journal.envelopes[0].body == packed


BAD_SIGNATURES = {
    "none": {},
    "wrong": {"X_Hub_Signature_256": sign(b"something else")},
    "short": {"X_Hub_Signature_256": "sha256=abc"},
    "no scheme": {"X_Hub_Signature_256": sign(GOOD)[7:]},
    "other scheme": {"X_Hub_Signature_256": sign(GOOD).replace("sha256", "sha1")},
    "not hex": {"X_Hub_Signature_256": "sha256=" + "z" * 64},
    "not ASCII": {"X_Hub_Signature_256": "sha256=" + "ñ" * 64},
    "empty": {"X_Hub_Signature_256": ""},
}


@pytest.mark.parametrize("name", BAD_SIGNATURES)
async def test_a_bad_signature_is_401(served: Served, log: list[Any], name: str) -> None:
    answer = await served.post(GOOD, X_Note=CONTENT, **BAD_SIGNATURES[name])
    line = refused(served, log, answer, 401, "signature")
    assert line["instance"] == "whatsapp-centro"
    assert line["size"] == len(GOOD)


@pytest.mark.parametrize("body", [DEEP, b"\xff\xfe", b"\x00" * 100], ids=["deep", "utf8", "nul"])
async def test_an_unsigned_oddity_is_401(served: Served, log: list[Any], body: bytes) -> None:
    refused(served, log, await served.post(body), 401, "signature")


async def test_a_declared_body_too_large_is_413_before_it_is_read(served: Served, log: list[Any]) -> None:
    head = request("POST", HOOK, Content_Length="4000000", X_Hub_Signature_256=sign(GOOD))
    line = refused(served, log, await served.say(head), 413, "too_large")
    assert line["size"] == 4_000_000


async def test_four_megabytes_are_413(served: Served, log: list[Any]) -> None:
    body = CONTENT.encode() * 240_000
    answer = await served.post(body, X_Hub_Signature_256=sign(body))
    refused(served, log, answer, 413, "too_large")


async def test_four_megabytes_in_chunks_are_413(served: Served, log: list[Any]) -> None:
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = request("POST", HOOK, Transfer_Encoding="chunked", X_Hub_Signature_256=sign(GOOD))
    answer = await served.say(head, *([chunk] * 62), b"0\r\n\r\n")
    line = refused(served, log, answer, 413, "too_large")
    assert 3_500_000 < line["size"] < 4_000_000


async def test_a_body_in_chunks_within_the_limit_is_taken(served: Served) -> None:
    chunked = f"{len(GOOD):x}\r\n".encode() + GOOD + b"\r\n0\r\n\r\n"
    answer = await served.say(
        request("POST", HOOK, Transfer_Encoding="chunked", X_Hub_Signature_256=sign(GOOD)), chunked
    )
    assert answer.status == 200
    assert served.journal.envelopes[0].body == GOOD


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_another_method_is_405_and_names_the_right_ones(served: Served, log: list[Any], method: str) -> None:
    reader, writer = await served.connect()
    writer.write(request(method, HOOK))
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    writer.close()
    assert head.startswith("http/1.1 405")
    assert "allow: get, post" in head
    assert [line["reason"] for line in log] == ["method"]
    assert served.journal.envelopes == []


@pytest.mark.parametrize("path", ["/hooks/unknown", f"/hooks/{CONTENT}", "/hooks/WHATSAPP-CENTRO", "/hooks/%00"])
async def test_an_unknown_instance_is_404_and_not_named(served: Served, log: list[Any], path: str) -> None:
    answer = await served.post(GOOD, path, X_Hub_Signature_256=sign(GOOD))
    line = refused(served, log, answer, 404, "unknown_instance")
    assert line["instance"] == "unknown"


TRAVERSALS = [
    "/",
    "/hooks",
    "/hooks/",
    "/hooks/../../etc/passwd",
    "/hooks/whatsapp-centro/../../../etc/passwd",
    "/hooks/whatsapp-centro%2f..%2f..%2fetc%2fpasswd",
    "/hooks/whatsapp-centro/",
    "//hooks/whatsapp-centro",
    "/assets/..%2f..%2fpublic.py",
    "/.git/config",
    f"/{CONTENT}",
]


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_other_paths_are_404(served: Served, log: list[Any], path: str) -> None:
    answer = await served.post(GOOD, path, X_Hub_Signature_256=sign(GOOD))
    assert log[0]["reason"] in {"unknown_path", "unknown_instance"}
    refused(served, log, answer, 404, log[0]["reason"])


async def test_the_verification_request_is_answered_and_a_wrong_one_is_403(served: Served, log: list[Any]) -> None:
    query = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={VERIFY_TOKEN}"
    answer = await served.say(request("GET", f"{HOOK}?{query}"))
    assert (answer.status, answer.body) == (200, b"1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    assert log == []
    wrong = await served.say(request("GET", f"{HOOK}?{query}{CONTENT}"))
    refused(served, log, wrong, 403, "handshake")


async def test_while_starting_or_stopping_it_is_503_with_retry_after(served: Served, log: list[Any]) -> None:
    served.accepting = False
    answer = await served.post(GOOD, X_Hub_Signature_256=sign(GOOD))
    served.accepting = True
    refused(served, log, answer, 503, "not_accepting")
    assert int(answer.headers["retry-after"]) > 0


TROUBLES = [(StorageFull(CONTENT), "storage_full"), (StorageBroken(CONTENT), "storage_broken")]


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES, ids=["full", "broken"])
async def test_storage_trouble_is_503(served: Served, log: list[Any], trouble: Exception, reason: str) -> None:
    served.journal.trouble = trouble
    answer = await served.post(GOOD, X_Hub_Signature_256=sign(GOOD))
    served.journal.trouble = None
    refused(served, log, answer, 503, reason)
    assert "retry-after" in answer.headers


async def test_a_bug_of_ours_is_500_and_its_text_stays_out_of_the_log(served: Served, log: list[Any]) -> None:
    served.journal.trouble = ValueError(CONTENT)
    answer = await served.post(GOOD, X_Hub_Signature_256=sign(GOOD))
    served.journal.trouble = None
    assert answer.status == 500
    assert [line["event"] for line in log] == ["http.failed"]
    assert "ValueError at unit.web.wire" in log[0]["error"]
    assert CONTENT not in repr(log)
