"""What became of each answer on its way to the citizen, as the case page says it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from inbox_daemon.plugins import CaseEntry
from inbox_daemon.web.words import Words

FRESH: Final = timedelta(minutes=10)
"""Within this an answer that nobody has taken up yet will be; one older than that was written before answers went."""

_NEVER_LEFT: Final = frozenset({"waiting", "held", "withdrawn", "call"})
"""In these states of a reply (see `store.schema.reply`) nothing of it has gone to the citizen."""

Tone = Literal["waiting", "good", "bad"]
_SAID: Final = frozenset({"held", "accepted", "sent", "delivered", "read", "failed", "parked", "call", "withdrawn"})
_TONES: Final[Mapping[str, Tone]] = {
    "accepted": "good",
    "sent": "good",
    "delivered": "good",
    "read": "good",
    "failed": "bad",
    "parked": "bad",
    "call": "bad",
}


class AnswerState(Protocol):
    """How an answer stands."""

    @property
    def state(self) -> str:
        """A state of the table `reply`."""

    @property
    def at(self) -> datetime | None:
        """Since when it is in this state."""

    @property
    def reason(self) -> str:
        """Why, in the agent's language; may be empty."""

    @property
    def due_at(self) -> datetime | None:
        """When it is to go, while it waits."""

    @property
    def channel(self) -> str:
        """Readable name of the channel that takes or took it; empty while that is open."""


class AnswerStates(Protocol):
    """Knows what became of answers."""

    async def states(self, case_id: str) -> Mapping[int, AnswerState]:
        """By the entry's id in the book; an answer that nobody has taken up yet is not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """One answer's line on the page. `struck`: it was withdrawn and never left."""

    text: str = field(repr=False)
    at: datetime | None = None
    tone: Tone = "waiting"
    can_withdraw: bool = False
    struck: bool = False


def fates(
    entries: Sequence[CaseEntry], states: Mapping[int, AnswerState] | None, words: Words, now: datetime
) -> dict[int, Fate]:
    """The fate of each answer among `entries`, by entry; `states` is None where nothing sends answers."""
    found = {}
    for entry in entries:
        state = None if states is None else states.get(entry.id)
        if entry.direction == "withdrawn":
            found[entry.id] = _withdrawn(state, words, now)
        elif entry.direction == "agent" and states is not None:
            found[entry.id] = _sent(entry, state, words, now)
    return found


def can_withdraw(entry: CaseEntry, state: AnswerState | None, now: datetime) -> bool:
    """Whether an answer still waits, so that taking it back makes sense."""
    if entry.direction != "agent":
        return False
    return now - entry.at < FRESH if state is None else state.state in {"waiting", "held"}


def _sent(entry: CaseEntry, state: AnswerState | None, words: Words, now: datetime) -> Fate:
    possible = can_withdraw(entry, state, now)
    if state is None:
        return Fate(text=words.say("fate", "fresh" if possible else "unknown"), can_withdraw=possible)
    return Fate(
        text=_told(state, words, now),
        at=None if state.state in {"waiting", "held"} else state.at,
        tone=_TONES.get(state.state, "waiting"),
        can_withdraw=possible,
        struck=state.state == "withdrawn",
    )


def _withdrawn(state: AnswerState | None, words: Words, now: datetime) -> Fate:
    """Taken back in the book; whether that was in time is for the reply to say."""
    if state is None or state.state in _NEVER_LEFT:
        return Fate(text=words.say("fate", "withdrawn"), at=state.at if state else None, struck=True)
    text = f"{words.say('fate', 'too_late')} {_told(state, words, now)}"
    return Fate(text=text, at=state.at, tone="bad")


def _told(state: AnswerState, words: Words, now: datetime) -> str:
    if state.state == "waiting":
        return _waiting(state.due_at, words, now)
    key = state.state if state.state in _SAID else "unknown"
    channel = state.channel or words.say("fate", "some_channel")
    text = words.say("fate", key, channel=channel)
    return f"{text} {words.say('fate', 'reason', reason=state.reason)}" if state.reason else text


def _waiting(due_at: datetime | None, words: Words, now: datetime) -> str:
    if due_at is None or due_at <= now:
        return words.say("fate", "going")
    if due_at.astimezone(words.zone).date() == now.astimezone(words.zone).date():
        return words.say("fate", "due_today", when=words.hour(due_at))
    return words.say("fate", "due", when=words.clock(due_at))
