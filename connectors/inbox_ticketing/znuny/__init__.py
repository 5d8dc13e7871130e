"""Znuny and OTOBO (Generic Interface over REST): see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import TicketingPlugin
from inbox_ticketing.znuny.adapter import CAPABILITIES, Znuny
from inbox_ticketing.znuny.settings import ZnunySettings

plugin = TicketingPlugin(
    kind="znuny",
    summary="Znuny or OTOBO over a web service of the generic interface, which is imported from a file of ours",
    settings=ZnunySettings,
    build=Znuny,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
