"""Which articles of a ticket concern which of the tickets merged into it. Pure.

A merge moves all articles of a ticket into another and leaves them no trace of where they were written; only the
history of each ticket keeps it (`merge_to` in app/models/ticket.rb, read 2026-11-24). An answer that was written in the
other ticket before the merge was for somebody else, and must never be told for this one.

Rows of history are compared by their number: the row `merged_into` bears the time of an older change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from inbox_ticketing.zammad.parse import MERGED, Event

RECEIVED = "received_merge"
MERGED_INTO = "merged_into"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What happened in `ticket` after the row of history `after`."""

    ticket: str
    after: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Histories of the ticket `final`, and of all that were merged into it."""

    final: str
    histories: Mapping[str, Sequence[Event]]

    @property
    def members(self) -> tuple[str, ...]:
        """All tickets that stand in `final` by now, itself included."""
        return tuple(self.histories)

    def stretches(self, number: str) -> tuple[Stretch, ...]:
        """Where the matter of ticket `number` stood, first to last; ends early where a merge left no trace."""
        merges = {
            event.source: Stretch(ticket=ticket, after=event.id)
            for ticket, events in self.histories.items()
            for event in events
            if event.kind == RECEIVED and event.target == ticket and event.source
        }
        path = [Stretch(ticket=number)]
        while path[-1].ticket != self.final:
            further = merges.get(path[-1].ticket)
            if further is None or further.ticket in {one.ticket for one in path}:
                break
            path.append(further)
        return tuple(path)

    def holds(self, number: str, article: str) -> bool:
        """Whether `article`, which stands in `final` by now, was written in the matter of ticket `number`."""
        born = next((event for event in self._events() if _is_birth(event, article)), None)
        if born is None:  # an import writes no history; without merges there is nothing to mix up
            return self.members == (self.final,) and number == self.final
        return self._concerns(number, born)

    def turns(self, number: str) -> list[Event]:
        """Changes of state in the matter of ticket `number`, oldest first; that it was merged is none."""
        found = [
            event
            for event in self._events()
            if event.about == "Ticket"
            and event.kind == "updated"
            and event.attribute == "state"
            and event.target == event.ticket
            and event.after.lower() != MERGED
            and self._concerns(number, event)
        ]
        return sorted(found, key=lambda event: event.id)

    def _concerns(self, number: str, event: Event) -> bool:
        return any(one.ticket == event.ticket and event.id > one.after for one in self.stretches(number))

    def _events(self) -> Iterator[Event]:
        for events in self.histories.values():
            yield from events


def sources_of(events: Sequence[Event], ticket: str) -> list[str]:
    """The tickets merged into `ticket`, by its history."""
    return [event.source for event in events if event.kind == RECEIVED and event.target == ticket and event.source]


def target_of(events: Sequence[Event], ticket: str) -> str | None:
    """The ticket that `ticket` was merged into, by its own history."""
    found = [event.after for event in events if event.kind == MERGED_INTO and event.target == ticket]
    return found[-1] if found and found[-1] != ticket else None


def _is_birth(event: Event, article: str) -> bool:
    return event.about == "Ticket::Article" and event.kind == "created" and event.target == article
