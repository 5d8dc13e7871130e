"""The link to a case reaches its office through a real mail server, also when the daemon dies before it is mailed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.world import ANA, BENITO, case_of, deliver, now, office, page
from real.servers.fixtures import Dovecot, Mailbox, Postfix
from support.daemon import Daemon, eventually, free_port

pytestmark = pytest.mark.real

MAIL_SECONDS = 20.0


def mails(mailbox: Mailbox) -> list[EmailMessage]:
    """What lies in the office's mailbox, oldest first."""
    with mailbox.client(readonly=True) as client:
        found = client.fetch(client.search(), ["RFC822"])
    return [message_from_bytes(one[b"RFC822"], policy=policy.default) for _, one in sorted(found.items())]


def arrived(mailbox: Mailbox, number: int) -> list[EmailMessage]:
    """Wait for so many mails, and see that no more come with them."""
    eventually(lambda: len(mails(mailbox)) >= number, seconds=MAIL_SECONDS)
    found = mails(mailbox)
    assert len(found) == number
    return found


def link_in(mail: EmailMessage) -> str:
    """The path of the one link that a notice holds."""
    [link] = re.findall(r"https?://\S+", mail.get_content())
    return str(urlsplit(link).path)


def mailing(mailbox: Mailbox, host: str, port: int) -> str:
    return (
        f'mail_to = ["{mailbox.user}"]\n[smtp]\nhost = "{host}"\nport = {port}\n'
        'tls = "none"\nfrom_address = "no-responder@centro.test"\ntimeout_seconds = 10\n'
    )


@contextmanager
def mute(port: int) -> Iterator[socket.socket]:
    """A mail server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(20)
        yield server


def point_at(daemon: Daemon, old: int, new: int) -> None:
    """Configure another port of the mail server."""
    text = daemon.config.read_text("utf-8")
    daemon.config.write_text(text.replace(f"\nport = {old}\n", f"\nport = {new}\n"), "utf-8")


def test_the_office_opens_the_case_by_the_link_in_its_mail(tmp_path: Path, dovecot: Dovecot, postfix: Postfix) -> None:
    mailbox = dovecot.mailbox("oficina")
    daemon = office(tmp_path, salud=mailing(mailbox, postfix.host, postfix.smtp_port))
    with daemon:
        assert deliver(daemon, ANA.text("No hay turnos en el centro de salud", at=now())) == 200
        [opened] = arrived(mailbox, 1)
        assert deliver(daemon, ANA.text("Sigo esperando", at=now())) == 200
        _, further = arrived(mailbox, 2)
        assert further["In-Reply-To"] == opened["Message-ID"]
        assert "nuevo" in opened.get_content()
        for mail in (opened, further):
            assert "turnos" not in mail.as_string()
            assert ANA.name is not None
            assert ANA.name not in mail.as_string()
            assert page(daemon, link_in(mail)).entries() == ["No hay turnos en el centro de salud", "Sigo esperando"]
        assert [(line["delivered"], line["pending"], line["balance"]) for line in daemon.books()] == [(2, 0, 0)]
        assert "salud: fine" in daemon.command("check", "--online", check=False)
    assert mailbox.user not in daemon.log.read_text("utf-8")


def test_killed_between_case_and_mail_the_mail_comes_after_the_restart(
    tmp_path: Path, dovecot: Dovecot, postfix: Postfix
) -> None:
    mailbox = dovecot.mailbox("oficina")
    port = free_port()
    daemon = office(tmp_path, salud=mailing(mailbox, "127.0.0.1", port))
    with mute(port) as server, daemon:
        assert deliver(daemon, ANA.text("Se cayó un poste", at=now())) == 200
        caller, _ = server.accept()  # the case is on disk, its notice under way
        assert case_of(daemon, ANA)[1].entries() == ["Se cayó un poste"]
        daemon.kill()
        caller.close()
    assert mails(mailbox) == []
    point_at(daemon, port, postfix.smtp_port)
    with daemon:
        [mail] = arrived(mailbox, 1)
        assert page(daemon, link_in(mail)).entries() == ["Se cayó un poste"]
        assert [(line["delivered"], line["balance"]) for line in daemon.books()] == [(1, 0)]


def test_while_the_mail_server_is_down_cases_go_on_and_later_all_are_told(
    tmp_path: Path, dovecot: Dovecot, postfix: Postfix
) -> None:
    mailbox = dovecot.mailbox("oficina")
    port = free_port()
    daemon = office(tmp_path, salud=mailing(mailbox, "127.0.0.1", port))
    with daemon:
        for person in (ANA, BENITO):
            assert deliver(daemon, person.text("Necesito un turno", at=now())) == 200
            case_of(daemon, person)
        eventually(lambda: daemon.status()["destinations"]["salud"]["notices"] != "up", seconds=15)
        assert daemon.status()["destinations"]["salud"]["state"] == "up"
        told = daemon.command("check", "--online", check=False)
        assert re.search(r"^salud: .*smtp\.host", told, re.MULTILINE)
        assert daemon.stop() == 0
    point_at(daemon, port, postfix.smtp_port)
    with daemon:
        found = arrived(mailbox, 2)
        pages = sorted(page(daemon, link_in(mail)).text("h1") for mail in found)
        assert len(set(pages)) == 2
        eventually(lambda: daemon.status()["destinations"]["salud"]["waiting"] == 0)
