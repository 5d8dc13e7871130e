"""`inbox-daemon simulate`: post an invented message to the running daemon, as the channel itself would."""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from inbox_daemon.cli import main as frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from inbox_daemon.model import InstanceId
    from inbox_daemon.plugins import PluginSettings, WebhookRequest
    from inbox_daemon.registry import ChannelInstance
    from inbox_daemon.settings import Settings

_EPILOG = """\
The request is made and signed by the channel's plug-in and goes through the real HTTP endpoint, so it proves the whole
way up to the ticket. Do it on a test installation: the ticket is real.

examples:
  inbox-daemon simulate whatsapp-centro --from 5493624000001 --name "Ana Prueba" --text "¿Cómo saco turno?"
  inbox-daemon simulate whatsapp-centro --count 50
  inbox-daemon simulate whatsapp-centro --id repetido-1 --text hola     sent twice, it is one message
"""
_TEXTS = (
    "Buen día, ¿a qué hora abre la mesa de entradas?",
    "Hola, quería saber cómo va mi trámite.",
    "Necesito un turno para el hospital, gracias.",
    "Hay un poste caído en la esquina de casa.",
)


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "simulate",
        help="post an invented message to the running daemon",
        description="Makes an invented inbound message and posts it to the running daemon as the channel would.",
        epilog=_EPILOG,
    )
    parser.add_argument("instance", metavar="INSTANCE", help="a configured channel, for example whatsapp-centro")
    parser.add_argument("--from", dest="sender", metavar="WHO", help="phone or address (default: an invented one)")
    parser.add_argument("--name", default="Persona de Prueba", help="name the channel shows")
    parser.add_argument("--text", help="what it says (default: one of a few examples)")
    parser.add_argument("--id", help="the channel's id of the message (default: a new one)")
    parser.add_argument(
        "--count", metavar="N", type=frame.whole(1, 1_000_000), default=1, help="how many messages (default 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Post; returns the exit code (69 when the daemon does not take it)."""
    from tqdm import tqdm

    from inbox_daemon import registry
    from inbox_daemon.model import InstanceId
    from inbox_daemon.plugins import SimulatedMessage

    settings, instances = registry.configure(args.config)
    channel = instances.channels.get(InstanceId(args.instance))
    if channel is None:
        known = ", ".join(instances.channels) or "none is configured"
        raise frame.Misuse(f"there is no channel {args.instance!r}", remedy=f"use one of: {known}")
    if channel.plugin.simulate is None:
        print(f"{args.instance}: this kind of channel is asked, not posted to; send it a real message", file=sys.stderr)
        return frame.USAGE
    address, own = posted_to(channel, instances.channels)
    for number in tqdm(range(args.count), unit="message", disable=args.count < 20):
        message = SimulatedMessage(
            sender=args.sender or f"549362{4_000_000 + secrets.randbelow(100):07}",
            name=args.name,
            text=args.text or _TEXTS[number % len(_TEXTS)],
            id=args.id or secrets.token_hex(12),
            at=datetime.now(UTC),
        )
        status = post(settings, address, channel.plugin.simulate(own, message))
        if status != 200:
            print(f"{args.instance}: the daemon answered {status or 'nothing'}", file=sys.stderr)
            return frame.UNAVAILABLE
    print(f"{args.count} message{'' if args.count == 1 else 's'} taken")
    return frame.OK


def posted_to(
    channel: ChannelInstance, channels: Mapping[InstanceId, ChannelInstance]
) -> tuple[InstanceId, PluginSettings]:
    """Where deliveries for `channel` are posted, and the settings they are made with.

    What the table of one that shares another's address doesn't say, its secrets above all, stands in that one's.
    """
    name = getattr(channel.settings, "webhook_of", "")
    host = next((one for one in channels.values() if one.name == name), None)
    if host is None:
        return channel.name, channel.settings
    said = {key: getattr(channel.settings, key) for key in channel.settings.model_fields_set}
    return host.name, host.settings.model_copy(update=said)


def post(settings: Settings, instance: str, request: WebhookRequest, tries: int = 3) -> int:
    """Post a webhook request to the running daemon; returns the HTTP status, 0 when there was no answer."""
    import http.client

    host, port = settings.public.address
    for left in reversed(range(tries)):
        connection = http.client.HTTPConnection(host, port, timeout=10)
        try:
            connection.request(request.method, f"/hooks/{instance}", request.body, dict(request.headers))
            return connection.getresponse().status
        except OSError:
            if not left:
                return 0
            time.sleep(0.5)
        finally:
            connection.close()
    return 0
