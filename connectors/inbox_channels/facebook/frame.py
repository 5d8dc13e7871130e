"""What an item of Messenger, a page or Instagram is read in: whose inbox it is, and when Meta told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from inbox_channels._graph.reading import Json, word

ZONE = ZoneInfo("America/Argentina/Cordoba")
"""Times are told in the office's zone; the instant is Meta's."""

_FIRST_MILLISECONDS = 10**11
"""From here on a number is of milliseconds: as seconds it would be of the year 5138."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The inbox of an item. `own` are ids under which the office itself writes, `scope` is who gave out people's ids.

    `at` is when Meta told of it, for items without a time of their own.
    """

    instagram: bool
    own: frozenset[str]
    scope: str
    app_id: str
    comments: bool
    at: datetime

    def time(self, item: Json, *keys: str) -> datetime:
        """The time under the first of `keys` that holds one, else `at`: what somebody wrote is taken in without it.

        Messaging has milliseconds, the feed seconds, nodes of the Graph API ISO 8601 (`2026-11-24T12:00:00+0000`).
        """
        for key in keys:
            found = read_time(word(item, key).strip())
            if found is not None:
                return found
        return self.at


def read_time(given: str) -> datetime | None:
    """The instant that `given` names, of 1970 or later; None for anything else."""
    try:
        if given.isascii() and given.isdigit() and len(given) <= 13:
            number = int(given)
            seconds = number / 1000 if number >= _FIRST_MILLISECONDS else number
            return datetime.fromtimestamp(seconds, UTC).astimezone(ZONE) if number else None
        found = datetime.fromisoformat(given)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(ZONE)
    except (ValueError, OverflowError):
        return None
    return found if found.year >= 1970 else None
