"""Log lines as they leave the process: one JSON object each, from both logging worlds."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from inbox_daemon.errors import Transient
from inbox_daemon.observability import configure_logging
from inbox_daemon.observability.logs import MAX_LINE_BYTES


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Log:
    """What was written since the last look."""

    def __init__(self, stream: io.StringIO) -> None:
        self.stream = stream

    def text(self) -> str:
        text = self.stream.getvalue()
        self.stream.seek(0)
        self.stream.truncate()
        return text

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before, level, shown = root.handlers[:], root.level, warnings.showwarning
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    warnings.showwarning = shown
    root.handlers[:], logging.raiseExceptions = before, True
    root.setLevel(level)


def started(log_format: Any = "json", level: str = "info", stream: io.StringIO | None = None) -> Log:
    log = Log(stream or io.StringIO())
    configure_logging(log_format, level, stream=log.stream)
    return log


def test_a_line_says_when_what_and_where() -> None:
    log = started()
    structlog.get_logger().bind(instance="whatsapp-centro").info("envelope.received", body_bytes=12)
    [line] = log.lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "info",
        "event": "envelope.received",
        "instance": "whatsapp-centro",
        "body_bytes": 12,
        "logger": "inbox_daemon",
    }


def test_auto_is_json_off_a_terminal_and_readable_on_one() -> None:
    log = started("auto")
    structlog.get_logger().info("thing.done")
    assert log.lines()[0]["event"] == "thing.done"
    log = started("auto", stream=Terminal())
    structlog.get_logger().info("thing.done", who="ana@correo.test")
    text = log.text()
    assert "thing.done" in text
    assert not text.startswith("{")
    assert "ana@" not in text


def test_the_level_is_ours_and_libraries_only_warn() -> None:
    log = started(level="debug")
    structlog.get_logger().debug("thing.seen")
    logging.getLogger("imapclient").debug("> LOGIN centro hunter2")
    logging.getLogger("aiohttp.access").info("GET /case/abc")
    assert [line["event"] for line in log.lines()] == ["thing.seen"]
    log = started(level="error")
    structlog.get_logger().warning("thing.seen")
    assert log.lines() == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("inbox_daemon.app", "inbox_daemon.app"), ("inbox_channels.email", "inbox_daemon.inbox_channels.email")],
)
def test_a_named_logger_is_below_ours(name: str, shown: str) -> None:
    log = started()
    structlog.get_logger(name).info("thing.done")
    assert log.lines()[0]["logger"] == shown


def test_the_standard_library_goes_the_same_way() -> None:
    log = started()
    logging.getLogger("aiohttp.server").error("refused %s from %s", "'mi nombre es Ana'", "ana@correo.test")
    [line] = log.lines()
    assert (line["level"], line["logger"], line["event"]) == ("error", "aiohttp.server", "refused '…' from [address]")


def test_warnings_are_captured() -> None:
    log = started()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old ways", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    [line] = log.lines()
    assert line["logger"] == "py.warnings"
    assert "old ways" in line["event"]


def test_an_exception_shows_its_way_but_no_values() -> None:
    log = started()

    def inner(words: str) -> int:
        secret_local = words + "!"
        return int(secret_local)

    try:
        try:
            inner("hola soy Ana")
        except ValueError as error:
            raise RuntimeError("can't parse 'hola soy Ana'\n[parameters: ('hola',)]") from error
    except RuntimeError:
        structlog.get_logger().exception("intake.failed")
    text = log.text()
    [line] = [json.loads(text)]
    assert "hola" not in text
    assert "Ana" not in text
    assert line["exception"]["error"] == "RuntimeError: can't parse '…'"
    assert line["exception_cause"]["error"].startswith("ValueError: invalid literal for int()")
    assert line["exception_cause"]["at"][-1].endswith(" inner")


def test_our_own_errors_keep_their_sentence() -> None:
    log = started()
    structlog.get_logger().warning("poll.failed", exc_info=Transient("host 'imap.correo.test' can't be reached"))
    assert log.lines()[0]["exception"]["error"] == "Transient: host 'imap.correo.test' can't be reached"


async def test_an_exception_nobody_awaited_shows_no_words() -> None:
    log = started()

    async def lost() -> None:
        int("hola soy Ana")

    task = asyncio.create_task(lost())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
    text = log.text()
    assert "never retrieved" in text
    assert "hola" not in text


def test_nobody_can_forge_a_line() -> None:
    log = started()
    structlog.get_logger().info("thing.done", note='x\n{"event":"forged"}')
    assert len(log.text().splitlines()) == 1
    log = started("console")
    structlog.get_logger().info("thing.done", note="x\n2026 [info] forged\x1b[2J")
    text = log.text()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_is_bounded_and_keeps_what_matters(log_format: str) -> None:
    log = started(log_format)
    structlog.get_logger().info("thing.done", instance="mesa", **{f"k{i}": "x " * 5000 for i in range(100)})
    text = log.text()
    assert len(text.encode()) <= MAX_LINE_BYTES
    assert "thing.done" in text
    if log_format == "json":
        assert json.loads(text)["instance"] == "mesa"


def test_what_can_not_be_written_stops_nothing() -> None:
    log = started()
    log.stream.close()
    structlog.get_logger().info("thing.done")


def test_a_second_configuration_replaces_the_first() -> None:
    first = started()
    second = started()
    structlog.get_logger().info("thing.done")
    assert first.text() == ""
    assert len(second.lines()) == 1
