"""What the core lends to a plug-in instance for as long as it lives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import aiohttp
import structlog

from inbox_daemon.model import InstanceId
from inbox_daemon.plugins.casebook import CaseBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Lent by the core; a plug-in opens no session, clock or log of its own.

    `session(hosts)` gives an aiohttp session that connects to exactly these host names (an SSRF guard checks the
    address really connected to; redirects are not followed). `public_url` is where citizens' and agents' browsers
    reach the public listener, without a trailing slash. `zone` is the office's time zone. `casebook` keeps cases for
    destinations that have no system of their own. `case_link` makes the signed, expiring address of a case's page.
    """

    instance: InstanceId
    session: Callable[[frozenset[str]], aiohttp.ClientSession]
    log: structlog.stdlib.BoundLogger
    now: Callable[[], datetime]
    zone: ZoneInfo
    public_url: str
    casebook: CaseBook
    case_link: Callable[[str], str]
