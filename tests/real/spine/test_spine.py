"""300 WhatsApp messages of 40 citizens and 60 mails into a real Request Tracker: one ticket each, once, in order."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from pathlib import Path

import pytest

from real.servers.fixtures import Dovecot, Postfix
from real.servers.request_tracker import RequestTrackerServer
from real.spine.world import World
from support.fault_proxy import Fault, FaultProxy

pytestmark = pytest.mark.real
KILLS = 30


async def test_everything_arrives_once_and_in_order(
    tmp_path: Path, request_tracker: RequestTrackerServer, dovecot: Dovecot, postfix: Postfix
) -> None:
    world = World(tmp_path, request_tracker, dovecot.mailbox(), postfix, seed=1)
    await world.note_tickets()
    with world.daemon:
        await asyncio.to_thread(world.write)
        await asyncio.to_thread(world.daemon.settled, seconds=240, messages=world.messages)
        await world.check()
        assert world.daemon.stop() == 0


async def test_the_same_when_killed_thirty_times(
    tmp_path: Path, request_tracker: RequestTrackerServer, dovecot: Dovecot, postfix: Postfix
) -> None:
    world = World(tmp_path, request_tracker, dovecot.mailbox(), postfix, seed=2)
    await world.note_tickets()
    with world.daemon:
        killer = threading.Thread(target=_kill_often, args=(world,))
        killer.start()
        await asyncio.to_thread(world.write, pause_seconds=0.6)
        await asyncio.to_thread(killer.join)
        await asyncio.to_thread(world.daemon.settled, seconds=300, messages=world.messages)
        await world.check()
    assert world.daemon.starts == KILLS + 1


def _kill_often(world: World) -> None:
    """SIGKILL at random moments of the daemon's life, from its very start on."""
    chance = random.Random(world.seed)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.1, 3.0))
        world.daemon.kill()
        world.daemon.start(wait=chance.random() < 0.7)
    world.daemon.wait_ready()


async def test_the_same_when_the_tracker_misbehaves(
    tmp_path: Path, request_tracker: RequestTrackerServer, dovecot: Dovecot, postfix: Postfix
) -> None:
    host, _, port = request_tracker.url.removeprefix("http://").partition(":")
    async with FaultProxy(host, int(port), latency_seconds=3.0) as proxy:
        world = World(tmp_path, request_tracker, dovecot.mailbox(), postfix, seed=3, tracker_url=proxy.url)
        await world.note_tickets()
        with world.daemon:
            proxy.plan(0.35, seed=3, faults=(Fault.LATENCY, Fault.DROP_RESPONSE, Fault.ERROR_500, Fault.TRUNCATE))
            writing = asyncio.create_task(asyncio.to_thread(world.write, pause_seconds=0.2))
            await asyncio.sleep(30)
            proxy.fault = Fault.REFUSE
            await asyncio.sleep(12)
            proxy.plan(0.25, seed=4, faults=(Fault.DROP_RESPONSE, Fault.ERROR_500, Fault.LATENCY))
            await writing
            await asyncio.sleep(20)
            proxy.fault = Fault.PASS
            await asyncio.to_thread(world.daemon.settled, seconds=300, messages=world.messages)
            await world.check()
    done = proxy.seen
    assert min(done[Fault.DROP_RESPONSE], done[Fault.ERROR_500], done[Fault.LATENCY]) >= 5, done
