"""Open311 GeoReport v2 with mySociety's update extension: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.open311.adapter import CAPABILITIES, Open311
from inbox_ticketing.open311.settings import Open311Settings

plugin = TicketingPlugin(
    kind="open311",
    summary="Open311 GeoReport v2 with mySociety's servicerequestupdates, in JSON",
    settings=Open311Settings,
    build=Open311,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
