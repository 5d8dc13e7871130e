"""Two nodes on one PostgreSQL are equals: either receives, either delivers, and one may die at any moment."""

from __future__ import annotations

import random
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from inbox_daemon.store import schema
from inbox_daemon.store.database import Database
from real.servers.postgresql import PostgreSQL
from support.daemon import Daemon
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Traffic, citizens, sign, traffic

pytestmark = pytest.mark.real

_TOML = """
[database]
url = "postgresql://{user}@{host}:{port}/{name}"

[delivery]
order_grace_seconds = 5.0
retry_first_seconds = 0.5
attempt_seconds = 10
settle_seconds = 1

[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{phone_number_id}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_OTHER" }}
access_token = {{ env = "TEST_OTHER" }}

[destinations.gobierno]
kind = "ticketbook"
office_name = "Ministerio de Gobierno"

[routing]
default = "gobierno"
"""


def _node(home: Path, toml: str) -> Daemon:
    return Daemon(home, toml, environ={"TEST_APP_SECRET": SECRET, "TEST_OTHER": secrets.token_hex(8)})


def test_two_nodes_deliver_once_and_in_order_while_one_dies_again_and_again(
    tmp_path: Path, postgresql: PostgreSQL
) -> None:
    url = postgresql.fresh()
    toml = _TOML.format(
        user=postgresql.user,
        host=postgresql.host,
        port=postgresql.port,
        name=url.database,
        phone_number_id=PHONE_NUMBER_ID,
    )
    people = citizens(20)
    written = traffic(people, 200, seed=7, start=datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
    with _node(tmp_path / "one", toml) as one, _node(tmp_path / "two", toml) as two:
        killer = threading.Thread(target=_kill, args=(two,))
        killer.start()
        _deliver(written, [one, two])
        killer.join()
        one.settled(seconds=120, messages=len(written.written))
        _check(written, url)
        assert all(line["balance"] == 0 for line in one.books())


def _kill(daemon: Daemon) -> None:
    chance = random.Random(7)
    for _ in range(8):
        time.sleep(chance.uniform(0.2, 1.5))
        daemon.kill()
        daemon.start()


def _deliver(written: Traffic, nodes: list[Daemon]) -> None:
    """Each body goes to either node; Meta tries again, maybe at the other one, until it is taken."""
    chance = random.Random(8)
    for content in written.deliveries:
        while chance.choice(nodes).post("/hooks/whatsapp-centro", content, sign(content)) != 200:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.3))


def _check(written: Traffic, url: object) -> None:
    with Database(url) as database:  # type: ignore[arg-type]
        entries = schema.casebook_entry
        rows = database.run_now(
            lambda connection: connection.execute(
                select(entries.c.case_id, entries.c.body).order_by(entries.c.case_id, entries.c.id)
            ).all()
        )
    threads: dict[int, list[str]] = {}
    for row in rows:
        threads.setdefault(row.case_id, []).append(row.body)
    expected = sorted([one.text for one in texts] for texts in written.by_citizen().values())
    assert sorted(threads.values()) == expected
