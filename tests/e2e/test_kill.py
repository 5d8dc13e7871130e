"""The process is killed at random moments while messages pour in: every one stands in its case once and in order."""

from __future__ import annotations

import random
import threading
import time
from datetime import timedelta
from pathlib import Path

from e2e.world import HOOK, cases, now, office, page
from support.graph_fake_citizens import citizens, sign, traffic

KILLS = 10
MESSAGES = 60


def test_ten_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    chance = random.Random(20261124)
    people = citizens(8)
    told = traffic(people, MESSAGES, seed=7, start=now() - timedelta(hours=1), disorder=0)
    daemon = office(tmp_path)
    daemon.start()
    taken: list[int] = []

    def write() -> None:
        for number, content in enumerate(told.deliveries):
            while daemon.post(HOOK, content, sign(content)) != 200:
                time.sleep(0.02)
            taken.append(number)
            time.sleep(chance.uniform(0, 0.35))

    writing = threading.Thread(target=write)
    writing.start()
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.02, 0.4))
        daemon.kill()
        daemon.start(wait=chance.random() < 0.5)
    daemon.wait_ready()
    writing.join(60)
    assert len(taken) == len(told.deliveries)
    daemon.settled(seconds=40, messages=MESSAGES)
    for phone in people:
        [path] = cases(daemon, phone)
        assert page(daemon, path).entries() == [one.text for one in told.by_citizen()[phone.key]], phone.key
    books = daemon.books()
    assert sum(line["delivered"] for line in books) == MESSAGES
    assert [line["balance"] for line in books] == [0] * len(books)
    assert sum(line["parked"] + line["pending"] for line in books) == 0
    assert daemon.starts == KILLS + 1
    assert daemon.stop() == 0
    assert "Traceback" not in daemon.log.read_text("utf-8")
