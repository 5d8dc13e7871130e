"""What the scripts of this folder promise of Dovecot and Postfix, and what happens when a server can't be had."""

from __future__ import annotations

import smtplib
import ssl
import time
from pathlib import Path

import pytest

from real.email.opening import mail
from real.servers import launch as launching
from real.servers.fixtures import Dovecot, Mailbox, Postfix
from real.servers.launch import ServerUnavailable, launch, require


def delivered(box: Mailbox, seconds: float = 20.0) -> list[bytes]:
    """The mails in a mailbox, as soon as there is one."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with box.client(readonly=True) as client:
            if found := client.search("ALL"):
                return [row[b"BODY[]"] for row in client.fetch(found, ["BODY.PEEK[]"]).values()]
        time.sleep(0.2)
    return []


@pytest.mark.real
def test_starting_again_gives_the_same_server(dovecot: Dovecot, postfix: Postfix) -> None:
    again = launch("dovecot-start.sh", dovecot.directory)
    assert int(again["IMAP_PORT"]) == dovecot.imap_port
    again = launch("postfix-start.sh", postfix.config_dir.parent, str(dovecot.directory))
    assert int(again["SMTP_PORT"]) == postfix.smtp_port


@pytest.mark.real
def test_an_unknown_user_is_refused_at_the_door(postfix: Postfix) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        postfix.send("rosa@correo.example", "desconocido.7@centro.test", mail("hola"))
    assert [answer[0] for answer in caught.value.recipients.values()] == [550]


@pytest.mark.real
def test_a_bounce_comes_back_and_the_outside_world_is_a_sink(dovecot: Dovecot, postfix: Postfix) -> None:
    box = dovecot.mailbox()
    postfix.send(box.user, "nadie@rebota.test", mail("respuesta"))
    [bounce] = delivered(box)
    assert b"multipart/report" in bounce
    assert b"Status: 5.1.1" in bounce
    postfix.send(box.user, "vecina@afuera.example", mail("hacia afuera"))
    assert any(b"hacia afuera" in one for one in delivered(Mailbox(server=dovecot, user=postfix.sink)))


@pytest.mark.real
def test_submission_takes_users_over_tls_only(dovecot: Dovecot, postfix: Postfix) -> None:
    box = dovecot.mailbox()
    with smtplib.SMTP("localhost", postfix.submission_port, timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=ssl.create_default_context(cafile=dovecot.ca_file))
        client.login(box.user, dovecot.password)
        client.sendmail(box.user, [box.user], mail("enviado"))
    assert len(delivered(box)) == 1


def test_a_script_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "SCRIPTS", tmp_path)
    script = tmp_path / "broken-start.sh"
    script.write_text("#!/bin/bash\necho HALF=done\necho 'no such package' >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ServerUnavailable, match=r"broken-start\.sh exited 3: no such package"):
        launch("broken-start.sh", tmp_path / "here")


def test_a_server_left_running_does_not_hold_its_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "SCRIPTS", tmp_path)
    script = tmp_path / "slow-start.sh"
    script.write_text("#!/bin/bash\nsleep 5 &\necho PORT=17\necho 'NAME=a=b'\n")
    script.chmod(0o755)
    began = time.monotonic()
    assert launch("slow-start.sh", tmp_path / "here") == {"PORT": "17", "NAME": "a=b"}
    assert time.monotonic() - began < 3


def test_what_cannot_be_had_is_skipped_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ServerUnavailable("no root")

    monkeypatch.delenv("INBOX_REQUIRE_REAL", raising=False)
    with pytest.raises(pytest.skip.Exception, match="dovecot can't be had: no root"):
        require("dovecot", absent)
    monkeypatch.setenv("INBOX_REQUIRE_REAL", "1")
    with pytest.raises(pytest.fail.Exception, match="dovecot is required"):
        require("dovecot", absent)
