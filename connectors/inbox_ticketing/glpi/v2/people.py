"""Who is who, over the high-level API."""

from __future__ import annotations

from inbox_daemon.errors import Uncertain
from inbox_ticketing.glpi.parse import person
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.v2 import parse
from inbox_ticketing.glpi.v2.client import Client
from inbox_ticketing.glpi.v2.outcome import NO_RIGHT, NOT_FOUND

REQUESTER = 1
"""`Team::ROLE_REQUESTER`: versions before API 2.2 answer 500 to the word (issue 22888), all take the number."""
UNSEEN = (NOT_FOUND, NO_RIGHT)


class People:
    """Reads users and the teams of tickets; keeps nothing."""

    def __init__(self, settings: GlpiSettings, client: Client) -> None:
        self._agents = settings.agent_profiles
        self._client = client

    async def profiles(self, user: int) -> set[str]:
        """Names of a user's profiles; this API does not tell which interface a profile has."""
        answer = await self._client.get(f"/Administration/User/{user}/Authorization", accept=UNSEEN)
        if answer.status >= 400:
            return set()
        given = [row.get("profile") for row in self._client.listed(answer)]
        return {str(one.get("name")) for one in given if isinstance(one, dict)}

    async def agent(self, user: int) -> str:
        """The name of a user who has one of the profiles that are configured as agents'; empty for everybody else."""
        if not user or (await self.profiles(user)).isdisjoint(self._agents):
            return ""
        answer = await self._client.get(f"/Administration/User/{user}", accept=UNSEEN)
        return person(answer.json, "username") if answer.status < 400 and isinstance(answer.json, dict) else ""

    async def requesters(self, ticket: int) -> frozenset[int]:
        """The users for whom the ticket was opened, from its team."""
        answer = await self._client.get(f"/Assistance/Ticket/{ticket}/TeamMember")
        return parse.requesters_in(self._client.listed(answer))

    async def ask_for(self, ticket: int, user: int) -> None:
        """Put a user into the team as requester: 201 without a body."""
        member = {"type": "User", "id": user, "role": REQUESTER}
        answer = await self._client.send("POST", f"/Assistance/Ticket/{ticket}/TeamMember", member)
        if answer.status != 201:
            raise Uncertain(f"{self._client.where} did not say that ticket {ticket} has its requester")
