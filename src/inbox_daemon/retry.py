"""Pure: what follows a failed attempt. The worker carries it out; a table in the tests says every case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Transient


class Next(StrEnum):
    """What the worker does next with the step."""

    AGAIN = "again"
    """Provably not done: do it again after the delay."""
    LOOK = "look"
    """May have been done: look our marker up after the delay, then decide."""
    PARK = "park"
    """Stop and wait for a person."""
    STOP = "stop"
    """Stop the whole instance; the step waits, uncounted."""
    SUCCEED = "succeed"
    """The ticket takes nothing more: open the one that follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long and how often. `settle` is what an unknown outcome waits before the look-up: the longest time our
    request may still be on its way or under work, plus the destination's index lag.
    """

    first: timedelta = timedelta(seconds=5)
    most: timedelta = timedelta(hours=1)
    give_up: timedelta = timedelta(days=7)
    settle: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, when, and the reason shown to people."""

    next: Next
    delay: timedelta = timedelta(0)
    reason: str = ""


def backoff(policy: Policy, attempts: int, jitter: float) -> timedelta:
    """Doubling delay after `attempts` tries, spread by `jitter` in [0, 1): between a half and the whole of it."""
    whole: timedelta = min(policy.first * 2 ** min(attempts - 1, 30), policy.most)
    return whole * (0.5 + jitter / 2)


def decide(error: Exception, *, attempts: int, tried_for: timedelta, policy: Policy, jitter: float) -> Decision:
    """What follows `error` in the `attempts`-th try of a step first tried `tried_for` ago.

    Anything that is not an `EdgeError` is an unknown outcome: a bug on our side says nothing about theirs.
    """
    reason = str(error) if isinstance(error, EdgeError) else f"{type(error).__name__} in the adapter"
    if isinstance(error, Permanent):
        return Decision(next=Next.PARK, reason=reason)
    if isinstance(error, Gone):
        return Decision(next=Next.SUCCEED, reason=error.reason)
    if isinstance(error, Credentials):
        return Decision(next=Next.STOP, delay=policy.first, reason=reason)
    if tried_for > policy.give_up:
        return Decision(next=Next.PARK, reason=f"given up after {attempts} tries: {reason}")
    wait = backoff(policy, attempts, jitter)
    if isinstance(error, Transient):
        return Decision(next=Next.AGAIN, delay=max(wait, error.retry_after or wait), reason=reason)
    # Uncertain: never sooner than the settle time, and with growing distance while the peer stays sick.
    return Decision(next=Next.LOOK, delay=max(policy.settle, wait), reason=reason)
