"""Builds what speaks to citizens of its own accord, as configured: notices, the menu of offices, a case's state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from inbox_daemon.model import StoredFile
from inbox_daemon.pipeline.asking import Asking, Menu
from inbox_daemon.pipeline.case_status import CaseStatus
from inbox_daemon.pipeline.filing import Filing
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.hours import ServiceHours
from inbox_daemon.pipeline.learning import Turns
from inbox_daemon.pipeline.referring import Referring
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.routing import Rule, compile_rule
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.workers import Shop


def telling_of(shop: Shop) -> Telling:
    """Notices. Raises `SettingsErrors` for a calendar that can't be read."""
    settings = shop.settings
    zone = settings.daemon.zone
    wanted = settings.notices.out_of_hours and bool(shop.replying)
    folder = settings.source.file.parent
    hours = ServiceHours.load(settings.service, zone, folder) if wanted else ServiceHours.of(settings.service, zone, ())
    return Telling(
        settings=settings.notices,
        hours=hours,
        texts=shop.texts,
        rules={name: channel.rules for name, channel in shop.replying.items()},
        public_states={name: table.public_states for name, table in settings.destinations.items()},
    )


def turns_of(shop: Shop, telling: Telling) -> list[Turns]:
    """Who has to do when a ticket's state changes."""
    settings = shop.settings
    refer_to = {name: table.refer_to for name, table in settings.destinations.items() if table.refer_to}
    return [telling, Referring(default=settings.routing.default, refer_to=refer_to)]


def filing_of(shop: Shop, telling: Telling, firewall: LoopFirewall) -> Filing:
    """The rules by which messages are filed, and what may be answered at once."""
    settings = shop.settings
    history = timedelta(minutes=settings.notices.history_minutes)
    window = timedelta(days=settings.conversation.window_days)
    return Filing(
        rules=[_rule(route) for route in settings.routes],
        default=settings.routing.default,
        window=window,
        order_grace=timedelta(seconds=settings.delivery.order_grace_seconds),
        max_attachments=settings.attachments.max_per_message,
        wording=Wording(settings.daemon.language, settings.daemon.zone),
        asking=_asking(shop, history, window) if settings.triage.enabled else None,
        status=CaseStatus(
            texts=shop.texts,
            answerable=list(shop.replying),
            history=history,
            office_of=shop.offices,
            public_states={name: table.public_states for name, table in settings.destinations.items()},
            default=settings.routing.default,
        ),
        firewall=firewall,
        telling=telling,
    )


def link_line(shop: Shop, address: Callable[[StoredFile], str]) -> Callable[[StoredFile], str]:
    """The line that stands in an answer for a file that its channel can't take."""
    return lambda file: shop.texts.say("file_link", name=file.filename, url=address(file))


def _asking(shop: Shop, history: timedelta, window: timedelta) -> Asking:
    return Asking(
        menu=Menu.of(shop.settings.triage),
        texts=shop.texts,
        answerable=list(shop.replying),
        history=history,
        window=window,
    )


def _rule(route: Any) -> Rule:
    return compile_rule(
        name=route.name,
        destination=route.destination,
        channels=route.channels,
        instances=route.instances,
        keywords=route.keywords,
        pattern=route.pattern,
        matter=route.matter,
    )
