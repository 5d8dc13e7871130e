"""Sets the log up: one JSON object a line for the journal, a readable form on a terminal, one way for both worlds.

Lines of structlog and of the standard library's loggers (aiohttp, asyncio, warnings) go through the same processors:
redaction, bounded size, and exceptions as places in code without the values of variables.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from pathlib import Path
from typing import Any, Literal, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor

from inbox_daemon.errors import InboxError
from inbox_daemon.observability.redaction import redact_event

Format = Literal["auto", "json", "console"]

MAX_LINE_BYTES = 8192
MAX_FRAMES = 12
OURS = "inbox_daemon"
"""Every logger of structlog writes below this standard logger; libraries have theirs, and only their warnings show."""

_QUOTED = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"")


def configure_logging(log_format: Format = "auto", level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send all logging to `stream` (default: standard error). Safe to call again; the last call counts.

    `auto` is `console` on a terminal and `json` elsewhere. `level` is that of our own events; libraries say only
    warnings and worse, because their debug lines hold what passes through them.
    """
    stream = stream or sys.stderr
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_common(), _mask_quotes],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact_event,
                *_render(as_json, stream.isatty()),
            ],
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=_logger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # a log that can't be written must not stop what it tells of


def _logger(*names: Any) -> logging.Logger:
    """A logger below ours, so that one level holds for all; a plug-in's name is put after it."""
    name = str(names[0]) if names else OURS
    return logging.getLogger(name if name.split(".")[0] == OURS else f"{OURS}.{name}")


def _common() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _place_of_exception,
    ]


def _render(as_json: bool, colors: bool) -> list[Processor]:
    if as_json:
        return [_json_line]
    return [_console_exception, structlog.dev.ConsoleRenderer(colors=colors, pad_event_to=28), _bounded]


def _place_of_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """`exc_info` becomes what, why and where, innermost frame last, without a line of source or a variable's value."""
    info = event.pop("exc_info", None)
    if isinstance(info, BaseException):
        error: BaseException | None = info
    elif isinstance(info, tuple):
        error = info[1]
    else:
        error = sys.exc_info()[1] if info else None
    if error is not None:
        event["exception"] = _told(error)
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            event["exception_cause"] = _told(cause)
    return event


def _told(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    at = [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": f"{type(error).__name__}: {_message(error)}", "at": at}


def _message(error: BaseException) -> str:
    """An error's sentence. Ours are written to be logged; others quote what they choke on, so quotes are emptied."""
    text = str(error)
    if isinstance(error, InboxError):
        return text
    return _QUOTED.sub("'…'", text.partition("\n")[0])  # the lines after the first hold SQL parameters and details


def _short(filename: str) -> str:
    return "/".join(Path(filename).parts[-2:])


def _mask_quotes(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A library's sentence may quote a person: asyncio prints the repr of an exception nobody awaited."""
    event["event"] = _QUOTED.sub("'…'", str(event.get("event", "")))
    return event


def _json_line(_logger: Any, _method: str, event: EventDict) -> str:
    line = orjson.dumps(_ordered(event), default=str)
    if len(line) > MAX_LINE_BYTES:
        head = ("timestamp", "level", "event", "logger", "instance", "destination", "exception")
        kept = {key: event[key] for key in head if key in event}
        line = orjson.dumps(_ordered({**kept, "cut_bytes": len(line)}), default=str)
    return line.decode()


def _ordered(event: EventDict) -> dict[str, Any]:
    first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
    return {**first, **event}


def _console_exception(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """As text, and not under the name `exception`, which the console renderer would print in its own way."""
    for key in ("exception", "exception_cause"):
        if isinstance(told := event.get(key), dict):
            del event[key]
            event[key.replace("exception", "error")] = f"{told['error']} [{' > '.join(told['at'])}]"
    return event


def _bounded(_logger: Any, _method: str, line: Any) -> str:
    """Colours are counted in; a line this long is no pleasure on a terminal anyway."""
    text = str(line)
    return text if len(text) <= MAX_LINE_BYTES // 4 else text[: MAX_LINE_BYTES // 4] + "…"
