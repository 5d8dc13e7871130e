"""Fixture `request_tracker`: a real Request Tracker 5 on loopback, shared by all tests that ask for it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from real.servers.launch import server


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTrackerServer:
    """What `request_tracker-start.sh` seeded; see there."""

    url: str
    mail_gate: str
    queue: str
    closed_queue: str
    """The service account has no rights here; the agent has."""
    reference_field: str
    loose_field: str
    """A custom field that is applied to the closed queue only."""
    account: str
    token: str = field(repr=False)
    agent: str
    agent_token: str = field(repr=False)
    directory: Path = Path("/nonexistent")

    async def shred(self, number: str) -> None:
        """Delete a transaction for good, as an administrator does: REST2 answers 405 to every change of one."""
        dump = self.directory / f"shredded.{secrets.token_hex(8)}.sql"
        process = await asyncio.create_subprocess_exec(
            "rt-shredder-5",
            *("--force", "--sqldump", dump, "--plugin", f"Objects=Transaction,{number}"),
            env=os.environ
            | {"RT_SITE_CONFIG": str(self.directory / "RT_SiteConfig.pm"), "RT_SITE_CONFIG_DIR": "/dev/null"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode("utf-8", "replace")[-500:]
        dump.unlink()

    @classmethod
    def of(cls, values: dict[str, str]) -> RequestTrackerServer:
        """From the KEY=VALUE lines."""
        return cls(
            url=values["URL"],
            mail_gate=values["MAIL_GATE"],
            queue=values["QUEUE"],
            closed_queue=values["CLOSED_QUEUE"],
            reference_field=values["REFERENCE_FIELD"],
            loose_field=values["LOOSE_FIELD"],
            account=values["ACCOUNT"],
            token=values["TOKEN"],
            agent=values["AGENT"],
            agent_token=values["AGENT_TOKEN"],
            directory=Path(values["LOG"]).parent,
        )


@pytest.fixture(scope="session")
def request_tracker() -> Iterator[RequestTrackerServer]:
    """The Request Tracker that all tests share; take references of your own."""
    with server("request_tracker") as values:
        yield RequestTrackerServer.of(values)
