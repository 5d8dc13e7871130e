"""`inbox-daemon demo`: the daemon at work on this machine alone, with invented messages."""

from __future__ import annotations

import argparse
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from inbox_daemon.cli import main as frame
from inbox_daemon.cli.simulate import post

if TYPE_CHECKING:
    from inbox_daemon.cli.phones import Phones, Received
    from inbox_daemon.registry import Instances
    from inbox_daemon.settings import Settings
    from inbox_daemon.store.conversations import Conversation

CONFIG = Path("config/demo.toml")
CHANNEL = "whatsapp-centro"
READY_SECONDS = 30.0
TICKETS_SECONDS = 60.0
ANSWER_SECONDS = 60.0
SLACK_SECONDS = 3
"""What an answer takes besides the waits that are configured."""
GRAPH_URL = "INBOX_CHANNELS__WHATSAPP_CENTRO__GRAPH_URL"
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
ANSWER = "Buen día, Ana: tiene turno en traumatología el jueves 9:30. Traiga su DNI."
"""What `--once` answers the first case."""

_EPILOG = """\
Everything is kept under ./var/demo and can be deleted. Ctrl-C ends it.
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "demo",
        help="see it work on this machine, with invented messages",
        description="Starts the daemon on an embedded database, posts invented messages, shows the tickets they make "
        "and what citizens get on their phones when a case is answered.",
        epilog=_EPILOG,
    )
    parser.add_argument("--once", action="store_true", help="answer one case itself and end, instead of on Ctrl-C")


def run(args: argparse.Namespace) -> int:
    """Run the demo; returns the exit code."""
    from inbox_daemon import registry

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: else the daemon would go on without us
    config = args.config or _own_config()
    _make_secrets()
    _find_ports(config)
    settings, instances = registry.configure(config)
    with _phones(settings, instances) as phones:
        return _play(args, config, settings, instances, phones)


def _play(args: argparse.Namespace, config: Path, settings: Settings, instances: Instances, phones: Phones) -> int:
    log = settings.state_dir / "daemon.log"
    with log.open("a", encoding="utf-8") as file:  # another demo may be writing to it
        command = [sys.executable, "-m", "inbox_daemon", "--config", str(config), "run"]
        daemon = subprocess.Popen(command, stderr=file)  # noqa: S603 - our own program
    try:
        if not _ready(settings, daemon):
            return _failed(f"the daemon did not start; see {log}")
        print(f"The daemon runs. Log: {log}")
        began = datetime.now(UTC)
        sent = _send(settings, instances)
        print(f"Posted {sent} signed WhatsApp messages of {len({who for who, _, _ in MESSAGES})} people.", flush=True)
        links, complete = _show_tickets(settings, began)
        print(f"Status:  http://{settings.operations.listen}/status   (or: inbox-daemon --config {config} status)")
        print(f'One more: inbox-daemon --config {config} simulate {CHANNEL} --text "Hola"\n')
        if args.once:
            return _answer_one(settings, links, phones) if complete else _failed(f"a ticket is missing; see {log}")
        seconds = math.ceil(settings.answers.grace_seconds + settings.delivery.follow_seconds) + SLACK_SECONDS
        print(f"Open a link, write an answer: within {seconds} seconds you see here what the citizen receives.")
        print("Ctrl-C ends the demo.", flush=True)
        return daemon.wait()
    except KeyboardInterrupt:
        print()
        return frame.OK
    finally:
        _end(daemon)


def _failed(reason: str) -> int:
    print(reason, file=sys.stderr)
    return frame.UNAVAILABLE


def _own_config() -> Path:
    """The checkout's demo.toml; for an installed package a copy in ./inbox-demo, where the demo then lives."""
    if CONFIG.exists():
        return CONFIG
    home = Path("inbox-demo")
    (home / CONFIG.parent).mkdir(parents=True, exist_ok=True)
    os.chdir(home)
    print(f"The demo lives in {Path.cwd()}: give the commands it names there.")
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
            _say_taken(port, other, f"INBOX_{table}__LISTEN")


