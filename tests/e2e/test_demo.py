"""The demo as somebody tries it on a machine: what it shows, and what it says where something can't be had."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue

import pytest

from e2e.world import assert_nobody_in
from inbox_daemon.cli import demo, phones, visit
from inbox_daemon.cli.main import main
from support.daemon import free_port

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "inbox_daemon", "demo"]
OWN_PORTS = ("INBOX_PUBLIC__LISTEN", "INBOX_OPERATIONS__LISTEN", demo.GRAPH_URL)
QUICK = {
    "INBOX_ANSWERS__GRACE_SECONDS": "0.3",
    "INBOX_ANSWERS__REPORT_SECONDS": "0.2",
    "INBOX_DELIVERY__FOLLOW_SECONDS": "0.2",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty checkout, as far as the demo goes."""
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config" / "demo.toml", tmp_path / "config" / "demo.toml")
    return tmp_path


def environ(ports: Sequence[int] = ()) -> dict[str, str]:
    public, operations, graph = ports or [free_port() for _ in OWN_PORTS]
    addresses = (f"127.0.0.1:{public}", f"127.0.0.1:{operations}", f"http://127.0.0.1:{graph}")
    return {**QUICK, **dict(zip(OWN_PORTS, addresses, strict=True))}


def once(place: Path, env: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and all that is printed; never a traceback or a secret."""
    done = subprocess.run(
        [*COMMAND, "--once"], cwd=place, env=env, capture_output=True, check=False, timeout=100, text=True
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    log = (place / "var/demo/daemon.log").read_text("utf-8")
    for secret in (place / "var/demo/secrets").iterdir():
        assert secret.stat().st_mode & 0o077 == 0
        assert_nobody_in(said + log, secret.read_text("utf-8"))
    return done.returncode, said


def kept(place: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(place / "var/demo/inbox.sqlite3")) as database:
        return list(database.execute(statement))


def links(said: str) -> list[str]:
    return [line.strip() for line in said.splitlines() if line.strip().startswith("http") and "/case/" in line]


def on_phones(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("📱")]


def test_once_shows_the_tickets_and_on_the_phone_exactly_what_was_answered(place: Path) -> None:
    for run in (1, 2):  # the second finds what the first has left
        code, said = once(place, environ())
        assert code == 0, said
        assert "Posted 6 signed WhatsApp messages of 5 people." in said
        assert len(links(said)) == 5
        shown = [line for line in on_phones(said) if "traumatología" in line]
        assert shown == [f"📱 Ana Sotelo +54 9 362 400-0101: «{demo.ANSWER}»"]
        assert said.rstrip().splitlines()[-1].startswith("  Respuesta leída en WhatsApp por +54 9 362 400-0101")
        answers = kept(place, "SELECT body FROM casebook_entry WHERE direction = 'agent'")
        assert answers == [(demo.ANSWER,)] * run
        assert kept(place, "SELECT state FROM reply WHERE origin = 'answer'") == [("read",)] * run
    assert_nobody_in((place / "var/demo/daemon.log").read_text("utf-8"), "traumatología", "Sotelo", "5493624000101")


def test_ports_that_are_in_use_are_left_alone(place: Path) -> None:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in OWN_PORTS]
        taken = [listener.getsockname()[1] for listener in listeners]
        code, said = once(place, environ(taken))
        for listener in listeners:
            listener.settimeout(0)
            with pytest.raises(BlockingIOError):
                listener.accept()
    assert code == 0, said
    exported = [line.strip() for line in said.splitlines() if line.startswith("  export ")]
    assert [line.split("=")[0] for line in exported] == [f"export {name}" for name in OWN_PORTS]
    for port, line in zip(taken, exported, strict=True):
        assert f"Port {port} is in use" in said
        assert str(port) not in line
    assert all(f":{taken[0]}/" not in link for link in links(said))
    assert any(demo.ANSWER in line for line in on_phones(said))


@contextmanager
def running(place: Path, env: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], Queue[str]]]:
    """The demo until Ctrl-C, and the lines it prints as they come."""
    process = subprocess.Popen(COMMAND, cwd=place, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    lines: Queue[str] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.rstrip("\n"))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield process, lines
    finally:
        with suppress(ProcessLookupError):  # the demo and its daemon
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        reader.join(10)
        assert process.stdout is not None
        process.stdout.close()


def until(lines: Queue[str], wanted: str, seconds: float = 40) -> list[str]:
    """The lines up to the first that holds `wanted`."""
    seen: list[str] = []
    deadline = time.monotonic() + seconds
    while not (seen and wanted in seen[-1]):
        try:
            seen.append(lines.get(timeout=max(0.0, deadline - time.monotonic())))
        except Empty:
            raise AssertionError(f"no {wanted!r} in {seen}") from None
    return seen


def test_it_shows_what_each_citizen_gets_until_ctrl_c(place: Path) -> None:
    env = environ()
    with running(place, env) as (process, lines):
        said = until(lines, "Ctrl-C ends the demo.")
        assert any("within 4 seconds you see here what the citizen receives" in line for line in said)
        for number, link in enumerate(links("\n".join(said))):
            visit.answer(visit.visit(link), f"Va la respuesta {number}.\n\nSaludos.")
        came = [until(lines, "Saludos.»") for _ in range(5)]
        firsts = [next(line for line in block if "Va la respuesta" in line) for block in came]
        assert {line.split(": «")[1] for line in firsts} == {f"Va la respuesta {number}." for number in range(5)}
        assert len({line.split(": «")[0] for line in firsts}) == 5, "each of the five people got one"

        code, second = once_more(place)
        assert code == 69
        assert "the daemon did not start" in second
        assert process.poll() is None
        visit.answer(visit.visit(links("\n".join(said))[0]), "Sigo aquí.")
        until(lines, "«Sigo aquí.»")

        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the demo and its daemon
        assert process.wait(20) == 0
        assert time.monotonic() - began < 15


def test_ended_from_outside_it_takes_its_daemon_with_it(place: Path) -> None:
    env = environ()
    with running(place, env) as (process, lines):
        until(lines, "The daemon runs.")
        process.terminate()
        assert process.wait(20) == 0
        host, port = env["INBOX_OPERATIONS__LISTEN"].split(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=5)


def once_more(place: Path) -> tuple[int, str]:
    """A second demo in the same folder."""
    done = subprocess.run(
        [*COMMAND, "--once"], cwd=place, env=environ(), capture_output=True, check=False, timeout=60, text=True
    )
    return done.returncode, done.stdout + done.stderr


async def _nothing(*_: object) -> None:
    """Meta tells nothing."""


def _here(place: Path, monkeypatch: pytest.MonkeyPatch, patience: float, **settings: str) -> int:
    """`demo --once` in this process."""
    monkeypatch.chdir(place)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process is pytest's
    for name, value in (environ() | settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(demo, "ANSWER_SECONDS", patience)
    return main(["demo", "--once"])


def test_it_says_so_when_the_phone_gets_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _here(place, monkeypatch, 2, INBOX_ANSWERS__GRACE_SECONDS="86400") == 69
    assert "the answer did not reach Ana Sotelo's phone within 2 seconds; see " in capsys.readouterr().err


def test_it_says_so_when_the_case_does_not_hear_of_it(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(phones.Phones, "_tell", _nothing)
    assert _here(place, monkeypatch, 6) == 69
    printed = capsys.readouterr()
    assert demo.ANSWER in printed.out
    assert "the case does not say that Ana Sotelo read the answer; see " in printed.err


def test_it_says_so_when_a_page_can_not_be_used(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(visit, "answer", lambda page, text: visit.visit(f"{page.address}x"))
    assert _here(place, monkeypatch, 2) == 69
    assert "the page of the case can't be used: HTTP Error 404: Not Found; see " in capsys.readouterr().err


def test_meta_itself_is_never_called_whatever_the_configuration_says(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _here(place, monkeypatch, 60, **{demo.GRAPH_URL: "https://graph.facebook.com"}) == 0
    printed = capsys.readouterr().out
    assert "in use" not in printed
    assert f"Ana Sotelo +54 9 362 400-0101: «{demo.ANSWER}»" in printed
    assert os.environ[demo.GRAPH_URL].startswith("http://127.0.0.1:")
