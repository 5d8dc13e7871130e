"""A moment comes back from its cursor, and from nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from inbox_daemon.errors import Permanent
from inbox_daemon.model import Cursor
from inbox_daemon.plugins import cursor_at, moment_of


def test_a_moment_comes_back_in_utc() -> None:
    here = datetime(2026, 11, 24, 9, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-3)))
    back = moment_of(cursor_at(here))
    assert back == here
    assert back.tzinfo is UTC


def test_a_cursor_of_an_older_version_is_read() -> None:
    stored = Cursor('{"since": "2026-11-24T09:30:00-03:00"}')
    assert moment_of(stored) == datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "7", "null", "[]", "{}", '{"since": 7}', '{"since": "noon"}', '{"since": "0001-01-01T00:00:00+14:00"}']
)
def test_anything_else_is_not_read(text: str) -> None:
    with pytest.raises(Permanent, match="cursor"):
        moment_of(Cursor(text))
