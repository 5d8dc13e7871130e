"""Answers that did not go: which of our errors each failure becomes, and that nothing is sent twice by itself."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from inbox_channels._graph.verdicts import VERDICTS, told
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain, WindowClosed
from inbox_daemon.plugins import Secret
from support.graph_fake import Fault, Pace
from support.graph_fake_citizens import Phone
from unit.whatsapp.answers import answer, stored
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

CODES: dict[type[EdgeError], tuple[int, ...]] = {
    Credentials: (0, 190, 3, 10, 200, 250, 299, 131005, 368, 131031, 131037, 131042, 131045, 133010),
    Transient: (4, 17, 613, 80007, 80008, 130429, 131056, 131048, 131064, 131057, 133016),
    Uncertain: (1, 2, 131000, 131016),
    WindowClosed: (131047,),
    Permanent: (
        *(131026, 131021, 131030, 131008, 131009, 100, 33, 131049, 130472, 131050, 131051, 131052, 131053),
        *(131060, 131062, 131063, 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 137000),
        130497,  # a country this account may not write to: true of this person, not of everybody
        999999,  # a code nobody has heard of, with HTTP 400
    ),
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CODES.items() for code in codes])
async def test_every_code_of_meta_is_the_right_error(number: Number, kind: type[EdgeError], code: int) -> None:
    number.graph.fail("send", Fault(code=code))
    with refused(kind, f"code {code}") as caught:
        await number.channel.send(answer())
    assert number.graph.sent == []
    if isinstance(caught.error, Permanent):
        known = VERDICTS.get(code)
        assert caught.error.told == (known.told if known else "WhatsApp no aceptó la forma del mensaje")


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("status", [400, 403, 500])
async def test_the_code_decides_not_the_http_status(number: Number, kind: type[EdgeError], status: int) -> None:
    number.graph.fail("send", Fault(code=CODES[kind][0], status=status))
    with refused(kind):
        await number.channel.send(answer())


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(code=100, subcode=33), Credentials, "phone_number_id does not exist or access_token may not see it"),
        (Fault(code=190), Credentials, "access token"),
        (Fault(status=503, raw=b""), Transient, "asking why"),
        (Fault(), Permanent, "(code 100/33)"),
    ],
)
async def test_a_token_that_lost_the_number_parks_no_answer(
    number: Number, fault: Fault, kind: type[EdgeError], words: str
) -> None:
    number.graph.fail("send", Fault(code=100, subcode=33))
    number.graph.fail("number", fault)
    with refused(kind, words) as caught:
        await number.channel.send(answer())
    assert [seen.call for seen in number.graph.seen] == ["send", "number"]
    if isinstance(caught.error, Permanent):
        assert caught.error.told == VERDICTS[33].told


async def test_a_secret_that_was_reset_parks_no_answer(number: Number, tmp_path: Path) -> None:
    wrong = number.another(app_secret=Secret("before it was reset"))
    for reply in (answer(), answer(attachments=(stored(tmp_path, "a.png", "image/png"),))):
        with refused(Credentials, "app_secret is not that of the token's app"):
            await wrong.send(reply)
    assert number.graph.sent == []


USAGE = '{"1":[{"estimated_time_to_regain_access":7},{"type":"messaging"}],"2":0}'


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(code=131056), timedelta(seconds=6)),
        (Fault(code=131056, headers={"Retry-After": "16"}), timedelta(seconds=16)),
        (Fault(code=130429), timedelta(seconds=2)),
        (Fault(code=131048), timedelta(hours=4)),
        (Fault(code=80007, headers={"X-Business-Use-Case-Usage": USAGE}), timedelta(minutes=7)),
        (Fault(code=4, headers={"X-Business-Use-Case-Usage": "no JSON", "Retry-After": "soon"}), timedelta(minutes=5)),
        (Fault(status=429, raw=b"slow down"), timedelta(minutes=5)),
    ],
)
async def test_how_long_to_wait_is_metas_word_or_the_codes(number: Number, fault: Fault, wait: timedelta) -> None:
    number.graph.fail("send", fault)
    with refused(Transient) as caught:
        await number.channel.send(answer())
    assert caught.error.retry_after == wait


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        {"wait_seconds": 1.0},
        {"cut_after": 0},
        {"status": 500, "raw": b"<html>"},
        {"status": 502, "raw": b""},
        {"status": 504, "raw": b'{"error":null}'},
        {"status": 200, "raw": b"<html>"},
        {"status": 200, "raw": b'{"messages":[{}]}'},
        {"status": 202, "raw": b""},
        {"code": 131000},
    ],
)
async def test_what_may_have_been_taken_is_uncertain(number: Number, fault: dict[str, Any], done: bool) -> None:
    number.graph.fail("send", Fault(**fault, done=done))
    with refused(Uncertain):
        await number.channel.send(answer())
    if done or "wait_seconds" not in fault:
        assert len(number.graph.sent) == int(done)  # sent once, never repeated by itself


@pytest.mark.parametrize(("status", "kind"), [(401, Credentials), (404, Permanent), (302, Permanent), (429, Transient)])
async def test_answers_that_are_not_metas(number: Number, status: int, kind: type[EdgeError]) -> None:
    number.graph.fail("send", Fault(status=status, raw=b"<html>a proxy</html>", headers={"Location": "/elsewhere"}))
    with refused(kind, f"HTTP {status}"):
        await number.channel.send(answer())


async def test_nobody_there_is_provably_not_sent(number: Number) -> None:
    with refused(Transient, "no connection to 127.0.0.1"):
        await number.another(url="http://127.0.0.1:9").send(answer())


async def test_the_limits_that_meta_keeps_are_told_with_what_follows(number: Number) -> None:
    ana = Phone(number="5493624000001", bsuid="AR.1001")
    number.graph.window = timedelta(hours=24)
    with refused(WindowClosed, "code 131047"):
        await number.channel.send(answer())
    number.graph.heard(ana.text("Hola", at=number.graph.now))
    number.graph.pair = Pace(6, burst=2)
    for _ in range(2):
        await number.channel.send(answer())
    with refused(Transient, "code 131056") as caught:
        await number.channel.send(answer())
    assert caught.error.retry_after == timedelta(seconds=6)
    number.graph.now += timedelta(seconds=6)
    await number.channel.send(answer())
    number.graph.now += timedelta(hours=24)
    with refused(WindowClosed):
        await number.channel.send(answer())
    await number.channel.send(answer("", template="hay_respuesta", parameters=("4F7K2-8",)))
    assert [one.kind for one in number.graph.inbox(ana)] == ["text", "text", "text", "template"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(code=190), Credentials),
        (Fault(code=131053), Permanent),
        (Fault(code=131000), Transient),
        (Fault(cut_after=0), Transient),
        (Fault(wait_seconds=1.0), Transient),
        (Fault(status=200, raw=b"{}"), Transient),
        (Fault(status=503, raw=b""), Transient),
    ],
)
async def test_a_failed_upload_sent_nothing(
    number: Number, tmp_path: Path, fault: Fault, kind: type[EdgeError]
) -> None:
    number.graph.fail("upload", fault)
    with refused(kind):
        await number.channel.send(answer(attachments=(stored(tmp_path, "a.png", "image/png"),)))
    assert number.graph.sent == []


async def test_a_large_file_is_given_the_time_that_a_slow_line_takes(number: Number, tmp_path: Path) -> None:
    async def slow_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(1.0)  # longer than connecting and waiting for an answer may take together
        length = int(re.findall(rb"Content-Length: (\d+)", head)[0])
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 25\r\n\r\n" + b'{"error":{"code":131053}}')
        await writer.drain()
        writer.close()

    file = stored(tmp_path, "a.pdf", "application/pdf", bytes(16 << 20))
    async with await asyncio.start_server(slow_line, "127.0.0.1", 0, limit=4096) as server:
        host, port = server.sockets[0].getsockname()
        channel = number.another(url=f"http://{host}:{port}", connect_seconds=0.2)
        with refused(Permanent, "code 131053"):
            await channel.send(answer(attachments=(file,)))


# ---------------------------------------------------------------- what agents read


@pytest.mark.parametrize("code", VERDICTS)
def test_every_code_has_words_for_the_agent_that_go_into_a_sentence(code: int) -> None:
    words = told(str(code), "Meta's own words")
    assert words == VERDICTS[code].told
    assert 15 < len(words) < 140
    assert not words.endswith(".")
    assert not re.search(r"\d{4}|token|Meta\b|template|API", words), "what no agent knows or can do anything about"


@pytest.mark.parametrize("code", ["", "987654", "no code", "٣", "9" * 40])
def test_a_code_that_is_new_is_told_in_metas_words(code: str) -> None:
    assert told(code, "Something new") == "WhatsApp no lo entregó e informa: Something new"
    assert told(code, "") == "WhatsApp no lo entregó y no dice por qué"
