"""The cursor: what it survives, and from where reading begins anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from inbox_channels.email import position as positions
from inbox_channels.email.position import Folder, Position
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Cursor

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FOLDER = Folder(uidvalidity=7, uidnext=101, exists=60)


def test_a_cursor_comes_back_as_it_was() -> None:
    stock = positions.first(FOLDER, NOW - 30 * DAY, NOW).advanced(40, NOW - DAY)
    for position in (stock, positions.first(FOLDER, None, NOW), stock.advanced(90, NOW)):
        assert positions.load(position.dump()) == position
    done = stock.advanced(200, None)
    assert positions.load(done.dump()) == replace(done, stock_until=0, stock_since=None)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"v": 1}', "17", '{"v": 1, "uidvalidity": "x"}'])
def test_an_unreadable_cursor_is_never_a_fresh_start(text: str) -> None:
    with pytest.raises(Permanent, match="can't be read"):
        positions.load(Cursor(text))


def test_a_newer_cursor_is_not_guessed_at() -> None:
    newer = positions.first(FOLDER, None, NOW).dump().replace('"v": 1', '"v": 2')
    with pytest.raises(Permanent, match="newer version"):
        positions.load(Cursor(newer))


def test_the_first_contact_without_a_line_trusts_uids_not_clocks() -> None:
    position = positions.first(FOLDER, None, NOW)
    assert position.last_uid == 100
    assert not position.in_stock
    assert position.floor(101) < NOW - timedelta(hours=23)  # a server whose clock is hours behind loses nothing


def test_uids_are_trusted_as_long_as_the_folder_is_the_same() -> None:
    position = positions.first(FOLDER, None, NOW)
    assert positions.broken(position, FOLDER) == ""
    assert positions.broken(position, replace(FOLDER, uidnext=500)) == ""
    assert "UIDVALIDITY changed from 7 to 8" in positions.broken(position, replace(FOLDER, uidvalidity=8))
    assert "UIDs went back from 100 to 49" in positions.broken(position, replace(FOLDER, uidnext=50))


def anew(position: Position, days: int = 30) -> datetime:
    begun = positions.begin_anew(position, Folder(uidvalidity=8, uidnext=61, exists=60), NOW - days * DAY)
    assert (begun.uidvalidity, begun.last_uid, begun.stock_until, begun.since) == (8, 0, 60, position.since)
    assert begun.stock_since is not None
    return begun.stock_since


def test_a_rescan_reaches_back_over_the_window_and_a_longer_pause_but_not_over_the_line() -> None:
    old = Position(uidvalidity=7, last_uid=90, since=NOW - 400 * DAY)
    assert anew(old) == NOW - 30 * DAY
    assert anew(replace(old, newest=NOW - 2 * DAY)) == NOW - 30 * DAY
    assert anew(replace(old, newest=NOW - 80 * DAY)) == NOW - 81 * DAY
    assert anew(replace(old, since=NOW - 3 * DAY)) == NOW - 3 * DAY


def test_a_rescan_in_the_middle_of_an_old_stock_still_wants_that_stock() -> None:
    line = NOW - 300 * DAY
    assert anew(positions.first(FOLDER, line, NOW).advanced(40, NOW - 200 * DAY)) == line
    assert anew(positions.first(FOLDER, line, NOW).advanced(100, NOW)) == NOW - 30 * DAY
