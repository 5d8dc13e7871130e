"""Notices of an instance on both engines: the newest of a topic and subject stands, in whatever order they come."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox_daemon.model import InstanceNotice
from inbox_daemon.store import standing
from inbox_daemon.store.database import Database
from inbox_daemon.store.migrate import migrate
from unit.store.rows import AT

NUMBER = "whatsapp-centro"


def _notice(minute: int, words: str = "x", **more: Any) -> InstanceNotice:
    return InstanceNotice(sent_at=AT + timedelta(minutes=minute), topic=more.pop("topic", "token"), words=words, **more)


def _file(database: Database, *notices: InstanceNotice, instance: str = NUMBER) -> list[InstanceNotice | None]:
    return [database.run_now(partial(standing.file, instance=instance, notice=one)) for one in notices]


def _read(database: Database) -> dict[str, list[InstanceNotice]]:
    return database.run_now(standing.read)


def test_the_newest_stands_and_only_what_is_new_is_told(database: Database) -> None:
    bad, well = _notice(1, "vence mañana", grave=True), _notice(2, "vale")
    assert _file(database, bad, bad) == [bad, None]  # a repeat
    assert _file(database, well, bad) == [well, None]  # the earlier one, delivered again
    assert _read(database) == {NUMBER: [well]}


def test_what_is_said_again_later_is_no_news_but_stands_from_then(database: Database) -> None:
    first, again, between = _notice(1, grave=True), _notice(3, grave=True), _notice(2, "vale")
    assert _file(database, first, again, between) == [first, None, None]
    assert _read(database) == {NUMBER: [again]}


def test_topics_subjects_and_instances_stand_apart_and_the_grave_first(database: Database) -> None:
    one, other = _notice(1, subject="a", topic="template"), _notice(1, subject="b", topic="template", grave=True)
    _file(database, one, other)
    _file(database, one, instance="pagina")
    assert _read(database) == {NUMBER: [other, one], "pagina": [one]}


def test_of_one_moment_the_same_stands_in_whatever_order_they_come(database: Database) -> None:
    three = [_notice(1, "a"), _notice(1, "b"), _notice(1, "a", grave=True)]
    for number, order in enumerate(permutations(three)):
        _file(database, *order, instance=f"n{number}")
    assert list(_read(database).values()) == [[three[2]]] * 6


def test_what_is_too_long_is_cut_and_still_a_repeat(database: Database) -> None:
    long = InstanceNotice(sent_at=AT, topic="t" * 999, subject="s" * 999, words="w" * 9999)
    [kept, again] = _file(database, long, long)
    assert again is None
    assert kept is not None
    assert len(kept.topic + kept.subject + kept.words) == 760


def test_two_nodes_with_the_first_of_a_topic_at_once(database: Database) -> None:
    both = threading.Barrier(2)
    told: list[InstanceNotice | None] = []

    def work(minute: int) -> None:
        both.wait(10)
        told.extend(_file(database, _notice(minute, str(minute))))

    threads = [threading.Thread(target=work, args=(minute,)) for minute in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert _read(database) == {NUMBER: [_notice(2, "2")]}
    assert _notice(2, "2") in told


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.builds(
            _notice, st.integers(0, 3), st.sampled_from("ab"), grave=st.booleans(), subject=st.sampled_from("xy")
        ),
        max_size=8,
    ).flatmap(lambda all_: st.tuples(st.just(all_), st.permutations(all_)))
)
def test_any_order_and_repetition_come_to_the_same(orders: tuple[list[InstanceNotice], list[InstanceNotice]]) -> None:
    with Database("sqlite://") as database:
        migrate(database)
        _file(database, *orders[0], instance="a")
        _file(database, *orders[1], *orders[0], instance="b")
        found = _read(database)
    assert found.get("a") == found.get("b")


@pytest.mark.parametrize("grave", [True, False])
def test_control_a_later_notice_does_change_it(database: Database, grave: bool) -> None:
    _file(database, _notice(1, grave=not grave))
    assert _file(database, _notice(2, grave=grave)) == [_notice(2, grave=grave)]
