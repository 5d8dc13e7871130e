"""`make live` against the real Request Tracker and Redmine, with an agent who answers in them."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from contract.redmine_backstage import redmine_backstage
from contract.request_tracker_backstage import rt_backstage
from contract.ticketing_model import AgentFile
from inbox_daemon.model import EntryId, TicketId
from live.reading import ANSWER
from real.servers.redmine import RedmineServer
from real.servers.request_tracker import RequestTrackerServer
from support.live_command import configured, make_live

pytestmark = pytest.mark.real
FILE = AgentFile(name="plano ñ.pdf", media_type="application/pdf", content=b"%PDF-1.7\n" + bytes(range(256)))


async def test_a_real_request_tracker_keeps_every_promise(
    request_tracker: RequestTrackerServer, tmp_path: Path
) -> None:
    server = request_tracker
    table = (
        f'kind = "request_tracker"\nurl = "{server.url}"\ntoken = {{ file = "token" }}\naccount = "{server.account}"\n'
        f'queue = "{server.queue}"\nreference_field = "{server.reference_field}"\n'
    )
    async with rt_backstage(server.url, server.agent_token, server.reference_field, server.shred) as agents:

        async def agent(number: str) -> EntryId:
            return await agents.agent_answers(TicketId(number), ANSWER, files=[FILE])

        ended = await make_live(
            configured(tmp_path, table, {"token": server.token}), agent, answer="30", limits="1", patience="10"
        )
    assert ended.code == 0, ended.text
    assert ended.part("BROKEN PROMISES") == []
    assert ended.part("other than the fake") == [], "the fake is as the real one is"
    assert "files of the answer: 1" in ended.part("seen")
    assert server.token not in ended.text
    assert quote(server.token) not in ended.text


async def test_a_real_redmine_keeps_every_promise(redmine: RedmineServer, tmp_path: Path) -> None:
    server = redmine
    table = (
        f'kind = "redmine"\nurl = "{server.url}"\nkey = {{ file = "key" }}\naccount = "{server.account}"\n'
        f'project = "{server.project}"\ntracker = "{server.tracker}"\nreference_field = {server.reference_field}\n'
        "timeout_seconds = 12.0\n"
    )
    async with redmine_backstage(server.url, server.agent_key, server.reference_field) as agents:

        async def agent(number: str) -> EntryId:
            return await agents.agent_answers(TicketId(number), ANSWER)

        ended = await make_live(
            configured(tmp_path, table, {"key": server.key}), agent, answer="30", limits="1", patience="10"
        )
    assert ended.code == 0, ended.text
    assert ended.part("BROKEN PROMISES") == []
    assert ended.part("other than the fake") == [], "the fake is as the real one is"
    assert server.key not in ended.text
