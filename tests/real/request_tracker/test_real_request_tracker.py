"""What only a real Request Tracker can show: its quirks that the adapter is built around."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contract.request_tracker_backstage import RtBackstage, rt_backstage
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, Gone, Permanent
from inbox_daemon.model import MessageKey, Reference
from inbox_daemon.plugins import Context, Secret
from inbox_ticketing.request_tracker import plugin
from real.servers.request_tracker import RequestTrackerServer
from real.servers.request_tracker import request_tracker as request_tracker
from support.contexts import lend_context

pytestmark = pytest.mark.real


@dataclass(kw_only=True)
class Rt:
    server: RequestTrackerServer
    context: Context
    agents: RtBackstage

    def adapter(self, **changes: Any) -> Any:
        settings = {
            "url": self.server.url,
            "token": Secret(self.server.token),
            "account": self.server.account,
            "queue": self.server.queue,
            "reference_field": self.server.reference_field,
        }
        return plugin.build(plugin.settings.model_validate(settings | changes), self.context)


@pytest.fixture
async def rt(request_tracker: RequestTrackerServer) -> AsyncIterator[Rt]:
    server = request_tracker
    async with (
        lend_context("salud-rt") as context,
        rt_backstage(server.url, server.agent_token, server.reference_field) as agents,
    ):
        yield Rt(server=server, context=context, agents=agents)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"queue": "Inexistente"}, "Inexistente"),
        ({"queue": "Reservada"}, "Reservada"),
        ({"reference_field": "InboxReferencia"}, "InboxReferencia"),
        ({"reference_field": "Suelto"}, "Suelto"),
        ({"account": "agente"}, "account"),
        ({"account": "nadie"}, "account"),
        ({"token": Secret("1-2-3")}, "401"),
    ],
)
async def test_a_check_names_what_is_missing(rt: Rt, changes: dict[str, Any], word: str) -> None:
    with pytest.raises(Credentials, match=word):
        await rt.adapter(**changes).check()


async def test_an_unknown_field_finds_nothing_and_opens_nothing_that_stays_open(rt: Rt) -> None:
    """The trap: RT answers a search by an unknown field with "none", and drops it on create."""
    adapter, case = rt.adapter(reference_field="InboxReferencia"), reference()
    assert await adapter.find(case) is None
    with pytest.raises(Permanent, match=r"dropped the reference of ticket \d+") as dropped:
        await adapter.open_ticket(draft(case))
    number = str(dropped.value).split("ticket ")[1].split(".")[0]
    assert (await rt.agents.call("GET", f"/ticket/{number}"))["Status"] == "resolved"


async def test_the_subject_is_cut_by_us_where_rt_would_cut_it(rt: Rt) -> None:
    ticket = await rt.adapter().open_ticket(draft(reference(), subject="😀" * 90))
    assert (await rt.agents.call("GET", f"/ticket/{ticket.id}"))["Subject"] == "😀" * 50


async def test_the_gate_makes_the_citizen_the_author(rt: Rt) -> None:
    adapter, case = rt.adapter(mail_gate_url=rt.server.mail_gate), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    await rt.agents.agent_closes(ticket.id)
    message = entry(case, 2, "Sigue apagada ñ 😀\n\n.\nFrom acá", address="ana.gomez@example.com")
    written = await adapter.append(ticket, message)
    assert written.reopened
    found = await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    assert found is not None
    assert found.entry == written.entry is not None
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m22")) is None
    last = (await rt.agents.thread(ticket.id))[-1]
    assert last.author == "ana.gomez@example.com"
    assert message.body in last.text
    updates, _ = await adapter.updates(cursor)
    [own] = [update for update in updates if update.entry == written.entry]
    assert own.own
    assert not own.public


async def test_an_outsider_who_writes_by_mail_is_no_agent(rt: Rt) -> None:
    """Same gate, an address that RT does not know, and no Message-ID of ours."""
    adapter, case = rt.adapter(mail_gate_url=rt.server.mail_gate), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    mail = f"From: vecino@example.com\nSubject: yo\nMessage-ID: <{case}@example.com>\n\nYo digo que está resuelto\n"
    form = {"queue": rt.server.queue, "action": "correspond", "ticket": ticket.id, "message": mail}
    answer = await adapter._rest.post_gate(form)
    assert answer.text.strip() == "ok"
    updates, _ = await adapter.updates(cursor)
    [said] = [update for update in updates if update.ticket == ticket.id and "está resuelto" in update.text]
    assert not said.public
    assert not said.own


async def test_a_ticket_moved_out_of_sight_is_gone(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await rt.agents.call("PUT", f"/ticket/{ticket.id}", json={"Queue": rt.server.closed_queue})
    with pytest.raises(Gone) as gone:
        await adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "moved"
    assert await adapter.find(case) is None


async def test_the_granted_address_becomes_the_requestor(rt: Rt) -> None:
    one = draft(reference())
    one = replace(one, first=replace(one.first, reply_address="eva.diaz@example.com"))
    ticket = await rt.adapter().open_ticket(one)
    seen = await rt.agents.call("GET", f"/ticket/{ticket.id}")
    assert [user["id"] for user in seen["Requestor"]] == ["eva.diaz@example.com"]


async def test_an_html_answer_with_a_file_is_told_with_both(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    _, cursor = await adapter.updates(None)
    file = {"FileName": "plano.pdf", "FileType": "application/pdf", "FileContent": "JVBERg=="}
    answer = {"Content": "<p>Pasa <b>mañana</b></p>", "ContentType": "text/html", "Attachments": [file]}
    await rt.agents.call("POST", f"/ticket/{ticket.id}/correspond", json=answer)
    updates, _ = await adapter.updates(cursor)
    [told] = [update for update in updates if update.ticket == ticket.id and update.public]
    assert told.html
    assert told.text == "<p>Pasa <b>mañana</b></p>"
    assert [(one.filename, one.media_type, one.size) for one in told.attachments] == [
        ("plano.pdf", "application/pdf", 4)
    ]


async def test_an_answer_in_the_target_of_a_merge_is_told_for_our_ticket(rt: Rt) -> None:
    adapter = rt.adapter()
    ours, target = [await adapter.open_ticket(draft(reference())) for _ in range(2)]
    await rt.agents.merge(ours.id, target.id)
    _, cursor = await adapter.updates(None)
    await rt.agents.agent_answers(target.id, f"Respuesta en el otro, {target.number}")
    updates, _ = await adapter.updates(cursor)
    told = {update.ticket for update in updates if update.public and update.text.endswith(f"otro, {target.number}")}
    assert told == {ours.id, target.id}


async def test_check_passes_and_leaves_one_closed_ticket_without_requestor(rt: Rt) -> None:
    await rt.adapter().check()
    seen = await rt.agents.tickets_with(Reference("PRUEBA-salud-rt"))
    assert seen
    proof = await rt.agents.call("GET", f"/ticket/{seen[0]}")
    assert proof["Status"] == "resolved"
    assert proof["Requestor"] == []


@pytest.mark.parametrize("zone", ["America/Argentina/Cordoba", "Pacific/Auckland"])
async def test_answers_are_seen_whatever_the_accounts_time_zone(rt: Rt, zone: str) -> None:
    """RT reads times of searches in the account's zone."""
    adapter = rt.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    _, cursor = await adapter.updates(None)
    await rt.agents.call("PUT", f"/user/{rt.server.account}", json={"Timezone": zone})
    try:
        await rt.agents.agent_answers(ticket.id, "Respuesta de otra zona")
        updates, _ = await adapter.updates(cursor)
    finally:
        await rt.agents.call("PUT", f"/user/{rt.server.account}", json={"Timezone": ""})
    assert [one.text for one in updates if one.ticket == ticket.id and one.public] == ["Respuesta de otra zona"]
