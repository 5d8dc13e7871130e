"""What only GLPI does, played on the in-memory fake."""

from __future__ import annotations

import hashlib
import hmac
import json
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from contract.glpi_office import Glpi, glpi_office
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, Gone, Permanent, Uncertain
from inbox_daemon.model import Cursor, MessageKey, TicketId, TicketState
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.glpi import plugin
from inbox_ticketing.glpi.settings import GlpiSettings
from support.glpi_fake import AGENT, CITIZEN, RESERVED, SALUD


@pytest.fixture
async def glpi(request: pytest.FixtureRequest) -> AsyncIterator[Glpi]:
    async with glpi_office(getattr(request, "param", 10)) as made:
        yield made


eleven = pytest.mark.parametrize("glpi", [11], indirect=True)


# ---------------------------------------------------------------- check


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entity": "Inexistente"}, ("Inexistente", "Authorizations")),
        ({"category": "Nada"}, ("Nada", "category")),
        ({"category": "Alumbrado"}, ("Alumbrado", "several", "A > B")),
        ({"requester": "nadie"}, ("nadie", "login")),
        ({"request_sources": {"email": "Correo"}}, ("Correo", "Request sources")),
        ({"app_token": None}, ("app_token",)),
        ({"app_token": Secret("otro")}, ("app_token",)),
        ({"user_token": Secret("otro")}, ("API token",)),
        ({"reference_in": "external_id"}, ("externalid", "reference_in", "GLPI 11")),
        ({"zone": "Asia/Tokyo"}, ("clock", "Asia/Tokyo", "zone")),
    ],
)
async def test_a_check_names_what_is_missing(glpi: Glpi, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(Credentials) as missing:
        await glpi.adapter(**changes).check()
    for word in ("salud-glpi", *words):
        assert word in str(missing.value)
    assert glpi.state.table("Ticket") == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"finds_everything": True}, ("finds 1 tickets", "none has")),
        ({"rewrites_titles": True}, ("reference", "business rule")),
        ({"forgets_private": True}, ("public", "private followups")),
        ({"ignores_updates": True}, ("closed", "Life cycles")),
        ({"preferences": {"glpiset_followup_tech": 1}}, ("technician", "preferences")),
    ],
)
async def test_a_check_finds_what_would_go_wrong(glpi: Glpi, fault: dict[str, Any], words: tuple[str, ...]) -> None:
    glpi.state.add("Ticket", {"name": "De otros", "content": "x", "entities_id": SALUD}, AGENT)
    for name, value in fault.items():
        setattr(glpi.state, name, value)
    with pytest.raises(Credentials) as wrong:
        await glpi.adapter().check()
    for word in words:
        assert word in str(wrong.value)


async def test_a_check_wants_an_account_that_can_tell_agents(glpi: Glpi) -> None:
    for link in glpi.state.table("Profile_User"):
        link["profiles_id"] = 1
    with pytest.raises(Credentials, match="standard interface"):
        await glpi.adapter().check()


async def test_checks_leave_one_closed_ticket_and_write_no_more(glpi: Glpi) -> None:
    adapter = glpi.adapter(
        requester="ciudadania", category="Obras > Alumbrado", request_sources={"whatsapp": "WhatsApp"}
    )
    await adapter.check()
    [proof] = glpi.state.table("Ticket")
    written = [len(rows) for rows in glpi.state.tables.values()]
    assert (proof["status"], proof["itilcategories_id"], proof["entities_id"]) == (6, 4, SALUD)
    await adapter.check()
    assert [len(rows) for rows in glpi.state.tables.values()] == written


# ---------------------------------------------------------------- opening


async def test_a_ticket_says_where_it_came_from_and_for_whom(glpi: Glpi) -> None:
    adapter = glpi.adapter(
        requester="ciudadania", category="Agua", type="incident", request_sources={"whatsapp": "WhatsApp"}
    )
    ticket = await adapter.open_ticket(draft(reference()))
    row = glpi.ticket(ticket.id)
    assert (row["type"], row["itilcategories_id"], row["requesttypes_id"]) == (1, 5, 7)
    assert [(one["users_id"], one["type"]) for one in glpi.state.table("Ticket_User")] == [(CITIZEN, 1)]
    assert ticket.url == f"{glpi.url}/front/ticket.form.php?id={ticket.id}"


