"""How far catching up has come: one mark per source, and the place in the sweep under way. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import orjson

from inbox_channels._graph.reading import Json, child, children, word
from inbox_daemon.model import Cursor

Source = Literal["messages", "comments"]

LOST = timedelta(days=7)
"""So far back is looked where the stored position can't be read, and so long is asked for what was refused."""
MOST_MISSED = 40
"""So many of one source are asked for by themselves; where more are refused, the mark waits for them."""
OVERLAP = timedelta(minutes=2)
"""How much before its beginning the next sweep looks again: Meta's lists lag a little. What comes twice is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """A conversation, or a post with its comments, by Meta's id: not read from `since` on, first refused `at`."""

    source: Source
    name: str
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """`messages` and `comments`: all up to there was seen. A sweep looks from now back to the mark of its `source`.

    The mark moves only at the sweep's end, to its beginning: what happens meanwhile is for the next one. `after` is
    Meta's cursor inside of the sweep's list, `seen` how many rows of it came before. `missed` are single things that
    the mark has gone past unread, the one that waits longest first.
    """

    messages: datetime
    comments: datetime
    source: Source | None = None
    began: datetime | None = None
    after: str = ""
    seen: int = 0
    missed: tuple[Missed, ...] = ()

    @property
    def owed(self) -> tuple[Missed, ...]:
        """What was missed of the sweep's source."""
        return tuple(one for one in self.missed if one.source == self.source)

    def owes(self, name: str) -> bool:
        """Whether `name` is among them: it is asked for by itself, from further back."""
        return any(one.name == name for one in self.owed)

    def owe(self, one: Missed) -> Position:
        """It is asked for again, after all others."""
        return replace(self, missed=(*self.missed, one))

    def settle(self, one: Missed) -> Position:
        """It was read, or is given up."""
        return replace(self, missed=tuple(other for other in self.missed if other != one))

    @property
    def mark(self) -> datetime:
        """Back to when the sweep looks."""
        return self.comments if self.source == "comments" else self.messages

    def start(self, source: Source, now: datetime) -> Position:
        """The sweep of `source` begins."""
        return replace(self, source=source, began=now, after="", seen=0)

    def go_on(self, after: str, seen: int) -> Position:
        """The same sweep, one page on."""
        return replace(self, after=after, seen=self.seen + seen)

    def end(self, *, reached: bool = True) -> Position:
        """The sweep is over; without having reached its end, the mark stays and the next sweep looks as far back."""
        mark = self.began - OVERLAP if reached and self.began is not None else self.mark
        done = replace(self, source=None, began=None, after="", seen=0)
        return (
            replace(done, comments=max(mark, self.comments))
            if self.source == "comments"
            else replace(done, messages=max(mark, self.messages))
        )

    def write(self) -> Cursor:
        """As the core keeps it."""
        made: dict[str, object] = {"messages": self.messages.isoformat(), "comments": self.comments.isoformat()}
        if self.source is not None and self.began is not None:
            sweep = {"source": self.source, "began": self.began.isoformat(), "after": self.after, "seen": self.seen}
            made["sweep"] = sweep
        if self.missed:
            made["missed"] = [
                {"source": one.source, "name": one.name, "since": one.since.isoformat(), "at": one.at.isoformat()}
                for one in self.missed
            ]
        return Cursor(orjson.dumps(made).decode())


def read(cursor: Cursor | None, first: datetime, lost: datetime) -> Position:
    """The position in `cursor`; at first contact from `first` on, and from `lost` on where it can't be read.

    What was seen already and comes again by that is known for the same.
    """
    if cursor is None:
        return Position(messages=first, comments=first)
    try:
        found = orjson.loads(cursor)
        missed = tuple(_missed(row) for row in children(found, "missed"))
        marks = Position(messages=_moment(found, "messages"), comments=_moment(found, "comments"), missed=missed)
        sweep = child(found, "sweep")
        if not sweep:
            return marks
        return replace(
            marks,
            source=_source(sweep),
            began=_moment(sweep, "began"),
            after=word(sweep, "after"),
            seen=int(sweep.get("seen") or 0),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Position(messages=lost, comments=lost)


def _source(found: Json) -> Source:
    if found["source"] not in ("messages", "comments"):
        raise ValueError("source")
    return "comments" if found["source"] == "comments" else "messages"


def _missed(row: Json) -> Missed:
    return Missed(source=_source(row), name=row["name"], since=_moment(row, "since"), at=_moment(row, "at"))


def _moment(found: Json, key: str) -> datetime:
    moment = datetime.fromisoformat(found[key])
    if moment.tzinfo is None:
        raise ValueError(key)
    return moment


def time_of(row: Json, *keys: str) -> datetime | None:
    """The time that Meta writes under the first of `keys` (2026-11-24T12:00:00+0000), None where there is none."""
    for key in keys:
        try:
            moment = datetime.fromisoformat(word(row, key))
        except ValueError:
            continue
        if moment.tzinfo is not None:
            return moment
    return None
