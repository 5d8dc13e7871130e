"""Znuny and OTOBO (Generic Interface over REST): see README.md beside this file."""

from __future__ import annotations

from importlib.resources import files

from inbox_daemon.plugins import Context, TicketingAdapter, TicketingPlugin
from inbox_ticketing.znuny.adapter import CAPABILITIES, Znuny
from inbox_ticketing.znuny.settings import ZnunySettings


def _build(settings: ZnunySettings, context: Context) -> TicketingAdapter:
    return Znuny(settings, context)


plugin = TicketingPlugin(
    kind="znuny",
    summary="Znuny or OTOBO over a web service of the generic interface, which is imported from a file of ours",
    settings=ZnunySettings,
    build=_build,
    capabilities=CAPABILITIES,
    sample=files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
