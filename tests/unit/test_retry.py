"""The table of what follows a failure, complete; and how delays grow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Transient, Uncertain
from inbox_daemon.retry import Next, Policy, backoff, decide

POLICY = Policy()
HOUR = timedelta(hours=1)
SOON, LONG = timedelta(seconds=1), timedelta(days=8)


@pytest.mark.parametrize(
    ("error", "tried_for", "next_", "reason"),
    [
        (Transient("connect refused"), SOON, Next.AGAIN, "connect refused"),
        (Transient("connect refused"), LONG, Next.PARK, "given up after 3 tries: connect refused"),
        (Uncertain("reset"), SOON, Next.LOOK, "reset"),
        (Uncertain("reset"), LONG, Next.PARK, "given up after 3 tries: reset"),
        (Permanent("too long"), SOON, Next.PARK, "too long"),
        (Permanent("too long"), LONG, Next.PARK, "too long"),
        (Credentials("the token is refused"), SOON, Next.STOP, "the token is refused"),
        (Credentials("the token is refused"), LONG, Next.STOP, "the token is refused"),
        (Gone("closed", reason="closed"), SOON, Next.SUCCEED, "closed"),
        (Gone("closed"), LONG, Next.SUCCEED, "gone"),
        (EdgeError("some edge"), SOON, Next.LOOK, "some edge"),
        (ValueError("a citizen's words"), SOON, Next.LOOK, "ValueError in the adapter"),
        (KeyError("a citizen's words"), LONG, Next.PARK, "given up after 3 tries: KeyError in the adapter"),
        (TimeoutError(), SOON, Next.LOOK, "TimeoutError in the adapter"),
        (OSError("refused?"), SOON, Next.LOOK, "OSError in the adapter"),
    ],
)
def test_what_follows(error: Exception, tried_for: timedelta, next_: Next, reason: str) -> None:
    found = decide(error, attempts=3, tried_for=tried_for, policy=POLICY, jitter=0.5)
    assert (found.next, found.reason) == (next_, reason)


def test_every_kind_of_edge_error_has_its_own_row() -> None:
    kinds = EdgeError.__subclasses__()
    assert {kind.__name__ for kind in kinds} == {"Transient", "Uncertain", "Permanent", "Credentials", "Gone"}
    told = {decide(kind("x"), attempts=1, tried_for=SOON, policy=POLICY, jitter=0).next for kind in kinds}
    assert told == set(Next)


@pytest.mark.parametrize(("days", "next_"), [(7, Next.AGAIN), (7.001, Next.PARK)])
def test_the_limit_is_reached_only_when_it_is_passed(days: float, next_: Next) -> None:
    tried_for = timedelta(days=days)
    assert decide(Transient("x"), attempts=9, tried_for=tried_for, policy=POLICY, jitter=0).next is next_


@pytest.mark.parametrize(
    ("attempts", "least", "most"),
    [(1, 2.5, 5), (2, 5, 10), (3, 10, 20), (10, 1280, 2560), (11, 1800, 3600), (1000, 1800, 3600), (0, 1.25, 2.5)],
)
def test_delays_double_up_to_the_most(attempts: int, least: float, most: float) -> None:
    assert backoff(POLICY, attempts, 0).total_seconds() == least
    assert least < backoff(POLICY, attempts, 0.999).total_seconds() < most


@given(attempts=st.integers(1, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_a_delay_is_never_nothing_and_never_more_than_the_most(attempts: int, jitter: float) -> None:
    assert timedelta(0) < backoff(POLICY, attempts, jitter) <= POLICY.most


def test_the_peers_own_wish_is_kept_when_it_is_the_longer() -> None:
    wish = Transient("429", retry_after=HOUR * 3)
    assert decide(wish, attempts=1, tried_for=SOON, policy=POLICY, jitter=0).delay == HOUR * 3
    short = Transient("429", retry_after=timedelta(0))
    assert decide(short, attempts=3, tried_for=SOON, policy=POLICY, jitter=0).delay == timedelta(seconds=10)


@given(attempts=st.integers(1, 100), jitter=st.floats(0, 1, exclude_max=True))
def test_nothing_is_looked_up_before_it_has_settled(attempts: int, jitter: float) -> None:
    policy = Policy(settle=timedelta(minutes=10))
    found = decide(Uncertain("x"), attempts=attempts, tried_for=SOON, policy=policy, jitter=jitter)
    assert found.delay >= policy.settle
