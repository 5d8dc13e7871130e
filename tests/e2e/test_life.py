"""The life of the process: start, stop, what it tells the service manager, and what stands in its way."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.world import ANA, BENITO, HOOK, case_of, deliver, envelopes, now, office
from support.daemon import Daemon, eventually

OPERATIONS_PATHS = ("/healthz", "/readyz", "/status", "/metrics")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with office(tmp_path_factory.mktemp("life")) as daemon:
        yield daemon


@pytest.mark.parametrize("path", OPERATIONS_PATHS)
def test_operations_pages_are_on_their_own_listener_only(running: Daemon, path: str) -> None:
    assert running.ask("GET", path, operations=True).status == 200
    assert running.ask("GET", path).status == 404


@pytest.mark.parametrize("path", [HOOK, "/case/x", "/assets/case.css", "/"])
def test_public_paths_are_not_on_the_operations_listener(running: Daemon, path: str) -> None:
    for method in ("GET", "POST"):
        assert running.ask(method, path, operations=True).status in {404, 405}


def test_a_second_daemon_on_the_same_state_folder_is_refused(running: Daemon, tmp_path: Path) -> None:
    second = office(tmp_path, state=running.state_dir)
    refused = second.cli("run")
    said = refused.stderr.decode()
    assert refused.returncode == 78
    assert f"daemon.state_dir: another inbox-daemon runs on {running.state_dir}" in said
    assert "remedy: stop it first" in said
    assert "Traceback" not in said
    assert running.get("/readyz") is not None, "the first one goes on"


@pytest.mark.parametrize("listener", ["public", "operations"])
def test_a_port_in_use_is_told_in_one_line(tmp_path: Path, listener: str) -> None:
    daemon = office(tmp_path)
    port = daemon.public_port if listener == "public" else daemon.operations_port
    with socket.create_server(("127.0.0.1", port)):
        refused = daemon.cli("run")
    assert refused.returncode == 69
    [line] = [line for line in refused.stderr.decode().splitlines() if not line.startswith("{")]
    assert "in use" in line
    assert f"{listener}.listen" in line
    assert f"127.0.0.1:{port}" in line


@pytest.mark.parametrize("kind", ["forbidden", "a file"])
def test_a_state_folder_that_cannot_be_written_is_told(tmp_path: Path, kind: str) -> None:
    where = Path("/sys/inbox-daemon-test") if kind == "forbidden" else tmp_path / "file"
    if kind == "a file":
        where.write_text("here is a file", "utf-8")
    for command in ("run", "ledger"):
        refused = office(tmp_path / "home", state=where).cli(command)
        said = refused.stderr.decode()
        assert refused.returncode == 78, said
        assert "daemon.state_dir" in said
        assert str(where) in said or "this is a file" in said
        assert "remedy:" in said
        assert "Traceback" not in said


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be taken for one" * 100, b"\x00" * 8192])
def test_a_database_that_is_none_is_told_and_left_alone(tmp_path: Path, content: bytes) -> None:
    daemon = office(tmp_path)
    daemon.state_dir.mkdir()
    database = daemon.state_dir / "inbox.sqlite3"
    database.write_bytes(content)
    for command in ("run", "ledger"):
        refused = daemon.cli(command)
        said = refused.stderr.decode()
        assert refused.returncode == 78, said
        assert str(database) in said
        assert "remedy:" in said
        assert "Traceback" not in said
    assert database.read_bytes() == content


class ServiceManager:
    """The socket that systemd would listen on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(0.1)
        self.heard: list[str] = []

    def hear(self, word: str) -> bool:
        """Take in what has come, and say whether `word` was among all of it."""
        try:
            while True:
                self.heard += self._socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return word in self.heard

    def close(self) -> None:
        self._socket.close()


