"""What only Redmine does, played on the in-memory fake."""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import MessageKey, TicketState
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.redmine import plugin
from support.contexts import clock_off
from support.fault_proxy import Fault, FaultProxy
from support.redmine_office import Redmine
from support.redmine_state import RedmineState

# ---------------------------------------------------------------- the self-check


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"project": "nada"}, ("nada", "identifier")),
        ({"project": "reservada"}, ("reservada", "member")),
        ({"tracker": "Reclamo"}, ("Reclamo", "Bug, Feature, Support")),
        ({"reference_field": 2}, ("number 2", "Tick it")),
        ({"account": "agente"}, ("agente", "login")),
        ({"closed_status": "Cerrada"}, ("Cerrada", "Closed, Rejected")),
        ({"open_status": "Rejected"}, ("Rejected", "open_status")),
        ({"key": Secret("x")}, ("401", "REST web service")),
        ({"agent_roles": ("Mesa",)}, ("Mesa", "agent_roles")),
    ],
)
async def test_the_check_names_what_is_wrong_and_the_remedy(
    redmine: Redmine, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises((Credentials, Permanent)) as refused:
        await redmine.adapter(**changes).check()
    for word in words:
        assert word in str(refused.value)
    assert not redmine.state.issues, "nothing was written"


def _unfiltered(state: RedmineState) -> None:
    state.filterable.clear()


def _wordless(state: RedmineState) -> None:
    state.users["inbox"].adds_notes = False


def _indiscreet(state: RedmineState) -> None:
    state.users["inbox"].sets_private = False


def _unclosing(state: RedmineState) -> None:
    state.denied_statuses.add(5)


def _cutting(state: RedmineState) -> None:
    state.cuts_emoji = True


def _public(state: RedmineState) -> None:
    state.projects[1].is_public = True


def _shut(state: RedmineState) -> None:
    state.projects[1].status = 5


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_unfiltered, "Used as a filter"),
        (_wordless, "Add notes"),
        (_indiscreet, "Set notes as private"),
        (_unclosing, "workflow"),
        (_cutting, "utf8mb4"),
        (_public, "public_project"),
        (_shut, "closed or archived"),
    ],
)
async def test_the_check_notices_what_redmine_passes_over(redmine: Redmine, spoil: Any, words: str) -> None:
    await redmine.adapter().open_ticket(draft(reference()))
    spoil(redmine.state)
    with pytest.raises(Credentials, match=words):
        await redmine.adapter().check()


async def test_an_account_that_is_no_member_is_told(redmine: Redmine) -> None:
    redmine.state.users["inbox"].roles.clear()
    with pytest.raises(Credentials, match="member"):
        await redmine.adapter().check()


async def test_a_check_whose_issue_loses_its_reference_opens_ever_fewer(redmine: Redmine) -> None:
    """While it is refused a lane asks for one every half minute. The field is in the project and not in the tracker."""
    adapter = redmine.adapter()
    redmine.state.untracked.add(1)
    for later, there in ((0, 1), (0, 1), (50, 1), (70, 2), (130, 2), (200, 3)):
        with clock_off(timedelta(seconds=later)), pytest.raises(Permanent, match="dropped the reference"):
            await adapter.check()
        assert [one.status for one in redmine.state.issues.values()] == [5] * there


