"""Fixture `redmine`: a real Redmine on loopback, shared by all tests that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from real.servers.launch import server


@dataclass(frozen=True, slots=True, kw_only=True)
class RedmineServer:
    """What `redmine-start.sh` seeded; see there."""

    url: str
    project: str
    closed_project: str
    """The service account has no role here; the agent has."""
    tracker: str
    reference_field: int
    loose_field: int
    """A custom field that is used in the closed project only."""
    account: str
    key: str = field(repr=False)
    agent_key: str = field(repr=False)
    stranger_key: str = field(repr=False)
    """Of a user with no role anywhere."""

    @classmethod
    def of(cls, values: dict[str, str]) -> RedmineServer:
        """From the KEY=VALUE lines."""
        return cls(
            url=values["URL"],
            project=values["PROJECT"],
            closed_project=values["CLOSED_PROJECT"],
            tracker=values["TRACKER"],
            reference_field=int(values["REFERENCE_FIELD"]),
            loose_field=int(values["LOOSE_FIELD"]),
            account=values["ACCOUNT"],
            key=values["KEY"],
            agent_key=values["AGENT_KEY"],
            stranger_key=values["STRANGER_KEY"],
        )


@pytest.fixture(scope="session")
def redmine() -> Iterator[RedmineServer]:
    """The Redmine that all tests share; take references of your own."""
    with server("redmine") as values:
        yield RedmineServer.of(values)
