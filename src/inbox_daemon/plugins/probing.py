"""What the self-checks of adapters have in common."""

from __future__ import annotations

from inbox_daemon.errors import Credentials, Gone, Permanent
from inbox_daemon.model import Ticket, TicketState
from inbox_daemon.plugins.ticketing import TicketingAdapter


async def put_away(adapter: TicketingAdapter, ticket: Ticket, remedy: str) -> None:
    """Close the ticket that a check has opened; one that is gone is no mistake.

    Raises `Credentials` with `remedy`, which names the ticket and what to mend, where it can't be closed.
    """
    try:
        await adapter.set_state(ticket, TicketState.CLOSED)
    except Gone:
        return
    except Permanent as error:
        raise Credentials(remedy) from error
