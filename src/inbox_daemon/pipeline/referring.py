"""Hands a case on when its office says that it is not competent: to another one, with its history, under its number."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from sqlalchemy import Connection

from inbox_daemon.model import TicketState
from inbox_daemon.store import conversations, outbox, transfers
from inbox_daemon.store.conversations import Conversation

_log = structlog.get_logger(__name__)


def refer(connection: Connection, conversation: Conversation, to: str) -> bool:
    """Let the case go on in `to`; False, and nothing done, where that office had it before, or there is no ticket.

    Every message so far goes into the new ticket, in order, its files with it; the former ticket is told where the case
    went. What agents write there from now on is no answer to the citizen.
    """
    transfers.lock_author(connection, conversation)
    case = transfers.lock(connection, conversation.id)
    refused = {case.destination, *transfers.refused_by(connection, case)}
    if not case.filed or case.ticket is None or to in refused:
        return False
    left = transfers.leave_behind(connection, case, to)
    history = transfers.history(connection, left)
    transfers.give_up_rest(connection, left)
    case = conversations.read(connection, case.id)
    number = len(refused) + 1
    transfers.tell_again(connection, case, history, number)
    if history:
        outbox.add(
            connection,
            conversation_id=left.id,
            destination=left.destination,
            kind="referred",
            key=f"{case.case_number}.x{number}",
            position=0,
            ordered=False,
            message_id=history[-1].id,
        )
    _log.info("case.referred", case=case.case_number, by=left.destination, to=to, messages=len(history))
    return True


class Referring:
    """A turn of a ticket that hands its case on. `refer_to` names where the cases of a destination go; else `default`.

    A case that nobody is left to take stays where it is, closed, and the log says so.
    """

    def __init__(self, *, default: str, refer_to: Mapping[str, str]) -> None:
        self._default = default
        self._refer_to = refer_to

    def turned(self, connection: Connection, conversation: Conversation, state: TicketState) -> None:
        """See `learning.Turns`."""
        if state is not TicketState.NOT_COMPETENT:
            return
        wanted = [self._refer_to.get(conversation.destination, ""), self._default]
        if not any(refer(connection, conversation, to) for to in wanted if to):
            _log.error("case.refused_by_all", case=conversation.case_number, by=conversation.destination)
