"""Two numbers of one app at one address, through the whole process: each message is one, at its own number."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.world import ANA, BENITO, HOOK, VERIFY_TOKEN, now
from support.daemon import Daemon, eventually
from support.graph_fake import TOKEN
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, Phone, body, sign

OTHER_NUMBER_ID = "100000000000003"
OTHER_HOOK = "/hooks/whatsapp-salud"
_TOML = """
[delivery]
order_grace_seconds = 0
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{centro}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "http://127.0.0.1:9"
[channels.whatsapp-salud]
kind = "whatsapp"
webhook_of = "{host}"
phone_number_id = "{salud}"
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "http://127.0.0.1:9"
[destinations.centro]
kind = "ticketbook"
office_name = "Casa de Gobierno"
[destinations.salud]
kind = "ticketbook"
office_name = "Ministerio de Salud"
[routing]
default = "centro"
[[routes]]
name = "salud"
destination = "salud"
instances = ["whatsapp-salud"]
"""


def _daemon(home: Path, host: str = "whatsapp-centro") -> Daemon:
    toml = _TOML.format(centro=PHONE_NUMBER_ID, salud=OTHER_NUMBER_ID, host=host)
    environ = {"TEST_APP_SECRET": SECRET, "TEST_VERIFY_TOKEN": VERIFY_TOKEN, "TEST_ACCESS_TOKEN": TOKEN}
    return Daemon(home, toml, environ=environ)


def _says(phone: Phone, words: str, number: str) -> bytes:
    return body([phone.text(words, at=now(), id=f"wamid.{words}")], phone_number_id=number)


def _both(*bodies: bytes) -> bytes:
    """One delivery with the entries of several."""
    made = [json.loads(one) for one in bodies]
    return json.dumps({**made[0], "entry": [entry for one in made for entry in one["entry"]]}).encode()


def _messages(daemon: Daemon) -> list[tuple[str, str, str]]:
    """(instance, text, destination) of every message kept."""
    return sorted(
        daemon.sql(
            "SELECT m.instance, m.text, c.destination FROM message m JOIN conversation c ON c.id = m.conversation_id"
        )
    )


def _inspections(daemon: Daemon) -> dict[str, str]:
    return {name: one["inspection"]["state"] for name, one in daemon.status()["channels"].items()}


def _steps_done(daemon: Daemon) -> int:
    return int(daemon.sql("SELECT count(*) FROM dispatch WHERE kind IN ('open', 'append') AND state = 'done'")[0][0])


def test_each_number_has_its_own_also_from_one_body_delivered_again_after_a_kill(tmp_path: Path) -> None:
    to_both = _both(_says(ANA, "al-centro", PHONE_NUMBER_ID), _says(BENITO, "a-salud", OTHER_NUMBER_ID))
    with _daemon(tmp_path) as daemon:
        assert daemon.post(HOOK, to_both, sign(to_both)) == 200
        daemon.kill()  # what was acknowledged is on disk for both
        assert daemon.sql("SELECT instance FROM envelope ORDER BY instance") == [
            ("whatsapp-centro",),
            ("whatsapp-salud",),
        ]
        daemon.start()
        assert daemon.post(HOOK, to_both, sign(to_both)) == 200
        only = _says(BENITO, "otra-vez", OTHER_NUMBER_ID)
        assert daemon.post(HOOK, only, sign(only)) == 200
        assert daemon.post(OTHER_HOOK, only, sign(only)) == 404
        eventually(lambda: len(_messages(daemon)) == 3 and _steps_done(daemon) == 3, seconds=20)
        assert _messages(daemon) == [
            ("whatsapp-centro", "al-centro", "centro"),
            ("whatsapp-salud", "a-salud", "salud"),
            ("whatsapp-salud", "otra-vez", "salud"),
        ]
        assert len(daemon.sql("SELECT id FROM envelope")) == 5
        assert "shared_address" in daemon.log.read_text(encoding="utf-8")
        assert all(line["balance"] == 0 for line in daemon.status()["ledger"])
        # Nobody answers at Meta: how the numbers stand can't be looked at, and everything else goes on.
        eventually(lambda: _inspections(daemon) == {"whatsapp-centro": "down", "whatsapp-salud": "down"})
        assert "inspection down: " in daemon.command("status")


def test_a_wrong_host_is_told_before_anything_runs(tmp_path: Path) -> None:
    told = _daemon(tmp_path, host="whatsapp-fuera").cli("check")
    assert told.returncode == 78
    assert b'"whatsapp-fuera", and there is no such channel' in told.stderr + told.stdout
    assert b"channels.whatsapp-salud.webhook_of" in told.stderr + told.stdout
