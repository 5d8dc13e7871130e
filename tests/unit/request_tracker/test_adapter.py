"""What only Request Tracker does, played on the in-memory fake."""

from __future__ import annotations

import hashlib
import hmac
import json
import tomllib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from contract.request_tracker_backstage import RtBackstage, rt_backstage
from contract.ticketing_model import AgentFile
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import Cursor, Reference, TicketId, TicketState
from inbox_daemon.plugins import Context, Secret, WebhookRequest
from inbox_ticketing.request_tracker import plugin
from support.contexts import clock_off, lend_context
from support.fault_proxy import Fault, FaultProxy
from support.rt_fake import RtState, User
from support.rt_fake_http import serve_fake_rt


@dataclass(kw_only=True)
class Rt:
    url: str
    state: RtState
    context: Context
    agents: RtBackstage

    def adapter(self, **changes: Any) -> Any:
        settings = {"url": self.url, "token": Secret("1-27-00ff00ff"), "account": "inbox", "queue": "Atencion"}
        return plugin.build(plugin.settings.model_validate(settings | changes), self.context)

    def with_gate(self) -> Any:
        return self.adapter(mail_gate_url=f"{self.url}/REST/1.0/NoAuth/mail-gateway")


@pytest.fixture
async def rt() -> AsyncIterator[Rt]:
    async with serve_fake_rt() as (port, state), lend_context("salud-rt") as context:
        url = f"http://127.0.0.1:{port}"
        async with rt_backstage(url, "1-29-0ff00ff0", "InboxReference") as agents:
            yield Rt(url=url, state=state, context=context, agents=agents)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"queue": "Inexistente"}, ("Inexistente", "SeeQueue")),
        ({"queue": "Reservada"}, ("Reservada", "SeeQueue")),
        ({"reference_field": "Suelto"}, ("Suelto", "Atencion", "Apply it")),
        ({"account": "agente"}, ("agente", "account")),
        ({"account": "nadie"}, ("nadie", "account")),
        ({"closed_status": "terminado"}, ("closed_status", "ModifyTicket")),
    ],
)
async def test_a_check_names_what_is_missing(rt: Rt, changes: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises(Credentials) as missing:
        await rt.adapter(**changes).check()
    for word in ("salud-rt", *words):
        assert word in str(missing.value)


async def test_checks_leave_one_closed_ticket_and_write_no_more(rt: Rt) -> None:
    adapter = rt.adapter(requestor_fallback="mesa@example.com")
    await adapter.check()
    written = len(rt.state.transactions)
    [proof] = rt.state.tickets.values()
    assert proof.status == "resolved"
    assert proof.requestors == []
    await adapter.check()
    assert len(rt.state.transactions) == written


async def test_a_field_taken_off_the_queue_does_not_look_like_not_there_yet(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    await adapter.check()
    rt.state.queues["Atencion"] = ()
    with pytest.raises(Permanent, match="InboxReference") as parked:  # no try makes another
        await adapter.open_ticket(draft(case))
    assert parked.value.told
    assert rt.state.tickets[2].status == "resolved"
    with pytest.raises(Credentials, match="InboxReference"):
        await adapter.check()


async def test_a_check_that_never_finds_what_it_writes_writes_ever_more_rarely(rt: Rt, monkeypatch: Any) -> None:
    """While it is refused a lane asks for one every half minute."""
    adapter = rt.adapter()

    async def nothing(case: Reference) -> None:
        return None

    monkeypatch.setattr(adapter, "find", nothing)
    for later, there in ((0, 1), (0, 1), (50, 1), (70, 2), (130, 2), (200, 3)):
        with clock_off(timedelta(seconds=later)), pytest.raises(Credentials, match="not found again"):
            await adapter.check()
        assert len(rt.state.tickets) == there
    assert {one.status for one in rt.state.tickets.values()} == {"resolved"}


async def test_a_proof_that_was_left_half_made_is_made_whole(rt: Rt) -> None:
    async with FaultProxy("127.0.0.1", urlsplit(rt.url).port or 0) as proxy:
        adapter = rt.adapter(url=proxy.url)
        proxy.once(Fault.SLOW_DOWN_429, lambda method, path: path.endswith("/comment"))
        with pytest.raises(Transient):
            await adapter.check()
        await adapter.check()
    assert [one.status for one in rt.state.tickets.values()] == ["resolved"]


async def test_a_refused_look_up_is_no_passed_check(rt: Rt, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = rt.adapter()

    async def refused(case: Reference) -> None:
        raise Permanent("a proxy before it refuses the look-up (406)")

    monkeypatch.setattr(adapter, "find", refused)
    with pytest.raises(Permanent, match="406"):
        await adapter.check()


async def test_two_proofs_of_two_nodes_that_checked_at_once_are_proof_enough(rt: Rt) -> None:
    adapter = rt.adapter()
    for _ in range(2):
        await adapter.open_ticket(draft(Reference("PRUEBA-salud-rt")))
    await adapter.check()


@pytest.mark.parametrize("fault", [Fault.SLOW_DOWN_429, Fault.BUSY_503, Fault.RESET_ON_ACCEPT, Fault.EXPIRED_401])
async def test_a_ticket_without_its_reference_is_told_as_made_also_where_it_cannot_be_closed(
    rt: Rt, fault: Fault
) -> None:
    """ "Surely nothing done" would make another such ticket at every try."""
    rt.state.queues["Atencion"] = ()
    async with FaultProxy("127.0.0.1", urlsplit(rt.url).port or 0) as proxy:
        proxy.once(fault, lambda method, path: method == "PUT")
        with pytest.raises(Permanent, match="dropped the reference of ticket 1"):
            await rt.adapter(url=proxy.url).open_ticket(draft(reference()))
        assert proxy.seen[fault] == 1


async def test_a_search_that_finds_others_is_never_an_absence(rt: Rt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of everything is cut at a hundred: what was asked for may stand behind that."""
    adapter, case = rt.adapter(), reference()
    await adapter.open_ticket(draft(reference()))
    await adapter.open_ticket(draft(case))
    monkeypatch.setattr(RtState, "search", lambda state, user, clauses, merged_too: iter(state.tickets.values()))
    for one in (reference(), case):
        with pytest.raises(Credentials, match="finds other tickets"):
            await adapter.find(one)


async def test_a_ticket_in_a_queue_without_the_field_stops_its_case_only(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    rt.state.queues["Otra"] = ()
    rt.state.tickets[int(ticket.id)].queue = "Otra"
    rt.state.users["inbox"] = replace(rt.state.users["inbox"], queues=frozenset({"Atencion", "Otra"}))
    with pytest.raises(Permanent, match=f"ticket {ticket.id} is found by 'InboxReference'"):
        await adapter.find(case)
    assert await adapter.find(reference()) is None


async def test_a_reference_is_compared_letter_by_letter(rt: Rt, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, case = rt.adapter(), reference()
    await adapter.open_ticket(draft(case))
    monkeypatch.setattr(RtState, "search", lambda state, user, clauses, merged_too: iter(state.tickets.values()))
    assert await adapter.find(Reference(case.lower())) is None
    assert await adapter.find(case) is not None


async def test_the_requestor_is_the_granted_address_or_the_fallback_or_nobody(rt: Rt) -> None:
    granted = draft(reference())
    granted = replace(granted, first=replace(granted.first, reply_address="ana@example.com"))
    for adapter, one, expected in (
        (rt.adapter(), granted, ["ana@example.com"]),
        (rt.adapter(requestor_fallback="mesa@example.com"), granted, ["ana@example.com"]),
        (rt.adapter(requestor_fallback="mesa@example.com"), draft(reference()), ["mesa@example.com"]),
        (rt.adapter(), draft(reference()), []),
    ):
        case = reference()
        ticket = await adapter.open_ticket(replace(one, reference=case))
        assert rt.state.tickets[int(ticket.id)].requestors == expected


async def test_the_gate_makes_the_citizen_the_author(rt: Rt) -> None:
    adapter, case = rt.with_gate(), reference()
    assert adapter.capabilities.author == "entries"
    ticket = await adapter.open_ticket(draft(case))
    await adapter.set_state(ticket, TicketState.CLOSED)
    written = await adapter.append(ticket, entry(case, 2, address="ana@example.com"))
    assert written.entry is not None
    assert written.reopened
    assert [line.author for line in await rt.agents.thread(ticket.id)] == ["inbox", "ana@example.com"]
    await adapter.append(ticket, entry(case, 3))
    await adapter.append(ticket, entry(case, 4, address="no es una dirección"))
    assert [line.author for line in await rt.agents.thread(ticket.id)][2:] == ["inbox", "inbox"]


async def test_what_the_gate_answers_decides(rt: Rt) -> None:
    adapter, case = rt.with_gate(), reference()
    ticket = await adapter.open_ticket(draft(case))
    rt.state.gate_open = False
    with pytest.raises(Permanent, match="ReplyToTicket"):
        await adapter.append(ticket, entry(case, 2, address="ana@example.com"))
    rt.state.gate_open = True
    lost = rt.with_gate()
    lost._settings = lost._settings.model_copy(update={"queue": "Inexistente"})
    with pytest.raises(Uncertain):
        await lost.append(ticket, entry(case, 2, address="ana@example.com"))


async def test_only_privileged_strangers_to_the_ticket_answer_in_public(rt: Rt) -> None:
    adapter, case = rt.with_gate(), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    await adapter.append(ticket, entry(case, 2, address="ana@example.com"))
    stored = rt.state.tickets[int(ticket.id)]
    outsider = User(id=77, name="vecino@example.com", privileged=False)
    rt.state.users[outsider.name] = outsider
    rt.state.write(outsider, stored, "Correspond", "Yo también", [])
    await rt.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    absent = "Auto-Submitted: auto-replied\n"
    rt.state.write(rt.state.users["agente"], stored, "Correspond", "Estoy de licencia", [], headers=absent)
    stored.requestors.append("otra")
    rt.state.users["otra"] = User(id=78, name="otra", queues=frozenset({"Atencion"}))
    rt.state.write(rt.state.users["otra"], stored, "Correspond", "Pedí esto yo", [])
    found, _ = await adapter.updates(cursor)
    entries = [update for update in found if update.state is None and not (update.own and update.author == "Inbox")]
    assert [(one.text, one.public, one.own, one.automatic) for one in entries] == [
        ("", False, True, False),
        ("Yo también", False, False, False),
        ("Pasa la cuadrilla", True, False, False),
        ("Estoy de licencia", False, False, True),
        ("Pedí esto yo", False, False, False),
    ]


async def test_no_answer_is_lost_behind_many_or_hidden_rows(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    for number in range(230):
        rt.state.write(
            rt.state.users["agente"], rt.state.tickets[int(ticket.id)], "Correspond", f"Respuesta {number}", []
        )
    found, _ = await adapter.updates(cursor)
    assert [one.text for one in found if one.public] == [f"Respuesta {number}" for number in range(230)]


async def test_an_answer_in_the_target_of_a_merge_is_told_for_our_ticket(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    ours = await adapter.open_ticket(draft(case))
    body: dict[str, object] = {"Queue": "Atencion", "Subject": "De otro canal", "Content": "x"}
    theirs = TicketId(str(rt.state.create(rt.state.users["agente"], body).id))
    await rt.agents.merge(ours.id, theirs)
    _, cursor = await adapter.updates(None)
    await rt.agents.agent_answers(theirs, "Respuesta en el otro")
    found, _ = await adapter.updates(cursor)
    assert [(one.ticket, one.text) for one in found if one.public] == [(ours.id, "Respuesta en el otro")]


async def test_a_ticket_moved_out_of_sight_is_gone_and_stops_nothing(rt: Rt) -> None:
    adapter, case = rt.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    rt.state.tickets[int(ticket.id)].queue = "Reservada"
    with pytest.raises(Gone) as gone:
        await adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "moved"


@pytest.mark.parametrize("cursor", ["", "{}", '{"since": 3}', "null", '{"since": "ayer"}'])
async def test_a_broken_cursor_is_told(rt: Rt, cursor: str) -> None:
    with pytest.raises(Permanent):
        await rt.adapter().updates(Cursor(cursor))


def hint(body: bytes, secret: str | None) -> WebhookRequest:
    signature = "sha256=" + hmac.new((secret or "").encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-inbox-signature": signature} if secret else {}
    return WebhookRequest(method="POST", query={}, headers=headers, body=body)


async def test_a_hint_is_taken_only_with_its_signature(rt: Rt) -> None:
    adapter = rt.adapter(hint_secret=Secret("clave"))
    body = json.dumps({"ticket": 7}).encode()
    taken = adapter.parse_hint(hint(body, "clave"))
    assert taken is not None
    assert taken.tickets == ("7",)
    for wrong in (hint(body, "otra"), hint(body, None)):
        with pytest.raises(Credentials):
            adapter.parse_hint(wrong)
    for nonsense in (b"", b"[]", b"{}", b'{"ticket": "x/../1"}', b"\xff", b'{"ticket": null}'):
        assert adapter.parse_hint(hint(nonsense, "clave")) is None
    assert rt.adapter().parse_hint(hint(body, None)) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "rt.salud.example"),
        ("url", "https://user:clave@rt.salud.example"),
        ("url", "https://rt.salud.example/?a=b"),
        ("token", "1-27-abc"),
        ("reference_field", "Ref}'"),
        ("reference_field", ""),
        ("closed", "nunca"),
        ("states", {"new": "inventado"}),
        ("timeout_seconds", 0),
        ("otra", 1),
    ],
)
def test_wrong_settings_are_refused(key: str, value: object) -> None:
    good = {"url": "https://rt.salud.example/", "token": Secret("x"), "account": "inbox", "queue": "Atencion"}
    assert plugin.settings.model_validate(good).url == "https://rt.salud.example"
    with pytest.raises(ValidationError):
        plugin.settings.model_validate(good | {key: value})


def test_the_sample_names_every_setting_and_its_default() -> None:
    lines = plugin.sample.splitlines()
    as_given = tomllib.loads(plugin.sample)["destinations"]["salud-rt"]
    everything = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines if not line.startswith("##")))
    table = everything["destinations"]["salud-rt"]
    assert set(table) - {"kind"} == set(plugin.settings.model_fields)
    for name, field in plugin.settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if name not in as_given and default not in (None, ""):
            assert table[name] == default, name
    for given in (as_given, table):
        secrets = {name: Secret("x") for name in ("token", "hint_secret") if name in given}
        plugin.settings.model_validate({name: value for name, value in (given | secrets).items() if name != "kind"})


def settings_with(**changes: Any) -> Any:
    good = {"url": "https://rt.salud.example", "token": Secret("x"), "account": "inbox", "queue": "Atencion"}
    return plugin.settings.model_validate(good | changes)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TicketState.OPEN, "open"),
        (TicketState.IN_PROGRESS, "open"),
        (TicketState.REOPENED, "open"),
        (TicketState.WAITING, "stalled"),
        (TicketState.SOLVED, "resolved"),
        (TicketState.CLOSED, "resolved"),
        (TicketState.REFERRED, None),
        (TicketState.DUPLICATE, None),
        (TicketState.NOT_COMPETENT, None),
        (TicketState.DELETED, None),
    ],
)
def test_states_are_read_backwards(state: TicketState, status: str | None) -> None:
    assert settings_with().status_of(state) == status


def test_a_lifecycle_of_its_own_has_its_own_words() -> None:
    own = settings_with(states={"derivado": "referred", "ajeno": "not_competent"}, closed_status="archivado")
    assert own.status_of(TicketState.REFERRED) == "derivado"
    assert own.status_of(TicketState.NOT_COMPETENT) == "ajeno"
    assert own.status_of(TicketState.CLOSED) == "archivado"
    assert own.status_of(TicketState.WAITING) is None


async def test_a_status_that_rt_refuses_is_told(rt: Rt) -> None:
    ticket = await rt.adapter().open_ticket(draft(reference()))
    with pytest.raises(Permanent, match=r"terminado.*isn't a valid status"):
        await rt.adapter(closed_status="terminado").set_state(ticket, TicketState.CLOSED)
    with pytest.raises(Permanent, match="referred"):
        await rt.adapter().set_state(ticket, TicketState.REFERRED)


async def test_an_ending_that_the_agent_chose_stays(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    rt.state.set_status(rt.state.tickets[int(ticket.id)], "rejected", "agente")
    await adapter.set_state(ticket, TicketState.SOLVED)
    assert rt.state.tickets[int(ticket.id)].status == "rejected"
    await adapter.set_state(ticket, TicketState.WAITING)
    assert rt.state.tickets[int(ticket.id)].status == "stalled"


async def test_hints_make_both_ways_of_learning(rt: Rt) -> None:
    assert rt.adapter().capabilities.updates == "poll"
    assert rt.adapter(hint_secret=Secret("clave")).capabilities.updates == "both"


async def test_records_of_mails_are_no_answers_even_where_they_are_seen(
    rt: Rt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator may have given ShowOutgoingEmail."""
    monkeypatch.setattr("support.rt_fake_http.HIDDEN", frozenset())
    adapter = rt.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    answer = await rt.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    kinds = {str(one.id): one.kind for one in rt.state.transactions}
    assert "EmailRecord" in kinds.values()
    for number in kinds:
        now = await adapter.entry(ticket.id, number)
        assert (now is not None and now.public) is (number == answer), kinds[number]


async def test_an_answer_of_nothing_is_not_public(rt: Rt) -> None:
    adapter = rt.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    for text in ("", "  \n", "> hola\n> [ref:4F7K2-8.m1]"):
        made = await rt.agents.agent_answers(ticket.id, text)
        now = await adapter.entry(ticket.id, made)
        assert now is not None
        assert not now.public


async def test_a_file_cut_on_its_way_is_not_taken_for_whole(rt: Rt, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = rt.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    file = AgentFile(name="plano.pdf", media_type="application/pdf", content=bytes(range(256)) * 2000)
    made = await rt.agents.agent_answers(ticket.id, "Va el plano", files=[file])
    now = await adapter.entry(ticket.id, made)
    [plan] = now.attachments

    async def half(path: str, size: int) -> AsyncGenerator[bytes, None]:
        whole = b"".join([piece async for piece in whole_stream(path, size)])
        yield whole[: len(whole) // 2]

    whole_stream = adapter._rest.stream
    monkeypatch.setattr(adapter._rest, "stream", half)
    with pytest.raises(Transient):
        assert b"".join([piece async for piece in adapter.fetch(plan)])
    monkeypatch.undo()
    assert b"".join([piece async for piece in adapter.fetch(plan)]) == file.content
