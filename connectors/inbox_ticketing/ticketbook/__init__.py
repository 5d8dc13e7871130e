"""Cases of an office without a ticketing system, in the daemon's own database: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.ticketbook.adapter import CAPABILITIES, Ticketbook
from inbox_ticketing.ticketbook.settings import TicketbookSettings

plugin = TicketingPlugin(
    kind="ticketbook",
    summary="Cases kept here, each on a page under a signed link: for an office without a ticketing system",
    settings=TicketbookSettings,
    build=Ticketbook,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
