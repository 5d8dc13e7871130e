"""Mail as a destination: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.mail.adapter import CAPABILITIES, build
from inbox_ticketing.mail.settings import MailSettings

plugin = TicketingPlugin(
    kind="mail",
    summary="an office, or a system that takes mail: messages out by mail, answers in by IMAP",
    settings=MailSettings,
    build=build,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
