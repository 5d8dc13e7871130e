"""A child of `test_kill`: appends envelopes to a database and prints the id of each when it is acknowledged.

Usage: acknowledge.py URL FIRST {after|before}: `before` acknowledges too early, as the negative control.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from datetime import UTC, datetime

from inbox_daemon.model import Envelope, InstanceId
from inbox_daemon.pipeline.receive import Journal
from inbox_daemon.store.database import Database

SENDERS = 8


async def _send(journal: Journal, numbers: itertools.count[int], *, early: bool) -> None:
    while True:
        number = next(numbers)
        content = Envelope(instance=InstanceId("kill"), body=str(number).encode(), received_at=datetime.now(UTC))
        if early:
            os.write(1, f"{number}\n".encode())
        await journal.append(content)
        if not early:
            os.write(1, f"{number}\n".encode())


async def _run(url: str, first: int, *, early: bool) -> None:
    with Database(url) as database:
        journal = Journal(database, lambda _: 20261123, asyncio.Event())
        numbers = itertools.count(first)
        await asyncio.gather(*(_send(journal, numbers, early=early) for _ in range(SENDERS)))


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2]), early=sys.argv[3] == "before"))
