"""GLPI 11 over its high-level API: its check, its token, what its answers prove, and what only it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contract.glpi_v2_office import GlpiEleven, glpi_eleven
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, Permanent, Transient, Uncertain
from inbox_daemon.model import MessageKey, Reference
from inbox_daemon.plugins import Secret
from inbox_ticketing.glpi.settings import GlpiSettings
from support.glpi_fake import AGENT, CITIZEN, INBOX, SALUD


@pytest.fixture
async def glpi() -> AsyncIterator[GlpiEleven]:
    async with glpi_eleven() as made:
        yield made


def requesters(glpi: GlpiEleven, ticket: str) -> list[int]:
    return [one["users_id"] for one in glpi.glpi.table("Ticket_User") if one["tickets_id"] == int(ticket)]


# ---------------------------------------------------------------- check


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entity": "Inexistente"}, ("Inexistente", "Authorizations")),
        ({"category": "Nada"}, ("Nada", "category")),
        ({"category": "Alumbrado"}, ("Alumbrado", "several", "A > B")),
        ({"requester": "nadie"}, ("nadie", "login")),
        ({"request_sources": {"email": "Correo"}}, ("Correo", "Request sources")),
        ({"agent_profiles": ["Technician", "Agente"]}, ("Agente", "agent_profiles")),
        ({"client_id": "otro"}, ("OAuth client", "client_secret")),
        ({"client_secret": Secret("otra")}, ("OAuth client", "client_secret")),
        ({"password": Secret("otra")}, ("service account", "password")),
        ({"user_token": Secret("tok-agente"), "app_token": Secret("app-00ff")}, ("user_token", "username")),
    ],
)
async def test_a_check_names_what_is_missing(glpi: GlpiEleven, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(Credentials) as missing:
        await glpi.adapter(**changes).check()
    for word in ("salud-glpi", *words):
        assert word in str(missing.value)
    assert glpi.glpi.table("Ticket") == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"finds_everything": True}, ("finds 1 tickets", "none has")),
        ({"enabled": False}, ("API disabled", "Setup > General > API")),
        ({"grants": set()}, ("Password",)),
        ({"scopes": {"api", "user"}}, ("scopes",)),
        ({"scopes": {"api", "graphql"}}, ("scopes",)),
        ({"denies": {"UserAuthorization"}}, ("who is an agent", "2.2")),
        ({"denies": {"Ticket_Ticket"}}, ("Ticket_Ticket",)),
        ({"denies": {"Followup"}}, ("denies Followup", "profile")),
        ({"unknown_types": {"Followup"}}, ("Followup", "2.2")),
        ({"clock_off": timedelta(hours=3)}, ("clock",)),
    ],
)
async def test_a_check_finds_what_would_go_wrong(
    glpi: GlpiEleven, fault: dict[str, Any], words: tuple[str, ...]
) -> None:
    glpi.glpi.add("Ticket", {"name": "De otros", "content": "x", "entities_id": SALUD}, AGENT)
    for name, value in fault.items():
        setattr(glpi.state, name, value)
    with pytest.raises(Credentials) as wrong:
        await glpi.adapter().check()
    for word in words:
        assert word in str(wrong.value)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"forgets_private": True}, ("public", "private followups")),
        ({"ignores_updates": True}, ("closed", "Life cycles")),
        ({"preferences": {"glpiset_followup_tech": 1}}, ("technician", "preferences")),
    ],
)
async def test_a_check_finds_what_the_product_does_otherwise(
    glpi: GlpiEleven, fault: dict[str, Any], words: tuple[str, ...]
) -> None:
    for name, value in fault.items():
        setattr(glpi.glpi, name, value)
    with pytest.raises(Credentials) as wrong:
        await glpi.adapter().check()
    for word in words:
        assert word in str(wrong.value)


async def test_a_field_that_the_filter_does_not_know_is_noticed(glpi: GlpiEleven) -> None:
    adapter, case = glpi.adapter(), reference()
    for one in (case, reference()):
        await adapter.open_ticket(draft(one))
    glpi.state.unknown_fields = {"external_id"}
    with pytest.raises(Permanent, match="external_id"):
        await adapter.check()
    glpi.state.passes_over_unknown_fields = True
    with pytest.raises(Credentials, match="finds 2 tickets"):
        await adapter.check()
    assert await adapter.find(reference()) is None, "all tickets came, and each row was compared here"
    found = await adapter.find(case)
    assert found is not None
    assert glpi.ticket(found.id)["externalid"] == case


async def test_checks_leave_one_closed_ticket_and_write_no_more(glpi: GlpiEleven) -> None:
    adapter = glpi.with_files(
        requester="ciudadania", category="Obras > Alumbrado", request_sources={"whatsapp": "WhatsApp"}
    )
    await adapter.check()
    [proof] = glpi.glpi.table("Ticket")
    written = {name: len(rows) for name, rows in glpi.glpi.tables.items()}
    assert (proof["status"], proof["itilcategories_id"], proof["entities_id"]) == (6, 4, SALUD)
    await adapter.check()
    assert {name: len(rows) for name, rows in glpi.glpi.tables.items()} == written


# ---------------------------------------------------------------- opening


@pytest.mark.parametrize("ids", [True, False])
async def test_a_ticket_says_where_it_came_from_and_for_whom_once(glpi: GlpiEleven, ids: bool) -> None:
    glpi.state.tells_ids_in_team = ids
    adapter, case = (
        glpi.adapter(
            requester="ciudadania", category="Agua", type="incident", request_sources={"whatsapp": "WhatsApp"}
        ),
        reference(),
    )
    ticket = await adapter.open_ticket(draft(case))
    row = glpi.ticket(ticket.id)
    assert (row["type"], row["itilcategories_id"], row["requesttypes_id"]) == (1, 5, 7)
    assert (row["externalid"], row["users_id_recipient"]) == (case, INBOX)
    assert await adapter.find(case) == ticket
    assert requesters(glpi, ticket.id) == [CITIZEN]


async def test_an_opening_that_ended_half_way_is_completed_by_the_look_up_and_not_doubled(glpi: GlpiEleven) -> None:
    adapter, case = glpi.adapter(requester="ciudadania"), reference()
    glpi.state.team_fails = 1
    with pytest.raises(Uncertain):
        await adapter.open_ticket(draft(case))
    assert requesters(glpi, "1") == []
    ticket = await adapter.find(case)
    assert ticket is not None
    assert requesters(glpi, ticket.id) == [CITIZEN]
    assert await adapter.find(case) == ticket
    assert requesters(glpi, ticket.id) == [CITIZEN]


async def test_the_reference_may_stand_in_the_title(glpi: GlpiEleven) -> None:
    adapter, case = glpi.adapter(reference_in="title"), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.open_ticket(draft(reference(), subject=f"Re: [{case}] lo mío"))
    assert await adapter.find(case) == ticket
    _, cursor = await adapter.updates(None)
    made = await glpi.agents.agent_answers(ticket.id, "Listo")
    assert made in {one.entry for one in (await adapter.updates(cursor))[0] if one.public}
    await adapter.check()


async def test_a_reference_that_cannot_be_searched_is_told(glpi: GlpiEleven) -> None:
    with pytest.raises(Permanent, match="quotes"):
        await glpi.adapter().find(Reference("'\""))


@pytest.mark.parametrize("status", [200, 201])
async def test_both_statuses_of_a_creation_are_taken(glpi: GlpiEleven, status: int) -> None:
    glpi.state.created_status = status
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.append(ticket, entry(case, 2))
    assert len(await glpi.agents.thread(ticket.id)) == 2


async def test_a_field_that_is_demanded_is_named_but_no_citizens_words_are(glpi: GlpiEleven) -> None:
    glpi.glpi.refusal = "Mandatory fields are not filled. Please correct: <b>Location</b>"
    with pytest.raises(Permanent, match="Location") as refused:
        await glpi.adapter().open_ticket(draft(reference()))
    assert refused.value.told
    glpi.glpi.refusal = "Item not added: {name}"
    with pytest.raises(Permanent) as refused:
        await glpi.adapter().open_ticket(draft(reference(), subject="Me golpea mi marido"))
    assert "ERROR" in str(refused.value)
    assert "marido" not in str(refused.value)
    glpi.glpi.refusal = "MySQL query error: Data too long"
    with pytest.raises(Uncertain):
        await glpi.adapter().open_ticket(draft(reference()))


# ---------------------------------------------------------------- token and outcomes


@pytest.mark.parametrize("as_400", [True, False])
async def test_a_token_that_ended_in_mid_work_is_renewed_once_and_nothing_is_doubled(
    glpi: GlpiEleven, as_400: bool
) -> None:
    glpi.state.expiry_is_400 = as_400
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    assert glpi.state.given == 1
    for number in (2, 3):
        glpi.state.tokens.clear()
        await adapter.append(ticket, entry(case, number))
        assert glpi.state.given == number
    assert len(await glpi.agents.thread(ticket.id)) == 3


async def test_a_token_is_given_up_before_its_end(glpi: GlpiEleven) -> None:
    clock = [glpi.context.now()]
    glpi.context = replace(glpi.context, now=lambda: clock[0])
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    begun = clock[0]
    for minutes, given in ((58, 1), (59, 2), (117, 2), (118, 3)):
        clock[0] = begun + timedelta(minutes=minutes, seconds=1)
        await adapter.append(ticket, entry(case, minutes))
        assert glpi.state.given == given, minutes


async def test_an_account_shut_out_meanwhile_is_credentials(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    glpi.state.tokens.clear()
    glpi.state.passwords.clear()
    with pytest.raises(Credentials):
        await adapter.append(ticket, entry(reference(), 2))


@pytest.mark.parametrize("answer", ["404", "empty", "null"])
async def test_a_write_answered_as_if_it_had_failed_is_unclear_and_found(glpi: GlpiEleven, answer: str) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.state.broken_writes = [answer]
    with pytest.raises(Uncertain):
        await adapter.append(ticket, entry(case, 2))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None
    glpi.state.broken_writes = [answer]
    other = reference()
    with pytest.raises(Uncertain):
        await adapter.open_ticket(draft(other))
    assert await adapter.find(other) is not None


async def test_a_filter_that_answers_everything_finds_nothing_that_is_not_ours(glpi: GlpiEleven) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.open_ticket(draft(reference()))
    glpi.state.finds_everything = True
    assert await adapter.find(case) == ticket
    assert await adapter.find(reference()) is None
    for number in range(120):
        glpi.glpi.add("Ticket", {"name": f"Otro {number}", "content": "x", "entities_id": SALUD}, AGENT)
    with pytest.raises(Permanent, match="122 tickets"):
        await adapter.find(case)


async def test_questions_that_go_unanswered_are_no_absence(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter()
    one, two = await adapter.open_ticket(draft(reference())), await adapter.open_ticket(draft(reference()))
    glpi.glpi.merge(int(one.id), int(two.id), AGENT, with_followups=False)
    glpi.state.breaks_questions = True
    with pytest.raises(Transient):
        await adapter.append(one, entry(reference(), 2))
    with pytest.raises(Transient):
        await adapter.find_entry(two, MessageKey("X.m9"))


@pytest.mark.parametrize("front", ["404", "[]"])
async def test_what_a_server_before_glpi_answers_is_no_absence(glpi: GlpiEleven, front: str) -> None:
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    glpi.state.front = front
    with pytest.raises(Transient):
        await adapter.find(case)
    with pytest.raises(Transient):
        await adapter.find_entry(ticket, MessageKey(f"{case}.m1"))
    with pytest.raises(Transient):
        await adapter.append(ticket, entry(case, 2))


async def test_what_a_timeline_leaves_out_is_no_absence(glpi: GlpiEleven) -> None:
    """A right that was lost: the timeline is empty and its status good."""
    adapter, case = glpi.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.append(ticket, entry(case, 2))
    glpi.state.denies = {"Followup"}
    with pytest.raises(Credentials):
        await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    glpi.state.denies = set()
    glpi.state.empties_timelines = True
    with pytest.raises(Transient):
        await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m3")) is None


# ---------------------------------------------------------------- settings


V2 = {
    "url": "https://glpi.example/api.php",
    "api": "v2",
    "client_id": "x",
    "client_secret": Secret("x"),
    "username": "inbox",
    "password": Secret("x"),
    "entity": "Salud",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_secret": None},
        {"username": None},
        {"password": None},
        {"password": "literal"},
        {"api_version": "1.0"},
        {"api_version": "2.2/../v1"},
        {"agent_profiles": []},
        {"api": "legacy"},
    ],
)
def test_settings_refuse_mistakes(changes: dict[str, Any]) -> None:
    assert GlpiSettings.model_validate(V2).url == "https://glpi.example"
    with pytest.raises(ValidationError):
        GlpiSettings.model_validate(V2 | changes)


async def test_nothing_secret_is_shown(glpi: GlpiEleven) -> None:
    adapter = glpi.adapter(password=Secret("contra-deadbeef"))
    with pytest.raises(Credentials) as refused:
        await adapter.check()
    assert "contra-" not in str(refused.value)
    assert "contra-" not in repr(GlpiSettings.model_validate(V2 | {"password": Secret("contra-x")}))
