"""The pace of a number: so many a second in all, and whoever Meta holds back is held alone, by Meta's rule of 4^X."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from inbox_channels.whatsapp.pace import Holds, Throughput
from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import Handle
from support.graph_fake import Fault, Pace
from unit.whatsapp.answers import BSUID, PHONE, answer
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

LUIS = Handle(kind="phone", value="+5493624000002")
SIX = timedelta(seconds=6)


async def test_turns_are_spread_evenly_however_many_ask_at_once() -> None:
    throughput = Throughput(100)
    began = time.monotonic()
    came: list[float] = []

    async def turn() -> None:
        await throughput.turn()
        came.append(time.monotonic() - began)

    await asyncio.gather(*(turn() for _ in range(20)))
    assert 0.18 < came[-1] < 0.6
    assert came[0] < 0.05
    assert came[10] >= 0.09  # no burst: the first ten do not go together


async def test_a_pause_is_not_saved_up_and_a_cancelled_turn_blocks_nobody() -> None:
    throughput = Throughput(50)
    await throughput.turn()
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await throughput.turn()
    waiting = asyncio.create_task(throughput.turn())
    await asyncio.sleep(0)
    waiting.cancel()
    await throughput.turn()
    assert 0.015 < time.monotonic() - began < 0.3


async def test_sends_of_a_number_keep_its_pace(number: Number) -> None:
    channel = number.another(per_second=20)
    number.graph.throughput = Pace(0.03)  # Meta's own limit is a little wider, and would refuse a burst
    began = time.monotonic()

    async def send(n: int) -> None:
        await channel.send(answer(to=Handle(kind="phone", value=f"+54936240000{n:02}"), tag=str(n)))

    running = asyncio.gather(*(send(n) for n in range(8)))
    while not running.done():
        number.graph.now += timedelta(milliseconds=5)
        await asyncio.sleep(0.005)
    await running
    assert len(number.graph.sent) == 8
    assert time.monotonic() - began >= 0.34


def test_each_refusal_in_a_row_holds_four_times_as_long_and_a_success_ends_the_row() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    holds = Holds(lambda: now)
    waits = [holds.refused("a", None).total_seconds() for _ in range(9)]
    assert waits == [6, 6, 16, 64, 256, 1024, 4096, 4096, 4096]
    with pytest.raises(Transient) as caught:
        holds.check("a")
    assert (caught.value.only_this, caught.value.retry_after) == (True, timedelta(seconds=4096))
    holds.check("b")
    holds.taken("a")
    holds.check("a")
    assert holds.refused("a", None) == SIX
    assert holds.refused("a", timedelta(minutes=2)) == timedelta(minutes=2)  # Meta's own word, where it is longer


def test_who_is_held_is_remembered_for_a_bounded_number_of_people() -> None:
    holds = Holds(lambda: datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
    for n in range(10_050):
        holds.refused(str(n), None)
    assert len(holds._held) == 10_000
    holds.check("0")
    with pytest.raises(Transient):
        holds.check("10049")


async def test_a_held_person_is_not_asked_for_again_and_nobody_else_waits(number: Number) -> None:
    number.graph.fail("send", Fault(code=131056))
    with refused(Transient, "code 131056") as first:
        await number.channel.send(answer())
    assert (first.error.only_this, first.error.retry_after) == (True, SIX)
    number.graph.now += timedelta(seconds=2)
    with refused(Transient, "held for now") as second:
        await number.channel.send(answer())
    assert (second.error.only_this, second.error.retry_after) == (True, timedelta(seconds=4))
    await number.channel.send(answer(to=LUIS))
    await number.channel.send(answer(to=BSUID))
    assert [seen.call for seen in number.graph.seen] == ["send"] * 3
    number.graph.now += timedelta(seconds=4)
    await number.channel.send(answer())
    assert [message.get("to") for message in number.graph.sent] == [LUIS.value, None, PHONE.value]


async def test_repeated_refusals_follow_metas_rule_until_one_is_taken(number: Number) -> None:
    number.graph.fail("send", *[Fault(code=131056)] * 4)
    waits = []
    for _ in range(4):
        with refused(Transient) as caught:
            await number.channel.send(answer())
        assert caught.error.retry_after is not None
        waits.append(caught.error.retry_after.total_seconds())
        number.graph.now += caught.error.retry_after
    assert waits == [6, 6, 16, 64]
    await number.channel.send(answer())
    number.graph.fail("send", Fault(code=131056))
    with refused(Transient) as caught:
        await number.channel.send(answer())
    assert caught.error.retry_after == SIX


async def test_the_limit_of_the_whole_number_is_no_persons(number: Number) -> None:
    number.graph.fail("send", Fault(code=130429), Fault(code=190))
    with refused(Transient, "code 130429") as caught:
        await number.channel.send(answer())
    assert not caught.error.only_this
    with refused(Credentials):
        await number.channel.send(answer())
    await number.channel.send(answer())  # and nobody is held for it


async def test_metas_own_pair_limit_is_kept_to_with_bursts(number: Number) -> None:
    """Three are lent, the fourth is refused and goes when the time has come; none is lost, none goes twice."""
    number.graph.pair = Pace(6, burst=3)
    tags = [f"4F7K2-8.r1.{n}" for n in range(6)]
    refusals = []
    for tag in tags:
        while len(number.graph.sent) <= tags.index(tag):
            try:
                await number.channel.send(answer(tag=tag))
            except Transient as error:
                refusals.append(error)
                number.graph.now += error.retry_after or timedelta(0)
    assert 3 <= len(refusals) <= 6
    assert all(error.only_this for error in refusals)
    assert [message["biz_opaque_callback_data"] for message in number.graph.sent] == tags
