"""What is found wrong after GLPI has taken a write: it stands, so it is told and never repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from contract.glpi_office import Glpi, glpi_office
from contract.glpi_v2_office import GlpiEleven, glpi_eleven
from contract.ticketing_words import draft, entry, reference
from inbox_daemon.errors import Credentials, Permanent, Uncertain
from inbox_daemon.model import Reference
from support.glpi_fake import CITIZEN

PROOF = Reference("PRUEBA-salud-glpi")


@pytest.fixture
async def glpi() -> AsyncIterator[Glpi]:
    async with glpi_office() as made:
        yield made


@pytest.fixture
async def eleven() -> AsyncIterator[GlpiEleven]:
    async with glpi_eleven() as made:
        yield made


@pytest.fixture(params=["legacy", "v2"])
async def office(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, Any]]:
    """An adapter over each of the two APIs, and the state behind it."""
    if request.param == "legacy":
        async with glpi_office() as ten:
            yield ten.adapter(), ten.state
    else:
        async with glpi_eleven() as made:
            yield made.adapter(), made.glpi


# ---------------------------------------------------------------- notes


async def test_a_note_that_everybody_reads_is_told_and_not_left_to_be_written_again(office: tuple[Any, Any]) -> None:
    adapter, state = office
    case = reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.note(ticket, entry(case, 2))
    state.forgets_private = True
    with pytest.raises(Permanent, match="private followups") as public:
        await adapter.note(ticket, entry(case, 3))
    assert public.value.told == "GLPI deja las notas internas a la vista de todos"
    assert f"ticket {ticket.id}" in str(public.value)
    assert [one["is_private"] for one in state.table("ITILFollowup")] == [1, 0]


async def test_a_note_that_cannot_be_read_back_stands(eleven: GlpiEleven, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, case = eleven.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))

    async def denied(*_: object) -> None:
        raise Credentials("a right was lost in this moment")

    monkeypatch.setattr(adapter._speech, "remark", denied)
    written = await adapter.note(ticket, entry(case, 2))
    assert written.entry == "F1"


# ---------------------------------------------------------------- openings


async def test_a_dropped_reference_is_told_to_the_office(glpi: Glpi) -> None:
    glpi.state.rewrites_titles = True
    with pytest.raises(Permanent, match="business rule") as dropped:
        await glpi.adapter().open_ticket(draft(reference()))
    assert dropped.value.told == "GLPI no guardó la referencia del caso"


@pytest.mark.parametrize("lost", ["the right", "the requester"])
async def test_whatever_keeps_an_opening_from_being_completed_makes_no_second_one(
    eleven: GlpiEleven, lost: str
) -> None:
    """A refusal of the second step says nothing of the first, which is done."""
    adapter, case = eleven.adapter(requester="ciudadania"), reference()
    users = eleven.glpi.tables["User"]
    if lost == "the right":
        eleven.state.denies = {"TeamMember"}
    else:
        eleven.glpi.tables["User"] = [one for one in users if one["id"] != CITIZEN]
    with pytest.raises(Uncertain, match="ticket 1 is not complete"):
        await adapter.open_ticket(draft(case))
    with pytest.raises(Credentials):
        await adapter.find(case)
    eleven.state.denies, eleven.glpi.tables["User"] = set(), users
    ticket = await adapter.find(case)
    assert ticket is not None
    assert [str(one["id"]) for one in eleven.glpi.table("Ticket")] == [ticket.id]
    assert [one["users_id"] for one in eleven.glpi.table("Ticket_User")] == [CITIZEN]


# ---------------------------------------------------------------- the check


async def test_a_check_notices_a_right_that_was_lost_since_the_proof_was_written(office: tuple[Any, Any]) -> None:
    """A proof of yesterday proves nothing of today; a new one is written once, not at each check."""
    adapter, state = office
    await adapter.check()
    await adapter.check()
    [first] = state.table("ITILFollowup")
    age(first)
    state.forgets_private = True
    for _ in range(3):
        with pytest.raises(Credentials, match="private followups"):
            await adapter.check()
    assert [one["is_private"] for one in state.table("ITILFollowup")] == [1, 0]
    [proof] = state.table("Ticket")
    assert proof["status"] == 6


async def test_a_check_passes_again_once_it_is_mended(office: tuple[Any, Any]) -> None:
    """The public note stays where it is, and must not stop the destination for good."""
    adapter, state = office
    state.forgets_private = True
    with pytest.raises(Credentials, match="private followups"):
        await adapter.check()
    state.forgets_private = False
    [public] = state.table("ITILFollowup")
    age(public, hours=1)
    await adapter.check()
    assert [one["is_private"] for one in state.table("ITILFollowup")] == [0, 1]
    [proof] = state.table("Ticket")
    assert proof["status"] == 6


def age(row: dict[str, Any], *, hours: int = 25) -> None:
    """Let the entry have been written so long ago, as GLPI keeps times."""
    for column in ("date", "date_creation", "date_mod"):
        row[column] = str(datetime.fromisoformat(row[column]) - timedelta(hours=hours))


async def test_checks_after_a_dropped_reference_do_not_pile_up_tickets(glpi: Glpi) -> None:
    glpi.state.rewrites_titles = True
    adapter = glpi.adapter()
    for _ in range(3):
        with pytest.raises(Credentials, match="business rule"):
            await adapter.check()
    [left] = glpi.state.table("Ticket")
    assert left["status"] == 6


async def test_a_check_whose_look_up_is_refused_does_not_pass(
    eleven: GlpiEleven, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = eleven.adapter()
    await adapter.check()

    async def refused(*_: object, **__: object) -> list[int]:
        raise Permanent("GLPI refuses the request")

    monkeypatch.setattr(adapter._speech, "carrying", refused)
    with pytest.raises(Permanent, match="refuses the request"):
        await adapter.check()


async def test_of_two_proofs_that_two_nodes_wrote_at_once_one_is_checked_and_both_are_closed(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    for _ in range(2):
        await adapter.open_ticket(draft(PROOF))
    await adapter.check()
    assert [one["status"] for one in glpi.state.table("Ticket")] == [6, 6]
    [note] = glpi.state.table("ITILFollowup")
    assert (note["items_id"], note["is_private"]) == (1, 1)


async def test_a_first_check_that_was_cut_off_before_its_note_is_taken_up(glpi: Glpi) -> None:
    adapter = glpi.adapter()
    await adapter.open_ticket(draft(PROOF))
    await adapter.check()
    assert len(glpi.state.table("ITILFollowup")) == 1
    assert glpi.state.table("Ticket")[0]["status"] == 6
