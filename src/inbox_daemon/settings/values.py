"""Kinds of value that keys of the core have, with what is wrong with a bad one and how to mend it. Pure."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_PATTERN_CHARS = 200
_PATTERN_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,\}|.", re.DOTALL)
OnUnknown = Literal["park", "resend"]


def refuse(problem: str, remedy: str) -> PydanticCustomError:
    """A mistake that validation tells together with its remedy."""
    return PydanticCustomError("settings", "{problem}", {"problem": problem, "remedy": remedy})


def split_listen(value: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port` as a pair. Raises ValueError."""
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535 or "/" in host:
        raise ValueError(value)
    return host, int(port)


def _listen(value: str) -> str:
    try:
        split_listen(value)
    except ValueError:
        raise refuse(
            "this is not an address and a port", 'write "address:port", for example "127.0.0.1:8080"'
        ) from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise refuse(
            "no such time zone", 'use a name of the IANA list, for example "America/Argentina/Cordoba"'
        ) from None
    return value


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = None
    if not usable or parts.query or parts.fragment or parts.username or re.search(r"\s", value):
        raise refuse(
            "this is not a web address (scheme and host, without user, query or fragment)",
            'write for example "https://mensajes.gobierno.example"',
        )
    return value.rstrip("/")


def _database(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"sqlite", "postgresql"} and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise refuse(
            "this is not a database this program knows",
            'write "sqlite:///inbox.sqlite3" or "postgresql://user@host/db"',
        )
    if parts.password is not None:
        raise refuse(
            "the database's password stands in its address",
            'take it out and add password = { credential = "name" } to the table',
        )
    if parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2):
        raise refuse(
            "the SQLite file is missing or lacks a slash",
            'write "sqlite:///inbox.sqlite3" (in state_dir) or "sqlite:////absolute/path"',
        )
    if parts.scheme == "postgresql" and not parts.path.strip("/"):
        raise refuse("the database's name is missing", 'write "postgresql://user@host/db"')
    return value


def _pattern(value: str) -> str:
    if len(value) > MAX_PATTERN_CHARS:
        raise refuse(
            f"the regular expression is longer than {MAX_PATTERN_CHARS} characters",
            "shorten it, or use several routes or keywords",
        )
    if _repeats_a_repeat(value):
        raise refuse(
            "a repeated group repeats something itself: a long message could stop the daemon",
            "take one of the two * or + out, or use keywords",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read in another way
            re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        where = f" at position {error.pos}" if isinstance(error, re.error) and error.pos is not None else ""
        what = error.msg if isinstance(error, re.error) else "too large"
        raise refuse(
            f"this is not a regular expression: {what}{where}",
            "correct it (in TOML put it in 'single quotes', so that backslashes stay)",
        ) from None
    return value


def _repeats_a_repeat(pattern: str) -> bool:
    """Whether an endless repeat stands inside another, as in `(a+)+`: what makes matching take exponential time."""
    repeats = [False]  # whether the group, for each open one, has an endless repeat in it
    closed = False  # the same of the group that has just been closed
    for part in _PATTERN_PART.findall(pattern):
        if part == "(":
            repeats.append(False)
        elif part == ")" and len(repeats) > 1:
            closed = repeats.pop()
            repeats[-1] |= closed
            continue
        elif part in "*+" or part.endswith(",}"):
            if closed:
                return True
            repeats[-1] = True
        closed = False
    return False


def _keyword(value: str) -> str:
    if not value.strip():
        raise refuse("an empty keyword would match every message", "take it out, or write a word")
    return value


Listen = Annotated[str, AfterValidator(_listen)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
InstanceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Zone = Annotated[str, AfterValidator(_zone)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
DatabaseAddress = Annotated[str, AfterValidator(_database)]
Keyword = Annotated[str, AfterValidator(_keyword)]
Pattern = Annotated[str, AfterValidator(_pattern)]