@eleven
async def test_the_external_id_is_used_and_the_title_shows_the_case(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(reference_in="external_id"), reference()
    ticket = await adapter.open_ticket(draft(case))
    assert glpi.ticket(ticket.id)["externalid"] == case
    assert glpi.ticket(ticket.id)["name"].startswith(f"[{case.partition('/')[0]}] ")
    glpi.ticket(ticket.id)["name"] = "Otro título"
    assert await adapter.find(case) == ticket
    _, cursor = await adapter.updates(None)
    made = await glpi.agents.agent_answers(ticket.id, "Listo")
    updates, _ = await adapter.updates(cursor)
    assert made in {one.entry for one in updates if one.public}


async def test_a_reference_that_a_rule_dropped_puts_the_ticket_away(glpi: Glpi) -> None:
    glpi.state.rewrites_titles = True
    with pytest.raises(Permanent, match="business rule"):
        await glpi.adapter().open_ticket(draft(reference()))
    assert glpi.ticket(1)["status"] == 6


async def test_a_ticket_moved_to_another_entity_is_still_found(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.ticket(ticket.id)["entities_id"] = RESERVED
    assert await adapter.find(case) == ticket


# ---------------------------------------------------------------- session and outcomes


async def test_a_session_that_ended_is_begun_anew_and_nothing_is_doubled(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.state.sessions.clear()
    await adapter.append(ticket, entry(case, 2))
    assert len(await glpi.agents.thread(ticket.id)) == 2
    await adapter.aclose()
    assert glpi.state.sessions == {}
    await adapter.aclose()


async def test_a_token_taken_away_meanwhile_is_credentials(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    glpi.state.sessions.clear()
    glpi.state.user_tokens.clear()
    with pytest.raises(Credentials):
        await adapter.append(ticket, entry(reference(), 2))


@pytest.mark.parametrize("answer", ["404", "sql", "empty"])
async def test_a_write_answered_as_if_it_had_failed_is_unclear_and_found(glpi: Glpi, answer: str) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.state.broken_writes = [answer]
    with pytest.raises(Uncertain):
        await adapter.append(ticket, entry(case, 2))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None


async def test_warnings_before_the_answer_do_no_harm(glpi: Glpi) -> None:
    glpi.state.prints_warnings = True
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    assert await adapter.find(case) == ticket


async def test_long_threads_and_many_tickets_are_read_to_the_end(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    for number in range(230):
        await glpi.agents.agent_answers(ticket.id, f"Respuesta {number}")
        glpi.state.add("Ticket", {"name": f"[X-{number}] Otro", "content": "x", "entities_id": SALUD}, AGENT)
    assert [one.text for one in await adapter.thread(ticket.id)][-1] == "Respuesta 229"
    updates, _ = await adapter.updates(cursor)
    assert len({one.entry for one in updates if one.ticket == ticket.id and one.public}) == 230


async def test_a_filter_that_answers_everything_finds_nothing_that_is_not_ours(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.open_ticket(draft(reference()))
    glpi.state.finds_everything = True
    assert await adapter.find(case) == ticket
    assert await adapter.find(reference()) is None
    for number in range(120):
        glpi.state.add("Ticket", {"name": f"Otro {number}", "content": "x", "entities_id": SALUD}, AGENT)
    with pytest.raises(Permanent, match="122 tickets"):
        await adapter.find(case)


async def test_a_state_that_did_not_change_is_told(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    glpi.state.ignores_updates = True
    with pytest.raises(Permanent, match="status 6"):
        await adapter.set_state(ticket, TicketState.CLOSED)


# ---------------------------------------------------------------- closed tickets


async def test_where_a_closed_ticket_takes_nothing_another_is_to_be_opened(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await glpi.agents.agent_closes(ticket.id)
    glpi.state.closed_takes = False
    with pytest.raises(Gone) as gone:
        await adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "closed"
    with pytest.raises(Permanent):
        await adapter.note(ticket, entry(case, 2))


@pytest.mark.parametrize("status", [5, 6])
async def test_a_ticket_that_glpi_does_not_reopen_is_reopened(glpi: Glpi, status: int) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.state.set_status(glpi.ticket(ticket.id), status, AGENT)
    glpi.state.reopens = False
    written = await adapter.append(ticket, entry(case, 2))
    assert written.reopened
    assert written.ticket.open
    assert glpi.ticket(ticket.id)["status"] == 2
    glpi.state.set_status(glpi.ticket(ticket.id), status, AGENT)
    glpi.state.ignores_updates = True
    written = await adapter.append(ticket, entry(case, 3))
    assert not written.reopened
    assert not written.ticket.open


# ---------------------------------------------------------------- hints, cursors, settings


def signed(event: object, secret: str = "clave") -> WebhookRequest:
    body = json.dumps(event).encode()
    signature = hmac.new(secret.encode(), body + b"17", hashlib.sha256).hexdigest()
    headers = {"x-glpi-signature": signature, "x-glpi-timestamp": "17"}
    return WebhookRequest(method="POST", query={}, headers=headers, body=body)


@pytest.mark.parametrize(
    ("event", "ticket"),
    [
        ({"event": "new", "item": {"id": 9, "itemtype": "Ticket", "items_id": 15}}, "15"),
        ({"event": "update", "item": {"id": 15, "name": "x"}}, "15"),
        ({"event": "new", "item": {"id": 9, "itemtype": "Change", "items_id": 15}}, None),
        ({"event": "new", "item": {"id": 9, "itemtype": "Ticket", "items_id": "x"}}, None),
        ({"event": "new", "item": 5}, None),
        ({"event": "new"}, None),
        ([], None),
    ],
)
async def test_a_hint_names_the_ticket(glpi: Glpi, event: object, ticket: str | None) -> None:
    adapter = glpi.adapter(hint_secret=Secret("clave"))
    assert adapter.capabilities.updates == "both"
    taken = adapter.parse_hint(signed(event))
    assert (taken.tickets if taken else None) == ((TicketId(ticket),) if ticket else None)
    with pytest.raises(Credentials):
        adapter.parse_hint(signed(event, "otra"))
    late = signed(event)
    with pytest.raises(Credentials):
        adapter.parse_hint(replace(late, headers={**late.headers, "x-glpi-timestamp": "18"}))
    assert glpi.adapter().parse_hint(signed(event)) is None


async def test_a_cursor_that_cannot_be_read_is_told(glpi: Glpi) -> None:
    with pytest.raises(Permanent, match="cursor"):
        await glpi.adapter().updates(Cursor("?"))


async def test_another_zone_is_read_rightly(glpi: Glpi) -> None:
    glpi.state.clock_zone = ZoneInfo("Pacific/Auckland")
    adapter = glpi.adapter(zone="Pacific/Auckland")
    await adapter.check()
    ticket = await adapter.open_ticket(draft(reference()))
    _, cursor = await adapter.updates(None)
    made = await glpi.agents.agent_answers(ticket.id, "Listo")
    updates, _ = await adapter.updates(cursor)
    assert made in {one.entry for one in updates if one.public}


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://glpi.example"},
        {"url": "https://ana:x@glpi.example"},
        {"entity": ""},
        {"zone": "Chaco/Resistencia"},
        {"app_token": "literal"},
        {"max_attachment_bytes": 0},
        {"nada": 1},
    ],
)
def test_settings_refuse_mistakes(changes: dict[str, Any]) -> None:
    base = {"url": "https://glpi.example/apirest.php", "user_token": Secret("x"), "entity": "Salud"}
    assert GlpiSettings.model_validate(base).url == "https://glpi.example"
    with pytest.raises(ValidationError):
        GlpiSettings.model_validate(base | changes)


def test_the_sample_shows_the_defaults() -> None:
    lines = [line.removeprefix("# ") for line in plugin.sample.splitlines() if not line.startswith("##")]
    table = tomllib.loads("\n".join(lines))["destinations"]["salud-glpi"]
    for name, field in GlpiSettings.model_fields.items():
        assert name in table
        if not field.is_required() and field.default is not None and name != "request_sources":
            assert table[name] == field.get_default(call_default_factory=True), name


async def test_nothing_secret_is_shown(glpi: Glpi) -> None:
    adapter = glpi.adapter(user_token=Secret("tok-deadbeef"))
    with pytest.raises(Credentials) as refused:
        await adapter.check()
    assert "tok-" not in str(refused.value)
    assert "tok-" not in repr(
        plugin.settings.model_validate({"url": glpi.url, "user_token": Secret("tok-x"), "entity": "x"})
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"enabled": False}, ("API disabled", "Setup > General > API")),
        ({"hides_authorization": True}, ("Authorization",)),
        ({"tables": {}}, ("no entity", "Authorize")),
    ],
)
async def test_a_glpi_that_lets_nobody_in_is_told_with_the_remedy(
    glpi: Glpi, fault: dict[str, Any], words: tuple[str, ...]
) -> None:
    for name, value in fault.items():
        setattr(glpi.state, name, value)
    with pytest.raises(Credentials) as wrong:
        await glpi.adapter().find(reference())
    for word in words:
        assert word in str(wrong.value)


async def test_a_subject_with_anothers_reference_is_no_double(glpi: Glpi) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.open_ticket(draft(reference(), subject=f"Re: [{case}] lo mío"))
    assert await adapter.find(case) == ticket


async def test_a_ticket_without_its_reference_that_cannot_be_closed_is_told_all_the_same(glpi: Glpi) -> None:
    glpi.state.rewrites_titles = glpi.state.ignores_updates = True
    with pytest.raises(Permanent, match="business rule"):
        await glpi.adapter().open_ticket(draft(reference()))


async def test_a_field_that_is_demanded_is_named_but_no_citizens_words_are(glpi: Glpi) -> None:
    glpi.state.refusal = "Mandatory fields are not filled. Please correct: <b>Location</b>"
    with pytest.raises(Permanent, match="Location") as refused:
        await glpi.adapter().open_ticket(draft(reference()))
    assert refused.value.told
    glpi.state.refusal = "Item not added: {name}"
    with pytest.raises(Permanent) as refused:
        await glpi.adapter().open_ticket(draft(reference(), subject="Me golpea mi marido"))
    assert "ERROR_GLPI_ADD" in str(refused.value)
    assert "marido" not in str(refused.value)
