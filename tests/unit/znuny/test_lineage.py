"""Whose articles are whose after merges, case by case."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from inbox_ticketing.znuny.lineage import Merge, hearers
from inbox_ticketing.znuny.parse import Article

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def article(number: int, created: float, changed: float | None = None, by: str = "9") -> Article:
    return Article(
        number=number,
        sender="agent",
        visible=True,
        created=at(created),
        created_by="9",
        changed=at(created if changed is None else changed),
        changed_by=by,
    )


def merge(source: str, target: str, minutes: float, first: int | None) -> Merge:
    return Merge(source=source, target=target, at=at(minutes), by="9", first=first)


ONE = {"1": merge("1", "2", 10, first=50)}
TWICE = ONE | {"2": merge("2", "3", 20, first=80)}


def test_without_a_merge_everything_is_its_own_tickets() -> None:
    assert hearers(article(5, 1), "2", {}) == {"2"}


def test_what_was_moved_is_the_merged_tickets() -> None:
    assert hearers(article(5, 1, changed=10), "2", ONE) == {"1"}


def test_what_lay_still_is_the_others() -> None:
    assert hearers(article(5, 1), "2", ONE) == {"2"}
    assert hearers(article(5, 1, changed=3), "2", ONE) == {"2"}, "edited before the merge"


def test_what_came_after_is_for_both() -> None:
    assert hearers(article(60, 11), "2", ONE) == {"1", "2"}
    assert hearers(article(60, 11, changed=30), "2", ONE) == {"1", "2"}, "edited after it was written"


def test_what_nobody_can_tell_is_nobodys() -> None:
    assert hearers(article(5, 1, changed=30), "2", ONE) == set(), "moved or not, and edited since"
    assert hearers(article(5, 1, changed=10, by="8"), "2", ONE) == set(), "changed in that moment by somebody else"
    assert hearers(article(49, 10), "2", ONE) == set(), "written in the very second of the merge"


def test_a_merge_without_a_note_is_told_by_time_alone() -> None:
    without = {"1": merge("1", "2", 10, first=None)}
    assert hearers(article(5, 1, changed=10), "2", without) == {"1"}
    assert hearers(article(60, 11), "2", without) == {"1", "2"}
    assert hearers(article(49, 10.01), "2", without) == set()


def test_a_second_merge_carries_on_what_was_for_both() -> None:
    assert hearers(article(60, 11, changed=20), "3", TWICE) == {"1", "2"}
    assert hearers(article(61, 12), "3", TWICE) == {"3"}
    assert hearers(article(90, 21), "3", TWICE) == {"1", "2", "3"}
    assert hearers(article(5, 1, changed=20), "3", TWICE) == set(), "of the first or of the second: written over"


def test_two_tickets_merged_into_a_third_do_not_hear_each_other() -> None:
    both = {"1": merge("1", "3", 10, first=50), "2": merge("2", "3", 20, first=80)}
    assert hearers(article(5, 1, changed=10), "3", both) == {"1"}
    assert hearers(article(6, 2, changed=20), "3", both) == {"2"}
    assert hearers(article(55, 11, changed=20), "3", both) == {"2"}, "written in the second after the first was merged"
    assert hearers(article(56, 12), "3", both) == {"1", "3"}
    assert hearers(article(90, 21), "3", both) == {"1", "2", "3"}
