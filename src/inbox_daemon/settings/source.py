"""One reading of the configuration: the file, what the environment lays over it, and where every key stands."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.settings.places import KeyPath, Places

PREFIX = "INBOX_"
DEFAULT_FILE = Path("/etc/inbox-daemon/inbox.toml")
INSTANCE_TABLES = ("channels", "destinations")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was read, not yet validated. `variables` are the paths that came from the environment, and their names."""

    file: Path
    data: dict[str, Any] = field(repr=False)
    places: Places
    variables: Mapping[KeyPath, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """`file:line`, or the variable, of a key or of the nearest thing around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.variables:
                return f"environment variable {self.variables[path[:length]]}"
        line = self.places.line(path)
        return f"{self.file}:{line}" if line else f"{self.file}:1"

    def error(self, path: KeyPath, problem: str, remedy: str) -> SettingsError:
        """A mistake at `path`."""
        return SettingsError(problem, key=dotted(path), place=self.place(path), remedy=remedy)


def dotted(path: KeyPath) -> str:
    """A path as it would be written in TOML, items of arrays by number from 1 (`routes[2].pattern`)."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", step)
            text += ("." if text else "") + (step if bare else f'"{step[:80]}"')
    return text


def chosen_file(given: Path | None) -> Path:
    """The file to read: `given`, else $INBOX_CONFIG, else the system's."""
    return given or Path(os.environ.get("INBOX_CONFIG") or DEFAULT_FILE)


def read(given: Path | None) -> Source:
    """Read the file and find the place of every key. Raises `SettingsError` when it can't be read or is not TOML."""
    path = chosen_file(given)
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from None
    except RecursionError:
        raise SettingsErrors(
            [SettingsError("nested too deeply", place=f"{path}:1", remedy="Take out the nested arrays or tables.")]
        ) from None
    return Source(file=path, data=data, places=Places(text))


def place_order(error: SettingsError) -> tuple[str, int]:
    """Sorts mistakes as they stand in the file."""
    file, _, line = error.place.rpartition(":")
    return (file, int(line)) if line.isdigit() else (error.place, 0)


def _text(path: Path) -> str:
    def unreadable(problem: str, remedy: str, line: int = 1) -> SettingsErrors:
        place = f"{path}:{line}"
        return SettingsErrors([SettingsError(problem, key="--config", place=place, remedy=remedy)])

    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise unreadable(
            "there is no such file",
            "Name the file with --config FILE or INBOX_CONFIG, or begin one from config/inbox.toml.",
        ) from None
    except IsADirectoryError:
        raise unreadable("this is a folder", f"Name a file, for example {path / 'inbox.toml'}.") from None
    except PermissionError:
        raise unreadable(
            "this account may not read the file", "Run as the service's user, or let its group read the file."
        ) from None
    except OSError as error:
        raise unreadable(f"the file can't be read: {error.strerror}", "Name a readable file.") from None
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise unreadable(
            "this line is not UTF-8 text", "Save the file as UTF-8.", raw.count(b"\n", 0, error.start) + 1
        ) from None


def _syntax_error(path: Path, text: str, message: str) -> SettingsErrors:
    found = _AT.search(message)
    line = int(found[1]) if found and found[1] else max(1, len(text.rstrip("\n").split("\n")))
    problem = message[: found.start()] if found else message
    column = f", column {found[2]}" if found and found[2] else ""
    key = _key_of_line(text, line)
    remedy = "Correct the line: texts stand in quotes, tables in [brackets], and each key and table only once."
    return SettingsErrors(
        [SettingsError(f"not TOML: {problem}{column}", key=key, place=f"{path}:{line}", remedy=remedy)]
    )


def _key_of_line(text: str, line: int) -> str:
    """What stands before the equals sign, or the table's header; never what may be a secret pasted to a wrong place."""
    lines = text.split("\n")
    here = lines[line - 1] if line <= len(lines) else ""
    found = re.match(r"\s*(?:(\[{1,2}[a-z][a-z0-9_.-]*\]{0,2})|([a-z][a-z0-9_.-]{0,60})\s*=)", here)
    return (found[1] or found[2]) if found else ""
