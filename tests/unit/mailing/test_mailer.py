"""What a mail server says, and what follows: each answer at each place has one meaning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from structlog.testing import capture_logs

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.mailing import Mailer
from inbox_daemon.plugins import Secret
from inbox_daemon.settings import Smtp
from support.smtp_sink import HANG_UP, SAY_NOTHING, Sink, mail_sink

PASSWORD = "invented-password"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    async with mail_sink() as running:
        yield running


def mailer(port: int, **changes: Any) -> Mailer:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "tls": "none",
        "from_address": "centro@gobierno.example",
        "timeout_seconds": 0.5,
    }
    return Mailer(Smtp.model_validate(given | changes))


def mail(*to: str) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = "centro@gobierno.example"
    message["To"] = ", ".join(to or ("mesa@oficina.example",))
    message["Subject"] = "Caso C-7K3M-2 · Ñandú"
    message.set_content("Hay un caso nuevo. ¿Lo leés?\n.\n.punto\n")
    return message


async def test_a_mail_arrives_as_it_was_written_and_in_seven_bits(sink: Sink) -> None:
    await mailer(sink.port).send(mail("mesa@oficina.example", "guardia@oficina.example"))
    [taken] = sink.mails
    assert taken["Subject"] == "Caso C-7K3M-2 · Ñandú"
    assert taken.get_content().splitlines() == ["Hay un caso nuevo. ¿Lo leés?", ".", ".punto"]
    assert sink.raw[0].isascii(), "the server did not offer 8BITMIME"
    assert sink.recipients == ["mesa@oficina.example", "guardia@oficina.example"]
    assert sink.senders == ["centro@gobierno.example"]


async def test_recipients_may_be_others_than_the_headers_say(sink: Sink) -> None:
    await mailer(sink.port).send(mail(), recipients=["otra@oficina.example"])
    assert sink.recipients == ["otra@oficina.example"]


@pytest.mark.parametrize(
    ("verb", "answer", "error"),
    [
        ("HELLO", HANG_UP, Transient),
        ("HELLO", SAY_NOTHING, Transient),
        ("HELLO", "421 busy", Transient),
        ("HELLO", "554 no service here", Transient),
        ("HELLO", "nonsense", Transient),
        ("EHLO", HANG_UP, Transient),
        ("MAIL", "451 later", Transient),
        ("MAIL", HANG_UP, Transient),
        ("MAIL", SAY_NOTHING, Transient),
        ("MAIL", "530 log in first", Credentials),
        ("MAIL", "553 not your address", Credentials),
        ("RCPT", "450 greylisted", Transient),
        ("RCPT", "550 no such user mesa@oficina.example", Permanent),
        ("RCPT", HANG_UP, Transient),
        ("RCPT", SAY_NOTHING, Transient),
        ("DATA", "451 later", Transient),
        ("DATA", "554 no", Permanent),
        ("END", "452 no room", Transient),
        ("END", "554 looks like spam", Permanent),
        ("END", HANG_UP, Uncertain),
        ("END", SAY_NOTHING, Uncertain),
        ("END", "nonsense", Uncertain),
    ],
)
async def test_every_failure_has_its_meaning(sink: Sink, verb: str, answer: str, error: type[EdgeError]) -> None:
    sink.answers[verb] = answer
    with pytest.raises(EdgeError) as raised:
        await mailer(sink.port).send(mail())
    assert type(raised.value) is error
    assert "oficina.example" not in str(raised.value)
    assert "127.0.0.1" in str(raised.value)
    assert len(sink.mails) == (verb == "END")


@pytest.mark.parametrize("answer", [HANG_UP, SAY_NOTHING, "500 what?"])
async def test_a_rude_goodbye_does_not_undo_a_mail(sink: Sink, answer: str) -> None:
    sink.answers["QUIT"] = answer
    await mailer(sink.port).send(mail())
    assert len(sink.mails) == 1


async def test_who_can_be_reached_gets_the_mail_and_the_refusal_is_told_without_addresses(sink: Sink) -> None:
    sink.answers["nadie@oficina.example"] = "550 no such user"
    with capture_logs() as log:
        await mailer(sink.port).send(mail("nadie@oficina.example", "mesa@oficina.example"))
    assert sink.recipients == ["mesa@oficina.example"]
    assert [(line["event"], line["refused"], line["of"]) for line in log] == [("mail.recipients_refused", 1, 2)]
    assert "oficina.example" not in repr(log)


async def test_one_recipient_refused_for_now_and_one_for_good_is_tried_again(sink: Sink) -> None:
    sink.answers |= {"nadie@oficina.example": "550 no such user", "mesa@oficina.example": "450 later"}
    with pytest.raises(Transient):
        await mailer(sink.port).send(mail("nadie@oficina.example", "mesa@oficina.example"))
    assert sink.mails == []


async def test_nobody_there() -> None:
    async with mail_sink() as gone:
        port = gone.port
    with pytest.raises(Transient, match=r"smtp\.host"):
        await mailer(port).send(mail())
    with pytest.raises(Transient, match=r"no-such-host\.invalid"):
        await mailer(port, host="no-such-host.invalid").send(mail())


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_a_server_without_tls_gets_no_mail_in_clear(sink: Sink, tls: str) -> None:
    with pytest.raises(Transient, match=r"smtp\.tls"):
        await mailer(sink.port, tls=tls).send(mail())
    assert sink.senders == []


async def test_a_refused_log_in_is_a_matter_of_credentials(sink: Sink) -> None:
    sink.answers["AUTH"] = "535 who are you"
    asked = mailer(sink.port, user="inbox", password=Secret(PASSWORD))
    for call in (asked.check(), asked.send(mail())):
        with pytest.raises(Credentials, match=r"smtp\.password") as refused:
            await call
        assert PASSWORD not in str(refused.value)
    sink.answers["AUTH"] = "454 not now"
    with pytest.raises(Transient):
        await asked.check()


async def test_check_logs_in_and_sends_nothing(sink: Sink) -> None:
    await mailer(sink.port, user="inbox", password=Secret(PASSWORD)).check()
    assert sink.sessions == 1
    assert sink.senders == []


async def test_what_no_server_takes_is_not_tried(sink: Sink) -> None:
    with pytest.raises(Permanent, match="no recipient"):
        await mailer(sink.port).send(mail(), recipients=[])
    for address in ("a\r\nRCPT TO:<b@oficina.example", "ñandú@oficina.example", "mesa", "Mesa <mesa@oficina.example>"):
        with pytest.raises(Permanent, match="address"):
            await mailer(sink.port).send(mail(), recipients=[address])
    assert sink.sessions == 0
