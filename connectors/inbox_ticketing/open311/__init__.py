"""Open311 GeoReport v2 with mySociety's update extension: see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import Context, TicketingAdapter, TicketingPlugin
from inbox_ticketing.open311.adapter import CAPABILITIES, Open311
from inbox_ticketing.open311.settings import Open311Settings


def _build(settings: Open311Settings, context: Context) -> TicketingAdapter:
    return Open311(settings, context)


plugin = TicketingPlugin(
    kind="open311",
    summary="Open311 GeoReport v2 with mySociety's servicerequestupdates, in JSON",
    settings=Open311Settings,
    build=_build,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
