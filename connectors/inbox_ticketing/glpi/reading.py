"""What an entry or a change of status in a ticket means for a citizen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inbox_daemon.model import EntryId, TicketId, TicketUpdate
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.lineage import Path
from inbox_ticketing.glpi.parse import Remark, Turn
from inbox_ticketing.glpi.quoting import own_words
from inbox_ticketing.glpi.speech import Speech


@dataclass(slots=True)
class Look:
    """What was learnt about people during one look."""

    agents: dict[int, str] = field(default_factory=dict)
    """User → name; empty for who is no agent."""
    requesters: dict[int, frozenset[int]] = field(default_factory=dict)


class Reader:
    """Reads one GLPI; keeps nothing between two looks."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech

    async def tell(self, remark: Remark, path: Path, look: Look) -> TicketUpdate:
        """What an entry means, told for ticket `path.number`.

        Public is what GLPI does not call private, by a person who is an agent, is not a requester of the ticket and not
        our own account, in a ticket that is not in the bin.
        """
        shared: dict[str, Any] = {
            "ticket": TicketId(str(path.number)),
            "entry": EntryId(f"{remark.kind}{remark.id}"),
            "at": remark.at,
        }
        if remark.author == await self._speech.me():
            return TicketUpdate(**shared, own=True)
        name = await self._agent(remark.author, look) if remark.public and not path.row.deleted else ""
        if not name or remark.author in await self._requesters(path, look):
            return TicketUpdate(**shared)
        text, html = own_words(remark.content)
        files = await self._speech.files.of(remark.kind, remark.id)
        return TicketUpdate(
            **shared, author=name, text=text, html=html, attachments=files, public=bool(text.strip() or files)
        )

    async def tell_turn(self, turn: Turn, path: Path) -> TicketUpdate | None:
        """What a change of status means; None for a status that GLPI does not have."""
        state = parse.STATES.get(turn.status)
        if state is None:
            return None
        return TicketUpdate(
            ticket=TicketId(str(path.number)),
            entry=EntryId(f"L{turn.id}"),
            at=turn.at,
            author=turn.name,
            own=turn.user == await self._speech.me(),
            state=state,
        )

    async def _agent(self, user: int, look: Look) -> str:
        if user not in look.agents:
            look.agents[user] = await self._speech.agent(user)
        return look.agents[user]

    async def _requesters(self, path: Path, look: Look) -> frozenset[int]:
        found: frozenset[int] = frozenset()
        for row in path.rows:
            if row.id not in look.requesters:
                look.requesters[row.id] = await self._speech.requesters(row.id)
            found |= look.requesters[row.id]
        return found
