"""A WhatsApp channel as the daemon builds it, on a Graph API of loopback whose clock can be moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from inbox_channels.whatsapp.channel import WhatsAppChannel
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.outgoing import Sessions
from inbox_daemon.plugins import Secret
from support.contexts import lend_context
from support.graph_fake import TOKEN, GraphFake, run_graph
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET

SECRETS = (SECRET, TOKEN, "word-of-our-choice")


def settings_for(url: str, **changes: Any) -> WhatsAppSettings:
    given: dict[str, Any] = {
        "phone_number_id": PHONE_NUMBER_ID,
        "app_secret": Secret(SECRET),
        "verify_token": Secret("word-of-our-choice"),
        "access_token": Secret(TOKEN),
        "graph_url": url,
        "answer_seconds": 0.4,
        "media_idle_seconds": 0.4,
        "connect_seconds": 2.0,
    }
    return WhatsAppSettings.model_validate(given | changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number: its channel, Meta's side of it, and other channels on the same side."""

    channel: WhatsAppChannel
    graph: GraphFake
    another: Callable[..., WhatsAppChannel]


@pytest.fixture
async def number() -> AsyncIterator[Number]:
    sessions = Sessions("under-test")
    async with run_graph() as graph, lend_context("whatsapp-centro") as lent:
        context = replace(lent, session=sessions.make, now=lambda: graph.now)

        def another(**changes: Any) -> WhatsAppChannel:
            return WhatsAppChannel(settings_for(**({"url": graph.url} | changes)), context)

        yield Number(channel=another(), graph=graph, another=another)
        await sessions.close()
