"""An Open311 endpoint for the contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import pytest

from contract.ticketing_model import AdapterUnderTest, AgentFile, Line, holding
from inbox_daemon.model import EntryId, Reference, TicketId
from inbox_daemon.plugins import Secret
from inbox_ticketing.open311 import plugin
from support.contexts import lend_context
from support.fault_proxy import FaultProxy
from support.open311_fake import City, Fault, Request
from support.open311_fake_http import serve_city, serve_files

KEY = "clave inventada"


@dataclass(frozen=True)
class _Staff:
    city: City

    def _request(self, ticket: TicketId) -> Request:
        found = self.city.request(ticket)
        assert found is not None
        return found

    async def thread(self, ticket: TicketId) -> Sequence[Line]:
        first = Line(kind="public", text=self._request(ticket).description, author="api")
        later = [
            Line(kind="public", text=one.description, author="api" if one.by_api else "staff")
            for one in self.city.updates
            if str(one.request) == ticket and one.description
        ]
        return [first, *later]

    async def files(self, ticket: TicketId) -> Mapping[str, bytes]:
        files: dict[str, bytes] = {}
        async with aiohttp.ClientSession() as session:
            for one in self.city.updates:
                if str(one.request) == ticket and one.media_url:
                    async with session.get(one.media_url) as response:
                        assert response.status == 200
                        files[unquote(urlsplit(one.media_url).path.rsplit("/", 1)[1])] = await response.read()
        return files

    async def tickets_with(self, reference: Reference) -> Sequence[TicketId]:
        return [TicketId(str(one.number)) for one in self.city.living() if f"[ref:{reference}|" in one.description]

    async def agent_answers(
        self, ticket: TicketId, text: str, *, html: bool = False, files: Sequence[AgentFile] = ()
    ) -> EntryId:
        assert not html
        assert not files
        request = self._request(ticket)
        return EntryId(str(self.city.update(request, request.status, text, by_api=False).number))

    async def agent_notes(self, ticket: TicketId, text: str) -> EntryId:
        """What the office notes stays in its own system: the endpoint never shows it."""
        return EntryId("0")

    async def take_back(self, ticket: TicketId, entry: EntryId) -> None:
        self.city.updates.remove(next(one for one in self.city.updates if str(one.number) == entry))

    async def agent_closes(self, ticket: TicketId) -> None:
        self.city.update(self._request(ticket), "closed", "", by_api=False)

    async def delete(self, ticket: TicketId) -> None:
        self._request(ticket).deleted = True

    async def merge(self, ticket: TicketId, into: TicketId) -> None:
        raise AssertionError("requests are not merged")


@asynccontextmanager
async def to_a_city(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
    """A fresh endpoint for each scenario, behind a fault proxy."""
    async with serve_city(KEY) as (url, city), serve_files() as host:
        upstream = urlsplit(url)
        async with (
            FaultProxy(upstream.hostname or "", upstream.port or 0) as proxy,
            lend_context("ciudad-311") as lent,
        ):
            context = replace(lent, file_link=host.link)

            def adapter(**changes: Any) -> Any:
                settings = {
                    "url": f"{proxy.url}/v2",
                    "api_key": Secret(KEY),
                    "reads_need_key": True,
                    "service_code": "atencion",
                    "latitude": -27.4514,
                    "longitude": -58.9867,
                    "descriptions_are_public": False,
                    "max_description_chars": 200_000,
                    "timeout_seconds": 1.0,
                }
                return plugin.build(plugin.settings.model_validate(settings | changes), context)

            city.faults = {Fault.TOKENS}  # every creation asks one question more, which may fail, too
            yield AdapterUnderTest(
                adapter=adapter(),
                backstage=_Staff(city),
                proxy=proxy,
                is_write=lambda method, path: method == "POST",
                strict=adapter(closed="new"),
                stranger=adapter(api_key=Secret("deadbeef")),
                misplaced=adapter(service_code="Inexistente"),
                lies={
                    one.value: partial(holding, city, "faults", {one})
                    for one in (Fault.IGNORES_TIME, Fault.HIDES_OUR_UPDATES, Fault.LISTS_NOTHING)
                },
            )
