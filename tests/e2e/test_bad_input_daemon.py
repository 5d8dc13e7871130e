"""Bad input to the running daemon: a status, no envelope, a log without content, and the next good message is taken."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from e2e.world import (
    ANA,
    HOOK,
    SECRETS,
    VERIFY_TOKEN,
    assert_nobody_in,
    case_of,
    deliver,
    envelopes,
    now,
    office,
)
from support.daemon import Daemon
from support.graph_fake_citizens import body, sign

WORDS = "Mi-DNI-es-secreto"
NUMBER = "5493624998877"
PLANTED = f"{WORDS} {NUMBER} vecina@correo.example"
GOOD = body([ANA.text(PLANTED, at=now())])
JSON = {"Content-Type": "application/json"}
LARGE = json.dumps({"note": PLANTED * 100_000}).encode()
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with office(tmp_path_factory.mktemp("bad-input")) as daemon:
        yield daemon
        assert deliver(daemon, ANA.text("Después de todo", at=now())) == 200
        daemon.settled(seconds=10, messages=1)
        assert case_of(daemon, ANA)[1].entries() == ["Después de todo"]
        log = daemon.log.read_text("utf-8")
        assert "http.refused" in log
        assert "Traceback" not in log
        assert_nobody_in(log, WORDS, NUMBER, "vecina@correo", "Quebracho", *SECRETS)
        for path in ("/status", "/metrics"):
            assert_nobody_in((daemon.get(path) or b"").decode(), WORDS, NUMBER, "Quebracho", *SECRETS)
        assert daemon.stop() == 0


@pytest.fixture
def untouched(running: Daemon) -> Iterator[Daemon]:
    """The daemon, which keeps no envelope of what happens in the test and is well after it."""
    before = envelopes(running)
    yield running
    assert envelopes(running) == before
    assert running.get("/readyz") == b"ready\n"


POSTS = {
    "no signature": (HOOK, GOOD, JSON, 401),
    "the signature of another body": (HOOK, GOOD, sign(b"other"), 401),
    "a signature with another secret": (HOOK, GOOD, sign(GOOD, "another-secret"), 401),
    "4 MB, signed": (HOOK, LARGE, sign(LARGE), 413),
    "4 MB, not signed": (HOOK, LARGE, JSON, 413),
    "deep JSON, not signed": (HOOK, DEEP, JSON, 401),
    "invalid UTF-8, not signed": (HOOK, b'{"a":"\xff\xfe"}' + PLANTED.encode(), JSON, 401),
    "an unknown instance": ("/hooks/otro", GOOD, sign(GOOD), 404),
    "a person's number for an instance": (f"/hooks/{NUMBER}", GOOD, sign(GOOD), 404),
    "a traversal": ("/hooks/../../etc/passwd", GOOD, sign(GOOD), 404),
    "an operations path": ("/metrics", GOOD, sign(GOOD), 404),
    "a forged case": (f"/case/{WORDS}/answer", b"text=" + WORDS.encode(), {}, 404),
}


@pytest.mark.parametrize("name", POSTS)
def test_a_bad_post(untouched: Daemon, name: str) -> None:
    path, content, headers, status = POSTS[name]
    answer = untouched.ask("POST", path, content, headers)
    assert answer.status == status
    assert_nobody_in(answer.text, WORDS, NUMBER, *SECRETS)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_another_method(untouched: Daemon, method: str) -> None:
    answer = untouched.ask(method, HOOK, GOOD, sign(GOOD))
    assert answer.status in {400, 405}


@pytest.mark.parametrize("token", ["", "wrong", f"{VERIFY_TOKEN}x", "ñ", WORDS])
def test_a_wrong_verification(untouched: Daemon, token: str) -> None:
    query = urlencode({"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": token})
    answer = untouched.ask("GET", f"{HOOK}?{query}")
    assert answer.status == 403
    assert b"1158201444" not in answer.body


def test_the_right_verification(untouched: Daemon) -> None:
    path = f"{HOOK}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={VERIFY_TOKEN}"
    answer = untouched.ask("GET", path)
    assert (answer.status, answer.body) == (200, b"1158201444")


def test_slow_and_broken_senders_at_once(untouched: Daemon) -> None:
    head = f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nX-Note: {PLANTED}\r\n".encode()
    pieces = [
        head + b"\r\n" + PLANTED.encode(),  # and no more
        head,  # headers that never end
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + PLANTED.encode(),
        b"GET / HTTP/9.9\r\n\r\n" + PLANTED.encode(),
        head + b"Content-Length: 7\r\n\r\n" + PLANTED.encode(),
        head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + PLANTED.encode(),
    ]
    callers = []
    for piece in pieces * 20:
        caller = socket.create_connection(("127.0.0.1", untouched.public_port))
        caller.sendall(piece)
        callers.append(caller)
    began = time.monotonic()
    assert untouched.get("/healthz") == b"ok\n"
    assert untouched.ask("POST", HOOK, GOOD, sign(b"other")).status == 401
    assert time.monotonic() - began < 1, "others are served meanwhile"
    for caller in callers:
        caller.close()


def test_signed_garbage_is_acknowledged_kept_and_parked(running: Daemon) -> None:
    oddities = [DEEP, b'{"a":"\xff\xfe"}', b"\x00" * 10, b"", b"null", b"[]", f'"{PLANTED}"'.encode(), b"1e999"]
    before = envelopes(running)
    for content in oddities:
        assert running.ask("POST", HOOK, content, sign(content)).status == 200
    assert envelopes(running) == before + len(oddities)
    running.settled(seconds=10, messages=0)
    parked = [json.loads(line) for line in running.command("parked", "list", "--json").splitlines()]
    assert len(parked) == len(oddities)
    for one in parked:
        assert_nobody_in(json.dumps(one), WORDS, NUMBER)
    assert [line["balance"] for line in running.books()] == [0]
