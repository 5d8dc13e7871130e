"""The outbox on both engines: who gets which step, when, and whose outcome counts."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import pytest

from inbox_daemon.store import attachments, outbox, parked
from inbox_daemon.store.database import Database
from unit.store.rows import AT, LEASE, Box


@pytest.fixture
def box(database: Database) -> Box:
    """The outbox of a fresh database."""
    return Box(database=database)


def test_a_claimed_step_is_nobody_elses_until_it_is_settled(box: Box) -> None:
    step = box.step(box.conversation(), 1)
    [mine] = box.claim("a")
    assert (mine.id, mine.attempts, mine.suspect) == (step, 1, False)
    assert box.claim("b") == []
    assert box.done(mine)
    assert box.claim("b") == []
    assert box.states() == ["done"]


def test_a_step_that_is_not_due_waits_by_the_clock_of_the_database(box: Box) -> None:
    step = box.step(box.conversation(), 1, delay=timedelta(hours=1))
    assert box.claim() == []
    box.set(step, due_at=AT - timedelta(days=3000))
    assert box.ids() == [step]


def test_an_expired_lease_is_taken_over_as_suspect_and_the_zombie_is_refused(box: Box) -> None:
    box.step(box.conversation(), 1)
    [zombie] = box.claim("a", lease=timedelta(milliseconds=-1))
    [heir] = box.claim("b")
    assert heir.suspect
    assert heir.fence > zombie.fence
    assert not box.done(zombie)
    assert not box.unknown(zombie)
    assert not box.park(zombie)
    assert not box.database.run_now(lambda c: outbox.plan_kind(c, zombie, "open", LEASE))
    assert not box.database.run_now(lambda c: outbox.again(c, zombie, timedelta(0), "late"))
    assert not box.database.run_now(lambda c: outbox.uncounted(c, zombie, timedelta(0), "late"))
    assert box.states() == ["sending"]
    assert box.done(heir)


def test_what_may_still_be_under_way_is_not_taken_over_before_it_has_settled(box: Box) -> None:
    step = box.step(box.conversation(), 1)
    box.claim("a", lease=timedelta(milliseconds=-1))
    assert box.claim("b", settle=timedelta(minutes=10)) == []
    assert box.ids("b", settle=timedelta(0)) == [step]


def test_recover_takes_up_only_what_this_node_had_in_flight_at_this_destination(box: Box) -> None:
    other = Box(database=box.database, destination="gobierno")
    mine, theirs = box.step(box.conversation(), 1), box.step(box.conversation(), 1)
    elsewhere = other.step(other.conversation(), 1)
    assert box.ids("a", limit=1) == [mine]
    assert box.ids("b") == [theirs]
    assert other.ids("a") == [elsewhere]
    recover = box.database.run_now(lambda c: outbox.recover(c, "a", "salud", timedelta(hours=1)))
    assert recover == 1
    assert box.states() == ["unknown", "sending", "sending"]
    assert box.claim("a") == []  # its request may still arrive
    box.set(mine, due_at=AT)
    [again] = box.claim("b")
    assert (again.id, again.suspect) == (mine, True)


def test_steps_of_a_conversation_go_by_the_citizens_clock_and_one_at_a_time(box: Box) -> None:
    conversation = box.conversation()
    late, early, middle = (box.step(conversation, position) for position in (30, 10, 20))
    order = []
    while steps := box.claim():
        assert len(steps) == 1
        order.append(steps[0].id)
        assert box.claim("b") == []
        assert box.done(steps[0])
    assert order == [early, middle, late]


def test_steps_of_equal_time_go_by_arrival(box: Box) -> None:
    conversation = box.conversation()
    ids = [box.step(conversation, 7, key=f"k{n}") for n in range(4)]
    order = []
    while steps := box.claim():
        order += [one.id for one in steps]
        box.done(steps[0])
    assert order == ids


@pytest.mark.parametrize("state", ["waiting", "sending", "unknown"])
def test_an_open_step_blocks_its_followers_even_before_it_is_due(box: Box, state: str) -> None:
    conversation = box.conversation()
    first, second = box.step(conversation, 1), box.step(conversation, 2)
    box.set(first, state=state, due_at=AT.replace(year=2999), lease_until=AT.replace(year=2999))
    assert box.claim() == []
    box.set(first, state="done")
    assert box.ids() == [second]


def test_a_parked_open_blocks_its_conversation_and_a_parked_append_does_not(box: Box) -> None:
    opening, appending = box.conversation(ticket=False), box.conversation()
    for conversation, kind in ((opening, "open"), (appending, "append")):
        box.set(box.step(conversation, 1), state="parked", kind=kind)
    box.step(opening, 2)
    follower = box.step(appending, 2)
    assert box.ids() == [follower]


def test_an_earlier_message_is_held_by_a_parked_open_too(box: Box) -> None:
    conversation = box.conversation(ticket=False)
    box.set(box.step(conversation, 5), state="parked", kind="open")
    box.step(conversation, 1)
    assert box.claim() == []


def test_discarding_a_parked_open_lets_the_next_one_open(box: Box) -> None:
    conversation = box.conversation(ticket=False)
    first, second = box.step(conversation, 1), box.step(conversation, 2)
    file = box.step(conversation, 1, key="file", kind="attach", ordered=False, after_id=first)
    box.set(first, state="parked", kind="open")
    assert box.database.run_now(lambda c: parked.discard(c, f"D{first}"))
    assert box.ids() == [second]
    assert box.states() == ["discarded", "sending", "discarded"]  # nobody is told of a file without its message
    assert box.column(file, "state") == "discarded"


def test_two_cut_off_steps_of_one_conversation_do_not_wait_for_each_other(box: Box) -> None:
    conversation = box.conversation()
    first, second = box.step(conversation, 1), box.step(conversation, 2)
    for step in (first, second):
        box.set(step, state="unknown")
    [one] = box.claim()
    assert one.id == first
    assert box.claim("b") == []
    box.done(one)
    assert box.ids() == [second]


def test_a_cut_off_step_and_an_earlier_one_that_came_late_do_not_wait_for_each_other(box: Box) -> None:
    conversation = box.conversation()
    later = box.step(conversation, 2)
    [cut_off] = box.claim()
    box.unknown(cut_off)
    earlier = box.step(conversation, 1)
    [looked_up] = box.claim()
    assert (looked_up.id, looked_up.suspect) == (later, True)
    assert box.done(looked_up)
    assert box.ids() == [earlier]


def test_parked_steps_retried_together_all_come_through(box: Box) -> None:
    conversation = box.conversation()
    ids = [box.step(conversation, position) for position in (1, 2, 3)]
    for step in ids:
        box.set(step, state="parked", attempts=9)
        assert box.database.run_now(lambda c, step=step: parked.retry(c, f"d{step}"))  # type: ignore[misc]
    order = []
    while steps := box.claim():
        assert all(one.suspect and one.released for one in steps)
        order += [one.id for one in steps]
        box.done(steps[0])
    assert order == ids


def test_only_a_person_releases_a_step(box: Box) -> None:
    step = box.step(box.conversation(), 1)
    [first] = box.claim()
    assert not first.released
    box.unknown(first)
    [second] = box.claim()
    assert second.suspect
    assert not second.released
    box.park(second)
    box.database.run_now(lambda c: parked.retry(c, f"D{step}"))
    [third] = box.claim()
    assert third.released
    box.unknown(third)
    [fourth] = box.claim()
    assert not fourth.released


def test_an_uncounted_try_leaves_the_step_as_it_was(box: Box) -> None:
    step = box.step(box.conversation(), 1)
    [first] = box.claim()
    box.database.run_now(lambda c: outbox.uncounted(c, first, timedelta(0), "refused"))
    assert (box.states(), box.column(step, "attempts"), box.column(step, "first_tried_at")) == (["waiting"], 0, None)
    [second] = box.claim()
    box.unknown(second)
    [third] = box.claim()
    box.database.run_now(lambda c: outbox.uncounted(c, third, timedelta(0), "refused"))
    assert box.states() == ["unknown"]  # what the second try did is as uncertain as before
    assert box.column(step, "attempts") == 1


def test_tried_for_runs_from_the_first_try(box: Box) -> None:
    step = box.step(box.conversation(), 1)
    [first] = box.claim()
    assert first.tried_for == timedelta(0)
    box.unknown(first)
    box.set(step, first_tried_at=box.column(step, "first_tried_at") - timedelta(days=8))
    [second] = box.claim()
    assert timedelta(days=8) <= second.tried_for < timedelta(days=8, minutes=5)


def test_a_file_waits_for_its_message_for_its_bytes_and_for_the_ticket(box: Box) -> None:
    conversation = box.conversation(ticket=False)
    message = box.step(conversation, 1)
    file = box.file(conversation)
    attach = box.step(conversation, 1, key="f", kind="attach", ordered=False, attachment_id=file, after_id=message)
    assert box.ids() == [message]
    box.set(message, state="done")
    assert box.claim() == []
    box.database.run_now(lambda c: attachments.stored(c, file, size=3, sha256="ab"))
    assert box.claim() == []
    box.ticket(box.conversation(ticket=False))  # somebody else's
    assert box.claim() == []
    box.ticket(conversation)
    assert box.ids() == [attach]


def test_a_file_that_failed_goes_on_as_a_note(box: Box) -> None:
    conversation = box.conversation()
    file = box.file(conversation)
    attach = box.step(conversation, 1, key="f", kind="attach", ordered=False, attachment_id=file)
    assert box.claim() == []
    box.database.run_now(lambda c: attachments.failed(c, file, "venció"))
    assert box.ids() == [attach]


def test_a_waiting_file_blocks_no_message(box: Box) -> None:
    conversation = box.conversation()
    box.step(conversation, 1, key="f", kind="attach", ordered=False, attachment_id=box.file(conversation))
    message = box.step(conversation, 2)
    assert box.ids() == [message]


def test_many_files_of_one_message_go_one_at_a_time(box: Box) -> None:
    conversation = box.conversation()
    ids = [box.step(conversation, 1, key=f"f{n}", kind="attach", ordered=False) for n in range(5)]
    order = []
    while steps := box.claim():
        assert len(steps) == 1
        order.append(steps[0].id)
        box.done(steps[0])
    assert order == ids


def test_only_waiting_steps_move_to_the_conversation_that_follows(box: Box) -> None:
    old, new = box.conversation(), box.conversation(ticket=False)
    states = ["waiting", "sending", "unknown", "parked", "done"]
    ids = [box.step(old, position) for position in range(len(states))]
    for step, state in zip(ids, states, strict=True):
        box.set(step, state=state)
    box.database.run_now(lambda c: outbox.move(c, old, new))
    assert [box.column(step, "conversation_id") for step in ids] == [new, old, old, old, old]


def test_2000_random_conversations_keep_their_order_between_two_nodes(database: Database) -> None:
    chance = random.Random(20261123)
    arrivals = [(n, position) for n in range(2000) for position in chance.sample(range(100), chance.randint(1, 3))]
    chance.shuffle(arrivals)
    expected = Box(database=database).many(arrivals)
    seen: dict[int, list[int]] = {}

    def work(holder: str, own: Database) -> None:
        box = Box(database=own)
        while True:
            steps = box.claim(holder, limit=200)
            for one in steps:
                seen.setdefault(one.conversation_id, []).append(one.id)
            if not steps and set(box.states()) == {"done"}:
                return
            box.database.run_now(lambda c, steps=steps: [outbox.done(c, one, None) for one in steps])  # type: ignore[misc]

    with Database(database.url) as second:
        nodes = [threading.Thread(target=work, args=pair) for pair in (("a", database), ("b", second))]
        for node in nodes:
            node.start()
        for node in nodes:
            node.join(60)
            assert not node.is_alive()
    assert seen == expected
