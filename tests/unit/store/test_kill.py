"""SIGKILL at random moments: nothing that was acknowledged is missing. The control acknowledges early, and loses."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import URL, select, text

from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import envelope

CHILD = Path(__file__).parent / "acknowledge.py"
KILLS, KILLS_OF_CONTROL = 20, 8


def _kill_one(url: URL, first: int, when: str, chance: random.Random) -> list[int]:
    """Let a child write for a random while, kill it; what it acknowledged by complete lines."""
    address = url.render_as_string(hide_password=False)
    child = subprocess.Popen([sys.executable, CHILD, address, str(first), when], stdout=subprocess.PIPE)
    assert child.stdout is not None
    heard = child.stdout.readline()  # it has begun
    time.sleep(chance.uniform(0, 0.04))
    os.kill(child.pid, signal.SIGKILL)
    heard += child.stdout.read()
    child.stdout.close()
    assert child.wait() == -signal.SIGKILL
    return [int(line) for line in heard.decode().split("\n")[:-1]]


def _lost(url: URL, when: str, kills: int) -> set[int]:
    """What was acknowledged and is missing after all kills, in a database that is sound."""
    chance = random.Random(20261123)
    acknowledged: list[int] = []
    for n in range(kills):
        acknowledged += _kill_one(url, n * 1_000_000, when, chance)
    with Database(url) as database:
        kept = database.run_now(lambda c: {int(body) for body in c.execute(select(envelope.c.body)).scalars()})
        if database.is_sqlite:
            assert database.run_now(lambda c: c.execute(text("PRAGMA integrity_check")).scalar_one()) == "ok"
    assert len(acknowledged) == len(set(acknowledged)) >= kills
    return set(acknowledged) - kept


def test_no_acknowledged_envelope_is_lost(database_url: URL) -> None:
    assert _lost(database_url, "after", KILLS) == set()


def test_control_an_early_acknowledgement_loses(database_url: URL) -> None:
    assert _lost(database_url, "before", KILLS_OF_CONTROL)
