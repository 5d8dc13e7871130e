"""Numbers of what is configured by name, and of GLPI's search options; asked once and kept.

GLPI stores the number of a category that does not exist without a word (seen, 2026-11-23), so nothing is sent that was
not found here first. The numbers of search options differ between versions and plug-ins.
"""

from __future__ import annotations

from typing import Any

from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.plugins import Context
from inbox_ticketing.glpi import parse
from inbox_ticketing.glpi.rest import RestClient
from inbox_ticketing.glpi.settings import GlpiSettings


class Places:
    """Looks names up in one GLPI."""

    def __init__(self, settings: GlpiSettings, rest: RestClient, context: Context) -> None:
        self._settings = settings
        self._rest = rest
        self._instance = context.instance
        self._options: dict[str, int] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._me = 0

    async def me(self) -> int:
        """Number of the service account's user."""
        if not self._me:
            self._me = parse.number((await self.session()).get("glpiID"))
            if not self._me:
                raise Transient(f"{self._instance}: GLPI does not say whose session it is")
        return self._me

    async def session(self) -> dict[str, Any]:
        """GLPI's own notes about our session."""
        answer = await self._rest.get("/getFullSession")
        session = answer.json.get("session") if isinstance(answer.json, dict) else None
        if not isinstance(session, dict):
            raise Transient(f"{self._instance}: GLPI does not show its session")
        return session

    async def option(self, field: str) -> int:
        """Number of the search option for a column of tickets."""
        if not self._options:
            answer = await self._rest.get("/listSearchOptions/Ticket")
            if not isinstance(answer.json, dict):
                raise Transient(f"{self._instance}: GLPI's search options are none")
            found: dict[str, int] = {}
            for key, one in answer.json.items():
                if isinstance(one, dict) and one.get("table") == "glpi_tickets" and parse.number(key):
                    found.setdefault(str(one.get("field")), parse.number(key))
            self._options = found
        if field not in self._options:
            raise Credentials(
                f"{self._instance}: this GLPI cannot search tickets by {field!r}"
                + ('. Set `reference_in` to "title": only GLPI 11 has external ids' if field == "externalid" else "")
            )
        return self._options[field]

    @property
    def reference_field(self) -> str:
        """Column of tickets that our reference is kept in."""
        return "name" if self._settings.reference_in == "title" else "externalid"

    async def entity(self) -> int:
        """The entity in which tickets are opened."""
        wanted = self._settings.entity
        if ("Entity", wanted) not in self._numbers:
            answer = await self._rest.get("/getMyEntities", {"is_recursive": "1"})
            listed = answer.json.get("myentities") if isinstance(answer.json, dict) else None
            if not isinstance(listed, list):
                raise Transient(f"{self._instance}: GLPI's list of entities is none")
            rows = [row for row in listed if isinstance(row, dict)]
            remedy = "Configure `entity` by its name and authorize the service account for it (Users > Authorizations)"
            self._numbers["Entity", wanted] = self._one("entity", wanted, rows, remedy)
        return self._numbers["Entity", wanted]

    async def category(self) -> int | None:
        """The category of tickets; None where none is configured."""
        return await self._named("ITILCategory", self._settings.category, "category", "Give it as in Setup > Dropdowns")

    async def requester(self) -> int | None:
        """The user that stands for all citizens; None where none is configured."""
        return await self._named("User", self._settings.requester, "requester", "Configure `requester` as a login")

    async def source(self, channel: str) -> int | None:
        """The request source for a channel; None where none is configured."""
        name = self._settings.request_sources.get(channel)
        return await self._named(
            "RequestType", name, "request_sources", "Make it in Setup > Dropdowns > Request sources"
        )

    async def _named(self, itemtype: str, name: str | None, key: str, remedy: str) -> int | None:
        if name is None:
            return None
        if (itemtype, name) not in self._numbers:
            rows = await self._rest.rows(f"/{itemtype}", {"searchText[name]": name.rpartition(">")[2].strip()})
            self._numbers[itemtype, name] = self._one(key, name, rows, remedy)
        return self._numbers[itemtype, name]

    def _one(self, key: str, name: str, rows: list[dict[str, Any]], remedy: str) -> int:
        return only_one(self._instance, key, name, rows, remedy)


def only_one(instance: str, key: str, name: str, rows: list[dict[str, Any]], remedy: str) -> int:
    """Number of the only row called so: by its full name, else by its own. (Of entities GLPI tells one as the other.)

    Raises `Credentials` for none and for several.
    """
    full = [(row, parse.raw_content(row.get("completename") or row.get("name"))) for row in rows]
    for found in (
        [row for row, text in full if text == name],
        [row for row, text in full if text.rpartition(">")[2].strip() == name],
    ):
        if len({int(row["id"]) for row in found}) > 1:  # an entity comes once for each of its authorizations
            raise Credentials(f"{instance}: GLPI has several of {key} {name!r}. Give the full name (A > B)")
        if found:
            return int(found[0]["id"])
    raise Credentials(f"{instance}: GLPI shows no {key} {name!r} to the service account. {remedy}")
