"""`inbox-daemon plugins`: what is installed and what it can do."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterator
from typing import Any

from inbox_daemon.cli import main as frame

_EPILOG = """\
examples:
  inbox-daemon plugins                     what is installed
  inbox-daemon plugins request_tracker     everything one of them can do
  inbox-daemon plugins --json              the same for programs
"""


def add_parser(subparsers: frame.Subparsers) -> None:
    """Add the command's own parser."""
    parser = subparsers.add_parser(
        "plugins",
        help="which channels and ticketing systems are installed?",
        description="Lists the installed channels and ticketing systems with what they can do.",
        epilog=_EPILOG,
    )
    parser.add_argument("kind", nargs="?", metavar="KIND", help="only this one, in full")
    parser.add_argument("--json", action="store_true", help="as one JSON document")


def run(args: argparse.Namespace) -> int:
    """List; returns 78 when a plug-in is broken or KIND is not installed."""
    from inbox_daemon import registry
    from inbox_daemon.errors import SettingsError
    from inbox_daemon.settings import mistakes

    kinds = registry.installed()
    sheets, broken = [], []
    for group, names, load in (
        ("channel", kinds.channels, registry.channel_plugin),
        ("ticketing", kinds.ticketing, registry.ticketing_plugin),
    ):
        for name in names:
            if args.kind not in {None, name}:
                continue
            try:
                sheets.append(_sheet(group, load(name)))
            except SettingsError as error:
                broken.append(error)
    if not sheets and not broken and args.kind:
        known = {*kinds.channels, *kinds.ticketing}
        raise frame.Misuse(f'no plug-in "{args.kind}" is installed', remedy=mistakes.suggestion(args.kind, known))
    lines = [json.dumps(sheets, ensure_ascii=False, indent=2)] if args.json else _text(sheets, in_full=bool(args.kind))
    for line in lines:
        print(line)
    for mistake in broken:
        print(mistake, file=sys.stderr)
    return frame.CONFIGURATION if broken else frame.OK


def _sheet(group: str, plugin: Any) -> dict[str, Any]:
    sheet: dict[str, Any] = {"type": group, "kind": plugin.kind, "summary": plugin.summary}
    if group == "channel":
        sheet["powers"] = list(plugin.powers)
    else:
        sheet["capabilities"] = dataclasses.asdict(plugin.capabilities)
    return sheet


def _text(sheets: list[dict[str, Any]], *, in_full: bool) -> Iterator[str]:
    if in_full:
        for sheet in sheets:
            yield f"{sheet['kind']} ({sheet['type']}): {sheet['summary']}"
            if sheet["type"] == "channel":
                yield f"  powers: {', '.join(sheet['powers'])}"
            for name, value in sheet.get("capabilities", {}).items():
                yield f"  {name}: {_plain(value)}"
        return
    width = max((len(sheet["kind"]) for sheet in sheets), default=0)
    for group, title in (("channel", "channels"), ("ticketing", "ticketing systems")):
        yield f"{title}:"
        for sheet in sheets:
            if sheet["type"] == group:
                yield f"  {sheet['kind']:{width}}  {sheet['summary']}"
                yield f"  {'':{width}}  {_powers(sheet)}"


def _powers(sheet: dict[str, Any]) -> str:
    if sheet["type"] == "channel":
        return "powers: " + ", ".join(sheet["powers"])
    able = sheet["capabilities"]
    shown = ("find", "find_entry", "attach", "author", "reopen", "merges", "updates", "parallel")
    return ", ".join(f"{name}={_plain(able[name])}" for name in shown)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "no limit" if value is None else str(value)
