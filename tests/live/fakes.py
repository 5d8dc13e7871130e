"""The same trial over the fakes of the contract suite, to have something to compare with."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from contract.ticketing_model import AdapterUnderTest, AgentFile, Provider
from contract.ticketing_providers import PROVIDERS
from inbox_daemon.model import Ticket
from live.reading import ANSWER
from live.record import Record
from live.trial import play
from live.visit import Answering, Visit

FILE = AgentFile(name="plano ñ.pdf", media_type="application/pdf", content=b"%PDF-1.7\n" + bytes(range(256)))


@dataclass(frozen=True, slots=True)
class _Request:
    """What a provider asks of pytest's request, outside of pytest."""

    folder: Path

    def getfixturevalue(self, name: str) -> object:
        assert name == "tmp_path", name
        return self.folder


def of_kind(kind: str) -> list[Provider]:
    """The providers of an adapter that need no real server."""
    return [one for one in PROVIDERS if not one.real and one.name.partition("-")[0] == kind]


async def over_fakes(kind: str, *, limits: bool, answers: bool) -> dict[str, Record]:
    """One record for each fake of the kind."""
    return {provider.name: await _over(provider, limits=limits, answers=answers) for provider in of_kind(kind)}


async def _over(provider: Provider, *, limits: bool, answers: bool) -> Record:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with provider.open(cast("pytest.FixtureRequest", _Request(folder))) as made:
            visit = Visit(
                adapter=made.adapter,
                folder=folder,
                limits=limits,
                patience=5.0,
                answer=_agent(provider, made) if answers else None,
            )
            return await play(visit)


def _agent(provider: Provider, made: AdapterUnderTest) -> Answering:
    async def answer(ticket: Ticket) -> None:
        await made.backstage.agent_answers(ticket.id, ANSWER, files=[FILE] if provider.rich else [])

    return answer
