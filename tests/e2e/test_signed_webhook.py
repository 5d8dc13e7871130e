"""A ministry behind a signed webhook, through the whole process: told once, asked, and its answer on the phone."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.world import ANA, VERIFY_TOKEN, deliver, meta, now
from support.daemon import Daemon, eventually
from support.graph_fake import TOKEN
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET
from support.webhook_fake import Breach, Case, Line, Office
from support.webhook_fake_http import serve_receiver, sign

SHARED = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PHOTO = b"\xff\xd8\xff\xe0" + b"\0" * 3000
_TOML = """
[delivery]
order_grace_seconds = 0
retry_first_seconds = 0.05
retry_max_seconds = 0.2
settle_seconds = 0.2
follow_seconds = 60
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{number}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
access_token = {{ env = "TEST_ACCESS_TOKEN" }}
graph_url = "{graph}"
media_hosts = ["media.meta.test"]
[destinations.obras]
kind = "webhook"
url = "{receiver}/inbox/events"
read_url = "{receiver}/inbox/lookup"
secrets = [{{ env = "TEST_WEBHOOK_SECRET" }}]
queue = "Reclamos"
grace_seconds = {grace}
files = "{files}"
[routing]
default = "obras"
"""


@contextmanager
def receiver() -> Iterator[tuple[str, Office]]:
    """A receiver in a thread of its own, since the tests themselves only wait."""
    made: list[tuple[str, Office, asyncio.AbstractEventLoop]] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serve_receiver(SHARED) as (url, office):
            made.append((url, office, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="receiver")
    thread.start()
    try:
        assert ready.wait(10)
        yield made[0][0], made[0][1]
    finally:
        made[0][2].call_soon_threadsafe(stop.set)
        thread.join(10)


def configured(home: Path, *, receiver: str, graph: str, grace: float = 0, files: str = "inline") -> Daemon:
    toml = _TOML.format(number=PHONE_NUMBER_ID, graph=graph, receiver=receiver, grace=grace, files=files)
    environ = {"TEST_APP_SECRET": SECRET, "TEST_VERIFY_TOKEN": VERIFY_TOKEN, "TEST_ACCESS_TOKEN": TOKEN}
    return Daemon(home, toml, environ=environ | {"TEST_WEBHOOK_SECRET": SHARED})


def hint(daemon: Daemon, ticket: str, *, secret: str = SHARED) -> int:
    body = json.dumps({"type": "answer.added", "data": {"ticket": ticket}}).encode()
    stamp = str(int(time.time()))
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp}
    return daemon.post("/hooks/obras", body, headers | {"webhook-signature": sign(secret, "msg_1", stamp, body)})


def cases(office: Office) -> list[Case]:
    """What citizens' messages opened: the daemon's check at its start opened another one, as proof."""
    return [case for case in office.cases.values() if case.references != ["PRUEBA-obras"]]


def lines_of(office: Office, case: Case) -> list[Line]:
    """Entries of one case."""
    return [line for line in office.lines if line.ticket == case.id]


def test_a_message_goes_out_once_and_the_answer_comes_back(tmp_path: Path) -> None:
    with receiver() as (url, office), meta() as graph, configured(tmp_path, receiver=url, graph=graph.url) as daemon:
        first, second = (
            ANA.text("La luminaria de la plaza está apagada", at=now()),
            ANA.text("¿Hay novedades?", at=now()),
        )
        for _ in range(2):  # Meta repeats itself
            assert deliver(daemon, first) == 200
        [case] = eventually(lambda: cases(office))
        assert deliver(daemon, second) == 200
        lines = eventually(lambda: two if len(two := lines_of(office, case)) == 2 else [])
        assert [line.kind for line in lines] == ["ticket.opened", "entry.added"]
        assert "La luminaria de la plaza" in lines[0].text
        assert lines[0].name == ANA.name

        office.write(case.id, "note.added", role="agent", name="Luis", text="Pedir repuesto.")
        office.write(case.id, "answer.added", role="agent", name="Luis", text="Pasa mañana.", visibility="public")
        assert hint(daemon, case.id, secret="whsec_" + "deadbeef" * 4) == 401
        for _ in range(3):
            assert hint(daemon, case.id) == 200
        told = eventually(lambda: [one.text for one in graph.inbox(ANA) if "Pasa mañana." in one.text], seconds=20)
        time.sleep(0.5)
        assert len([one for one in graph.inbox(ANA) if "Pasa mañana." in one.text]) == len(told) == 1
        assert not any("repuesto" in one.text for one in graph.inbox(ANA))


@pytest.mark.parametrize("files", ["inline", "link"])
def test_a_photo_arrives_whole_or_as_a_link_that_works(tmp_path: Path, files: str) -> None:
    with (
        receiver() as (url, office),
        meta() as graph,
        configured(tmp_path, receiver=url, graph=graph.url, files=files) as daemon,
    ):
        part = graph.add_file(PHOTO, "image/jpeg") | {"caption": "El pozo"}
        assert deliver(daemon, ANA.media("image", part, at=now())) == 200
        eventually(lambda: [line for line in office.lines if line.kind == "file.added"], seconds=15)
        [kept] = office.files.values()
        assert kept.media_type == "image/jpeg"
        if files == "inline":
            assert kept.content == PHOTO
            return
        [link] = office.links
        answer = daemon.ask("GET", urlsplit(link).path)
        assert (answer.status, answer.body) == (200, PHOTO)


def test_an_answer_taken_back_before_it_left_does_not_leave(tmp_path: Path) -> None:
    with (
        receiver() as (url, office),
        meta() as graph,
        configured(tmp_path, receiver=url, graph=graph.url, grace=2) as daemon,
    ):
        assert deliver(daemon, ANA.text("Hola", at=now())) == 200
        [case] = eventually(lambda: cases(office))
        wrong = office.write(case.id, "answer.added", role="agent", name="Luis", text="No es acá", visibility="public")
        assert hint(daemon, case.id) == 200
        time.sleep(0.7)
        wrong.visibility = "withdrawn"
        office.write(case.id, "answer.added", role="agent", name="Luis", text="Es acá", visibility="public")
        assert hint(daemon, case.id) == 200
        eventually(lambda: any("Es acá" in one.text for one in graph.inbox(ANA)), seconds=20)
        assert not any("No es acá" in one.text for one in graph.inbox(ANA))


def test_the_check_says_that_it_works_and_what_does_not(tmp_path: Path) -> None:
    with receiver() as (url, office):
        fine = configured(tmp_path / "fine", receiver=url, graph="http://127.0.0.1:9")
        assert "obras" in fine.cli("check", "--online").stdout.decode()
        assert [case.references for case in office.cases.values()] == [["PRUEBA-obras"]]
        wrong = configured(tmp_path / "wrong", receiver=url, graph="http://127.0.0.1:9")
        wrong.environ["TEST_WEBHOOK_SECRET"] = "whsec_c2hvcnQ="
        said = wrong.cli("check", "--online")
        assert said.returncode != 0
        assert "destinations.obras.secrets" in (said.stdout + said.stderr).decode()
        assert "c2hvcnQ" not in (said.stdout + said.stderr).decode()


def test_a_receiver_that_its_check_refuses_gets_nothing_until_it_is_mended(tmp_path: Path) -> None:
    with receiver() as (url, office):
        office.breaches.add(Breach.FINDS_EVERYTHING)
        with configured(tmp_path, receiver=url, graph="http://127.0.0.1:9") as daemon:
            eventually(lambda: daemon.status()["destinations"]["obras"]["state"] == "refused")
            assert deliver(daemon, ANA.text("La luminaria", at=now())) == 200  # receiving is never held up
            time.sleep(1)
            found = daemon.status()
            assert found["ready"]
            assert "obras" in found["destinations"]["obras"]["detail"]
            assert cases(office) == []
            office.breaches.clear()
            daemon.settled(seconds=40, messages=1)
            [case] = cases(office)
            assert len(office.cases) == 2  # beside the proof, which is one however often the check was made
            assert [line.kind for line in lines_of(office, case)] == ["ticket.opened"]
            assert daemon.status()["destinations"]["obras"]["state"] == "up"
