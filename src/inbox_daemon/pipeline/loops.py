"""Pure: whether two machines are talking to each other. Two helpdesks that confirm each other's mails never stop by
themselves (freescout #2445; 8000 mails in #4143).

What tells machines from people is not one mark but three together, and each has its reason:

- *Speed alone* says little: an agent and a citizen in a live chat are quick on both sides. It counts for itself only
  after five times `max_hops` in a row, which no two people type (an answer's grace time makes agents slower still).
- *Repeating alone* says little: an agent's standard text goes to one person several times, a person says "gracias"
  each time, a mailbox says "estoy de vacaciones" to every answer that an agent writes by hand. So both sides must
  repeat themselves: at a machine's speed `max_hops` times; slowly (greylisted mail, polled mailboxes, a clock that is
  wrong) three times as often. Questions for the state of a case are all alike, so slowly they don't count.
- *Anything new* ends the row: a person's text, or an agent's. It passes, and what follows is counted from there.

Texts are the same when their `body_hash` is: numbers, names of tickets and dates in them may differ.

How quick an office is, is measured from when it had the message, not from when it was written: polling and our own
waiting (grace, order) would hide it. How quick the other side is, by its own clock or by ours: either may be wrong.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby, pairwise, takewhile

from inbox_daemon.pipeline.routing import fold
from inbox_daemon.settings.dialogue import Loops
from inbox_daemon.store.loops import LONGEST_TEXT, Said

SHORT = 20
"""Below so many letters two people may well have written the same."""
SLOW_TIMES = 3
UNLIKE_TIMES = 5
CLOCK_SLACK = timedelta(seconds=2)
"""Times of channels are whole seconds, so an answer may seem a moment older than what it answers."""

_WITH_DIGITS = re.compile(r"\S*\d\S*")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is about to go: the hash of its first portion, and when it was written (by the earlier of both clocks)."""

    body_hash: str
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Why something does not go: the name of the agents' text, and the number that it tells."""

    key: str
    place: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Hop:
    """What we said, and what they said to it. `quick`: both sides were; `asked`: they asked for the state of a case."""

    said: frozenset[str]
    quick: bool
    asked: bool


def body_hash(text: str) -> str:
    """What stays the same when a machine says something again: letters without accents and case, no numbers."""
    folded = fold(text[:LONGEST_TEXT])
    bare = "".join(c for c in _WITH_DIGITS.sub("0", folded) if unicodedata.category(c)[0] in "LNS")
    return hashlib.sha256((re.sub("0+", "0", bare) or folded).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_short(text: str) -> bool:
    """Whether a text is too short to know a machine, or ourselves, by it."""
    return sum(character.isalpha() for character in text[:LONGEST_TEXT]) < SHORT


def verdict(said: Sequence[Said], sent_in_hour: int, outgoing: Outgoing, settings: Loops) -> Stop | None:
    """Why this must not go, or None; `said` is what went to and fro with one address, in order, for a day at least.

    Something new goes always, as long as the hour has room (`sent_in_hour` portions went to the conversation) and it
    was not written at a machine's speed for very long.
    """
    if sent_in_hour >= settings.per_hour:
        return Stop(key="rate_parked", place="limit", number=settings.per_hour)
    quick = timedelta(seconds=settings.quick_seconds)
    turns = _turns(said)
    hops = _hops(turns, quick)
    rows = []
    if _is_quick_answer(turns, outgoing, quick):
        rows.append((settings.max_hops * UNLIKE_TIMES, _row(hops, lambda hop: hop.quick)))
    if any(outgoing.body_hash in _marks(turn) for turn in turns if turn[0].ours):
        old = _repeated(turns, outgoing)
        rows += [
            (settings.max_hops, _row(hops, lambda hop: hop.said <= old and hop.quick)),
            (settings.max_hops * SLOW_TIMES, _row(hops, lambda hop: hop.said <= old and not hop.asked)),
        ]
    reached = [count for limit, count in rows if count >= limit]
    return Stop(key="loop_parked", place="count", number=max(reached)) if reached else None


def is_machine(said: Sequence[Said], incoming: Said, settings: Loops) -> bool:
    """Whether this is what a machine without any mark says to whatever we say: long enough to be its very text,
    within an hour, and each time at once. A person's different text never is.
    """
    if is_short(incoming.text):
        return False
    quick = timedelta(seconds=settings.quick_seconds)
    mark = _mark(incoming)
    same = 0
    last: Said | None = None
    for one in [*said, incoming]:
        if one.ours:
            last = one
        elif last is not None and _mark(one) == mark and incoming.at - one.at <= _HOUR and _follows(one, last, quick):
            same += 1
    return same > settings.max_hops and last is not None and _follows(incoming, last, quick)


def _mark(said: Said) -> str:
    """By what a text is known again; a picture without words by what it holds."""
    if said.ours:
        return said.body_hash
    return body_hash(said.text) if said.text.strip() else said.fingerprint


def _marks(turn: Iterable[Said]) -> frozenset[str]:
    return frozenset(_mark(one) for one in turn)


def _turns(said: Sequence[Said]) -> list[list[Said]]:
    """What one side said before the other did: a long answer is many portions, and people send many lines."""
    return [list(turn) for _, turn in groupby(said, key=lambda one: one.ours)]


def _hops(turns: Sequence[Sequence[Said]], quick: timedelta) -> list[_Hop]:
    hops = []
    before: Sequence[Said] | None = None
    for ours, theirs in pairwise(turns):
        if not ours[0].ours:
            before = ours
            continue
        hops.append(
            _Hop(
                said=_marks(ours) | _marks(theirs),
                quick=before is not None
                and _answers(ours[0].written_at, before, quick)
                and _follows(theirs[0], ours[-1], quick),
                asked=any(one.query for one in theirs),
            )
        )
    return hops


def _follows(one: Said, ours: Said, quick: timedelta) -> bool:
    """Whether something came at once after what we sent, by our clock or by its own."""
    by_ours, by_theirs = one.at - ours.at, one.written_at - ours.at
    return timedelta(0) <= by_ours <= quick or -CLOCK_SLACK <= by_theirs <= quick


def _answers(written_at: datetime, theirs: Sequence[Said], quick: timedelta) -> bool:
    """Whether the office wrote this as soon as it had what they said; what it wrote long before answers nothing."""
    return abs(written_at - theirs[-1].told_at) <= quick


def _is_quick_answer(turns: Sequence[Sequence[Said]], outgoing: Outgoing, quick: timedelta) -> bool:
    return bool(turns) and not turns[-1][0].ours and _answers(outgoing.written_at, turns[-1], quick)


def _repeated(turns: Sequence[Sequence[Said]], outgoing: Outgoing) -> frozenset[str]:
    """Texts that one side said in more than one of its turns, the coming one included."""
    counted: dict[bool, Counter[str]] = {True: Counter([outgoing.body_hash]), False: Counter()}
    for turn in turns:
        counted[turn[0].ours].update(_marks(turn))
    return frozenset(mark for counter in counted.values() for mark, times in counter.items() if times > 1)


def _row(hops: Sequence[_Hop], holds: Callable[[_Hop], bool]) -> int:
    """How many of the last hops have it, without a break."""
    return sum(1 for _ in takewhile(holds, reversed(hops)))
