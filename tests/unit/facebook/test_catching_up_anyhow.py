"""Whatever happens between two polls, and wherever one breaks off: in the end everything that was written has come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from inbox_daemon.errors import EdgeError
from inbox_daemon.model import Cursor, Message
from inbox_daemon.plugins import Page
from support.facebook_fake import Call
from support.graph_fake_faults import Fault
from unit.facebook.conftest import Place, at_meta
from unit.facebook.test_catching_up import events, sweep

CALLS: Sequence[Call] = ("conversations", "messages", "posts", "comments")
FAULTS = (
    Fault(status=503, raw=b""),
    Fault(code=4),
    Fault(cut_after=0),
    Fault(status=200, raw=b"<html>"),
    Fault(code=100, subcode=33),
    Fault(code=200),
    Fault(code=190),
)


class Life:
    """Some hours of a page whose deliveries all fail, by a seed."""

    def __init__(self, place: Place, seed: int) -> None:
        self.place = place
        self.chance = random.Random(seed)
        self.written: set[str] = set()
        self.pages: list[Page] = []
        self.cursor: Cursor | None = None

    def write(self) -> None:
        """Somebody writes or comments; nobody more than a few times between two sweeps."""
        fake, n = self.place.fake, self.chance.randrange(60)
        if self.chance.random() < 0.3:
            self.written.add(fake.comment(f"9{n:03d}", f"comentario {len(self.written)}", told=False)["id"])
        else:
            self.written.add(fake.write(f"7{n:03d}", f"mensaje {len(self.written)}", told=False)["id"])
        fake.now += timedelta(seconds=self.chance.choice((0, 0, 1, 30, 600)))

    async def poll(self) -> None:
        """One poll of a channel that may just have been started; what it gives may not reach the disk."""
        channel = self.place.another()
        if self.chance.random() < 0.3:
            self.place.fake.fail(self.chance.choice(CALLS), self.chance.choice(FAULTS))
        try:
            page = await channel.poll(self.cursor)
        except EdgeError:
            return
        if self.chance.random() < 0.8:  # else killed before envelopes and cursor were committed
            self.pages.append(page)
            self.cursor = page.cursor

    async def end(self) -> None:
        """Deliveries and calls go well again."""
        for call in CALLS:
            while self.place.fake.next_fault(call) != Fault():
                pass
        for _ in range(2):
            pages, self.cursor = await sweep(self.place.another(), self.cursor)
            self.pages += pages


@pytest.mark.parametrize("platform", ["page", "instagram"])
@pytest.mark.parametrize("seed", range(12))
async def test_everything_has_come_in_the_end(platform: str, seed: int) -> None:
    async with at_meta(platform) as place:
        life = Life(place, seed)
        place.fake.book.post(place.fake.now - timedelta(days=1))
        _, life.cursor = await sweep(place.channel, None)
        for _ in range(60):
            if life.chance.random() < 0.7:
                life.write()
            else:
                await life.poll()
        await life.end()
        came = {event.external_id: event for event in events(place, life.pages) if isinstance(event, Message)}
        assert set(came) == life.written
        assert {type(event) for event in events(place, life.pages)} <= {Message}
