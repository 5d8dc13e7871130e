"""Answers to citizens through the Graph API: what goes out, and which of our errors each failure becomes."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inbox_channels.whatsapp import plugin
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import (
    Envelope,
    ExternalId,
    Handle,
    InstanceId,
    Proof,
    Reply,
    SendState,
    StatusEvent,
    StoredFile,
)
from inbox_daemon.plugins import Secret
from support.graph_fake import Fault
from support.graph_fake_citizens import body
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

PHONE = Handle(kind="phone", value="+5493624000001")
BSUID = Handle(kind="bsuid", value="AR.1001", scope="100000000000001")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)

CODES: dict[type[EdgeError], tuple[int, ...]] = {
    Credentials: (0, 190, 3, 10, 200, 250, 299, 131005, 368, 131031, 131037, 131042, 131045, 133010),
    Transient: (4, 17, 613, 80007, 80008, 130429, 131056, 131048, 131064, 131057, 133016),
    Uncertain: (1, 2, 131000, 131016),
    Permanent: (
        *(131047, 131026, 131021, 131030, 131008, 131009, 100, 33, 131049, 130472, 131050, 131051, 131052, 131053),
        *(131060, 131062, 131063, 132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 137000),
        130497,  # a country this account may not write to: true of this person, not of everybody
        999999,  # a code nobody has heard of, with HTTP 400
    ),
}


def answer(text: str = "palabras privadas", **changes: Any) -> Reply:
    given: dict[str, Any] = {"tag": "4F7K-2.r1", "to": PHONE, "text": text}
    return Reply(**(given | changes))


def stored(folder: Path, name: str, media_type: str, content: bytes = b"bytes") -> StoredFile:
    path = folder / name
    path.write_bytes(content)
    return StoredFile(filename=name, media_type=media_type, size=len(content), sha256="0" * 64, path=str(path))


async def test_a_text_goes_to_the_received_number_with_plus_our_tag_and_what_it_answers(number: Number) -> None:
    sent = await number.channel.send(answer("Ya está.", in_reply_to=ExternalId("wamid.IN1")))
    (message,) = number.graph.sent
    assert (sent.ids, sent.state) == ((message.pop("wamid"),), SendState.ACCEPTED)
    assert message == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+5493624000001",
        "type": "text",
        "text": {"body": "Ya está.", "preview_url": False},
        "context": {"message_id": "wamid.IN1"},
        "biz_opaque_callback_data": "4F7K-2.r1",
    }
    (seen,) = number.graph.seen
    assert (seen.authorized, seen.path) == (True, "/v26.0/100000000000002/messages")


async def test_a_person_without_a_number_is_written_to_by_their_id(number: Number) -> None:
    await number.channel.send(answer(to=BSUID))
    (message,) = number.graph.sent
    assert (message["recipient"], "to" in message) == ("AR.1001", False)


@pytest.mark.parametrize(
    ("value", "kept", "shortened"),
    [
        ("+5493624000001", "+5493624000001", "+543624000001"),
        ("5493624000001", "+5493624000001", "+543624000001"),
        ("+543624000001", "+543624000001", "+543624000001"),
        ("+5215512345678", "+5215512345678", "+5215512345678"),
    ],
)
async def test_only_the_switch_drops_the_9(number: Number, value: str, kept: str, shortened: str) -> None:
    reply = answer(to=Handle(kind="phone", value=value))
    await number.channel.send(reply)
    await number.another(drop_mobile_9=True).send(reply)
    assert [message["to"] for message in number.graph.sent] == [kept, shortened]


async def test_a_long_text_goes_in_parts_in_order_cut_at_sentences(number: Number) -> None:
    sentences = [f"Esta es la frase número {n} del largo dictamen de la oficina." for n in range(300)]
    sent = await number.channel.send(answer(" ".join(sentences), in_reply_to=ExternalId("wamid.IN1")))
    parts = [message["text"]["body"] for message in number.graph.sent]
    assert " ".join(parts).split(". ") == " ".join(sentences).split(". ")
    assert len(parts) == -(-len(" ".join(sentences)) // 4096) == len(sent.ids)
    assert all(len(part) <= 4096 and part.endswith("oficina.") for part in parts)
    assert sent.ids == tuple(message["wamid"] for message in number.graph.sent)
    assert {message["biz_opaque_callback_data"] for message in number.graph.sent} == {"4F7K-2.r1"}
    assert [message.get("context") for message in number.graph.sent][1:] == [None] * (len(parts) - 1)


async def test_a_template_goes_with_its_parameters_and_language(number: Number) -> None:
    parameters = ("EX-123", "dos\nrenglones\ty  más")
    await number.channel.send(answer("", template="caso_actualizado", parameters=parameters))
    (message,) = number.graph.sent
    assert message["template"] == {
        "name": "caso_actualizado",
        "language": {"code": "es_AR"},
        "components": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "EX-123"}, {"type": "text", "text": "dos renglones y más"}],
            }
        ],
    }
    await number.another(template_language="es").send(answer("", template="aviso"))
    assert number.graph.sent[1]["template"] == {"name": "aviso", "language": {"code": "es"}}


async def test_files_are_uploaded_and_sent_by_id_as_what_whatsapp_shows(number: Number, tmp_path: Path) -> None:
    files = (
        stored(tmp_path, "resolución.pdf", "application/pdf", b"%PDF"),
        stored(tmp_path, "plano.png", "image/png; charset=binary"),
        stored(tmp_path, "voz.ogg", "Audio/OGG; codecs=opus"),
        stored(tmp_path, "raro.x", "ni uno\r\nX-Header: 1"),
    )
    sent = await number.channel.send(answer("Van los papeles", attachments=files))
    assert [(name, kind) for name, kind, _ in number.graph.uploads] == [
        ("resoluci%C3%B3n.pdf", "application/pdf"),  # the name that a citizen sees is the document's, below
        ("plano.png", "image/png"),
        ("voz.ogg", "audio/ogg"),
        ("raro.x", "application/octet-stream"),
    ]
    assert number.graph.uploads[0][2] == b"%PDF"
    assert [message["type"] for message in number.graph.sent] == ["text", "document", "image", "audio", "document"]
    assert number.graph.sent[1]["document"].keys() == {"id", "filename"}
    assert number.graph.sent[1]["document"]["filename"] == "resolución.pdf"
    assert number.graph.sent[2]["image"].keys() == {"id"}
    assert len(sent.ids) == 5


async def test_a_short_text_beside_one_file_is_its_caption(number: Number, tmp_path: Path) -> None:
    file = stored(tmp_path, "plano.png", "image/png")
    await number.channel.send(answer("El plano", attachments=(file,)))
    await number.channel.send(answer("x" * 1025, attachments=(file,)))
    await number.channel.send(answer("", attachments=(file,)))
    assert [(message["type"], message.get("image", {}).get("caption")) for message in number.graph.sent] == [
        ("image", "El plano"),
        ("text", None),
        ("image", None),
        ("image", None),
    ]


async def test_what_can_not_be_sent_is_refused_before_anything_goes_out(number: Number, tmp_path: Path) -> None:
    lost = StoredFile(filename="x", media_type="image/png", size=1, sha256="0" * 64, path=str(tmp_path / "lost"))
    large = StoredFile(filename="x", media_type="image/png", size=101 << 20, sha256="0" * 64, path=str(tmp_path / "l"))
    for reply, words in (
        (answer("  \n "), "the answer is empty"),
        (answer(tag="x" * 513), "longer than WhatsApp echoes"),
        (answer(to=Handle(kind="email", value="ana@correo.test")), "a handle of kind email"),
        (answer(template="aviso", attachments=(lost,)), "a template carries no files"),
        (answer(attachments=(lost,)), "not on our disk any more"),
        (answer(attachments=(large,)), "101 MB is too large"),
    ):
        with refused(Permanent, words):
            await number.channel.send(reply)
    assert number.graph.seen == []


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CODES.items() for code in codes])
async def test_every_code_of_meta_is_the_right_error(number: Number, kind: type[EdgeError], code: int) -> None:
    number.graph.fail("send", Fault(code=code))
    with refused(kind, f"code {code}"):
        await number.channel.send(answer())
    assert number.graph.sent == []


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("status", [400, 403, 500])
async def test_the_code_decides_not_the_http_status(number: Number, kind: type[EdgeError], status: int) -> None:
    number.graph.fail("send", Fault(code=CODES[kind][0], status=status))
    with refused(kind):
        await number.channel.send(answer())


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


async def test_after_the_first_part_any_failure_is_uncertain(number: Number) -> None:
    number.graph.fail("send", Fault(), Fault(code=131056))
    long = answer("palabras privadas. " * 600)
    with refused(Uncertain, "1 of 3 parts were sent, then: sending an answer: too many messages to one person"):
        await number.channel.send(long)
    assert len(number.graph.sent) == 1


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


async def test_states_come_back_under_our_tag(number: Number) -> None:
    sent = await number.channel.send(answer())
    content = body(number.graph.statuses(sent.ids[0], "sent", "read"))
    envelope = Envelope(instance=InstanceId("x"), body=content, received_at=NOW)
    states = plugin.parse(envelope, plugin.settings.model_construct())
    assert [(state.target, state.tag, state.state) for state in states if isinstance(state, StatusEvent)] == [
        (sent.ids[0], "4F7K-2.r1", SendState.SENT),
        (sent.ids[0], "4F7K-2.r1", SendState.READ),
    ]


# ---------------------------------------------------------------- window, address, check


async def test_free_answers_end_a_margin_before_the_24_hours(number: Number) -> None:
    window = number.channel.window(NOW)
    assert (window.open_until, window.template_needed) == (NOW + timedelta(hours=23, minutes=45), True)
    assert number.another(window_margin_minutes=0).window(NOW).open_until == NOW + timedelta(hours=24)


async def test_who_never_wrote_gets_a_template(number: Number) -> None:
    window = number.channel.window(None)
    assert window.open_until is not None
    assert window.open_until < NOW
    assert window.template_needed


async def test_a_proven_phone_is_answered_before_a_bsuid_and_hints_never(number: Number) -> None:
    hinted = Handle(kind="phone", value="+5493624000009", proof=Proof.HINT)
    claimed = Handle(kind="phone", value="+5493624000008", proof=Proof.CLAIM)
    mail = Handle(kind="email", value="ana@correo.test")
    address = number.channel.address
    assert address([BSUID, hinted, claimed, mail, PHONE]) == PHONE
    assert address([hinted, mail, BSUID]) == BSUID
    assert address([hinted, claimed, mail]) is None
    assert address([]) is None


async def test_a_bsuid_of_another_portfolio_is_not_written_to(number: Number) -> None:
    own = Handle(kind="bsuid", value="AR.1", scope="chaco")
    channel = number.another(portfolio="chaco")
    assert channel.address([BSUID]) is None
    assert channel.address([BSUID, own]) == own


async def test_check_reads_the_number_and_changes_nothing(number: Number) -> None:
    await number.channel.check()
    assert [seen.path for seen in number.graph.seen] == ["/v26.0/100000000000002"]
    assert (number.graph.sent, number.graph.uploads) == ([], [])


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(code=190), Credentials, "the access token is invalid or has expired: make a new one"),
        (Fault(code=10), Credentials, "give its system user whatsapp_business_messaging"),
        (Fault(code=100, subcode=33), Credentials, "phone_number_id does not exist or access_token may not see it"),
        (Fault(code=133010), Credentials, "register it"),
        (Fault(status=404, raw=b"<html>"), Permanent, "HTTP 404"),
        (Fault(status=301, headers={"Location": "/"}), Permanent, "check graph_url"),
        (Fault(status=200, raw=b'{"id":"7"}'), Permanent, "answers under another id"),
        (Fault(status=200, raw=b"<html>"), Transient, "not one of the Graph API"),
        (Fault(status=503, raw=b""), Transient, "HTTP 503"),
        (Fault(wait_seconds=1.0), Transient, "no answer in time from 127.0.0.1"),
    ],
)
async def test_check_says_what_is_wrong(number: Number, fault: Fault, kind: type[EdgeError], words: str) -> None:
    number.graph.fail("number", fault)
    with refused(kind, words):
        await number.channel.check()
    with refused(kind, "checking the number"):
        number.graph.fail("number", fault)
        await number.channel.check()


async def test_check_with_a_wrong_token(number: Number) -> None:
    with refused(Credentials, "access token is invalid"):
        await number.another(access_token=Secret("another")).check()
    assert [seen.authorized for seen in number.graph.seen] == [False]


async def test_check_when_nobody_is_there(number: Number) -> None:
    with refused(Transient, "no connection to 127.0.0.1"):
        await number.another(url="http://127.0.0.1:9").check()


async def test_letting_go_is_safe_at_any_time(number: Number) -> None:
    fresh = number.another()
    await fresh.aclose()
    await fresh.aclose()
    broken = number.another(url="http://127.0.0.1:9")
    with refused(Transient):
        await broken.check()
    await broken.aclose()
    assert "Secret(…)" in repr(broken.__dict__)
