"""What only a real Redmine can show: its silences, and what its pages make of citizens' words."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from contract.redmine_backstage import RedmineBackstage, redmine_backstage
from contract.redmine_provider import settings_for
from contract.ticketing_model import AgentFile
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, Permanent, Transient
from inbox_daemon.model import TicketState
from inbox_daemon.plugins import Context, Secret
from inbox_ticketing.redmine import parse, plugin
from inbox_ticketing.redmine.rest import RestClient
from real.servers.launch import launch, real_directory
from real.servers.redmine import RedmineServer
from support.contexts import lend_context

pytestmark = pytest.mark.real

HOSTILE = """\
</pre> {{macro_list}} {{include(Secreto)}} #1 @agente [[Wiki]] r1 commit:abc
!https://malo.example/pixel.png!
<pre><code>x</code> "un enlace":https://malo.example/ *negrita* <b>b</b> <notextile>
h1. Título </notextile></code></pre>
{{toc}} <script>alert(1)</script> ==<i>i</i>== |tabla|
"""


def test_starting_again_gives_the_same_server(redmine: RedmineServer) -> None:
    again = RedmineServer.of(launch("redmine-start.sh", real_directory() / "redmine"))
    assert (again.url, again.key) == (redmine.url, redmine.key)


@dataclass(kw_only=True)
class Redmine:
    server: RedmineServer
    context: Context
    agents: RedmineBackstage

    def adapter(self, **changes: Any) -> Any:
        return plugin.build(settings_for(self.server, self.server.url, **changes), self.context)


@pytest.fixture
async def there(redmine: RedmineServer) -> AsyncIterator[Redmine]:
    async with (
        lend_context("obras-redmine") as context,
        redmine_backstage(redmine.url, redmine.agent_key, redmine.reference_field) as agents,
    ):
        yield Redmine(server=redmine, context=context, agents=agents)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"project": "nada"}, "nada"),
        ({"project": "reservada"}, "reservada"),
        ({"tracker": "Reclamo"}, "Bug, Feature, Support"),
        ({"reference_field": 2}, "number 2"),
        ({"account": "agente"}, "login"),
        ({"closed_status": "Cerrada"}, "Closed, Rejected"),
        ({"key": Secret("x")}, "401"),
    ],
)
async def test_the_check_names_what_is_wrong(there: Redmine, changes: dict[str, Any], word: str) -> None:
    with pytest.raises((Credentials, Permanent), match=word):
        await there.adapter(**changes).check()


async def test_a_field_of_another_project_is_noticed_when_opening_and_when_looking(there: Redmine) -> None:
    case = reference()
    with pytest.raises(Permanent, match="dropped the reference"):
        await there.adapter(reference_field=there.server.loose_field).open_ticket(draft(case))
    with pytest.raises(Credentials, match="ignores the filter"):
        await there.adapter(reference_field=99).find(case)


async def test_a_citizens_markup_is_shown_as_words(there: Redmine) -> None:
    """Read as an agent's browser does: nothing in it links, loads, runs or leaves the block."""
    case = reference()
    ticket = await there.adapter().open_ticket(draft(case, body=HOSTILE))
    await there.adapter().append(ticket, entry(case, 2, HOSTILE))
    page = await _page(there.server.url, f"/issues/{ticket.id}")
    blocks = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks, 1):
        assert f"[ref:{case}.m{number}]" in block
        assert "<" not in block
        for word in (
            "{{macro_list}}",
            "{{include(Secreto)}}",
            "!https://malo.example/pixel.png!",
            "*negrita*",
            "h1. T",
        ):
            assert word in block
    rest = re.sub(r"<(pre|textarea)\b.*?</\1>", "", page, flags=re.DOTALL)  # the form for editing has the source
    assert "malo.example" not in rest
    assert "alert(1)" not in rest


@pytest.mark.parametrize("text_format", ["markdown", "common_mark", "textile"])
async def test_a_citizens_markup_is_shown_as_words_in_every_formatting(there: Redmine, text_format: str) -> None:
    words = f"{HOSTILE}\n~~~\n```\n![x](https://malo.example/a.png)\n    ~~~\n> ~~~~~\n<http://malo.example>"
    html = await there.server.rendered(parse.text_of(entry(reference(), 1, words), text_format), text_format)
    html = re.sub(r"^<pre>(<code>)?|(</code>)?\s*</pre>\s*$", "", html.strip())
    assert "<" not in html
    assert "{{macro_list}}" in html
    assert html.strip().splitlines()[-1].startswith("[ref:")


async def _page(url: str, path: str) -> str:
    """A page as the agent sees it, logged in by the form."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{url}/login") as response:
            form = await response.text()
        found = re.search(r'name="authenticity_token" value="([^"]+)"', form)
        assert found is not None
        fields = {"authenticity_token": found[1], "username": "agente", "password": "agente-clave"}
        async with browser.post(f"{url}/login", data=fields) as response:
            assert response.status == 200
        async with browser.get(url + path) as response:
            assert response.status == 200
            return await response.text()


async def test_redmine_keeps_quiet_about_what_it_does_not_do(there: Redmine) -> None:
    """The facts that the fake models; should one change, the fake and the adapter have to."""
    ticket = await there.adapter().open_ticket(draft(reference()))
    await there.agents.change(
        ticket.id, {"status_id": 99, "tracker_id": 99, "custom_fields": [{"id": 77, "value": "x"}]}
    )
    issue = await there.agents.issue(ticket.id)
    assert (issue["status"]["id"], issue["tracker"]["name"], issue["journals"]) == (1, there.server.tracker, [])
    rest = RestClient(settings_for(there.server, there.server.url, key=Secret("x")), there.context)
    answer = await rest.get("/issues.json", {"status_id": "*"})
    assert (answer.status, answer.part("total_count")) == (200, 0)


async def test_a_stale_change_is_surely_nothing_done(there: Redmine) -> None:
    ticket = await there.adapter().open_ticket(draft(reference()))
    await there.agents.agent_answers(ticket.id, "Va mañana")
    rest = RestClient(settings_for(there.server, there.server.url), there.context)
    with pytest.raises(Transient, match="changed meanwhile"):
        await rest.change(f"/issues/{ticket.id}.json", {"issue": {"notes": "tarde", "lock_version": 0}})
    assert all(line.text != "tarde" for line in await there.agents.thread(ticket.id))


async def test_a_file_goes_with_its_note_and_a_closing_answer_tells_both(there: Redmine) -> None:
    adapter = there.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    file = AgentFile(name="plano ñ 😀.pdf", media_type="application/pdf", content=bytes(range(256)) * 900)
    await there.agents.agent_answers(ticket.id, "Adjunto el plano", files=[file])
    await there.agents.change(ticket.id, {"notes": "Resuelto", "status_id": 3})
    first, second = await adapter.thread(ticket.id)
    [attachment] = first.attachments
    assert (attachment.filename, attachment.media_type) == (file.name, file.media_type)
    assert b"".join([piece async for piece in adapter.fetch(attachment)]) == file.content
    assert (second.text, second.public, second.state) == ("Resuelto", True, TicketState.SOLVED)


async def test_a_duplicate_is_told_as_one(there: Redmine) -> None:
    adapter = there.adapter()
    one, two = [await adapter.open_ticket(draft(reference())) for _ in range(2)]
    relation = {"relation": {"issue_to_id": int(two.id), "relation_type": "duplicates"}}
    await there.agents.call("POST", f"/issues/{one.id}/relations.json", json=relation)
    await there.agents.agent_closes(one.id)
    assert [update.state for update in await adapter.thread(one.id) if update.state] == [TicketState.DUPLICATE]
