"""Answers on their way to a mail server: to whom, once under one id, and what is said when they can't go."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from inbox_channels.email.channel import EmailChannel, build
from inbox_channels.email.sending import Postman
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain
from inbox_daemon.mailing import Mailer
from inbox_daemon.model import CaseNumber, ExternalId, Handle, Proof, Reply, SendState, StoredFile, Window
from inbox_daemon.plugins import FileRule, Mail, Replying, Secret
from inbox_daemon.settings import Smtp
from support.contexts import lend_context
from support.smtp_sink import HANG_UP, Sink, mail_sink

ANA = Handle(kind="email", value="ana@correo.example")
HEARD = replace(ANA, scope="hint:mesa", proof=Proof.HINT)
ANSWER = Reply(
    tag="4F7K2-8.r12.1",
    to=ANA,
    case_number=CaseNumber("4F7K2-8"),
    text="Tiene turno el lunes.",
    subject="turno",
    in_reply_to=ExternalId("turno@correo.example"),
)


def settings(**changes: Any) -> EmailSettings:
    values = {"host": "localhost", "tls": "none", "user": "mesa@centro.test", "password": Secret("clave")}
    return EmailSettings.model_validate(values | changes)


def mailer(sink: Sink, from_address: str = "mesa@centro.test") -> Mailer:
    return Mailer(Smtp(host="127.0.0.1", port=sink.port, tls="none", from_address=from_address, timeout_seconds=5))


@asynccontextmanager
async def mailbox(mail: Mail | None, **changes: Any) -> AsyncIterator[EmailChannel]:
    async with lend_context("mesa", mail=mail) as context:
        channel = build(settings(**changes), context)
        try:
            yield channel
        finally:
            await channel.aclose()


def stored(folder: Path, name: str, content: bytes) -> StoredFile:
    path = folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return StoredFile(filename=name, media_type="application/pdf", size=len(content), sha256=path.name, path=str(path))


# ---------------------------------------------------------------- to whom


@pytest.mark.parametrize(
    ("handles", "expected"),
    [
        ([], None),
        ([ANA], ANA),
        ([HEARD], HEARD),
        ([HEARD, ANA], ANA),
        ([replace(HEARD, scope="")], replace(HEARD, scope="")),
        ([replace(HEARD, scope="hint:otra-mesa")], None),
        ([replace(ANA, proof=Proof.CLAIM)], None),
        ([Handle(kind="phone", value="+5493624000001")], None),
        ([replace(ANA, value="Mesa@centro.test")], None),
        ([replace(ANA, value="consultas@xn--and-6ma2c.test"), HEARD], HEARD),
    ],
)
async def test_whom_it_answers(handles: list[Handle], expected: Handle | None) -> None:
    async with mailbox(None, addresses=["mesa@centro.test", "consultas@ñandú.test"]) as channel:
        assert channel.address(handles) == expected


async def test_only_proven_addresses_where_that_is_wanted() -> None:
    async with mail_sink() as sink, mailbox(mailer(sink), answer_unproven=False) as channel:
        assert channel.address([HEARD]) is None
        assert channel.address([HEARD, ANA]) == ANA
        with pytest.raises(Permanent, match="answer_unproven"):
            await channel.send(replace(ANSWER, to=HEARD))
    assert sink.sessions == 0


async def test_it_never_writes_to_itself() -> None:
    async with mail_sink() as sink, mailbox(mailer(sink)) as channel:
        with pytest.raises(Permanent, match="our own"):
            await channel.send(replace(ANSWER, to=replace(ANA, value="mesa@centro.test")))
    assert sink.sessions == 0


async def test_its_rules() -> None:
    async with mailbox(None, max_reply_file_bytes=5) as channel:
        assert isinstance(channel, Replying)
        assert channel.window(ANA, None) == Window()
        assert channel.rules.files == (FileRule(max_bytes=5),)
        assert channel.rules.together
        assert channel.rules.max_chars is None
        assert not channel.rules.costs


async def test_no_file_goes_along_where_none_is_wanted() -> None:
    async with mailbox(None, max_reply_file_bytes=0) as channel:
        assert channel.rules.files == ()


# ---------------------------------------------------------------- once, under one id


async def test_an_answer_goes_out_once_and_is_named_by_its_message_id(tmp_path: Path) -> None:
    async with mail_sink() as sink, mailbox(mailer(sink), from_name="Mesa") as channel:
        sent = await channel.send(replace(ANSWER, to=HEARD, attachments=(stored(tmp_path, "turno.pdf", b"%PDF"),)))
    [mail] = sink.mails
    assert (sink.senders, sink.recipients) == (["mesa@centro.test"], ["ana@correo.example"])
    assert mail["Message-ID"] == f"<{sent.id}>" == "<inbox-daemon.4F7K2-8.r12.1@centro.test>"
    assert mail["From"] == "Mesa <mesa@centro.test>"
    assert mail["Reply-To"] is None
    [part] = mail.iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("turno.pdf", b"%PDF")
    assert sent.state is SendState.ACCEPTED


async def test_from_another_address_answers_are_wanted_at_the_mailbox() -> None:
    async with mail_sink() as sink, mailbox(mailer(sink), from_address="no-responder@centro.test") as channel:
        await channel.send(ANSWER)
    [mail] = sink.mails
    assert (mail["From"], mail["Reply-To"]) == ("no-responder@centro.test", "mesa@centro.test")
    assert sink.senders == ["mesa@centro.test"]  # what can't be delivered comes back to where it is read


async def test_a_try_whose_end_nobody_saw_and_the_next_have_one_id() -> None:
    async with mail_sink() as sink, mailbox(mailer(sink)) as channel:
        sink.answers["END"] = HANG_UP
        with pytest.raises(Uncertain):
            await channel.send(ANSWER)
        del sink.answers["END"]
        sent = await channel.send(ANSWER)
    assert [mail["Message-ID"] for mail in sink.mails] == [f"<{sent.id}>"] * 2


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ({"RCPT": "550 5.1.1 no such user"}, Permanent),
        ({"RCPT": "450 4.2.1 later"}, Transient),
        ({"END": "552 5.3.4 too large"}, Permanent),
        ({"HELLO": HANG_UP}, Transient),
        ({"MAIL": "550 not you"}, Credentials),
    ],
)
async def test_what_a_mail_server_refuses_is_told(answers: dict[str, str], error: type[Exception]) -> None:
    async with mail_sink() as sink, mailbox(mailer(sink)) as channel:
        sink.answers.update(answers)
        with pytest.raises(error) as caught:
            await channel.send(ANSWER)
    assert "ana" not in str(caught.value)
    assert not isinstance(caught.value, Permanent) or "rechazó" in caught.value.told


# ---------------------------------------------------------------- what can't go


async def test_without_a_mail_server_it_only_receives() -> None:
    async with mailbox(None) as channel:
        with pytest.raises(Credentials, match=r"\[smtp\]"):
            await channel.send(ANSWER)


async def test_a_mailbox_without_address_says_what_to_write() -> None:
    async with mail_sink() as sink, mailbox(mailer(sink), user="mesa") as channel:
        with pytest.raises(Credentials, match="addresses or from_address"):
            await channel.send(ANSWER)
    assert sink.sessions == 0


async def test_files_that_are_too_many_gone_or_damaged(tmp_path: Path) -> None:
    whole = stored(tmp_path, "a.pdf", b"123")
    damaged, gone, folder = (stored(tmp_path, "b.pdf", content) for content in (b"456", b"789", b"000"))
    Path(damaged.path).write_bytes(b"654")
    Path(gone.path).unlink()
    Path(folder.path).unlink()
    Path(folder.path).mkdir()
    async with mail_sink() as sink, mailbox(mailer(sink), max_reply_file_bytes=6) as channel:
        for files, error, why in (
            ((whole, whole, whole), Permanent, "more than max_reply_file_bytes"),
            ((whole, damaged), Permanent, "damaged"),
            ((gone,), Permanent, "no longer stored"),
            ((folder,), Transient, "can't be read now"),
        ):
            with pytest.raises(error, match=why) as caught:
                await channel.send(replace(ANSWER, attachments=files))
            assert str(tmp_path) not in str(caught.value)
            assert not isinstance(caught.value, Permanent) or "archivo" in caught.value.told
        await channel.send(replace(ANSWER, attachments=(whole, whole)))
    assert len(sink.mails) == 1


# ---------------------------------------------------------------- check


async def check(mail: Mail | None, **changes: Any) -> list[str]:
    with capture_logs() as logs:
        async with lend_context("mesa", mail=mail) as context:
            await Postman(settings(**changes), context).check()
    return [line["event"] for line in logs]


async def test_a_check_tells_whether_answers_could_go() -> None:
    assert await check(None) == ["mailbox.only_receives"]
    async with mail_sink() as sink:
        assert await check(mailer(sink)) == []
        assert sink.sessions == 1
        with pytest.raises(Credentials, match="addresses"):
            await check(mailer(sink), user="mesa")
        sink.answers["HELLO"] = "554 go away"
        with pytest.raises(Transient, match=r"smtp\.host"):
            await check(mailer(sink))
    assert sink.mails == []