def test_the_service_manager_hears_ready_signs_of_life_and_stopping(tmp_path: Path) -> None:
    manager = ServiceManager(tmp_path)
    daemon = office(tmp_path / "home")
    daemon.environ |= {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "600000"}
    with daemon:
        assert eventually(lambda: manager.hear("READY=1"))
        eventually(lambda: manager.hear("WATCHDOG=1") and manager.heard.count("WATCHDOG=1") >= 3, seconds=5)
        assert "STOPPING=1" not in manager.heard
        assert daemon.stop() == 0
        assert manager.hear("STOPPING=1")
    assert manager.heard.index("READY=1") < manager.heard.index("STOPPING=1")
    manager.close()


def test_ready_is_told_only_when_messages_are_taken(tmp_path: Path) -> None:
    manager = ServiceManager(tmp_path)
    daemon = office(tmp_path / "home")
    daemon.environ |= {"NOTIFY_SOCKET": str(manager.path)}
    daemon.start(wait=False)
    eventually(lambda: manager.hear("READY=1"), seconds=20, every=0.001)
    assert deliver(daemon, ANA.text("Recién abierto", at=now())) == 200
    assert daemon.stop() == 0
    manager.close()


class SilentMailServer:
    """Takes connections and says nothing, so that whoever mails by it waits."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.callers: list[socket.socket] = []
        self._thread = threading.Thread(target=self._welcome)
        self._thread.start()

    def _welcome(self) -> None:
        while True:
            try:
                self.callers.append(self._socket.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for caller in self.callers:
            caller.close()


@pytest.fixture
def mail_server() -> Iterator[SilentMailServer]:
    server = SilentMailServer()
    yield server
    server.close()


def _with_mail(mail_server: SilentMailServer) -> str:
    return (
        f'mail_to = ["salud@oficina.test"]\n[smtp]\nhost = "127.0.0.1"\nport = {mail_server.port}\n'
        'tls = "none"\ntimeout_seconds = 1.5\nfrom_address = "centro@oficina.test"\n'
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_orderly_stop_with_requests_and_steps_in_flight(
    tmp_path: Path, mail_server: SilentMailServer, number: signal.Signals
) -> None:
    daemon = office(tmp_path, salud=_with_mail(mail_server))
    with daemon:
        assert daemon.process is not None
        assert deliver(daemon, ANA.text("Antes de parar", at=now())) == 200
        eventually(lambda: mail_server.callers)  # a step is under way
        with socket.create_connection(("127.0.0.1", daemon.public_port)) as half:
            half.sendall(f"POST {HOOK} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf".encode())
            idle = socket.create_connection(("127.0.0.1", daemon.public_port))
            time.sleep(0.1)
            began = time.monotonic()
            daemon.process.send_signal(number)
            refused = eventually(lambda: (s := deliver(daemon, BENITO.text("Tarde", at=now()))) == 503 and s, seconds=2)
            assert refused == 503
            assert daemon.get("/healthz") is not None
            assert daemon.ask("GET", "/readyz", operations=True).status == 503
            assert daemon.process.wait(15) == 0
            idle.close()
        assert time.monotonic() - began < 10
        assert envelopes(daemon) == 1, "what was not acknowledged was not kept"
    words = daemon.log.read_text("utf-8")
    assert "daemon.stopped" in words
    assert "Traceback" not in words
    if number is signal.SIGTERM:
        with daemon:
            daemon.settled(seconds=15, messages=1)
            case_of(daemon, ANA, entries=1)
            assert [line["balance"] for line in daemon.books()] == [0]


def test_a_step_that_outlasts_the_limit_is_cut_and_finished_after_the_next_start(
    tmp_path: Path, mail_server: SilentMailServer
) -> None:
    salud = _with_mail(mail_server).replace("1.5", "15")
    daemon = office(tmp_path, salud=salud, daemon_toml="stop_seconds = 2\n")
    with daemon:
        assert deliver(daemon, ANA.text("Tarda mucho", at=now())) == 200
        eventually(lambda: mail_server.callers)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 4
    daemon.config.write_text(daemon.config.read_text("utf-8").replace(salud, ""), "utf-8")
    with daemon:
        daemon.settled(seconds=15, messages=1)
        _, found = case_of(daemon, ANA, entries=1)
        assert found.entries() == ["Tarda mucho"]
