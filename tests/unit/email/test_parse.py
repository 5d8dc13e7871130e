"""Awkward mails, each with what is to be made of it; and no mail makes the parser raise or stall."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inbox_channels.email as package
from inbox_channels.email.parse import ParseOptions, attachment_bytes, parse, self_test
from inbox_channels.email.parse_address import canonical_address, mailboxes
from inbox_channels.email.parse_cms import signed_content
from inbox_channels.email.parse_rtf import decompress_rtf, rtf_to_text
from inbox_channels.email.parse_words import codec_of, decode, decode_words
from inbox_daemon.errors import Gone, Permanent
from inbox_daemon.explanation import describe_event
from inbox_daemon.model import Envelope, InstanceId, Message

CASES = Path(package.__file__).parent / "testcases"
NAMES = sorted(path.parent.name for path in CASES.glob("*/mail.eml"))
RECEIVED = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def envelope(raw: bytes) -> Envelope:
    return Envelope(instance=InstanceId("correo"), body=raw, received_at=RECEIVED)


def read(raw: bytes, options: ParseOptions | None = None) -> Message:
    (event,) = parse(envelope(raw), options or ParseOptions())
    assert isinstance(event, Message)
    return event


def shape(message: Message) -> dict[str, Any]:
    return {
        "type": "message",
        "external_id": message.external_id,
        "sent_at": message.sent_at.isoformat(),
        "content": message.content.value,
        "sender": {
            "name": message.sender.name,
            "handles": [
                {"kind": handle.kind, "value": handle.value, "proof": handle.proof.value}
                for handle in message.sender.handles
            ],
        },
        "text": message.text,
        "quoted": message.quoted,
        "subject": message.subject,
        "attachments": [
            {"filename": file.filename, "media_type": file.media_type, "size": file.size, "sha256": file.sha256}
            for file in message.attachments
        ],
        "in_reply_to": message.in_reply_to,
        "automatic": message.automatic.value if message.automatic else None,
    }


# ---------------------------------------------------------------- awkward mails


def test_there_are_enough_awkward_mails() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize("name", NAMES)
def test_awkward_mail(name: str) -> None:
    raw = (CASES / name / "mail.eml").read_bytes()
    expected = json.loads((CASES / name / "expected.json").read_text("utf-8"))
    configured = expected.get("options", {})
    options = ParseOptions(
        own_addresses=tuple(configured.get("own_addresses", ())), authserv_id=configured.get("authserv_id")
    )
    if "parked" in expected:
        with pytest.raises(Permanent) as caught:
            read(raw, options)
        assert str(caught.value) == expected["parked"]
        return
    (event,) = parse(envelope(raw), options)
    if not isinstance(event, Message):
        assert [describe_event(event)] == expected["events"]
        return
    message = event
    assert [shape(message)] == expected["events"]
    beyond = expected.get("beyond", {})
    assert list(message.thread) == beyond.get("thread", [])
    assert dict(message.details) == beyond.get("details", {})
    assert message.echo == beyond.get("echo", False)
    assert [file.filename for file in message.attachments if file.inline] == beyond.get("inline", [])
    for file in message.attachments:
        assert hashlib.sha256(attachment_bytes(raw, file.remote)).hexdigest() == file.sha256


@pytest.mark.parametrize("remote", ["", "9", "1.1.1", "2#1", "x#y", "1#0", "1#-1", "1#99999999999999999999"])
def test_a_part_that_is_not_there_is_gone(remote: str) -> None:
    raw = (CASES / "winmail-dat" / "mail.eml").read_bytes()
    if remote in ("2#1", "1#0"):
        assert attachment_bytes(raw, remote)
    else:
        with pytest.raises(Gone):
            attachment_bytes(raw, remote)


def test_known_attacks_do_not_get_through() -> None:
    assert self_test() == []


def test_a_made_up_id_is_stable_and_tells_mails_apart() -> None:
    one = b"From: a@b.example\nSubject: x\n\nhola\n"
    again = b"Received: from elsewhere\nX-Trace: 7\n" + one
    other = b"From: a@b.example\nSubject: x\n\nchau\n"
    assert read(one).external_id == read(again).external_id
    assert read(one).external_id.startswith("sha256:")
    assert read(one).external_id != read(other).external_id


def test_a_reused_message_id_with_other_words_is_told_apart() -> None:
    head = b"From: a@b.example\nMessage-ID: <same@b.example>\n\n"
    first, second = read(head + b"hola"), read(head + b"otra cosa")
    assert first.external_id == second.external_id
    assert first.fingerprint != second.fingerprint


def test_nobody_is_believed_without_configuration() -> None:
    raw = (CASES / "auth-dmarc-pass" / "mail.eml").read_bytes()
    assert read(raw).sender.handles[0].proof.value == "hint"
    assert read(raw, ParseOptions(authserv_id="mx.otra.example")).sender.handles[0].proof.value == "hint"
    assert read(raw, ParseOptions(authserv_id="")).sender.handles[0].proof.value == "hint"


# ---------------------------------------------------------------- charsets


@pytest.mark.parametrize(
    "label", ["unicode_escape", "raw-unicode-escape", "utf-7", "hex", "idna", "\0", "../x", "x" * 99]
)
def test_a_codec_that_is_no_charset_is_not_used(label: str) -> None:
    assert codec_of(label) is None
    assert decode(b"se\xf1or \\ud800 +2AA-", label) == "señor \\ud800 +2AA-"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("=?utf-8?q?ma=C3=B1?= =?utf-8?b?YW5h?=", "mañana"),
        ("=?iso-8859-1?q?=93hola=94?=", "“hola”"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?utf-8?q?a?= =?latin-1?q?=F1?=", "añ"),
        ("=?utf-8*es?q?a=C3=B1o?=", "año"),
        ("=?nada?q?a=F1o?=", "año"),
        ("=?utf-8?b?YQ?=", "a"),
        ("=?utf-8?x?a?= =?utf-8?q?sin fin", "=?utf-8?x?a?= =?utf-8?q?sin fin"),
        ("hola=?utf-8?q?_chau?=", "hola chau"),
    ],
)
def test_encoded_words(field: str, expected: str) -> None:
    assert decode_words(field) == expected


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("ana@correo.example", [("", "ana@correo.example")]),
        ("Ana <ANA@Correo.Example>", [("Ana", "ANA@correo.example")]),
        ('"Gómez, Ana" <ana@correo.example>', [("Gómez, Ana", "ana@correo.example")]),
        ("ana@correo.example (Ana Gómez)", [("Ana Gómez", "ana@correo.example")]),
        ("Ana ana@correo.example", [("Ana", "ana@correo.example")]),
        ('"ana gomez"@correo.example', [("", '"ana gomez"@correo.example')]),
        ('"ana"@correo.example', [("", "ana@correo.example")]),
        ("a@b.example, c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
        ("Lista: a@b.example, c@d.example;", [("", "a@b.example"), ("", "c@d.example")]),
        ("undisclosed-recipients:;", []),
        ("<@x.example,@y.example:a@b.example>", [("", "a@b.example")]),
        ("a@b@c.example", []),
        ("a@-b.example", []),
        ("a b@c.example>", []),
        ("<a@b.example\u202e>", []),
        ("a@[192.0.2.1]", [("", "a@[192.0.2.1]")]),
        ("Ana <>", []),
        ("Ana", []),
        ("", []),
        ("=?utf-8?q?a=40b.example?= <x@malo.example>", [("a@b.example", "x@malo.example")]),
        ("=?utf-8?q?a=40b.example?=", []),
        ('"victima@gob.example" <x@malo.example>', [("victima@gob.example", "x@malo.example")]),
    ],
)
def test_addresses(field: str, expected: list[tuple[str, str]]) -> None:
    assert [(box.name, box.address) for box in mailboxes(field)] == expected


def test_an_address_is_canonical_once() -> None:
    assert canonical_address("Ana@ÑANDÚ.example") == "Ana@xn--and-6ma2c.example"
    assert canonical_address("Ana@xn--and-6ma2c.example.") == "Ana@xn--and-6ma2c.example"


# ---------------------------------------------------------------- RTF


@pytest.mark.parametrize(
    ("packed", "expected"),
    [  # the two examples of MS-OXRTFCP, section 3
        (
            "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0",
            b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
        ),
        ("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0", b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"),
        ("1a0000001c0000004c5a4675", b""),
        ("00", None),
    ],
)
def test_compressed_rtf(packed: str, expected: bytes | None) -> None:
    assert decompress_rtf(bytes.fromhex(packed)) == expected


@pytest.mark.parametrize(
    ("rtf", "expected"),
    [
        (rb"{\rtf1 Se\'f1or\par chau}", "Señor\nchau"),
        (rb"{\rtf1\ansicpg1251 \'cf{\fonttbl no}{\*\x no}\u8364?\{}", "П€{"),
        (rb"{\rtf1 \u-10179?\u-8704?}", "😀"),
        (b"}}}{\\", ""),
    ],
)
def test_words_of_rtf(rtf: bytes, expected: str) -> None:
    assert rtf_to_text(rtf) == expected


# ---------------------------------------------------------------- nothing raises


def strings_of(message: Message) -> list[str]:
    found = [message.external_id, message.text, message.quoted, message.subject, message.sender.name or ""]
    found += [handle.value for handle in message.sender.handles]
    found += [message.in_reply_to or "", *message.thread, *message.details, *message.details.values()]
    for file in message.attachments:
        found += [file.filename, file.media_type, file.remote]
    return found


def check_sound(raw: bytes) -> None:
    try:
        message = read(raw)
    except Permanent:
        return
    for text in strings_of(message):
        text.encode("utf-8")  # no lone surrogates
        assert "\0" not in text
    one_line = [message.external_id, message.subject, message.sender.name or "", *message.thread]
    one_line += [handle.value for handle in message.sender.handles] + [file.filename for file in message.attachments]
    assert not any("\n" in text or "\r" in text or "\u202e" in text for text in one_line)
    assert message.fingerprint
    assert message.sent_at.tzinfo is not None
    for file in message.attachments:
        assert len(attachment_bytes(raw, file.remote)) == file.size
        assert "/" not in file.filename
        assert file.filename


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            b"From Subject Date Message-ID References In-Reply-To Content-Type Content-Disposition Reply-To "
            b"Content-Transfer-Encoding Authentication-Results Auto-Submitted Return-Path List-Id X".split()
        ),
        st.one_of(
            st.binary(max_size=80),
            st.sampled_from(
                [
                    b'multipart/mixed; boundary="a"',
                    b"multipart/report; report-type=delivery-status; boundary=a",
                    b"text/html; charset=utf-16",
                    b"text/plain; charset=utf-7; format=flowed",
                    b"application/ms-tnef; name=winmail.dat",
                    b"message/rfc822",
                    b"text/calendar",
                    b"base64",
                    b"quoted-printable",
                    b"x-uuencode",
                    b"=?utf-16?b?AAD/?= =?iso-2022-jp?q?=1B$B=21?= =?utf-8?q?=ED=A0=80?=",
                    b"Mon, 99 Foo 99999 99:99:99 +9999",
                    b"attachment; filename*0*=utf-8'x'%ED%A0%80; filename*9999999=x",
                ]
            ),
        ),
    ),
    max_size=8,
)
BODIES = st.lists(
    st.one_of(
        st.binary(max_size=120),
        st.sampled_from(
            [
                b"--a\n",
                b"\n--a--\n",
                b"\n--a\nContent-Type: text/html\n\n<p>x<blockquote>",
                b"El lun, 3 ago 2026 a las 10:15, X <x@y.example>\nescribi\xc3\xb3:\n> ",
                b"-----Mensaje original-----\n",
                b"De: x <x@y.example>\nEnviado: 10:15\nPara: z\nAsunto: ",
                b"\x78\x9f\x3e\x22\x01\x00",
                b"BEGIN:VEVENT\nSUMMARY:x\nEND:VEVENT\n",
                b"-- \n",
                b"&#xD800;&#0;<p hidden>",
            ]
        ),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(headers=HEADERS, body=BODIES)
def test_no_made_up_mail_raises(headers: list[tuple[bytes, bytes]], body: list[bytes]) -> None:
    check_sound(b"".join(name + b": " + value + b"\n" for name, value in headers) + b"\n" + b"".join(body))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_no_bytes_raise(raw: bytes) -> None:
    check_sound(raw)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from([name for name in NAMES if name not in ("many-parts", "from-commas")]), seed=st.integers())
def test_no_mutated_mail_raises(name: str, seed: int) -> None:
    raw = bytearray((CASES / name / "mail.eml").read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 12)):
        at, length = chance.randrange(len(raw) + 1), chance.randint(0, 12)
        change = chance.choice(("drop", "insert", "double", "flip"))
        if change == "drop":
            del raw[at : at + length]
        elif change == "insert":
            raw[at:at] = chance.randbytes(length)
        elif change == "double":
            raw[at:at] = raw[at : at + length * 20]
        elif at < len(raw):
            raw[at] ^= 1 << chance.randrange(8)
    check_sound(bytes(raw))


# ---------------------------------------------------------------- nothing stalls

HEAD = b"From: a@b.example\nMessage-ID: <x@b.example>\nSubject: x\n"
HTML = HEAD + b"Content-Type: text/html; charset=utf-8\n\n"
MIXED = HEAD + b'Content-Type: multipart/mixed; boundary="a"\n\n'
HOSTILE: dict[str, Callable[[], bytes]] = {
    "commas in From": lambda: b"From: " + b"," * 100_000 + b"\n\nx",
    "escaped quotes in From": lambda: b'From: "' + b'\\"' * 50_000 + b"\n\nx",
    "open parentheses in From": lambda: b"From: " + b"(" * 100_000 + b"\n\nx",
    "open brackets in From": lambda: b"From: " + b"<" * 100_000 + b"\n\nx",
    "encoded words": lambda: b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\nFrom: a@b.example\n\nx",
    "folded headers": lambda: b"From: a@b.example\nX: " + b"y\n " * 500_000 + b"\n\nx",
    "many headers": lambda: b"From: a@b.example\n" + b"X: y\n" * 500_000 + b"\nx",
    "parameters": lambda: HEAD + b"Content-Type: text/plain" + b"; a*0*=x" * 50_000 + b"\n\nx",
    "nested multiparts": lambda: b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level) for level in range(5_000)
    ),
    "many parts": lambda: MIXED + b"--a\n\nx\n" * 300_000,
    "false boundaries": lambda: MIXED + b"--a--a--a" * 500_000,
    "almost boundaries": lambda: MIXED + b"--a x\n" * 500_000,
    "nested elements": lambda: HTML + b"<div>" * 100_000 + b"x",
    "nested quotations": lambda: HTML + b"<blockquote type=cite>" * 50_000 + b"x",
    "open comments": lambda: HTML + b"<!--" * 100_000,
    "open style sheets": lambda: HTML + b"<style>" * 100_000,
    "open tags": lambda: HTML + b"<" * 500_000,
    "data pictures": lambda: HTML + b"<img src='data:image/png;base64," + b"A" * 5_000_000 + b"'><p>x</p>",
    "formatting elements": lambda: HTML + b"<a><b><i><p>" * 20_000,
    "quoted lines": lambda: HEAD + b"\n" + b"> x\nx\n" * 100_000,
    "introductions without end": lambda: HEAD + b"\n" + b"El lun, 3 ago 2026 10:15 x@y.example\n" * 10_000,
    "verbs": lambda: HEAD + b"\n" + b"escribio: wrote: " * 15_000,
    "header blocks without end": lambda: HEAD + b"\n" + b"De: x\nPara: y\n" * 20_000,
    "header blocks in paragraphs": lambda: HEAD + b"\n" + b"De: x\nPara: y\n\nFecha: 3/8/26 10:10\n\n" * 8_000,
    "dashes": lambda: HEAD + b"\n" + b"-" * 250_000 + b" Mensaje original",
    "lines ending in a colon": lambda: HEAD + b"\n" + (b"a" * 440 + b":\n") * 600,
    "forwards marked": lambda: HEAD + b"\n" + b"> a\n>Inicio del mensaje reenviado\n>\n" * 7_000,
    "lines drawn": lambda: HEAD + b"\n" + b"______\n\n" * 30_000,
    "signatures": lambda: HEAD + b"\n" + b"-- \nx\n" * 40_000,
    "signature of many lines": lambda: HEAD + b"\n" + b"-- \n" * 60_000,
    "sent from": lambda: HEAD + b"\nEnviado desde mi " + b"iPhone " * 30_000,
    "blanks": lambda: HEAD + b"\n" + b" " * 250_000 + b"x",
    "blank lines": lambda: HEAD + b"\nx" + b" \n" * 120_000 + b"x",
    "random bytes": lambda: HEAD + b"\n" + random.Random(1).randbytes(250_000),
    "one long line": lambda: HEAD + b"\n" + b"x" * 5_000_000,
    "flowed": lambda: HEAD + b"Content-Type: text/plain; format=flowed\n\n" + b"x \n" * 100_000,
    "tnef of many objects": lambda: (
        HEAD
        + b"Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n"
        + base64.b64encode(b"\x78\x9f\x3e\x22\x01\x00" + (b"\x01\x05\x80\x03\x00" + b"\0" * 6) * 200_000)
    ),
    "results of authentication": lambda: (
        b"From: a@b.example\nAuthentication-Results: x" + b"(" * 30_000 + b";dmarc=" * 9_000 + b"\n\nx"
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_in_under_a_second(name: str) -> None:
    raw = HOSTILE[name]()
    started = time.process_time()
    read(raw, ParseOptions(authserv_id="x"))
    assert time.process_time() - started < 1.0


def test_the_largest_mail_is_read_and_nothing_of_it_is_lost() -> None:
    content = random.Random(2).randbytes(17_000_000)
    raw = MIXED + b"--a\n\nVa el video.\n--a\nContent-Type: video/mp4\nContent-Transfer-Encoding: base64\n\n"
    raw += base64.encodebytes(content) + b"--a--\n"
    message = read(raw)
    assert message.text == "Va el video."
    assert message.attachments[0].sha256 == hashlib.sha256(content).hexdigest()


def test_words_beyond_the_limit_stay_in_a_file() -> None:
    message = read(HEAD + b"\n" + b"palabra " * 100_000)
    assert len(message.text) <= 256 * 1024
    assert message.attachments[0].size == 800_000
    assert "shortened" in message.details


def test_a_normal_mail_takes_about_a_millisecond() -> None:
    raw = (CASES / "reply-with-history" / "mail.eml").read_bytes()
    read(raw)
    started = time.process_time()
    for _ in range(100):
        read(raw)
    assert (time.process_time() - started) / 100 < 0.005


# ---------------------------------------------------------------- opaque signatures


def test_a_signature_cut_short_is_a_file_and_not_half_a_mail() -> None:
    whole = base64.b64decode((CASES / "smime-opaque-ber" / "mail.eml").read_bytes().split(b"\r\n\r\n", 1)[1])
    assert signed_content(whole) is not None
    assert b"firma opaca" in (signed_content(whole) or b"")
    for length in range(0, len(whole), 7):
        inside = signed_content(whole[:length])
        assert inside is None or b"firma opaca" in inside


def test_a_signature_of_a_million_pieces_is_given_up() -> None:
    head = bytes.fromhex("308006092a864886f70d010702a08030800201013100308006092a864886f70d010701a0802480")
    pieces = b"\x04\x01a" * 1_000_000
    assert signed_content(head + b"\x04\x01a\x04\x01b\0\0") == b"ab"
    begin = time.perf_counter()
    assert signed_content(head + pieces) is None
    assert time.perf_counter() - begin < 1