async def test_a_public_note_of_the_check_stops_until_it_is_private(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    redmine.state.users["inbox"].sets_private = False
    for _ in range(2):
        with pytest.raises(Credentials, match="Set notes as private"):
            await adapter.check()
    [issue] = redmine.state.issues.values()
    [note] = [one for one in issue.journals if one.notes]
    redmine.state.users["inbox"].sets_private = True
    note.private = True
    await adapter.check()


async def test_one_closed_issue_stays_of_all_checks(redmine: Redmine) -> None:
    for _ in range(3):
        await redmine.adapter().check()
    [issue] = redmine.state.issues.values()
    assert issue.status == 5
    assert len([one for one in issue.journals if one.notes]) == 1


# ---------------------------------------------------------------- silences


async def test_a_filter_that_is_ignored_is_never_an_absence_nor_a_match(redmine: Redmine) -> None:
    adapter = redmine.adapter()
    await adapter.open_ticket(draft(reference()))
    redmine.state.filterable.clear()
    with pytest.raises(Credentials, match="ignores the filter"):
        await adapter.find(reference())


async def test_a_dropped_reference_closes_the_issue_and_parks_the_case(redmine: Redmine) -> None:
    """Anything that lets the step be tried again would make another issue each time."""
    with pytest.raises(Permanent, match="dropped the reference") as parked:
        await redmine.adapter(reference_field=2).open_ticket(draft(reference()))
    assert parked.value.told
    [issue] = redmine.state.issues.values()
    assert issue.status == 5


async def test_a_note_that_was_taken_and_not_kept_stops(redmine: Redmine) -> None:
    case = reference()
    ticket = await redmine.adapter().open_ticket(draft(case))
    redmine.state.users["inbox"].adds_notes = False
    with pytest.raises(Credentials, match="Add notes"):
        await redmine.adapter().append(ticket, entry(case, 2))


async def test_what_stands_in_part_is_parked_and_not_added_again(redmine: Redmine, tmp_path: Path) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    redmine.state.cuts_emoji = True
    with pytest.raises(Permanent, match="utf8mb4") as parked:
        await adapter.append(ticket, entry(case, 2, "Gracias 😀 chau"))
    assert parked.value.told
    redmine.state.users["inbox"].adds_notes = False
    with pytest.raises(Permanent, match="Add notes") as parked:
        await adapter.attach(ticket, entry(case, 3), stored(tmp_path, "a.pdf", "application/pdf", b"%PDF"))
    assert parked.value.told
    assert await redmine.agents.files(ticket.id) == {"a.pdf": b"%PDF"}, "the file stands"


async def test_a_note_that_became_public_is_parked(redmine: Redmine) -> None:
    """Tried again it would stand there in public once more."""
    case = reference()
    ticket = await redmine.adapter().open_ticket(draft(case))
    redmine.state.users["inbox"].sets_private = False
    with pytest.raises(Permanent, match="Make it private"):
        await redmine.adapter().note(ticket, entry(case, 2))
    assert await redmine.adapter().find_entry(ticket, MessageKey(f"{case}.m2")) is not None, "not written again"


async def test_a_state_that_the_workflow_leaves_out_is_told(redmine: Redmine) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    await redmine.agents.agent_closes(ticket.id)
    redmine.state.denied_statuses.add(2)
    with pytest.raises(Permanent, match="workflow"):
        await adapter.set_state(ticket, TicketState.REOPENED)
    written = await adapter.append(ticket, entry(case, 2))
    assert not written.reopened
    assert not written.ticket.open


async def test_a_conflict_with_an_agent_is_surely_nothing_done(redmine: Redmine) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    redmine.state.conflicts = 1
    with pytest.raises(Transient):
        await adapter.append(ticket, entry(case, 2))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is None
    assert (await adapter.append(ticket, entry(case, 2))).entry


async def test_a_required_field_is_named_and_can_be_given(redmine: Redmine) -> None:
    redmine.state.required = ("Barrio",)
    with pytest.raises(Permanent, match="Barrio cannot be blank") as refused:
        await redmine.adapter().open_ticket(draft(reference()))
    assert "`fields`" in str(refused.value)
    assert refused.value.told
    redmine.state.required = ()
    redmine.state.projects[1].fields[3] = "Barrio"
    ticket = await redmine.adapter(fields={"3": "Sin barrio"}).open_ticket(draft(reference()))
    assert redmine.state.issues[int(ticket.id)].fields[3] == "Sin barrio"


async def test_being_asked_to_slow_down_is_heeded(redmine: Redmine) -> None:
    redmine.state.busy = 1
    with pytest.raises(Transient) as busy:
        await redmine.adapter().find(reference())
    assert busy.value.retry_after is not None
    assert busy.value.retry_after.total_seconds() == 3


async def test_an_issue_that_moved_out_of_sight_is_gone(redmine: Redmine) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    redmine.state.issues[int(ticket.id)].project = 2
    with pytest.raises(Gone) as gone:
        await adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "moved"
    assert list(await adapter.thread(ticket.id)) == []


async def test_a_role_that_was_taken_away_stops_and_loses_no_ticket(redmine: Redmine) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    made = await redmine.agents.agent_answers(ticket.id, "Va mañana")
    redmine.state.users["inbox"].roles.clear()
    for call in (
        adapter.append(ticket, entry(case, 2)),
        adapter.open_ticket(draft(reference())),
        adapter.entry(ticket.id, made),
        adapter.thread(ticket.id),
    ):
        with pytest.raises(Credentials, match="make the account a member"):
            await call


async def test_a_project_that_was_closed_meanwhile_stops(redmine: Redmine) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    redmine.state.projects[1].status = 5
    with pytest.raises(Credentials, match="must not be closed"):
        await adapter.append(ticket, entry(case, 2))


async def test_a_file_that_redmine_refuses_is_told_to_the_office(redmine: Redmine, tmp_path: Path) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    redmine.state.max_file = 10
    with pytest.raises(Permanent) as refused:
        await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.pdf", "application/pdf", b"x" * 11))
    assert "admite" in refused.value.told
    assert not redmine.state.issues[int(ticket.id)].journals


async def test_after_the_write_nothing_says_that_it_was_not_done(redmine: Redmine) -> None:
    """Whichever reading fails after a write: what was written is told as written, and never tried again."""
    case = reference()
    upstream = urlsplit(redmine.url)
    async with FaultProxy("127.0.0.1", upstream.port or 0) as proxy:
        for fault in (Fault.ERROR_500, Fault.LOGIN_PAGE, Fault.TRUNCATE):
            adapter = redmine.adapter(url=proxy.url)
            written: list[str] = []

            def after_write(method: str, path: str, written: list[str] = written) -> bool:
                written += [path] if method == "POST" else []
                return bool(written) and method == "GET"

            proxy.set(fault, after_write)
            ticket = await adapter.open_ticket(draft(case))
            proxy.set(Fault.PASS)
            assert ticket.open
            written.clear()
            await redmine.agents.agent_closes(ticket.id)
            proxy.set(fault, after_write)
            told = await redmine.adapter(url=proxy.url).append(ticket, entry(case, 2))
            assert (told.entry, told.reopened, told.ticket.open) == (None, True, True)
            proxy.set(Fault.PASS)
            assert len([one for one in redmine.state.issues[int(ticket.id)].journals if one.notes]) == 1


async def test_a_proxy_that_takes_the_method_away_is_not_taken_for_a_deletion(redmine: Redmine) -> None:
    case, adapter = reference(), redmine.adapter()
    ticket = await adapter.open_ticket(draft(case))
    redmine.state.strips_override = True
    with pytest.raises(Uncertain, match="X-HTTP-Method-Override"):
        await adapter.append(ticket, entry(case, 2))
    with pytest.raises(Uncertain, match="X-HTTP-Method-Override"):
        await adapter.check()


# ---------------------------------------------------------------- hints and settings


def signed(body: bytes) -> WebhookRequest:
    made = "sha256=" + hmac.new(b"clave", body, hashlib.sha256).hexdigest()
    return WebhookRequest(method="POST", query={}, headers={"x-redmine-signature-256": made}, body=body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"data": {"issue": {"id": "7"}}}', b'{"data": {"issue": {"id": -1}}}', b"\xff"]
)
async def test_a_hint_that_points_at_nothing_is_none(redmine: Redmine, body: bytes) -> None:
    assert redmine.adapter(hint_secret=Secret("clave")).parse_hint(signed(body)) is None
    assert redmine.adapter().parse_hint(signed(b'{"data": {"issue": {"id": 7}}}')) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://u:p@redmine.example"},
        {"url": "redmine.example"},
        {"project": "../x"},
        {"reference_field": 0},
        {"fields": {"barrio": "x"}},
        {"text_format": "html"},
        {"key": "literal"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    [tables] = tomllib.loads(plugin.sample).values()
    [table] = tables.values()
    right = {name: value for name, value in table.items() if name != "kind"} | {"key": Secret("x")}
    plugin.settings.model_validate(right)
    with pytest.raises(ValidationError):
        plugin.settings.model_validate(right | wrong)
