"""What is measured: a real daemon process with both channels, a no-op server beside it, and the requests for both."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from support.daemon import Daemon, eventually, free_port
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, body, citizens, sign

HERE = Path(__file__).parent
HOOK = "/hooks/whatsapp-centro"

_TOML = f"""
[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "{PHONE_NUMBER_ID}"
app_secret = {{ env = "BENCH_APP_SECRET" }}
verify_token = {{ env = "BENCH_OTHER" }}
access_token = {{ env = "BENCH_OTHER" }}

[channels.mesa-de-entradas]
kind = "email"
host = "127.0.0.1"
port = 9
tls = "none"
user = "mesa@centro.test"
password = {{ env = "BENCH_OTHER" }}

[destinations.gobierno]
kind = "ticketbook"
office_name = "Ministerio de Gobierno"

[delivery]
order_grace_seconds = 0

[routing]
default = "gobierno"
"""


def daemon(home: Path, **environ: str) -> Daemon:
    """One installation with both channels; nothing listens where the mailbox should be."""
    return Daemon(home, _TOML, environ={"BENCH_APP_SECRET": SECRET, "BENCH_OTHER": secrets.token_hex(8)} | environ)


@dataclass(slots=True)
class Writer:
    """Whole HTTP requests as Meta sends them, signed, about 900 bytes of body, no message id twice."""

    folder: Path
    _next: int = 0

    def write(self, count: int) -> Path:
        """A file of `count` requests for the generator."""
        people, now = citizens(9000), datetime.now(UTC)
        requests = []
        for number in range(self._next, self._next + count):
            update = people[number % len(people)].text(
                "¿A qué hora abre la mesa? " + "x" * 300, at=now, id=f"wamid.B{number}"
            )
            content = body([update])
            lines = [f"POST {HOOK} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}"]
            lines += [f"{name}: {value}" for name, value in sign(content).items()]
            requests.append("\r\n".join([*lines, "", ""]).encode() + content)
        file = self.folder / f"requests-{self._next}"
        file.write_bytes(pickle.dumps(requests))
        self._next += count
        return file


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What one run of the generator saw; CPU times are microseconds a request."""

    good: int
    bad: int
    seconds: float
    p50_ms: float
    p99_ms: float
    generator_us: float
    server_us: float

    @property
    def rate(self) -> float:
        """Requests a second that were answered with 200."""
        return self.good / self.seconds


def shoot(port: int, requests: Path, *, connections: int, seconds: float, pid: int) -> Shot:
    """One run of the generator against the server with this process id."""
    command = [sys.executable, str(HERE / "generator.py"), str(port), str(connections), str(seconds), str(requests)]
    before = _cpu_seconds(pid)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    seen = json.loads(done.stdout)
    return Shot(**seen, server_us=(_cpu_seconds(pid) - before) / (seen["good"] + seen["bad"]) * 1e6)


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process; see proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def noop() -> Iterator[tuple[int, int]]:
    """The plain aiohttp server; gives its port and process id."""
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "noop.py"), str(port)])
    try:
        eventually(lambda: _listens(port))
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    return f"{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text("utf-8")
