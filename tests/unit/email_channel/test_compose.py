"""Answers as mails: in the thread, tagged once, quoted in bounds; and nothing from outside adds a header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox_channels.email.compose import MAX_QUOTED_LINES, MAX_REFERENCES, Writer, compose, recipient
from inbox_channels.email.own_ids import message_id, tag_of
from inbox_channels.email.parse import ParseOptions, parse
from inbox_channels.email.parse_headers import message_ids
from inbox_channels.email.parse_mime import parse_mime
from inbox_channels.email.wording import WORDINGS
from inbox_daemon.errors import Permanent
from inbox_daemon.model import (
    CaseNumber,
    Envelope,
    ExternalId,
    Handle,
    InstanceId,
    Message,
    Reply,
    StoredFile,
)

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
WRITER = Writer(address="mesa@gobierno.example", name="Mesa de Entradas", zone=ZoneInfo("America/Argentina/Cordoba"))
ANSWER = Reply(
    tag="4F7K2-8.r12.1",
    to=Handle(kind="email", value="ana@correo.example"),
    case_number=CaseNumber("4F7K2-8"),
    text="Señora, tiene turno el lunes.",
    subject="turno",
    in_reply_to=ExternalId("b@correo.example"),
    thread=(ExternalId("b@correo.example"), ExternalId("a@correo.example")),
    quoted="¿Hay turnos?\n\n> viejo",
    quoted_at=datetime(2026, 11, 24, 10, 50, tzinfo=UTC),
)
SENT = policy.SMTP.clone(cte_type="7bit")
"""As the core hands mails to a mail server."""


def raw(writer: Writer = WRITER, contents: Sequence[bytes] = (), **changes: Any) -> bytes:
    return compose(replace(ANSWER, **changes), writer, contents, NOW).as_bytes(policy=SENT)


def made(writer: Writer = WRITER, contents: Sequence[bytes] = (), **changes: Any) -> EmailMessage:
    mail = message_from_bytes(raw(writer, contents, **changes), policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def words(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def file(name: str, media_type: str) -> StoredFile:
    return StoredFile(filename=name, media_type=media_type, size=1, sha256="", path="/nowhere")


def test_an_answer_as_its_citizen_gets_it() -> None:
    mail = made()
    assert {name: str(value) for name, value in mail.items()} == {
        "Message-ID": "<inbox-daemon.4F7K2-8.r12.1@gobierno.example>",
        "Date": "Tue, 24 Nov 2026 09:30:00 -0300",
        "From": "Mesa de Entradas <mesa@gobierno.example>",
        "To": "ana@correo.example",
        "Subject": "Re: [Caso 4F7K2-8] turno",
        "In-Reply-To": "<b@correo.example>",
        "References": "<a@correo.example> <b@correo.example>",
        "Content-Language": "es-AR",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": "quoted-printable",
    }
    assert words(mail) == (
        "Señora, tiene turno el lunes.\n\nEl 24/11/2026 07:50 escribió:\n> ¿Hay turnos?\n>\n>> viejo\n"
    )


def test_every_try_has_the_same_id_and_another_portion_another() -> None:
    assert made()["Message-ID"] == made(text="otra")["Message-ID"]
    assert made()["Message-ID"] != made(tag="4F7K2-8.r12.2")["Message-ID"]


def test_a_notice_says_that_no_person_wrote_it_and_quotes_nobody() -> None:
    mail = made(automatic=True)
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-replied", "All")
    assert "turnos" not in words(mail)
    unasked = made(automatic=True, in_reply_to=None, thread=())
    assert unasked["Auto-Submitted"] == "auto-generated"
    assert unasked["Subject"] == "[Caso 4F7K2-8] turno"


def test_in_english_and_with_answers_wanted_elsewhere() -> None:
    mail = made(replace(WRITER, language="en", reply_to="consultas@gobierno.example"))
    assert mail["Subject"] == "Re: [Case 4F7K2-8] turno"
    assert mail["Content-Language"] == "en"
    assert mail["Reply-To"] == "Mesa de Entradas <consultas@gobierno.example>"
    assert "On 24/11/2026 07:50 you wrote:\n> ¿Hay" in words(mail)
    assert "Usted escribió:\n> ¿Hay" in words(made(quoted_at=None))


def test_with_nothing_to_say_no_mail_goes() -> None:
    with pytest.raises(Permanent, match="nothing to send"):
        made(text=" \n")
    assert words(made(text="", attachments=(file("a.pdf", "application/pdf"),), contents=[b"x"])).startswith("El 24/11")


# ---------------------------------------------------------------- subject


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Re: [Caso 4F7K2-8] turno", "Re: [Caso 4F7K2-8] turno"),
        ("RE: RV: Re: Fwd: RE[3]: AW: turno", "Re: [Caso 4F7K2-8] turno"),
        ("Re: [Caso 4F7K2-8] Re: [CASO 4F7K2-8] turno", "Re: [Caso 4F7K2-8] turno"),
        ("RV: [Case 9ZZZ9-1] turno [Caso 4F7K2-8]", "Re: [Caso 4F7K2-8] turno"),
        ("Reclamo: no hay agua [urgente]", "Re: [Caso 4F7K2-8] Reclamo: no hay agua [urgente]"),
        ("Re:", "Re: [Caso 4F7K2-8] Su mensaje"),
        ("", "Re: [Caso 4F7K2-8] Su mensaje"),
        ("Niño ñandú 🙂", "Re: [Caso 4F7K2-8] Niño ñandú 🙂"),
        (
            "=?utf-8?q?hola=0ABcc:_otro@correo.example?=",
            "Re: [Caso 4F7K2-8] = ?utf-8?q?hola=0ABcc:_otro@correo.example?=",
        ),
        ("hola\r\nBcc: otro@correo.example", "Re: [Caso 4F7K2-8] hola Bcc: otro@correo.example"),
    ],
)
def test_one_re_and_one_tag(subject: str, expected: str) -> None:
    assert made(subject=subject)["Subject"] == expected


def test_the_tenth_answer_has_the_subject_of_the_first() -> None:
    subject = "No hay agua"
    for _ in range(10):
        subject = f"RE: {made(subject=subject)['Subject']}"
    assert subject == "RE: Re: [Caso 4F7K2-8] No hay agua"


def test_a_subject_without_end_is_cut() -> None:
    assert len(made(subject="palabra " * 10_000)["Subject"]) < 250
    assert made(subject="Re: " * 100_000)["Subject"].startswith("Re: [Caso 4F7K2-8] ")


# ---------------------------------------------------------------- thread


def test_ids_as_long_as_microsofts_stay_as_they_are() -> None:
    long = "SN7PR05MB7614E8CB4E9F0F9F7C6F7D1DAB0C9AAAAAAAAAAAA@SN7PR05MB7614.namprd05.prod.outlook.example"
    content = raw(in_reply_to=ExternalId(long), thread=(ExternalId(long), ExternalId("a@correo.example")))
    headers = parse_mime(content).headers
    assert f"In-Reply-To: <{long}>\r\n".encode() in content
    assert message_ids(headers.first("references")) == ["a@correo.example", long]


def test_a_long_thread_keeps_its_beginning_and_its_end() -> None:
    nearest_first = tuple(ExternalId(f"{number}@correo.example") for number in range(99, -1, -1))
    ids = message_ids(str(made(in_reply_to=nearest_first[0], thread=nearest_first)["References"]))
    assert len(ids) == MAX_REFERENCES
    assert ids[0] == "0@correo.example"
    assert ids[1:] == [f"{number}@correo.example" for number in range(81, 100)]


@pytest.mark.parametrize(
    "unreal",
    [
        "sha256:00ff",
        "a b@correo.example",
        "a@b>\r\nBcc: <x@y",
        "ñ@correo.example",
        "x" * 900,
        "=?utf-8?q?a=0ABcc:_x@y?=@z",
    ],
)
def test_an_id_that_no_mail_had_stands_nowhere(unreal: str) -> None:
    mail = made(in_reply_to=ExternalId(unreal), thread=(ExternalId(unreal), ExternalId("a@correo.example")))
    assert mail["In-Reply-To"] is None
    assert mail["References"] == "<a@correo.example>"
    assert mail["Subject"].startswith("Re: ")
    assert made(in_reply_to=ExternalId(unreal), thread=())["References"] is None


def test_what_is_quoted_has_bounds() -> None:
    lines = words(made(quoted="\n".join(f"línea {number}" for number in range(500)))).splitlines()
    marked = [line for line in lines if line.startswith(">")]
    assert len(marked) == MAX_QUOTED_LINES
    assert marked[-1] == "> […]"
    assert len(words(made(quoted="x" * 1_000_000))) < 3_000


def test_no_line_is_longer_than_mail_allows() -> None:
    content = raw(text="palabra" * 5_000 + "\n.\nFrom aquí", quoted="ñ" * 5_000, subject="ñ" * 5_000)
    assert max(map(len, content.split(b"\r\n"))) <= 78
    assert "palabra" * 5_000 + "\n.\nFrom aquí\n" in words(made(text="palabra" * 5_000 + "\n.\nFrom aquí"))


# ---------------------------------------------------------------- files


def test_files_go_along_whole_and_under_safe_names() -> None:
    files = (
        file("informe técnico de la inspección ocular del 24 de noviembre.pdf", "application/pdf"),
        file('..\\..\\foto".jpg\r\nX-Evil: 1', "image/jpeg"),
        file("nota.eml", "message/rfc822"),
        file("", "multipart/mixed"),
        file("a.txt", "text/plain\r\nX-Evil: 1"),
    )
    contents = [bytes(range(256)), b"\xff\xd8", b"From: x\n\nhola", b"", b"a\r\nb\n"]
    mail = made(attachments=files, contents=contents)
    parts = list(mail.iter_attachments())
    assert [part.get_payload(decode=True) for part in parts] == contents
    assert [part.get_content_type() for part in parts] == [
        "application/pdf",
        "image/jpeg",
        "application/octet-stream",
        "application/octet-stream",
        "application/octet-stream",
    ]
    assert [part.get_filename() for part in parts] == [
        "informe técnico de la inspección ocular del 24 de noviembre.pdf",
        "foto_.jpg X-Evil_ 1",
        "nota.eml",
        "archivo-4",
        "a.txt",
    ]
    assert not re.search(rb"(?m)^X-Evil", raw(attachments=files, contents=contents))


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ana@correo.example", "ana@correo.example"),
        ("Ana.O'Hara+x@Correo.example", "Ana.O'Hara+x@correo.example"),
        ("ana@ñandú.example", "ana@xn--and-6ma2c.example"),
        ("ana..perez@correo.example", "ana..perez@correo.example"),
    ],
)
def test_whom_mail_reaches(value: str, expected: str) -> None:
    handle = Handle(kind="email", value=value)
    assert recipient(handle, WRITER.wording) == expected
    (to,) = made(to=handle)["To"].addresses
    assert f"{to.username}@{to.domain}" == expected


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        (Handle(kind="email", value="añá@correo.example"), "SMTPUTF8"),
        (Handle(kind="email", value='"ana perez"@correo.example'), "SMTPUTF8"),
        (Handle(kind="email", value="ana@[192.0.2.1]"), "SMTPUTF8"),
        (Handle(kind="email", value="ana@correo.example\r\nBcc: x@y.example"), "no mail address"),
        (Handle(kind="email", value="ana@correo.example, x@y.example"), "no mail address"),
        (Handle(kind="phone", value="+5493624000001"), "no mail address"),
    ],
)
def test_whom_mail_does_not_reach_is_told(handle: Handle, why: str) -> None:
    with pytest.raises(Permanent, match=why) as caught:
        made(to=handle)
    assert "ana" not in str(caught.value) + caught.value.told
    assert "dirección de correo" in caught.value.told


@pytest.mark.parametrize(
    "name", ["", "Mesa, Entradas", 'El "Centro"', "Dirección de Niñez; (Chaco)", "a@b.example", "ñ" * 90]
)
def test_the_offices_name_never_becomes_another_address(name: str) -> None:
    envelope = Envelope(instance=InstanceId("x"), body=raw(replace(WRITER, name=name)), received_at=NOW)
    (event,) = parse(envelope, ParseOptions())
    assert isinstance(event, Message)
    assert [handle.value for handle in event.sender.handles] == ["mesa@gobierno.example"]
    assert (event.sender.name or "") == name.replace('"', "") or '"' in name


# ---------------------------------------------------------------- anything at all

ANY = st.text(max_size=120) | st.sampled_from(
    ["\r\nBcc: x@y.example\r\n\r\n", "=?utf-8?q?a=0ABcc:_x?=", "\ud800", "\0"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(subject=ANY, text=ANY, quoted=ANY, name=ANY, media_type=ANY, office=ANY, answered=ANY, case=ANY, tag=ANY)
def test_whatever_comes_from_outside_stays_in_its_place(**given_: str) -> None:
    writer = replace(WRITER, name=given_["office"])
    changes = {
        "subject": given_["subject"],
        "text": f"x{given_['text']}",
        "quoted": given_["quoted"],
        "in_reply_to": ExternalId(given_["answered"]),
        "case_number": CaseNumber(given_["case"]),
        "attachments": (file(given_["name"], given_["media_type"]),),
        "tag": given_["tag"],
    }
    try:
        content = raw(writer, [b"contenido"], **changes)
    except Permanent:
        assert not given_["tag"] or not given_["tag"].isprintable() or len(given_["tag"]) > 20
        return
    mail = message_from_bytes(content, policy=policy.default)
    allowed = {"message-id", "date", "from", "to", "subject", "in-reply-to", "references", "content-language"}
    assert {key.lower() for key in mail} <= allowed | {"mime-version", "content-type"}
    assert [one.addr_spec for one in mail["To"].addresses] == ["ana@correo.example"]
    assert [one.addr_spec for one in mail["From"].addresses] == ["mesa@gobierno.example"]
    assert mail["Bcc"] is None
    assert [part.get_payload(decode=True) for part in mail.iter_attachments()] == [b"contenido"]


# ---------------------------------------------------------------- our own ids


@given(tag=st.text(min_size=1, max_size=60))
def test_a_tag_is_read_back_from_its_id(tag: str) -> None:
    try:
        made_id = message_id(tag, "Gobierno.example")
    except ValueError:
        assert not tag.isprintable() or len(tag) > 15
        return
    assert re.fullmatch(r"[A-Za-z0-9%_~.-]+@gobierno\.example", made_id)
    assert ".." not in made_id
    assert ".@" not in made_id
    assert message_ids(f"<{made_id}>") == [made_id]
    assert tag_of(made_id, ["otra.example", "gobierno.example"]) == tag
    assert tag_of(made_id, ["otra.example"]) is None


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "@",
        "x@gobierno.example",
        "inbox-daemon.@gobierno.example",
        "inbox-daemon.%00@gobierno.example",
        "inbox-daemon.%zz@gobierno.example",
        "inbox-daemon.a b@gobierno.example",
        "inbox-daemon.%41@gobierno.example",
    ],
)
def test_what_only_looks_like_ours_is_not(foreign: str) -> None:
    assert tag_of(foreign, ["gobierno.example"]) is None


def test_every_language_says_the_same_things() -> None:
    spanish, english = WORDINGS["es-AR"], WORDINGS["en"]
    assert spanish.failures.keys() == english.failures.keys()
    assert spanish.unsent.keys() == english.unsent.keys()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("5.1.1", "the mail address does not exist"),
        ("4.4.7", "the recipient's mail server did not answer in time"),
        ("5.7.509", "the recipient's mail server refused the message by its rules (against spam, for example)"),
        ("5.0.0", "the recipient's mail server refused the message"),
        ("550", "the recipient's mail server refused the message"),
        ("", "the mail came back without a clear reason"),
    ],
)
def test_a_status_code_is_told_in_words(code: str, reason: str) -> None:
    assert WORDINGS["en"].failure(code) == reason
