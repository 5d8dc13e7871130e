"""Fixtures `dovecot` and `postfix`: real mail servers on loopback, and fresh mailboxes so that tests don't meet.

Named in `tests/conftest.py`, so that all tests may ask for them.
"""

from __future__ import annotations

import secrets
import shutil
import smtplib
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from imapclient import IMAPClient

from real.servers.launch import launch, real_directory, server

DOMAIN = "centro.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dovecot:
    """A running Dovecot: any user `…@centro.test` may log in with `password`."""

    host: str
    imap_port: int
    imaps_port: int
    lmtp_port: int
    password: str = field(repr=False)
    ca_file: Path
    stranger_ca_file: Path
    """A certificate that this server does not have."""
    conf: Path
    mail_dir: Path
    directory: Path

    @classmethod
    def of(cls, values: dict[str, str], directory: Path) -> Dovecot:
        """From what `dovecot-start.sh` printed."""
        return cls(
            host=values["HOST"],
            imap_port=int(values["IMAP_PORT"]),
            imaps_port=int(values["IMAPS_PORT"]),
            lmtp_port=int(values["LMTP_PORT"]),
            password=values["PASSWORD"],
            ca_file=Path(values["CA_FILE"]),
            stranger_ca_file=Path(values["STRANGER_CA_FILE"]),
            conf=Path(values["CONF"]),
            mail_dir=Path(values["MAIL_DIR"]),
            directory=directory,
        )

    def mailbox(self, prefix: str = "mesa") -> Mailbox:
        """A fresh, empty mailbox that no other test knows."""
        return Mailbox(server=self, user=f"{prefix}-{secrets.token_hex(4)}@{DOMAIN}")

    def stop(self) -> None:
        """Stop the server, keep its mail and ports."""
        launch("dovecot-stop.sh", self.directory)

    def start(self) -> None:
        """Start it again, on the same ports."""
        launch("dovecot-start.sh", self.directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One user's mailbox on a `Dovecot`, seen from outside of the program under test."""

    server: Dovecot
    user: str

    @contextmanager
    def client(self, folder: str | None = "INBOX", *, readonly: bool = False) -> Iterator[IMAPClient]:
        """An IMAP connection of the test's own."""
        with IMAPClient(self.server.host, port=self.server.imap_port, ssl=False, timeout=20) as client:
            client.normalise_times = False
            client.login(self.user, self.server.password)
            if folder:
                client.select_folder(folder, readonly=readonly)
            yield client

    def put(self, *mails: bytes, folder: str = "INBOX", at: datetime | None = None) -> None:
        """Append mails by IMAP, with `at` as their INTERNALDATE."""
        with self.client(None) as client:
            for mail in mails:
                client.append(folder, mail, msg_time=at)

    def drop_file(self, mail: bytes) -> None:
        """Lay a mail into the Maildir as a file: nothing on the way can mend or refuse its bytes."""
        with self.client():
            pass  # the first login makes the Maildir
        new = self.server.mail_dir / self.user / "new"
        name = f"{secrets.randbits(30)}.{secrets.token_hex(6)}.test"
        (new.parent / "tmp" / name).write_bytes(mail)
        (new.parent / "tmp" / name).rename(new / name)

    def wipe(self) -> None:
        """Delete the mailbox from the disk: the next one has another UIDVALIDITY, which is the second it is made in."""
        shutil.rmtree(self.server.mail_dir / self.user)
        time.sleep(1.1)

    def kick(self) -> None:
        """Cut all of the user's connections from the server's side."""
        self._doveadm("kick", self.user)

    def sessions(self) -> list[int]:
        """Process ids of the IMAP sessions of this user."""
        rows = self._doveadm("-f", "tab", "who", "-1", self.user).splitlines()[1:]
        return [int(row.split("\t")[2]) for row in rows]

    def _doveadm(self, *args: str) -> str:
        command = ["doveadm", "-c", str(self.server.conf), *args]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Postfix:
    """A running Postfix that delivers `…@centro.test` to the shared Dovecot; see `postfix-start.sh` for the rest."""

    host: str
    smtp_port: int
    submission_port: int
    sink: str
    config_dir: Path
    log: Path

    @classmethod
    def of(cls, values: dict[str, str]) -> Postfix:
        """From what `postfix-start.sh` printed."""
        return cls(
            host=values["HOST"],
            smtp_port=int(values["SMTP_PORT"]),
            submission_port=int(values["SUBMISSION_PORT"]),
            sink=values["SINK"],
            config_dir=Path(values["CONFIG_DIR"]),
            log=Path(values["LOG"]),
        )

    def send(self, sender: str, recipient: str, *mails: bytes | EmailMessage) -> None:
        """Send mails by SMTP in one session, unauthenticated, as the outside world does."""
        with smtplib.SMTP(self.host, self.smtp_port, timeout=30) as client:
            for mail in mails:
                client.sendmail(sender, [recipient], mail if isinstance(mail, bytes) else mail.as_bytes())


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """The Dovecot that all tests share; take a `mailbox()` of your own."""
    with server("dovecot") as values:
        yield Dovecot.of(values, real_directory() / "dovecot")


@pytest.fixture(scope="session")
def postfix(dovecot: Dovecot) -> Iterator[Postfix]:
    """The Postfix that all tests share, in front of `dovecot`."""
    with server("postfix", str(dovecot.directory)) as values:
        yield Postfix.of(values)


@pytest.fixture
def own_dovecot() -> Iterator[Dovecot]:
    """A Dovecot for one test alone, which may stop and start it."""
    directory = real_directory() / f"dovecot-own-{secrets.token_hex(4)}"
    with server("dovecot", directory=directory) as values:
        yield Dovecot.of(values, directory)
    launch("dovecot-stop.sh", directory, "--wipe")
