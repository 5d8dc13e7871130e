"""Request Tracker 5 (REST2): see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.request_tracker.adapter import CAPABILITIES, RequestTracker
from inbox_ticketing.request_tracker.settings import RequestTrackerSettings

plugin = TicketingPlugin(
    kind="request_tracker",
    summary="Request Tracker 5 over REST2, with the mail gate where the citizen is to be the author",
    settings=RequestTrackerSettings,
    build=RequestTracker,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
