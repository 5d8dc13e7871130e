"""What a check has opened is put away, or somebody is told why not."""

from __future__ import annotations

from typing import cast

import pytest

from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Transient
from inbox_daemon.model import Ticket, TicketId, TicketState
from inbox_daemon.plugins import TicketingAdapter, put_away

TICKET = Ticket(id=TicketId("7"), number="7", url="", open=True)


class Desk:
    def __init__(self, fails: EdgeError | None) -> None:
        self.fails = fails
        self.asked: list[tuple[str, TicketState]] = []

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        self.asked.append((ticket.id, state))
        if self.fails:
            raise self.fails


@pytest.mark.parametrize("fails", [None, Gone("it is deleted")])
async def test_it_is_closed_or_gone_already(fails: EdgeError | None) -> None:
    desk = Desk(fails)
    await put_away(cast("TicketingAdapter", desk), TICKET, "give the right to close")
    assert desk.asked == [("7", TicketState.CLOSED)]


@pytest.mark.parametrize(
    ("fails", "kind", "words"),
    [(Permanent("no such state"), Credentials, "give the right"), (Transient("busy"), Transient, "busy")],
)
async def test_a_refusal_is_told_with_its_remedy(fails: EdgeError, kind: type[EdgeError], words: str) -> None:
    with pytest.raises(kind, match=words):
        await put_away(cast("TicketingAdapter", Desk(fails)), TICKET, "give the right to close")
