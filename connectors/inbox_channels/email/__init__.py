"""E-mail: citizens' mails out of one folder of a mailbox, over IMAP, and answers to them (`README.md`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from zoneinfo import ZoneInfo

from inbox_channels.email.channel import build
from inbox_channels.email.parse import ParseOptions, parse
from inbox_channels.email.reading import SIZE, TRUNCATED
from inbox_channels.email.settings import EmailSettings
from inbox_daemon.model import Content, Envelope, Event, Message
from inbox_daemon.plugins import ChannelPlugin

_WHY = {
    "size": "supera el límite configurado, solo se tomó el encabezado",
    "unreadable": "el servidor de correo no lo pudo entregar completo",
}


def parse_envelope(envelope: Envelope, settings: EmailSettings) -> Sequence[Event]:
    """Events of one raw mail. One that was taken in without its body becomes a message that says where it is."""
    options = ParseOptions(
        own_addresses=settings.own_addresses,
        authserv_id=settings.authserv_id,
        zone=ZoneInfo(settings.timezone),
        language=settings.language,
    )
    events = parse(envelope, options)
    why = envelope.headers.get(TRUNCATED)
    if not why:
        return events
    return [_incomplete(event, envelope, why) if isinstance(event, Message) else event for event in events]


def _incomplete(message: Message, envelope: Envelope, why: str) -> Message:
    size = int(envelope.headers.get(SIZE, 0)) / 1_048_576
    note = f"{_WHY.get(why, why)}; el original ({size:.1f} MB) quedó en el buzón, carpeta {envelope.headers['folder']}"
    return replace(message, content=Content.UNSUPPORTED, details={**message.details, "correo incompleto": note})


plugin = ChannelPlugin(
    kind="email",
    summary="a mailbox over IMAP, polled and watched; answers go by the mail server of [smtp]",
    settings=EmailSettings,
    build=build,
    parse=parse_envelope,
    isolated=True,
    sample=(files(__package__) / "sample.toml").read_text(encoding="utf-8"),
    powers=("Polled", "Watching", "Fetching", "Replying"),
)
