"""Numbers of what is configured by name, over the high-level API; asked once and kept.

They are asked for by GraphQL, which knows every type by its name: the paths of categories and request types differ from
one version of the API to the next.
"""

from __future__ import annotations

from inbox_daemon.errors import Transient
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.places import only_one
from inbox_ticketing.glpi.settings import GlpiSettings
from inbox_ticketing.glpi.v2 import rsql
from inbox_ticketing.glpi.v2.client import Client


class Places:
    """Looks names up in one GLPI."""

    def __init__(self, settings: GlpiSettings, client: Client, context: Context) -> None:
        self._settings = settings
        self._client = client
        self._instance = context.instance
        self._numbers: dict[tuple[str, str], int] = {}
        self._me = 0

    async def me(self) -> int:
        """Number of the service account's user."""
        if not self._me:
            self._me = parse.number((await self._client.get("/session")).part("user_id"))
            if not self._me:
                raise Transient(f"{self._instance}: GLPI does not say whose token it is")
        return self._me

    async def entity(self) -> int:
        """The entity in which tickets are opened."""
        remedy = "Configure `entity` by its name and authorize the service account for it (Users > Authorizations)"
        return await self._number("Entity", self._settings.entity, "entity", remedy)

    async def category(self) -> int | None:
        """The category of tickets; None where none is configured."""
        name = self._settings.category
        return await self._number("ITILCategory", name, "category", "Give it as in Setup > Dropdowns") if name else None

    async def requester(self) -> int | None:
        """The user that stands for all citizens; None where none is configured."""
        name = self._settings.requester
        return await self._number("User", name, "requester", "Configure `requester` as a login") if name else None

    async def source(self, channel: str) -> int | None:
        """The request source for a channel; None where none is configured."""
        name = self._settings.request_sources.get(channel)
        remedy = "Make it in Setup > Dropdowns > Request sources"
        return await self._number("RequestType", name, "request_sources", remedy) if name else None

    async def profile(self, name: str) -> int:
        """A profile of agents."""
        remedy = "Configure `agent_profiles` by the names in Administration > Profiles"
        return await self._number("Profile", name, "agent_profiles", remedy)

    async def _number(self, type_name: str, name: str, key: str, remedy: str) -> int:
        if (type_name, name) not in self._numbers:
            column = "username" if type_name == "User" else "name"
            full = " completename" if type_name in {"Entity", "ITILCategory"} else ""
            last = name if type_name == "User" else name.rpartition(">")[2].strip()
            rows = await self._client.ask(type_name, rsql.equals(column, last), f"id {column}{full}")
            named = [{**row, "name": row.get(column)} for row in rows]
            with self._client.reading(f"its list of {type_name}"):
                self._numbers[type_name, name] = only_one(self._instance, key, name, named, remedy)
        return self._numbers[type_name, name]
