"""`inbox-daemon demo`: the daemon at work on this machine alone, with invented messages."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from inbox_daemon.cli import main as frame
from inbox_daemon.cli.simulate import post

if TYPE_CHECKING:
    from inbox_daemon.registry import Instances
    from inbox_daemon.settings import Settings

CONFIG = Path("config/demo.toml")
CHANNEL = "whatsapp-centro"
READY_SECONDS = 30.0
TICKETS_SECONDS = 60.0
SECRETS = ("whatsapp-app-secret", "whatsapp-verify-token", "whatsapp-access-token")

MESSAGES = (
    ("5493624000101", "Ana Sotelo", "Buen día. Necesito un turno para el hospital Perrando, ¿cómo hago?"),
    ("5493624000102", "Ramón Quiroga", "Hola, hace tres días que no hay luz en la plaza y anda gente rara de noche."),
    ("5493644000103", "Lucía Báez", "Quiero saber cuándo cobra mi mamá, es jubilada de Insssep."),
    ("5493624000101", "Ana Sotelo", "Me olvidaba: es para traumatología y puedo a la mañana."),
    ("5493735000104", "Elsa Fernández", "¿Hay lugar en el taller de cerámica para chicos?"),
    ("5493624000105", "Nélida Acosta", "Buenas, ¿hasta qué hora atienden en Casa de Gobierno?"),
)
"""Invented people on invented numbers."""

_EPILOG = """\
Everything is kept under ./var/demo and can be deleted. Ctrl-C ends it.
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "demo",
        help="see it work on this machine, with invented messages",
        description="Starts the daemon on an embedded database, posts invented messages, shows the tickets they make.",
        epilog=_EPILOG,
    )
    parser.add_argument("--once", action="store_true", help="end when the tickets are there, instead of on Ctrl-C")


def run(args: argparse.Namespace) -> int:
    """Run the demo; returns the exit code."""
    from inbox_daemon import registry

    config = args.config or _own_config()
    _make_secrets()
    _find_ports(config)
    settings, instances = registry.configure(config)
    daemon = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "inbox_daemon", "--config", str(config), "run"],
        stderr=(settings.state_dir / "daemon.log").open("w", encoding="utf-8"),
    )
    try:
        if not _ready(settings, daemon):
            print(f"the daemon did not start; see {settings.state_dir / 'daemon.log'}", file=sys.stderr)
            return frame.UNAVAILABLE
        print(f"The daemon runs. Log: {settings.state_dir / 'daemon.log'}")
        began = datetime.now(UTC)
        sent = _send(settings, instances)
        print(f"Posted {sent} signed WhatsApp messages of {len({who for who, _, _ in MESSAGES})} people.")
        shown = _show_tickets(settings, began)
        print(f"Status:  http://{settings.operations.listen}/status   (or: inbox-daemon --config {config} status)")
        print(f'One more: inbox-daemon --config {config} simulate {CHANNEL} --text "Hola"')
        if args.once:
            return frame.OK if shown else frame.UNAVAILABLE
        print("Ctrl-C ends the demo.", flush=True)
        return daemon.wait()
    except KeyboardInterrupt:
        print()
        return frame.OK
    finally:
        _end(daemon)


def _own_config() -> Path:
    """The checkout's demo.toml; for an installed package a copy in ./inbox-demo, where the demo then lives."""
    if CONFIG.exists():
        return CONFIG
    home = Path("inbox-demo")
    (home / CONFIG.parent).mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    CONFIG.write_text(files("inbox_daemon").joinpath("demo.toml").read_text("utf-8"), "utf-8")
    return CONFIG


def _make_secrets() -> None:
    """Secrets of this demo only, made once."""
    folder = Path("var/demo/secrets")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in SECRETS:
        path = folder / name
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(24), "utf-8")


def _find_ports(config: Path) -> None:
    """Take other ports where the usual ones are in use; the daemon and all of this process see them."""
    from inbox_daemon import registry

    settings, _ = registry.configure(config)
    for table, (host, port) in (("PUBLIC", settings.public.address), ("OPERATIONS", settings.operations.address)):
        if not _free(host, port):
            with socket.socket() as probe:
                probe.bind((host, 0))
                other = probe.getsockname()[1]
            os.environ[f"INBOX_{table}__LISTEN"] = f"{host}:{other}"
            print(f"Port {port} is in use, so {other} is taken. In other terminals first:")
            print(f"  export INBOX_{table}__LISTEN={host}:{other}")


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _ready(settings: Settings, daemon: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://{settings.operations.listen}/readyz", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
    return False


def _send(settings: Settings, instances: Instances) -> int:
    from inbox_daemon.model import InstanceId
    from inbox_daemon.plugins import SimulatedMessage

    channel = instances.channels[InstanceId(CHANNEL)]
    assert channel.plugin.simulate is not None
    for sent, (sender, name, text) in enumerate(MESSAGES):
        message = SimulatedMessage(sender=sender, name=name, text=text, id=secrets.token_hex(12), at=datetime.now(UTC))
        if post(settings, CHANNEL, channel.plugin.simulate(channel.settings, message)) != 200:
            return sent
    return len(MESSAGES)


def _show_tickets(settings: Settings, began: datetime) -> bool:
    """Wait until every message stands in a ticket, then show them."""
    from inbox_daemon.app import with_database
    from inbox_daemon.assembly import case_links
    from inbox_daemon.store import conversations

    links = case_links(settings)
    with with_database(settings) as database:
        deadline = time.monotonic() + TICKETS_SECONDS
        while time.monotonic() < deadline:
            found = database.run_now(partial(conversations.told_since, since=began))
            if sum(messages for _, messages in found) >= len(MESSAGES) and all(one.ticket for one, _ in found):
                break
            time.sleep(0.2)
    print(f"\n{len(found)} tickets:\n")
    for one, messages in found:
        count = "1 message" if messages == 1 else f"{messages} messages"
        print(f"  {one.case_number}  {one.destination:<14} {count:<11} {one.subject}")
        if one.ticket is not None:
            print(f"  {'':<8} {links.address(one.ticket.id)}\n")
    return bool(found) and all(one.ticket for one, _ in found)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
