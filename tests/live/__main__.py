"""`make live DEST=name`: one configured destination against the real installation behind it.

    python tests/live DEST [--config PATH] [--answer SECONDS] [--patience SECONDS] [--limits]

Ends with 0 when every promise was kept, with 1 when one was broken, with 78 when the configuration is wrong. What is
other than the fake of the contract suite is printed and breaks nothing by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import structlog

from inbox_daemon import registry
from inbox_daemon.assembly import build_instances, open_database, prepare
from inbox_daemon.errors import SettingsError
from inbox_daemon.model import InstanceId, Ticket
from inbox_daemon.plugins import Secret
from inbox_daemon.registry import DestinationInstance, Instances
from inbox_daemon.settings import Settings
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.web.links import CaseLinks, FileLinks
from live.fakes import over_fakes
from live.reading import ANSWER
from live.record import Record, report
from live.trial import play
from live.visit import Visit


async def try_out(settings: Settings, chosen: DestinationInstance, options: argparse.Namespace) -> Record:
    """The trial over the real installation."""
    async with AsyncExitStack() as stack:
        database = open_database(settings)
        stack.callback(database.close)
        await asyncio.to_thread(prepare, database)  # where cases are kept there; else it is left as it is
        only = Instances(channels={}, destinations={chosen.name: chosen})
        secret, base_url = settings.public.link_secret or Secret("only trying"), settings.public.base_url
        links = (
            CaseLinks(secret, base_url, settings.public.link_days),
            FileLinks(secret, base_url, settings.answers.link_days),
        )
        _, adapters = build_instances(settings, only, StoredCaseBook(database), links, stack)
        folder = stack.enter_context(tempfile.TemporaryDirectory())

        async def ask(ticket: Ticket) -> None:
            print(f"Answer ticket {ticket.number} now, in public, with a file if you can: {ticket.url or ''}")
            print(f"    {ANSWER}", flush=True)

        visit = Visit(
            adapter=adapters[chosen.name],
            folder=Path(folder),
            limits=options.limits,
            answer=ask if options.answer else None,
            answer_seconds=options.answer,
            patience=options.patience,
        )
        record = await play(visit)
        for line in report(
            record,
            await over_fakes(chosen.plugin.kind, limits=options.limits, answers=options.answer > 0),
            (chosen.plugin.capabilities, visit.sheet),
        ):
            print(line)
        return record


def choose(instances: Instances, name: str) -> DestinationInstance:
    """The destination of that name. Raises `SettingsError`."""
    chosen = instances.destinations.get(InstanceId(name))
    if chosen is None:
        names = ", ".join(instances.destinations) or "none"
        raise SettingsError(f"no destination {name!r} is configured", remedy=f"name one of these: {names}")
    return chosen


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="make live", description="Try a destination against what is really there.")
    parser.add_argument("destination", help="its name in the configuration")
    parser.add_argument("--config", type=Path, help="default: $INBOX_CONFIG, else /etc/inbox-daemon/inbox.toml")
    parser.add_argument("--answer", type=float, default=0.0, metavar="SECONDS", help="wait for an agent's answer")
    parser.add_argument("--patience", type=float, default=60.0, metavar="SECONDS", help="how long to look for a write")
    parser.add_argument("--limits", action="store_true", help="also a text and a file as large as the sheet allows")
    options = parser.parse_args(arguments)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        settings, instances = registry.configure(options.config)
        chosen = choose(instances, options.destination)
        record = asyncio.run(try_out(settings, chosen, options))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 78
    print(f"{chosen.name}: {'every promise kept' if not record.broken else f'{len(record.broken)} promises broken'}")
    return int(bool(record.broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
