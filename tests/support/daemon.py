"""A daemon process for tests: configured, started, asked, killed and started again, as an operator would."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

READY_SECONDS = 20.0


def free_port() -> int:
    """A loopback port that is free now, below the range of outgoing connections."""
    for port in range(20_000 + os.getpid() % 5_000, 32_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port
    raise AssertionError("no free port")


_GIVEN: set[int] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a listener said; `status` is 0 when it said nothing."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def eventually(holds: Callable[[], Any], *, seconds: float = 10.0, every: float = 0.05) -> Any:
    """Wait until `holds()` is true and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(every)
    return found


PLAIN = {"INBOX_NOTICES__OUT_OF_HOURS": "false", "INBOX_ANSWERS__SHOW_WINDOW": "false"}
"""What depends on the hour of the day, or stands in every entry, is off unless a test turns it on (`environ`)."""


@dataclass(slots=True)
class Daemon:
    """One installation under `home`; `toml` is its configuration without listeners and state folder.

    `daemon_toml` are further lines of its table [daemon]; `state` is another state folder than its own.
    """

    home: Path
    toml: str
    environ: dict[str, str] = field(default_factory=dict, repr=False)
    daemon_toml: str = ""
    state: Path | None = None
    public_port: int = field(default_factory=free_port)
    operations_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        head = (
            f'[daemon]\nstate_dir = "{self.state_dir}"\nlog_format = "json"\n{self.daemon_toml}'
            f'[public]\nlisten = "127.0.0.1:{self.public_port}"\n'
            f'[operations]\nlisten = "127.0.0.1:{self.operations_port}"\n'
        )
        self.config.write_text(head + self.toml, "utf-8")

    @property
    def state_dir(self) -> Path:
        """Where it keeps everything."""
        return self.state or self.home / "state"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / "inbox.toml"

    @property
    def log(self) -> Path:
        """What the daemon wrote, of all its lives."""
        return self.home / "daemon.log"

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it is ready."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "inbox_daemon", "--config", str(self.config), "run"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | PLAIN | self.environ,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until `/readyz` says so."""
        deadline = time.monotonic() + READY_SECONDS
        while self.get("/readyz") is None:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text("utf-8")[-3000:]
            assert time.monotonic() < deadline, self.log.read_text("utf-8")[-3000:]
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: no last word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def __enter__(self) -> Daemon:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def get(self, path: str) -> bytes | None:
        """A page of the operations listener; None when it isn't there or says no."""
        try:
            url = f"http://127.0.0.1:{self.operations_port}{path}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        except (OSError, urllib.error.URLError):
            return None

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Post to the public listener; the status, 0 when nobody answered."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.public_port}{path}", data=body, headers=headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            return refused.code
        except (OSError, urllib.error.URLError):
            return 0

    def status(self) -> dict[str, Any]:
        """The status page."""
        page = self.get("/status")
        assert page is not None
        return dict(json.loads(page))

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        operations: bool = False,
        seconds: float = 10.0,
    ) -> Answer:
        """One request to a listener, whatever its answer; redirects are not followed."""
        port = self.operations_port if operations else self.public_port
        with closing(HTTPConnection("127.0.0.1", port, timeout=seconds)) as connection:
            try:
                connection.request(method, path, body, dict(headers or {}))
                answer = connection.getresponse()
                given = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(status=answer.status, headers=given, body=answer.read())
            except (OSError, HTTPException):
                return Answer(status=0)

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Rows of its embedded database; what the statement changes is kept."""
        with closing(sqlite3.connect(self.state_dir / "inbox.sqlite3", timeout=10)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def rss_bytes(self) -> int:
        """Its resident memory."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text("utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024

    def cli(self, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run `inbox-daemon ARGS` on the same configuration."""
        return subprocess.run(
            [sys.executable, "-m", "inbox_daemon", "--config", str(self.config), *args],
            input=stdin,
            capture_output=True,
            env=os.environ | self.environ,
            timeout=60,
            check=False,
        )

    def command(self, *args: str, check: bool = True) -> str:
        """What `inbox-daemon ARGS` prints."""
        done = self.cli(*args)
        assert not check or done.returncode == 0, (done.stderr + done.stdout).decode()
        return done.stdout.decode()

    def books(self) -> list[dict[str, Any]]:
        """The ledger's lines."""
        return [json.loads(line) for line in self.command("ledger", "--json", check=False).splitlines()]

    def settled(self, *, seconds: float, messages: int) -> None:
        """Wait until `messages` are delivered and nothing is under way."""
        deadline = time.monotonic() + seconds
        while True:
            page = self.get("/status")
            books = json.loads(page)["ledger"] if page else []
            delivered = sum(line["delivered"] for line in books)
            pending = sum(line["pending"] for line in books)
            if delivered >= messages and not pending:
                return
            assert time.monotonic() < deadline, (page, self.log.read_text("utf-8")[-2000:])
            time.sleep(0.5)
