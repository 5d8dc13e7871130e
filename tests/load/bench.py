"""`make bench`: how fast, how small, how soon, as figures and as ratios measured side by side in one run.

* durable acknowledgements (signed WhatsApp bodies, SQLite with synchronous=FULL, 64 connections) as a ratio to a
  no-op aiohttp handler, taken in turns
* start until ready, and resident memory, with both channels configured
* how fast the backlog is taken in and delivered to cases
* parsing: a WhatsApp body of 1000 updates, an ordinary mail

Nothing passes or fails here: a shared machine drifts by a third between runs, ratios by less.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from inbox_channels.email.parse import ParseOptions
from inbox_channels.email.parse import parse as parse_mail
from inbox_channels.whatsapp.parse import parse as parse_whatsapp
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.model import Envelope, InstanceId
from support.daemon import Daemon, free_port
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, body, citizens, sign

HERE = Path(__file__).parent
CONNECTIONS = 64
AIM_RATIO, AIM_READY_SECONDS, AIM_MEGABYTES = 0.35, 2.0, 130.0

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


def daemon(home: Path) -> Daemon:
    """One installation with both channels; nothing listens where the mailbox should be."""
    return Daemon(home, _TOML, environ={"BENCH_APP_SECRET": SECRET, "BENCH_OTHER": secrets.token_hex(8)})


def prepare(count: int, first: int) -> list[bytes]:
    """Whole HTTP requests, each with a message of its own."""
    people = citizens(9000)
    now = datetime.now(UTC)
    requests = []
    for number in range(first, first + count):
        update = people[number % len(people)].text(
            "¿A qué hora abre la mesa? " + "x" * 300, at=now, id=f"wamid.B{number}"
        )
        content = body([update])
        lines = ["POST /hooks/whatsapp-centro HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in sign(content).items()]
        requests.append("\r\n".join([*lines, "", ""]).encode() + content)
    return requests


def shoot(port: int, seconds: float, requests: list[bytes], folder: Path) -> dict[str, Any]:
    """One run of the generator."""
    file = folder / "requests"
    file.write_bytes(pickle.dumps(requests))
    command = [sys.executable, str(HERE / "generator.py"), str(port), str(CONNECTIONS), str(seconds), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return dict(json.loads(done.stdout))


def acknowledgements(folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """No-op and daemon in turns, and the proof that what was acknowledged is on disk."""
    port = free_port()
    noop = subprocess.Popen([sys.executable, str(HERE / "noop.py"), str(port)])
    pairs, acked, first = [], 0, 0
    with daemon(folder / "ack") as running:
        try:
            per_round = int(seconds * 45_000)
            shoot(port, 0.5, prepare(2000, 0), folder)  # warm
            for _ in range(rounds):
                plain = shoot(port, seconds, prepare(per_round, 0), folder)
                durable = shoot(running.public_port, seconds, prepare(per_round // 2, first), folder)
                first += per_round // 2
                acked += durable["good"]
                pairs.append((plain, durable))
                time.sleep(0.5)
            drained = _drain(running, acked)
        finally:
            noop.terminate()
            noop.wait()
        running.stop()
        with sqlite3.connect(folder / "ack" / "state" / "inbox.sqlite3") as database:
            kept = database.execute("SELECT count(*) FROM envelope").fetchone()[0]
    rates = [(a["good"] / a["seconds"], b["good"] / b["seconds"]) for a, b in pairs]
    return {
        "noop_per_second": statistics.median(a for a, _ in rates),
        "durable_per_second": statistics.median(b for _, b in rates),
        "ratio": statistics.median(b / a for a, b in rates),
        "ratio_min": min(b / a for a, b in rates),
        "ratio_max": max(b / a for a, b in rates),
        "durable_p50_ms": statistics.median(b["p50_ms"] for _, b in pairs),
        "durable_p99_ms": statistics.median(b["p99_ms"] for _, b in pairs),
        "refused": sum(b["bad"] for _, b in pairs),
        "acknowledged": acked,
        "on_disk": kept,
        **drained,
    }


def _drain(running: Daemon, acked: int) -> dict[str, float]:
    """How fast the backlog is taken in and delivered, watched for a while."""

    def counts() -> tuple[int, int]:
        status = running.status()
        unread = status["channels"]["whatsapp-centro"]["unread"]
        delivered = sum(line["delivered"] for line in status["ledger"])
        return acked - unread, delivered

    (taken, delivered), began = counts(), time.monotonic()
    time.sleep(6)
    (taken_after, delivered_after), took = counts(), time.monotonic() - began
    return {
        "taken_in_per_second": (taken_after - taken) / took,
        "delivered_per_second": (delivered_after - delivered) / took,
    }


def starts(folder: Path, times: int) -> dict[str, float]:
    """Start until /readyz says so, and memory then and after 1000 messages."""
    seconds, resident = [], []
    for number in range(times):
        running = daemon(folder / f"start{number}")
        began = time.monotonic()
        with running:
            seconds.append(time.monotonic() - began)
            time.sleep(0.5)
            resident.append(_resident(running))
            if number == times - 1:
                shoot(running.public_port, 10, prepare(1000, 0), folder)
                running.settled(seconds=60, messages=1000)
                after = _resident(running)
            running.stop()
    return {
        "ready_seconds": statistics.median(seconds),
        "ready_seconds_max": max(seconds),
        "resident_mb": statistics.median(resident),
        "resident_mb_after_1000": after,
    }


def _resident(running: Daemon) -> float:
    assert running.process is not None
    pages = int(Path(f"/proc/{running.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1_000_000


def parsing() -> dict[str, float]:
    """Milliseconds for one WhatsApp body of 1000 updates, and for one ordinary mail."""
    people, now = citizens(50), datetime.now(UTC)
    large = body([people[n % 50].text(f"mensaje {n}", at=now, id=f"wamid.P{n}") for n in range(1000)])
    mail = (
        b"From: Ana <ana@correo.example>\r\nTo: mesa@centro.test\r\nSubject: =?utf-8?q?Expediente_n=C2=BA_7?=\r\n"
        b"Message-ID: <b@correo.example>\r\nDate: Mon, 23 Nov 2026 09:30:00 -0300\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nGracias.\r\n\r\n"
        b"El lun, 23 nov 2026 a las 9:10, Mesa (<mesa@centro.test>) escribi\xc3\xb3:\r\n> Buen d\xc3\xada\r\n"
    )
    settings = WhatsAppSettings.model_construct()

    def envelope(content: bytes) -> Envelope:
        return Envelope(instance=InstanceId("bench"), body=content, received_at=now)

    return {
        "whatsapp_1000_updates_ms": _milliseconds(lambda: parse_whatsapp(envelope(large), settings), 20),
        "mail_ms": _milliseconds(lambda: parse_mail(envelope(mail), ParseOptions()), 500),
    }


def _milliseconds(work: Callable[[], object], times: int) -> float:
    work()
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1000


def report(found: dict[str, Any]) -> None:
    """The figures as people read them."""

    def aim(met: bool, text: str) -> str:
        return f"   {'aim met' if met else 'AIM NOT MET'}: {text}"

    print(f"no-op aiohttp handler         {found['noop_per_second']:10,.0f} /s   ({CONNECTIONS} connections)")
    print(f"durable acknowledgement       {found['durable_per_second']:10,.0f} /s   SQLite, synchronous=FULL")
    span = f"{found['ratio_min']:.2f} to {found['ratio_max']:.2f}"
    print(
        f"  ratio, pair by pair         {found['ratio']:10.2f}      ({span})"
        + aim(found["ratio"] >= AIM_RATIO, f"at least {AIM_RATIO}")
    )
    print(f"  latency p50 / p99           {found['durable_p50_ms']:10.1f} / {found['durable_p99_ms']:.1f} ms")
    proof = "every one is on disk" if found["on_disk"] >= found["acknowledged"] else "ACKNOWLEDGED BUT NOT ON DISK"
    print(f"  acknowledged, refused       {found['acknowledged']:10,} , {found['refused']}   {proof}")
    taken_in, delivered = found["taken_in_per_second"], found["delivered_per_second"]
    print(f"  then taken in, delivered    {taken_in:10,.0f} /s, {delivered:,.0f} /s")
    print(
        f"start until ready             {found['ready_seconds']:10.2f} s    (at most {found['ready_seconds_max']:.2f})"
        + aim(found["ready_seconds"] < AIM_READY_SECONDS, f"under {AIM_READY_SECONDS:g} s")
    )
    print(
        f"resident at ready             {found['resident_mb']:10.0f} MB   (after 1000 messages "
        f"{found['resident_mb_after_1000']:.0f})"
        + aim(found["resident_mb"] < AIM_MEGABYTES, f"under {AIM_MEGABYTES:g} MB")
    )
    print(f"WhatsApp body, 1000 updates   {found['whatsapp_1000_updates_ms']:10.1f} ms")
    print(f"ordinary mail                 {found['mail_ms']:10.2f} ms")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inbox-bench-") as name:
        folder = Path(name)
        found = acknowledgements(folder, args.rounds, args.seconds) | starts(folder, args.starts) | parsing()
    report(found)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    main()
