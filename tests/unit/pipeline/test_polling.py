"""The poller on both engines: a page is kept with its cursor, by the node that holds the lease, and told afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import Cursor, Envelope, InstanceId
from inbox_daemon.pipeline import polling
from inbox_daemon.pipeline.polling import Poller
from inbox_daemon.plugins import Page
from inbox_daemon.retry import Policy
from inbox_daemon.store import cursors
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import envelope, lease

MAIL = InstanceId("mail")


class Mailbox:
    """A source of numbered things, one a page, that notes what it was told."""

    poll_seconds = 0.01

    def __init__(self, count: int) -> None:
        self.count = count
        self.told: list[str] = []
        self.asked: list[Cursor | None] = []
        self.trouble: list[Exception] = []
        self.while_polling: Any = None

    async def poll(self, cursor: Cursor | None) -> Page:
        """The next one."""
        self.asked.append(cursor)
        if self.trouble:
            raise self.trouble.pop(0)
        if self.while_polling is not None:
            await self.while_polling()
        at = int(cursor or 0)
        if at >= self.count:
            return Page(envelopes=[], cursor=cursor)
        one = Envelope(instance=MAIL, body=b"", received_at=datetime.now(UTC), headers={"n": str(at)})
        return Page(envelopes=[one], cursor=Cursor(str(at + 1)), more=at + 1 < self.count)

    async def committed(self, envelopes: Sequence[Envelope]) -> None:
        """Note it."""
        self.told += [one.headers["n"] for one in envelopes]

    async def check(self) -> None:
        """Fine."""

    async def aclose(self) -> None:
        """Nothing to let go."""


def _poller(database: Database, mailbox: Mailbox, node: str = "a") -> Poller:
    policy = Policy(first=timedelta(milliseconds=10), most=timedelta(milliseconds=20))
    return Poller(
        name=MAIL,
        channel=mailbox,
        database=database,
        node=node,
        day=lambda _: 20261123,
        policy=policy,
        arrived=asyncio.Event(),
    )


async def _for(seconds: float, *pollers: Poller) -> None:
    tasks = [asyncio.create_task(one.run()) for one in pollers]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _kept(database: Database) -> list[str]:
    return database.run_now(
        lambda c: [h["n"] for h in c.execute(select(envelope.c.headers).order_by(envelope.c.id)).scalars()]
    )


def _state(poller: Poller) -> str:
    return poller.state.state


async def test_pages_are_kept_once_in_order_and_told_after_their_commit(database: Database) -> None:
    mailbox = Mailbox(5)
    await _for(0.6, _poller(database, mailbox))
    assert _kept(database) == ["0", "1", "2", "3", "4"]
    assert mailbox.told == ["0", "1", "2", "3", "4"]
    assert mailbox.asked[:6] == [None, "1", "2", "3", "4", "5"]


async def test_two_nodes_poll_one_mailbox_once(database: Database) -> None:
    mailbox = Mailbox(8)
    one, other = _poller(database, mailbox, "a"), _poller(database, mailbox, "b")
    await _for(0.8, one, other)
    assert _kept(database) == [str(n) for n in range(8)]
    assert {one.state.state, other.state.state} == {"up", "elsewhere"}


async def test_a_page_fetched_under_a_lost_lease_is_dropped(database: Database) -> None:
    mailbox = Mailbox(1)

    async def lose() -> None:
        mailbox.while_polling = None
        await database.run(lambda c: c.execute(update(lease).values(holder="b", token=lease.c.token + 1)))

    mailbox.while_polling = lose
    poller = _poller(database, mailbox)
    await _for(0.4, poller)
    assert _kept(database) == []
    assert mailbox.told == []
    assert database.run_now(lambda c: cursors.read_cursor(c, MAIL)) == (None, 0)
    assert _state(poller) == "elsewhere"


async def test_the_source_is_told_after_a_crash_between_commit_and_telling(database: Database) -> None:
    class Dying(Mailbox):
        async def committed(self, envelopes: Sequence[Envelope]) -> None:
            raise Transient("cut off")

    dying = Dying(1)
    await _for(0.3, _poller(database, dying))
    assert _kept(database) == ["0"]
    next_life = Mailbox(1)
    await _for(0.3, _poller(database, next_life))
    assert next_life.told == ["0"]
    assert _kept(database) == ["0"]


async def test_trouble_is_waited_out_and_refused_credentials_are_left_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = Mailbox(2)
    mailbox.trouble = [Transient("no route"), OSError("reset"), TimeoutError()]
    poller = _poller(database, mailbox)
    await _for(0.6, poller)
    assert _kept(database) == ["0", "1"]
    assert _state(poller) == "up"
    monkeypatch.setattr(polling, "REFUSED_SECONDS", 3600.0)
    asked = len(mailbox.asked)
    mailbox.trouble = [Credentials("the password is refused")]
    await _for(0.4, poller)
    assert _state(poller) == "refused"
    assert len(mailbox.asked) == asked + 1


async def test_a_lease_given_back_at_the_stop_is_free_for_the_next_node(database: Database) -> None:
    first = _poller(database, Mailbox(1))
    await _for(0.2, first)
    waits = _poller(database, Mailbox(1), "b")
    await _for(0.1, waits)
    assert _state(waits) == "elsewhere"
    await first.stop()
    await _for(0.2, waits)
    assert _state(waits) == "up"


class Sweeping(Mailbox):
    """Three pages a sweep; `words` are what the pages of the sweeps tell, in order, and nothing after that."""

    def __init__(self, *words: str) -> None:
        super().__init__(0)
        self.words = list(words)

    async def poll(self, cursor: Cursor | None) -> Page:
        """The next page."""
        at = int(cursor or 0)
        if self.trouble:
            raise self.trouble.pop(0)
        told = self.words.pop(0) if self.words else ""
        return Page(envelopes=[], cursor=Cursor(str(at + 1)), more=(at + 1) % 3 != 0, notice=told)


async def _swept(database: Database, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the status said after each poll, in order, without repeats that follow each other."""
    poller, seen = _poller(database, mailbox), [""]

    async def tell() -> None:
        assert (poller.state.notice_at is not None) == bool(poller.state.notice)
        seen.append(poller.state.notice)

    monkeypatch.setattr(poller, "_tell", tell)
    await _for(0.6, poller)
    return [one for one, before in zip(seen[1:], seen, strict=False) if one != before]


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["", "a", "", "", "", ""], ["a", ""]),  # not cleared by the pages of its own sweep, nor by half of the next
        (["a", "b", "a"], ["a", "a; b", "b; a", ""]),
        (["a", "", "", "b", "", ""], ["a", "b", ""]),
        ([str(n) for n in range(3)] * 2, ["0", "0; 1", "0; 1; 2", "0", "0; 1", "0; 1; 2", ""]),
    ],
)
async def test_what_a_sweep_told_stands_until_a_whole_one_tells_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, words: list[str], seen: list[str]
) -> None:
    assert await _swept(database, Sweeping(*words), monkeypatch) == seen


async def test_a_failed_poll_clears_no_notice_and_another_nodes_polls_do(database: Database) -> None:
    """Half of a sweep tells nothing and then the peer is gone: nobody knows yet whether it is well again."""
    mailbox = Sweeping("a", "", "", "", "")
    poller = _poller(database, mailbox)
    for _ in range(5):
        await _poll_once(database, poller)
    mailbox.trouble = [Transient("no route")] * 100
    await _for(0.1, poller)
    assert (_state(poller), poller.state.notice) == ("down", "a")
    await poller.stop()
    await database.run(lambda c: cursors.acquire(c, f"poll:{MAIL}", "b", timedelta(seconds=60)))
    await _for(0.1, poller)
    assert (_state(poller), poller.state.notice, poller.state.notice_at) == ("elsewhere", "", None)


async def _poll_once(database: Database, poller: Poller) -> None:
    held = await database.run(lambda c: cursors.acquire(c, f"poll:{MAIL}", "a", timedelta(seconds=60)))
    assert held is not None
    await poller._poll(held)
