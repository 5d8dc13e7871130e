"""Which tickets' entries concern a ticket after merges. Pure.

Merging moves no entry: what was written in a ticket keeps its number there, and only what is written later stands in
the ticket that took it in (seen on 5.0.3, 2026-11-24). So an entry of the other ticket from before the merge belongs to
somebody else's conversation, and must never be told for this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inbox_ticketing.request_tracker.parse import Row, Transaction

LINK = "AddLink"
"""Kind of the transaction that a merge leaves in the merged ticket (and, pointing at itself, in the other one)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The entries of `ticket` with a number above `after`."""

    ticket: str
    after: int = 0

    def holds(self, transaction: Transaction) -> bool:
        """Whether `transaction` is one of them."""
        return transaction.ticket == self.ticket and int(transaction.id) > self.after


def merges_in(links: Iterable[Transaction]) -> dict[str, Stretch]:
    """Merged ticket → where it went on, by transactions of kind `LINK`, oldest first."""
    merges: dict[str, Stretch] = {}
    for link in links:
        found = re.search(r"/ticket/(\d+)$", link.new_value)
        if link.kind == LINK and link.changed == "MergedInto" and found and found[1] != link.ticket:
            merges[link.ticket] = Stretch(ticket=found[1], after=int(link.id))
    return merges


def stretches_of(number: str, row: Row, merges: Mapping[str, Stretch]) -> tuple[Stretch, ...]:
    """Where the entries of ticket `number`, which is `row` by now, stand. A merge that left no trace ends it early."""
    path = [Stretch(ticket=number)]
    while path[-1].ticket != row.id:
        further = merges.get(path[-1].ticket)
        if further is None or further.ticket in {one.ticket for one in path}:
            break
        path.append(further)
    return tuple(path)
