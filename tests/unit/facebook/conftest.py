"""A page and an Instagram account as the daemon builds them, on a Graph API of loopback whose clock can be moved."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from inbox_channels.facebook.channel import FacebookChannel
from inbox_channels.facebook.settings import FacebookSettings
from inbox_daemon.outgoing import Sessions
from inbox_daemon.plugins import Secret
from support.contexts import lend_context
from support.facebook_fake import PageFake, run_page
from support.facebook_fake_book import ACCOUNT_ID, APP_ID, PAGE_ID, SECRET, TOKEN


def settings_for(url: str, **changes: Any) -> FacebookSettings:
    given: dict[str, Any] = {
        "page_id": PAGE_ID,
        "app_id": APP_ID,
        "app_secret": Secret(SECRET),
        "verify_token": Secret("word-of-our-choice"),
        "page_token": Secret(TOKEN),
        "graph_url": url,
        "answer_seconds": 0.4,
        "media_idle_seconds": 0.4,
        "connect_seconds": 2.0,
    }
    return FacebookSettings.model_validate(given | changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One page or account: its channel, Meta's side of it, and other channels on the same side."""

    channel: FacebookChannel
    fake: PageFake
    another: Callable[..., FacebookChannel]


@asynccontextmanager
async def at_meta(platform: str) -> AsyncIterator[Place]:
    sessions = Sessions("under-test")
    fake = PageFake(platform=platform)
    own = {"platform": platform, **({"account_id": ACCOUNT_ID} if platform == "instagram" else {})}
    async with run_page(fake), lend_context("facebook-centro") as lent:
        context = replace(lent, session=sessions.make, now=lambda: fake.now)

        def another(**changes: Any) -> FacebookChannel:
            made = FacebookChannel(settings_for(**({"url": fake.url} | own | changes)), context)
            made._catching_up._lists.pause = 0.0  # Meta's two calls a second; the fake takes any number
            return made

        try:
            yield Place(channel=another(), fake=fake, another=another)
        finally:
            await sessions.close()


@pytest.fixture
async def page() -> AsyncIterator[Place]:
    async with at_meta("page") as place:
        yield place


@pytest.fixture
async def account() -> AsyncIterator[Place]:
    async with at_meta("instagram") as place:
        yield place
