"""`inbox-daemon explain`: what the daemon would make of raw inputs, touching nothing."""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from inbox_daemon.cli import main as frame
from inbox_daemon.errors import Permanent
from inbox_daemon.explanation import describe_event, describe_handle
from inbox_daemon.model import Envelope, InstanceId

_EPILOG = """\
KIND is a channel (see `inbox-daemon plugins`), or `handles`: files of telephone numbers, addresses and ids, one a line.

examples:
  inbox-daemon explain whatsapp body.json
  inbox-daemon explain email --json mails/*.eml    one JSON line per file, in order; what the daemon could not
                                                   read gives {"parked": "reason"}
  inbox-daemon explain handles --json numbers.txt  one JSON line per line of the file
  … | inbox-daemon explain handles -               from standard input

Nothing is stored, sent or fetched, and no configuration is needed.
"""
MOST_BYTES = 100_000_000

_LINE_ENDS = "\u0085\u2028\u2029"
"""JSON leaves them as they are, and yet some programs end a line at them."""

Found: TypeAlias = dict[str, Any]
Explain: TypeAlias = Callable[[bytes], Iterator[Found]]


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "explain",
        help="what would be made of raw inputs?",
        description="Parses raw inputs (webhook bodies, mails, identifiers) and shows what the daemon makes of them.",
        epilog=_EPILOG,
    )
    parser.add_argument("kind", metavar="KIND", help="a channel's kind, or handles")
    parser.add_argument("files", metavar="FILE", nargs="+", help="a raw input; - is standard input")
    parser.add_argument("--json", action="store_true", help="one JSON line per input")
    parser.add_argument(
        "--area",
        metavar="CODE",
        help="handles: area code of numbers written without one, like 362 (default: daemon.default_area of --config)",
    )


def run(args: argparse.Namespace) -> int:
    """Explain every file; returns the exit code (64 when a file can't be read, after the others)."""
    from tqdm import tqdm

    unreadable = 0
    quiet = len(args.files) < 100 or not sys.stderr.isatty()
    with ExitStack() as stack:
        explain = _handles(args) if args.kind == "handles" else _channel(args.kind, stack)
        for name in tqdm(args.files, unit="file", disable=quiet):
            try:
                raw = _read(name)
            except OSError as error:
                print(f"{name}: {error.strerror}", file=sys.stderr)
                unreadable += 1
                _show({"parked": f"the file can't be read: {error.strerror}"}, name, as_json=args.json)
                continue
            for found in explain(raw):
                _show(found, name, as_json=args.json)
    return frame.USAGE if unreadable else frame.OK


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MOST_BYTES)
    with Path(name).open("rb") as file:
        return file.read(MOST_BYTES)


def _handles(args: argparse.Namespace) -> Explain:
    area = args.area or _configured_area(args.config)

    def explain(raw: bytes) -> Iterator[Found]:
        for line in io.StringIO(raw.decode("utf-8-sig", "replace"), newline=None):
            if line.strip():
                yield describe_handle(line.rstrip("\n"), default_area=area)

    return explain


def _configured_area(config: Path | None) -> str | None:
    """The area code of the configuration, where one is named; without one, a number lacking it stays unreadable."""
    named = config or os.environ.get("INBOX_CONFIG")
    if not named:
        return None
    from inbox_daemon import settings

    return settings.load(Path(named)).daemon.default_area


def _channel(kind: str, stack: ExitStack) -> Explain:
    """Parses as the daemon does, with its limits of time and memory."""
    from inbox_daemon import registry
    from inbox_daemon.pipeline.parsing import Parser

    if kind not in registry.installed().channels:
        known = ", ".join([*registry.installed().channels, "handles"])
        raise frame.Misuse(f"there is no kind {kind!r} to explain", remedy=f"use one of: {known}")
    plugin = registry.channel_plugin(kind)
    settings = plugin.settings.model_construct()
    runner = stack.enter_context(asyncio.Runner())
    parser = Parser()
    stack.callback(parser.close)

    def explain(raw: bytes) -> Iterator[Found]:
        envelope = Envelope(instance=InstanceId(kind), body=raw, received_at=datetime.now(UTC))
        try:
            events = runner.run(parser.parse(plugin, settings, envelope))
            found: Found = {"events": [describe_event(event) for event in events]}
            orjson.dumps(found)  # text that no database takes is parked, too
        except Permanent as error:
            found = {"parked": str(error)}
        except Exception as error:  # noqa: BLE001 - the daemon would park it, too
            found = {"parked": f"{type(error).__name__} while taking it in"}
        yield found

    return explain


def _show(found: Found, name: str, *, as_json: bool) -> None:
    text = orjson.dumps(found, option=orjson.OPT_APPEND_NEWLINE | (0 if as_json else orjson.OPT_INDENT_2))
    for character in _LINE_ENDS:
        text = text.replace(character.encode(), b"\\u%04x" % ord(character))
    if not as_json:
        print(f"{name}:", flush=True)
    sys.stdout.buffer.write(text)  # UTF-8 whatever the terminal's encoding
    sys.stdout.buffer.flush()
