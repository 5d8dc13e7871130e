"""What the core lends to a plug-in instance for as long as it lives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Protocol
from zoneinfo import ZoneInfo

import aiohttp
import structlog

from inbox_daemon.model import InstanceId, StoredFile
from inbox_daemon.plugins.casebook import CaseBook


class Mail(Protocol):
    """The mail server of the installation, as the core's `[smtp]` table has it."""

    @property
    def from_address(self) -> str:
        """The address that mail comes from: for the From header."""

    async def send(
        self, message: EmailMessage, *, recipients: Sequence[str] | None = None, sender: str | None = None
    ) -> None:
        """Hand a mail over, to `recipients` or else to those of its To and Cc. One attempt.

        `sender` is where it comes back to when it can't be delivered; None: `from_address`.

        Where a server takes some recipients and refuses others, the mail goes to the former. Raises `Transient` where
        it was provably not taken, `Permanent` where it never will be, `Credentials` where the installation may not
        send at all, and `Uncertain` where the server's last word is missing: it may arrive twice when sent again.
        """

    async def check(self) -> None:
        """Log in and out. Raises `Transient` and `Credentials`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Lent by the core; a plug-in opens no session, clock or log of its own.

    `session(hosts)` gives an aiohttp session that connects to exactly these host names, where `.fbcdn.net` stands for
    every name below that domain (an SSRF guard checks the address really connected to; redirects stay among them).
    `public_url` is where citizens' and agents' browsers reach the public listener, without a trailing slash. `zone` is
    the office's time zone. `casebook` keeps cases for destinations that have no system of their own. `case_link` makes
    the signed, expiring address of a case's page. `file_link` makes one under which anybody who holds it may download
    a stored file, for a system that takes no bytes. `mail` is None where no mail server is configured.
    """

    instance: InstanceId
    session: Callable[[frozenset[str]], aiohttp.ClientSession]
    log: structlog.stdlib.BoundLogger
    now: Callable[[], datetime]
    zone: ZoneInfo
    public_url: str
    casebook: CaseBook
    case_link: Callable[[str], str]
    file_link: Callable[[StoredFile], str]
    mail: Mail | None
