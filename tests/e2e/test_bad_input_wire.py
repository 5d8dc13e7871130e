"""Bad HTTP and bad timing on the public listener: broken, slow, half-closed and far too many connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from inbox_daemon.web.public import Limits
from unit.web.wire import STRICT_HEADERS, Answer, Served, hear, request, serving, sign

CONTENT = "Mi-DNI-es-secreto"
GOOD = b'{"object":"whatsapp_business_account","note":"Mi-DNI-es-secreto"}'
HOOK = "/hooks/whatsapp-centro"
FAST = Limits(body_seconds=0.4, keepalive_seconds=0.6)


@pytest.fixture
def log() -> Iterator[list[Any]]:
    capture = LogCapture()
    before = structlog.get_config()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.configure(**before)


async def still_serves(served: Served) -> None:
    answer = await served.post(GOOD, X_Hub_Signature_256=sign(GOOD))
    assert answer.status == 200
    served.journal.envelopes.pop()
    assert served.journal.envelopes == []


BROKEN = {
    "TLS to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "random bytes": bytes(range(255, 0, -1)) * 3 + b"\r\n\r\n",
    "another protocol": b"SSH-2.0-" + CONTENT.encode() + b"\r\n\r\n",
    "two lengths": request("POST", HOOK, Content_Length="5").replace(
        b"\r\n\r\n", b"\r\nContent-Length: 6\r\n\r\nhello!"
    ),
    "length and chunks": request("POST", HOOK, Content_Length="5", Transfer_Encoding="chunked") + b"0\r\n\r\n",
    "negative length": request("POST", HOOK, Content_Length="-5"),
    "length in words": request("POST", HOOK, Content_Length=CONTENT),
    "a huge header": request("POST", HOOK, X_Note=CONTENT * 1000),
    "very many headers": request("POST", HOOK, b"", **{f"X_{number}": CONTENT for number in range(500)}),
    "a header with NUL": request("POST", HOOK, X_Note=f"{CONTENT}\x00"),
    "a header without a name": request("POST", HOOK).replace(b"Host", b"\r\n : x\r\nHost"),
    "a very long path": request("POST", "/hooks/" + CONTENT * 1000),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_http_is_400_and_closed(log: list[Any], name: str) -> None:
    async with serving(FAST) as served:
        answer = await served.say(BROKEN[name])
        assert answer.status == 400
        assert answer.body == b"bad request\n"
        assert STRICT_HEADERS.items() <= answer.headers.items()
        assert answer.closed
        assert [(line["reason"], line["instance"]) for line in log] == [("broken_http", "unknown")]
        assert CONTENT not in repr(log)
        await still_serves(served)


ODD_TARGETS = [
    b"CONNECT inbox.test:443 HTTP/1.1\r\nHost: inbox.test\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: inbox.test\r\n\r\n",
    b"GET http://elsewhere.test/hooks HTTP/1.1\r\nHost: inbox.test\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("raw", ODD_TARGETS)
async def test_odd_targets_get_a_refusal_with_our_headers(log: list[Any], raw: bytes) -> None:
    async with serving(FAST) as served:
        answer = await served.say(raw)
        assert answer.status in {400, 404, 405}
        assert STRICT_HEADERS.items() <= answer.headers.items()
        assert len(log) == 1
        await still_serves(served)


async def test_chunks_that_are_none_make_no_envelope(log: list[Any]) -> None:
    async with serving(FAST) as served:
        head = request("POST", HOOK, Transfer_Encoding="chunked", X_Hub_Signature_256=sign(GOOD))
        answer = await served.say(head, b"zz\r\n" + GOOD + b"\r\n", pause=0.05)
        assert answer.status in {400, 408}, "aiohttp may only notice when the time is over"
        assert len(log) == 1
        await still_serves(served)


async def test_a_body_that_never_comes_is_408_and_closed(log: list[Any]) -> None:
    async with serving(FAST) as served:
        began = time.monotonic()
        answer = await served.say(request("POST", HOOK, Content_Length="100"), b"half ")
        assert answer.status == 408
        assert time.monotonic() - began < 1.5
        assert [(line["reason"], line["size"]) for line in log] == [("slow_body", 5)]
        await still_serves(served)


async def test_a_body_that_drips_is_408(log: list[Any]) -> None:
    async with serving(FAST) as served:
        head = request("POST", HOOK, Content_Length="100", X_Hub_Signature_256=sign(GOOD))
        answer = await served.say(head, *([b"x"] * 8), pause=0.1)
        assert answer.status == 408
        assert [line["reason"] for line in log] == ["slow_body"]
        await still_serves(served)


@pytest.mark.parametrize("sent", [b"", b"POST /hoo", b"POST /hooks/x HTTP/1.1\r\nHost: inbox.test\r\n"])
async def test_headers_that_never_end_are_hung_up_on(sent: bytes) -> None:
    async with serving(FAST) as served:
        began = time.monotonic()
        answer = await served.say(sent)
        assert answer.status == 0
        assert answer.closed
        assert time.monotonic() - began < 2.5
        await still_serves(served)


async def test_headers_that_drip_are_hung_up_on() -> None:
    async with serving(FAST) as served:
        raw = request("POST", HOOK, GOOD, X_Hub_Signature_256=sign(GOOD))
        reader, writer = await served.connect()
        for byte in raw[:60]:
            if reader.at_eof():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)
        assert reader.at_eof()
        writer.close()
        await still_serves(served)


async def test_half_closed_before_the_end_makes_no_envelope(log: list[Any]) -> None:
    async with serving(FAST) as served:
        head = request("POST", HOOK, Content_Length=str(len(GOOD)), X_Hub_Signature_256=sign(GOOD))
        await served.say(head, GOOD[:10], half_close=True, pause=0.02)
        await asyncio.sleep(0.05)
        assert served.journal.envelopes == []
        assert [line["reason"] for line in log] == ["broken_body"]
        await still_serves(served)


async def test_a_good_webhook_whose_sender_hangs_up_at_once_is_kept() -> None:
    async with serving(FAST) as served:
        await served.say(request("POST", HOOK, GOOD, X_Hub_Signature_256=sign(GOOD)), half_close=True)
        await asyncio.sleep(0.05)
        assert [envelope.body for envelope in served.journal.envelopes] == [GOOD]


async def test_good_webhooks_pass_beside_200_slow_connections(log: list[Any]) -> None:
    async with serving(Limits(body_seconds=3, keepalive_seconds=3)) as served:
        slow = [await served.connect() for _ in range(200)]
        for number, (_, writer) in enumerate(slow):
            raw = request("POST", HOOK, Content_Length="1000")
            writer.write(raw if number % 2 else raw[:40])
        began = time.monotonic()
        answers = await asyncio.gather(*[served.post(GOOD, X_Hub_Signature_256=sign(GOOD)) for _ in range(50)])
        assert time.monotonic() - began < 2
        assert {answer.status for answer in answers} == {200}
        assert len(served.journal.envelopes) == 50
        ends = await asyncio.gather(*[_end(reader) for reader, _ in slow])
        assert sorted({answer.status for answer in ends}) == [0, 408]
        assert [line["reason"] for line in log] == ["slow_body"], "a hundred refusals are one line"
        for _, writer in slow:
            writer.close()


async def _end(reader: asyncio.StreamReader) -> Answer:
    return await hear(reader)


async def test_one_connection_too_many_is_told_to_come_back(log: list[Any]) -> None:
    async with serving(Limits(max_connections=3, keepalive_seconds=2)) as served:
        held = [await served.connect() for _ in range(3)]
        await asyncio.sleep(0.02)
        answer = await served.say()
        assert answer.status == 503
        assert "retry-after" in answer.headers
        assert STRICT_HEADERS.items() <= answer.headers.items()
        assert [line["reason"] for line in log] == ["connections"]
        for _, writer in held:
            writer.close()
        await asyncio.sleep(0.05)
        await still_serves(served)


async def test_bodies_in_memory_are_bounded_over_all_connections(log: list[Any]) -> None:
    async with serving(Limits(max_held_bytes=150_000, body_seconds=3)) as served:
        head = request("POST", HOOK, Content_Length="200000")
        first, second = await served.connect(), await served.connect()
        first[1].write(head + b"x" * 100_000)
        await asyncio.sleep(0.05)
        second[1].write(head + b"x" * 100_000)
        answer = await hear(second[0])
        assert answer.status == 503
        assert [line["reason"] for line in log] == ["memory"]
        first[1].close()
        second[1].close()
        await asyncio.sleep(0.1)
        await still_serves(served)
