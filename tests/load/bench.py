"""`make bench`: how fast, how small, how soon, as figures and as ratios measured side by side in one run.

* durable acknowledgements (signed WhatsApp bodies, SQLite with synchronous=FULL, 64 connections) as a ratio to a
  no-op aiohttp handler, taken in turns
* start until ready, and resident memory, with both channels configured
* steps a second into a destination that does nothing, 64 conversations at a time, beside a bare client's requests
* how fast messages are taken in and become cases, from a backlog and by themselves
* parsing: WhatsApp bodies of 1000 updates and Facebook bodies of 1000 events (pushed, and as a poll keeps them) beside
  orjson.loads of the same bytes, an ordinary mail
* answers by WhatsApp while one person is held (131056) beside the same ones while nobody is

Nothing passes or fails here: a shared machine drifts by a third between runs, ratios by less.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
from structlog.testing import capture_logs

from inbox_channels.email.parse import ParseOptions
from inbox_channels.email.parse import parse as parse_mail
from inbox_channels.facebook.parse import parse as parse_facebook
from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.whatsapp.parse import parse as parse_whatsapp
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.model import Envelope, InstanceId
from load.dispatching import dispatched
from load.installation import Shot, Writer, daemon, noop, shoot
from load.pairs import rounds as held_beside_free
from load.report import Figures, print_imports, print_report
from support.daemon import Daemon, eventually
from support.graph_fake_citizens import body, citizens, status_update
from unit.facebook.deliveries import body as pushed
from unit.facebook.deliveries import comment, item, node, polled, said

CONNECTIONS = 64
MOST_PER_SECOND = 20_000
"""Requests prepared for a second of load on the daemon, more than it can answer."""
FLOOD_SECONDS = 60


def acknowledgements(folder: Path, *, rounds: int, seconds: float, watch_seconds: float) -> Figures:
    """No-op and daemon in turns, the proof that what was acknowledged is on disk, and how the backlog goes down."""
    writer = Writer(folder)
    running = daemon(folder / "ack")
    with noop() as (port, noop_pid), running:
        assert running.process is not None
        pid = running.process.pid
        for_noop = writer.write(max(int(MOST_PER_SECOND * 2 * seconds), CONNECTIONS))

        def load(requests: Path, for_seconds: float) -> Shot:
            return shoot(running.public_port, requests, connections=CONNECTIONS, seconds=for_seconds, pid=pid)

        warm = load(writer.write(2000), seconds)
        pairs = []
        for _ in range(rounds):
            plain = shoot(port, for_noop, connections=CONNECTIONS, seconds=seconds, pid=noop_pid)
            pairs.append((plain, load(writer.write(int(MOST_PER_SECOND * seconds)), seconds)))
        resident = running.rss_bytes()
        drained = _backlog(running, watch_seconds)
        running.stop()
        kept = running.sql("SELECT count(DISTINCT body) FROM envelope")[0][0]
    durable = [shot for _, shot in pairs]
    return {
        **_medians("noop", [shot for shot, _ in pairs]),
        **_medians("durable", durable),
        **_spread("ratio", [shot.rate / plain.rate for plain, shot in pairs]),
        "acknowledged": warm.good + sum(shot.good for shot in durable),
        "refused": warm.bad + sum(shot.bad for shot in durable),
        "on_disk": kept,
        "resident_mb_after_load": resident / 1e6,
        **drained,
    }


def _medians(name: str, shots: list[Shot]) -> Figures:
    return {
        **_spread(f"{name}_per_second", [shot.rate for shot in shots]),
        f"{name}_p50_ms": statistics.median(shot.p50_ms for shot in shots),
        f"{name}_p99_ms": statistics.median(shot.p99_ms for shot in shots),
        f"{name}_cpu_us": statistics.median(shot.server_us for shot in shots),
        f"{name}_generator_cpu_us": statistics.median(shot.generator_us for shot in shots),
    }


def _spread(name: str, values: list[float]) -> Figures:
    return {name: statistics.median(values), f"{name}_min": min(values), f"{name}_max": max(values)}


def _backlog(running: Daemon, seconds: float) -> Figures:
    """How fast a backlog is taken in and delivered, watched for a while."""

    def counts() -> tuple[int, int]:
        return _count(running, "envelope WHERE state = 'done'"), _delivered(running)

    (taken, delivered), began = counts(), time.monotonic()
    time.sleep(seconds)
    (taken_after, delivered_after), took = counts(), time.monotonic() - began
    return {
        "backlog_taken_in_per_second": (taken_after - taken) / took,
        "backlog_delivered_per_second": (delivered_after - delivered) / took,
    }


def _delivered(running: Daemon) -> int:
    return _count(running, "dispatch WHERE state = 'done'")


def _count(running: Daemon, what: str) -> int:
    return int(running.sql(f"SELECT count(*) FROM {what}")[0][0])


def starts(folder: Path, *, times: int, messages: int) -> Figures:
    """Start until /readyz says so; memory then, and after some messages have become cases."""
    seconds, resident = [], []
    for number in range(times):
        running = daemon(folder / f"start{number}")
        began = time.monotonic()
        with running:
            seconds.append(time.monotonic() - began)
            resident.append(running.rss_bytes() / 1e6)
            if number == times - 1:
                further = _flood(running, messages, folder)
            running.stop()
    return {**_spread("ready_seconds", seconds), **_spread("resident_mb", resident), **further}


def _flood(running: Daemon, messages: int, folder: Path) -> Figures:
    assert running.process is not None
    requests = Writer(folder).write(messages)
    began = time.monotonic()
    shoot(running.public_port, requests, connections=CONNECTIONS, seconds=FLOOD_SECONDS, pid=running.process.pid)
    eventually(lambda: _delivered(running) >= messages, seconds=FLOOD_SECONDS, every=0.1)
    return {
        "messages": messages,
        "messages_to_cases_per_second": messages / (time.monotonic() - began),
        "resident_mb_after_messages": running.rss_bytes() / 1e6,
    }


def dispatching(folder: Path, *, times: int, messages: int = 15) -> Figures:
    """Steps a second into a destination that does nothing, and those of a bare client, in turns."""
    runs = []
    with noop() as (port, _), capture_logs():  # a line for each step would be most of the work
        for number in range(times):
            home = folder / f"dispatch{number}"
            home.mkdir()
            runs.append(asyncio.run(dispatched(home, port, conversations=CONNECTIONS, messages=messages)))
    return {
        **_spread("dispatched_per_second", [run["dispatched_per_second"] for run in runs]),
        "bare_client_per_second": statistics.median(run["bare_client_per_second"] for run in runs),
    }


def parsing(*, seconds: float) -> Figures:
    """Milliseconds for one WhatsApp body of 1000 updates, and for one ordinary mail."""
    people, now = citizens(50), datetime.now(UTC)
    large = body([people[n % 50].text(f"mensaje {n}", at=now, id=f"wamid.P{n}") for n in range(1000)])
    told = [status_update(f"wamid.OUT{n}", "read", at=now, recipient="5493624000001", tag=f"t{n}") for n in range(1000)]
    states = body(told, values=1000)
    mail = (
        b"From: Ana <ana@correo.example>\r\nTo: mesa@centro.test\r\nSubject: =?utf-8?q?Expediente_n=C2=BA_7?=\r\n"
        b"Message-ID: <b@correo.example>\r\nDate: Mon, 23 Nov 2026 09:30:00 -0300\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nGracias.\r\n\r\n"
        b"El lun, 23 nov 2026 a las 9:10, Mesa (<mesa@centro.test>) escribi\xc3\xb3:\r\n> Buen d\xc3\xada\r\n"
    )
    settings = WhatsAppSettings.model_construct()

    def envelope(content: bytes) -> Envelope:
        return Envelope(instance=InstanceId("bench"), body=content, received_at=now)

    page = FacebookSettings.model_construct()

    def whatsapp(content: bytes) -> Callable[[], object]:
        return lambda: parse_whatsapp(envelope(content), settings)

    def facebook(content: bytes) -> Callable[[], object]:
        return lambda: parse_facebook(envelope(content), page)

    bodies = {f"facebook_1000_{name}": content for name, content in facebook_bodies(1000).items()}
    return {
        **_beside_json("whatsapp_1000_updates", large, whatsapp(large), seconds),
        **_beside_json("whatsapp_1000_states", states, whatsapp(states), seconds),
        **_merged(_beside_json(name, content, facebook(content), seconds) for name, content in bodies.items()),
        "mail_ms": _milliseconds(lambda: parse_mail(envelope(mail), ParseOptions()), seconds),
    }


def _merged(figures: Iterable[Figures]) -> Figures:
    return {name: value for each in figures for name, value in each.items()}


def facebook_bodies(count: int) -> dict[str, bytes]:
    """Deliveries of so many messages, comments and states each, and as many messages as a poll keeps them."""
    one_each = range(count)
    return {
        "messages": pushed([said(f"mensaje {n}", mid=f"m_{n}") for n in one_each]),
        "comments": pushed(changes=[comment(n, f"comentario {n}") for n in one_each]),
        "states": pushed([item(delivery={"mids": [f"m_{n}"]}) for n in one_each]),
        "polled": polled(*(node(f"m_{n}", message=f"mensaje {n}") for n in one_each)),
    }


def _beside_json(name: str, content: bytes, work: Callable[[], object], seconds: float) -> Figures:
    """Milliseconds, and how many times as long as orjson takes for the bare JSON, in turns."""
    found = [
        (_milliseconds(work, seconds / 6), _milliseconds(lambda: orjson.loads(content), seconds / 6)) for _ in range(3)
    ]
    return {
        f"{name}_ms": statistics.median(ours for ours, _ in found),
        **_spread(f"{name}_to_json", [ours / bare for ours, bare in found]),
    }


def holding(*, times: int, sends: int = 400) -> Figures:
    """Sends a second to those who are not held, with one person held and with nobody, in turns."""
    found = asyncio.run(held_beside_free(times, sends))
    return {
        **_spread("others_per_second", [held.others_per_second for _, held in found]),
        "nobody_held_per_second": statistics.median(free.others_per_second for free, _ in found),
        **_spread("held_ratio", [held.others_per_second / free.others_per_second for free, held in found]),
        "asked_for_held": max(held.asked_for_held for _, held in found),
    }


def _milliseconds(work: Callable[[], object], seconds: float) -> float:
    """The median of as many runs as fit."""
    work()
    times = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def imports(folder: Path) -> str:
    """What Python says of the time its imports took, up to the moment the daemon was ready."""
    with daemon(folder / "imports", PYTHONPROFILEIMPORTTIME="1") as running:
        running.stop()
        return running.log.read_text("utf-8")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each half of a round")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--imports", action="store_true", help="only show what takes time at the start")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="inbox-bench-") as name:
        folder = Path(name)
        if args.imports:
            print_imports(imports(folder))
            return
        found = acknowledgements(folder, rounds=args.rounds, seconds=args.seconds, watch_seconds=6.0)
        found |= dispatching(folder, times=args.rounds)
        found |= starts(folder, times=args.starts, messages=1000) | parsing(seconds=1.0) | holding(times=args.rounds)
    print_report(found, CONNECTIONS)
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
