"""Fixture `redmine`: a real Redmine on loopback, shared by all tests that ask for it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from real.servers.launch import server

_RENDER = """
User.current = User.find_by_login('agente')
ActiveRecord::Base.transaction do
  Setting.text_formatting = ENV['AS']
  words = ENV['WORDS'].dup.force_encoding('UTF-8')
  $stdout.write ApplicationController.helpers.textilizable(words, project: Project.first)
  raise ActiveRecord::Rollback
end
"""


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
    instance: str = ""

    async def rendered(self, text: str, text_format: str) -> str:
        """What Redmine's pages make of a text under another text formatting than the seeded one; nothing is changed."""
        process = await asyncio.create_subprocess_exec(
            *("bundle", "exec", "rails", "runner", _RENDER),
            cwd="/usr/share/redmine",
            env=os.environ
            | {"REDMINE_INSTANCE": self.instance, "RAILS_ENV": "production", "AS": text_format, "WORDS": text},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        html, said = await process.communicate()
        assert process.returncode == 0, said.decode("utf-8", "replace")[-500:]
        return html.decode()

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
            instance=values["INSTANCE"],
        )


@pytest.fixture(scope="session")
def redmine() -> Iterator[RedmineServer]:
    """The Redmine that all tests share; take references of your own."""
    with server("redmine") as values:
        yield RedmineServer.of(values)