def _say_taken(port: int, other: int, variable: str) -> None:
    print(f"Port {port} is in use, so {other} is taken. In other terminals first:")
    print(f"  export {variable}={os.environ[variable]}")


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _phones(settings: Settings, instances: Instances) -> Phones:
    """What stands in for Meta, which is never called from here, whatever the configuration says."""
    from inbox_daemon.cli.phones import Account, Phones, on_screen
    from inbox_daemon.model import InstanceId

    own: Any = instances.channels[InstanceId(CHANNEL)].settings  # of a plug-in, whose own class the core doesn't know
    wanted = urlsplit(own.graph_url)
    port = wanted.port or 0 if wanted.hostname == "127.0.0.1" else 0
    listener = socket.create_server(("127.0.0.1", port if _free("127.0.0.1", port) else 0))
    taken = listener.getsockname()[1]
    os.environ[GRAPH_URL] = f"http://127.0.0.1:{taken}"
    if port not in {0, taken}:
        _say_taken(port, taken, GRAPH_URL)
    host, hooks = settings.public.address
    account = Account(
        number_id=own.phone_number_id,
        token=own.access_token.reveal(),
        secret=own.app_secret.reveal(),
        webhook=f"http://{host}:{hooks}/hooks/{CHANNEL}",
    )
    names = {number: name for number, name, _ in MESSAGES}

    def show(received: Received) -> None:
        print(on_screen(received, names=names, encoding=sys.stdout.encoding), flush=True)

    return Phones(account, listener, show)


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


def _show_tickets(settings: Settings, began: datetime) -> tuple[Sequence[str], bool]:
    """Wait until every message stands in a ticket, then show them; the links, and whether none is missing."""
    from inbox_daemon.app import with_database
    from inbox_daemon.assembly import case_links
    from inbox_daemon.store import conversations

    found: Sequence[tuple[Conversation, int]] = ()
    with with_database(settings) as database:

        def all_there() -> bool:
            nonlocal found
            found = database.run_now(partial(conversations.told_since, since=began))
            return sum(messages for _, messages in found) >= len(MESSAGES) and all(one.ticket for one, _ in found)

        complete = _within(TICKETS_SECONDS, all_there)
    links, shown = case_links(settings), []
    print(f"\n{len(found)} tickets:\n")
    for one, messages in found:
        count = "1 message" if messages == 1 else f"{messages} messages"
        print(f"  {one.case_number}  {one.destination:<14} {count:<11} {one.subject}")
        if one.ticket is not None:
            shown.append(links.address(one.ticket.id))
            print(f"  {'':<8} {shown[-1]}\n")
    return shown, complete


def _answer_one(settings: Settings, links: Sequence[str], phones: Phones) -> int:
    """Answer the first message on its case's page; 0 when its sender's phone has it and the case says it was read."""
    from inbox_daemon.cli import visit
    from inbox_daemon.cli.phones import Received
    from inbox_daemon.settings import wording

    number, name, text = MESSAGES[0]
    print(f"Answering {name} on the page of the case, as the office would:\n  {ANSWER}", flush=True)
    texts = {**wording.language(settings.daemon.language).texts, **settings.notices.texts}
    was_read = texts["sent_read"].partition("{")[0]
    log = settings.state_dir / "daemon.log"
    try:
        page = next((page for page in map(visit.visit, links) if text in page.text), None)
        if page is None:
            return _failed(f"no case shows what {name} wrote; see {log}")
        notes = partial(_notes, page.address, len(_notes(page.address)))
        visit.answer(page, ANSWER)
        if not _within(ANSWER_SECONDS, lambda: Received(to=number, text=ANSWER) in phones.received):
            return _failed(f"the answer did not reach {name}'s phone within {ANSWER_SECONDS:g} seconds; see {log}")
        if not _within(ANSWER_SECONDS, lambda: any(was_read in note for note in notes())):
            return _failed(f"the case does not say that {name} read the answer; see {log}")
        print("\nThe case says of it:")
        print(*(f"  {note.splitlines()[-1]}" for note in notes()), sep="\n")
    except OSError as error:
        return _failed(f"the page of the case can't be used: {error}; see {log}")
    return frame.OK


def _notes(address: str, earlier: int = 0) -> Sequence[str]:
    """Notes of a case about our answer, without as many as an `earlier` demo has left there."""
    from inbox_daemon.cli import visit

    return [note for note in visit.visit(f"{address}?all=1").notes if ANSWER[:40] in note][earlier:]


def _within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def _end(daemon: subprocess.Popen[bytes]) -> None:
    if daemon.poll() is None:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
