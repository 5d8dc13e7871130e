"""GLPI 10 and 11: see README.md beside this file."""

from __future__ import annotations

from importlib import resources
from zoneinfo import ZoneInfo

from inbox_daemon.plugins import Context, TicketingAdapter, TicketingPlugin
from inbox_ticketing.glpi.adapter import CAPABILITIES, Glpi
from inbox_ticketing.glpi.legacy import Legacy
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.v2.speaking import HighLevel


def _build(settings: GlpiSettings, context: Context) -> TicketingAdapter:
    zone = ZoneInfo(settings.zone) if settings.zone else context.zone
    older = Legacy(settings, context, zone) if settings.user_token else None
    if settings.api == "v2":
        return Glpi(settings, context, HighLevel(settings, context, older))
    assert older is not None
    return Glpi(settings, context, older)


plugin = TicketingPlugin(
    kind="glpi",
    summary="GLPI 10 and 11 over apirest.php, or 11 over its high-level API; the webhooks of GLPI 11 as hints",
    settings=GlpiSettings,
    build=_build,
    capabilities=CAPABILITIES,
    sample=resources.files(__name__).joinpath("sample.toml").read_text("utf-8"),
)
