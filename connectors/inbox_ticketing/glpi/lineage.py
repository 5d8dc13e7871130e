"""Where a merged ticket went on.

GLPI's merge (9.5 and later, `Ticket::merge`) puts the ticket into the bin, links it to the other one as "son of", and
copies its opening text there as a followup whose `sourceitems_id` names it. A bin and such a link alone are no merge:
agents set them, too. The copied followup is the proof, and its number tells before and after: what stands in the other
ticket under a lower number belongs to somebody else's conversation, and must never be told for this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.parse import Remark, Row
from inbox_ticketing.glpi.speech import Speech

HOPS = 5
KEPT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The followups of `ticket` above `after`, and what else came into it later than `since`."""

    ticket: int
    after: int = 0
    since: datetime | None = None

    def holds(self, remark: Remark) -> bool:
        """Whether `remark` is one of them. Copies that GLPI made in a merge are none."""
        if remark.ticket != self.ticket or remark.copied:
            return False
        if remark.kind == "F":
            return remark.id > self.after
        return self.since is None or remark.at > self.since

    def covers(self, turn: parse.Turn) -> bool:
        """Whether a change of status is one of them."""
        return turn.ticket == self.ticket and (self.since is None or turn.at > self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Ticket `number` and the tickets it went on in, one row and one stretch for each."""

    number: int
    stretches: tuple[Stretch, ...]
    rows: tuple[Row, ...]

    @property
    def row(self) -> Row:
        """Where it stands by now; a deleted one when it was not merged any further."""
        return self.rows[-1]


class Lineage:
    """Follows merges. A ticket in the bin is asked about once for each of its changes."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._known: dict[tuple[int, str], Stretch | None] = {}

    async def path(self, number: int) -> Path:
        """Where ticket `number` stands by now, after merges. Raises `Gone`; its row may be a deleted one."""
        row = await self._speech.ticket(number)
        rows, stretches = [row], [Stretch(ticket=row.id)]
        while row.deleted and len(stretches) <= HOPS and (further := await self._further(row)) is not None:
            if further.ticket in {one.ticket for one in stretches}:
                break
            stretches.append(further)
            row = await self._speech.ticket(further.ticket)
            rows.append(row)
        return Path(number=number, stretches=tuple(stretches), rows=tuple(rows))

    def ends_there(self, number: int, changed: str) -> bool:
        """Whether a ticket in the bin, as it is since `changed`, is known not to have been merged."""
        return (number, changed) in self._known and self._known[number, changed] is None

    async def _further(self, row: Row) -> Stretch | None:
        known = (row.id, row.changed)
        if known not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[known] = await self._merged_into(row)
        return self._known[known]

    async def _merged_into(self, row: Row) -> Stretch | None:
        opening = parse.text_of(row.content).rstrip()
        copies = [
            (parse.text_of(copy.content).rstrip().endswith(opening), copy.id, copy.ticket)
            for copy in await self._speech.copies(row.id)
        ]
        if not copies:
            return None
        _, after, target = max(copies)  # of several merges the last one; of its copies the opening text, made first
        with self._speech.reading("a ticket"):
            return Stretch(ticket=target, after=after, since=self._speech.time(row.changed))
