"""The command line's frame: global options, one module per command, and what each kind of failure exits with."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias, cast

from inbox_daemon.errors import EdgeError, SettingsError

OK = 0
USAGE = 64
UNAVAILABLE = 69
BUG = 70
CONFIGURATION = 78
INTERRUPTED = 130

COMMANDS = (
    "run",
    "demo",
    "check",
    "plugins",
    "sample",
    "explain",
    "simulate",
    "status",
    "ledger",
    "parked",
    "replay",
    "migrate",
)
"""Modules of this package, in the order of the help text. Only the one asked for is imported."""

_EPILOG = """\
examples:
  inbox-daemon sample whatsapp             what a channel's table looks like
  inbox-daemon --config my.toml check      is the configuration right?

exit codes: 0 fine, 64 usage, 69 a peer can't be reached, 70 a bug of ours, 78 configuration
"""


Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse has no public name


class Command(Protocol):
    """What a command's module offers."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Add the command's own parser."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it; returns the exit code. `args.config` is a path or None, for `settings.load`."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose usage errors exit with 64, and whose help keeps the examples' lines."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit."""
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type of arguments: whole numbers from `least` to `most`."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return int(text)

    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; called by the `inbox-daemon` script."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter is no reason to fail
    try:
        args = _parser(_wanted(arguments)).parse_args(arguments)
    except SystemExit as leaving:  # --help, --version and usage errors
        return leaving.code if isinstance(leaving.code, int) else OK
    return _run(cast("Command", import_module(f"inbox_daemon.cli.{args.command}")), args)


class Misuse(SettingsError):
    """What was named on the command line is not there: the configuration is not to blame."""


def _run(command: Command, args: argparse.Namespace) -> int:
    try:
        return command.run(args)
    except Misuse as error:
        return _fail(USAGE, str(error), args)
    except SettingsError as error:
        return _fail(CONFIGURATION, str(error), args)
    except EdgeError as error:
        return _fail(UNAVAILABLE, str(error), args)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `inbox-daemon … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:  # a port in use, a disk that is full, a database that isn't there: no bug of ours
        return _fail(UNAVAILABLE, f"inbox-daemon can't go on: {error}", args)
    except Exception as error:  # noqa: BLE001 - the last stop of everything unforeseen
        # its text could hold anything: only its kind and place are told, unless asked for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        return _fail(BUG, f"inbox-daemon: a bug: {type(error).__name__} at {where} (--debug shows all)", args)


def _fail(code: int, message: str, args: argparse.Namespace) -> int:
    if args.debug:
        traceback.print_exc()
    print(message, file=sys.stderr)
    return code


def _wanted(arguments: Sequence[str]) -> Sequence[str]:
    """The command asked for, or all of them when that isn't clear (then the parser explains)."""
    options = Parser(add_help=False, exit_on_error=False)
    _add_globals(options, after_command=False)
    try:
        _, rest = options.parse_known_args(arguments)
    except argparse.ArgumentError:
        return COMMANDS
    first = next((argument for argument in rest if not argument.startswith("-")), None)
    return [first] if first in COMMANDS else COMMANDS


def _parser(commands: Sequence[str]) -> Parser:
    parser = Parser(
        prog="inbox-daemon",
        description="Carries citizens' messages from every channel into the ticketing systems of the ministries.",
        epilog=_EPILOG,
    )
    _add_globals(parser, after_command=False)
    parser.add_argument("--version", action="version", version=f"inbox-daemon {version('inbox-daemon')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name in commands:
        cast("Command", import_module(f"inbox_daemon.cli.{name}")).add_parser(subparsers)
    for added in subparsers.choices.values():
        _add_globals(added, after_command=True)
    return parser


def _add_globals(parser: argparse.ArgumentParser, *, after_command: bool) -> None:
    """--config and --debug may stand before the command or after it; there they must not undo what stood before."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=argparse.SUPPRESS if after_command else None,
        help="configuration (default: $INBOX_CONFIG, else /etc/inbox-daemon/inbox.toml)",
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS if after_command else False,
        help="show where an error comes from (may show people's data)",
    )
