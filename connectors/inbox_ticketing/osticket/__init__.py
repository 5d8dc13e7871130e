"""osTicket by its API for mails: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.osticket.adapter import CAPABILITIES, build
from inbox_ticketing.osticket.settings import OsTicketSettings

plugin = TicketingPlugin(
    kind="osticket",
    summary="osTicket: mails to its API, which swallows repeats; answers by the mail that it sends",
    settings=OsTicketSettings,
    build=build,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
