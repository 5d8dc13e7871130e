"""What only Zammad does, played on the in-memory fake."""

from __future__ import annotations

import hashlib
import hmac
import json
import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import Attachment, CaseNumber, MessageKey, Reference, TicketState
from inbox_daemon.plugins import Answer, Secret, WebhookRequest
from inbox_ticketing.zammad import plugin, rest
from support.contexts import clock_off
from support.zammad_bench import Zammad

# ---------------------------------------------------------------- the check


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group": "Inexistente"}, ("Inexistente", "Compare group and states")),
        ({"group": "Reservada"}, ("403", "read, create and change")),
        ({"reference_field": "suelto"}, ("suelto", "Make that ticket attribute")),
        ({"closed_state": "terminado"}, ("terminado", "Compare group and states")),
        ({"open_state": "abierto"}, ("abierto", "Compare group and states")),
        ({"token": Secret("zt-deadbeef")}, ("401", "Make a new one")),
    ],
)
async def test_a_check_names_what_is_missing(zammad: Zammad, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(Credentials) as missing:
        await zammad.adapter(**changes).check()
    for word in ("obras-zammad", *words):
        assert word in str(missing.value)
    assert "deadbeef" not in str(missing.value)


async def test_checks_leave_one_closed_ticket_and_write_no_more(zammad: Zammad) -> None:
    await zammad.adapter().check()
    rows = len(zammad.state.history)
    [proof] = zammad.state.tickets.values()
    assert (proof.state, proof.customer) == ("closed", 3)
    assert all(one.internal for one in zammad.state.articles.values())
    await zammad.adapter().check()
    assert len(zammad.state.history) == rows


async def test_a_check_that_never_finds_what_it_writes_writes_ever_more_rarely(
    zammad: Zammad, monkeypatch: Any
) -> None:
    """While it is refused a lane asks for one every half minute."""
    adapter = zammad.adapter()

    async def nothing(case: Reference) -> None:
        return None

    monkeypatch.setattr(adapter, "find", nothing)
    for later, there in ((0, 1), (0, 1), (50, 1), (70, 2), (130, 2), (200, 3)):
        with clock_off(timedelta(seconds=later)), pytest.raises(Credentials, match="not found again"):
            await adapter.check()
        assert len(zammad.state.tickets) == there


async def test_a_check_sees_what_was_configured_otherwise_after_the_first(zammad: Zammad) -> None:
    await zammad.adapter().check()
    for changes in ({"group": "Inexistente"}, {"open_state": "abierto"}, {"closed_state": "terminado"}):
        with pytest.raises(Credentials, match=r"Inexistente|abierto|terminado"):
            await zammad.adapter(**changes).check()
    zammad.state.users[3].groups = frozenset({"Obras Públicas", "Reservada"})
    await zammad.adapter(group="Reservada").check()
    [proof] = zammad.state.tickets.values()
    assert (proof.group, proof.state) == ("Reservada", "closed")


async def test_an_attribute_taken_away_does_not_look_like_not_there_yet(zammad: Zammad) -> None:
    """The search gives every ticket then, and the creation drops the reference without a word."""
    adapter, case = zammad.adapter(), reference()
    await adapter.check()
    zammad.state.attributes = ()
    for call in (adapter.check(), adapter.find(case)):
        with pytest.raises(Credentials, match="inbox_reference"):
            await call
    with pytest.raises(Permanent, match="inbox_reference") as parked:  # no try makes another
        await adapter.open_ticket(draft(case))
    assert parked.value.told
    assert [one.state for one in zammad.state.tickets.values()] == ["closed", "closed"]


async def test_a_search_that_gives_everything_is_noticed_where_everything_is_the_proof(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    await adapter.check()
    zammad.state.ignores_conditions = True
    with pytest.raises(Credentials, match="filters nothing"):
        await adapter.check()


async def test_a_reference_is_compared_letter_by_letter(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    await adapter.open_ticket(draft(case))
    zammad.state.blind_to_case = True
    assert await adapter.find(case) is not None
    assert await adapter.find(Reference(case.lower())) is None


async def test_a_ticket_without_its_reference_that_cannot_be_closed_is_told_as_what_it_is(zammad: Zammad) -> None:
    zammad.state.attributes = ()
    with pytest.raises(Permanent, match="dropped the reference of ticket 10080"):
        await zammad.adapter(closed_state="terminado").open_ticket(draft(reference()))


# ---------------------------------------------------------------- customers and authors


async def test_one_customer_for_each_address_and_one_for_each_case_without(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    known = draft(reference())
    known = replace(known, first=replace(known.first, reply_address="Ana@example.com"))
    alone = draft(reference())
    drafts = (known, replace(known, reference=reference()), alone, alone, draft(reference()))
    customers = [zammad.kept(await adapter.open_ticket(one)).customer for one in drafts]
    assert customers[0] == customers[1]
    assert customers[2] == customers[3]
    assert len({*customers}) == 3
    made = zammad.state.users[customers[2]]
    assert (made.firstname, made.lastname, made.email) == ("Ana", "Gómez", "")
    assert made.login == f"inbox-{alone.reference.lower().replace('/', '-')}"


async def test_a_refused_creation_leaves_no_customer(zammad: Zammad) -> None:
    before = dict(zammad.state.users)
    with pytest.raises(Credentials, match="Inexistente"):
        await zammad.adapter(group="Inexistente").open_ticket(draft(reference()))
    assert zammad.state.users == before


async def test_the_citizen_is_the_author_also_in_somebody_elses_ticket(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    mine, other = await adapter.open_ticket(draft(case)), await adapter.open_ticket(draft(reference()))
    owner = zammad.kept(mine).customer
    await zammad.agents.merge(mine.id, other.id)
    written = await adapter.append(mine, entry(case, 2))
    article = zammad.state.articles[int(written.entry)]
    assert (article.ticket, article.origin, article.sender, article.kind) == (int(other.id), owner, "Customer", "web")
    assert owner != zammad.kept(other).customer


async def test_nothing_that_we_write_is_of_a_type_that_mails(zammad: Zammad, tmp_path: Path) -> None:
    adapter, case = zammad.adapter(article_type="phone"), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.append(ticket, entry(case, 2))
    await adapter.note(ticket, entry(case, 3))
    await adapter.attach(ticket, entry(case, 4), stored(tmp_path, "a.pdf", "application/pdf", b"%PDF"))
    written = [(one.kind, one.sender, one.internal) for one in zammad.state.articles.values()]
    customers = ("phone", "Customer", False)
    assert written == [customers, customers, ("note", "Agent", True), customers]


async def test_an_entry_is_found_where_zammad_keeps_no_message_id(zammad: Zammad) -> None:
    zammad.state.keeps_message_ids = False
    adapter, case = zammad.adapter(), reference()
    await adapter.check()
    ticket = await adapter.open_ticket(draft(case))
    found = await adapter.find_entry(ticket, MessageKey(f"{case}.m1"))
    assert found is not None
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is None


# ---------------------------------------------------------------- states


async def test_a_citizen_ends_the_waiting_and_leaves_a_new_ticket_new(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.append(ticket, entry(case, 2))
    assert zammad.kept(ticket).state == "new"
    await adapter.set_state(ticket, TicketState.WAITING)
    assert zammad.kept(ticket).state == "pending reminder"
    assert zammad.kept(ticket).pending
    written = await adapter.append(ticket, entry(case, 3))
    assert not written.reopened
    assert zammad.kept(ticket).state == "open"
    assert written.entry == (await adapter.find_entry(ticket, MessageKey(f"{case}.m3"))).entry


async def test_a_change_that_a_rule_undoes_is_told(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    zammad.state.undoes_states = True
    with pytest.raises(Permanent, match="closed"):
        await adapter.set_state(ticket, TicketState.CLOSED)
    with pytest.raises(Permanent, match="referred"):
        await adapter.set_state(ticket, TicketState.REFERRED)


async def test_a_file_reopens_and_stands_under_its_key(zammad: Zammad, tmp_path: Path) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await zammad.agents.agent_closes(ticket.id)
    written = await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.pdf", "application/pdf", b"%PDF"))
    assert written.reopened
    assert written.entry == (await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))).entry
    assert await zammad.agents.files(ticket.id) == {"a.pdf": b"%PDF"}


# ---------------------------------------------------------------- refusals


async def test_maintenance_is_waited_out_and_is_no_loss(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    zammad.state.maintenance = True
    for call in (
        adapter.check(),
        adapter.find(case),
        adapter.append(ticket, entry(case, 2)),
        adapter.open_ticket(draft(reference())),
        adapter.thread(ticket.id),
        adapter.updates(None),
    ):
        with pytest.raises(Transient):
            await call


async def test_a_ticket_moved_out_of_sight_is_gone_for_us(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    made = await zammad.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    zammad.kept(ticket).group = "Reservada"
    with pytest.raises(Gone) as gone:
        await adapter.append(ticket, entry(case, 2))
    assert gone.value.reason == "moved"
    assert await adapter.entry(ticket.id, made) is None
    assert list(await adapter.thread(ticket.id)) == []


async def test_a_ticket_moved_where_we_may_only_read_does_not_stop_the_others(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    made = await zammad.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    zammad.state.users[3].groups |= {"Reservada"}
    zammad.state.users[3].read_only = frozenset({"Reservada"})
    zammad.kept(ticket).group = "Reservada"
    for call in (
        adapter.append(ticket, entry(case, 2)),
        adapter.note(ticket, entry(case, 3)),
        adapter.set_state(ticket, TicketState.CLOSED),
    ):
        with pytest.raises(Gone) as gone:
            await call
        assert gone.value.reason == "moved"
    assert (await adapter.entry(ticket.id, made)).public


async def test_the_case_number_stands_where_agents_look(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    one = replace(draft(reference()), case_number=CaseNumber("PA95A-3"), subject="No hay luz\nen la plaza")
    for given, title in (
        (one, "[PA95A-3] No hay luz en la plaza"),
        (replace(one, subject=" "), "[PA95A-3] (sin asunto)"),
    ):
        kept = zammad.kept(await adapter.open_ticket(replace(given, reference=reference())))
        assert kept.title.startswith(title)
    long = zammad.kept(await adapter.open_ticket(replace(one, reference=reference(), subject="ñ" * 300)))
    assert long.title.startswith("[PA95A-3] ñ")
    assert len(long.title.encode()) <= 240


async def test_the_channel_is_a_tag_where_tags_are_allowed(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    one = await adapter.open_ticket(replace(draft(reference()), matter="alumbrado, público"))
    assert zammad.kept(one).tags == ["whatsapp", "alumbrado  público"]
    zammad.state.known_tags = frozenset()
    two = await adapter.open_ticket(draft(reference()))
    assert zammad.kept(two).tags == []


async def test_what_was_just_written_is_found_however_far_the_index_lags(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    zammad.state.index_lag = timedelta(hours=1)
    opened = await adapter.open_ticket(draft(case))
    assert await adapter.find(case) == opened
    words = {"query": f'inbox_reference:"{case}"'}
    assert await zammad.agents.call("POST", "/tickets/search", json=words) == [], "the control: a query would miss it"


async def test_what_zammad_refuses_is_told_without_the_words_of_the_citizen(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    with pytest.raises(Permanent) as refused:
        await adapter.append(ticket, entry(case, 2, "secreto " * 200_000))
    assert "secreto" not in str(refused.value)
    assert refused.value.told
    assert len(zammad.state.thread(int(ticket.id))) == 1


async def test_statuses_and_what_they_prove() -> None:
    def raised(status: int, error: str = "", *, write: bool = True) -> Exception:
        answer = Answer(status=status, headers={"Retry-After": "7"}, json={"error": error})
        with pytest.raises(Exception) as told:  # noqa: PT011 (the caller looks at the type)
            rest.raise_for_status(answer, "obras-zammad: Zammad", write=write)
        return told.value

    slow = raised(429)
    assert isinstance(slow, Transient)
    assert slow.retry_after == timedelta(seconds=7)
    for status, error, kind in (
        (401, "", Credentials),
        (401, "Maintenance mode enabled!", Transient),
        (403, "Maintenance mode enabled!", Transient),
        (302, "", Credentials),
        (403, "Not authorized (token)!", Credentials),
        (413, "", Permanent),
        (422, "Email address 'ana@example.com' is already used for another user.", Uncertain),
        (500, "", Uncertain),
        (503, "", Uncertain),
        (404, "", Uncertain),
        (400, "Invalid email 'ana@example.com' of customer", Permanent),
    ):
        told = raised(status, error)
        assert type(told) is kind, status
        assert "ana@" not in str(told)
    assert type(raised(503, write=False)) is Transient
    assert type(raised(404, write=False)) is Permanent


async def test_a_long_thread_is_searched_to_its_ends(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    for number in range(2, 122):
        zammad.write(ticket, 3, sender="Customer", body="x", subject=f"[ref:{case}.m{number}]")
    made = await zammad.agents.agent_answers(ticket.id, "Pasa la cuadrilla")
    for number in (1, 60, 121):
        assert await adapter.find_entry(ticket, MessageKey(f"{case}.m{number}")) is not None
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m122")) is None
    assert [one.entry for one in await adapter.thread(ticket.id) if one.public] == [made]


async def test_an_answer_without_end_is_not_read_to_it(zammad: Zammad, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case, body="x" * 300_000))
    monkeypatch.setattr(rest, "MAX_ANSWER", 100_000)
    with pytest.raises(Permanent, match="more than 100000"):
        await adapter.thread(ticket.id)
    with pytest.raises(Uncertain, match="more than 100000"):
        await adapter.append(ticket, entry(case, 2, "y" * 300_000))


async def test_an_entry_that_landed_elsewhere_is_not_taken_for_ours(zammad: Zammad) -> None:
    """Zammad answers with an article of another ticket, or says that it did something else than to make one."""
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    other = zammad.write(await adapter.open_ticket(draft(reference())))
    row = await adapter._reader.row(ticket.id)
    for status, article in ((201, other), (200, zammad.write(ticket))):
        raw = {"id": article.id, "ticket_id": article.ticket, "created_by_id": 3, "created_at": "2026-11-24T10:00:00Z"}
        with pytest.raises(Uncertain):
            adapter._written(row, Answer(status=status, headers={}, json=raw))


async def test_a_note_goes_into_a_closed_ticket_whatever_is_configured(zammad: Zammad) -> None:
    adapter, case = zammad.adapter(closed="new"), reference()
    ticket = await adapter.open_ticket(draft(case))
    await zammad.agents.agent_closes(ticket.id)
    assert (await adapter.note(ticket, entry(case, 2))).entry
    assert zammad.kept(ticket).state == "closed"


async def test_a_large_file_arrives_whole(zammad: Zammad, tmp_path: Path) -> None:
    adapter, case = zammad.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    content = bytes(range(256)) * 20_000
    await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.bin", "application/octet-stream", content))
    assert await zammad.agents.files(ticket.id) == {"a.bin": content}


async def test_a_file_of_another_size_is_not_taken_for_it(zammad: Zammad) -> None:
    adapter = zammad.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    attachments = [{"filename": "a.pdf", "mime-type": "application/pdf", "data": "JVBERg=="}]
    made = await zammad.agents.write(ticket.id, body="Va el plano", attachments=attachments)
    told = await adapter.entry(ticket.id, made)
    [file] = told.attachments
    with pytest.raises(Transient, match="4 bytes of a file of 9"):
        [piece async for piece in adapter.fetch(replace(file, size=9))]
    with pytest.raises(Gone):
        [piece async for piece in adapter.fetch(Attachment(filename="a", media_type="a/b", remote="80/1/1"))]


# ---------------------------------------------------------------- hints and sample


async def test_without_a_secret_no_hint_is_taken(zammad: Zammad) -> None:
    body = json.dumps({"ticket": {"id": 81}}).encode()
    signed = "sha1=" + hmac.new(b"clave", body, hashlib.sha1).hexdigest()
    request = WebhookRequest(method="POST", query={}, headers={"x-hub-signature": signed}, body=body)
    assert zammad.adapter().parse_hint(request) is None
    taking = zammad.adapter(hint_secret=Secret("clave"))
    assert taking.capabilities.updates == "both"
    assert taking.parse_hint(request).tickets == ("81",)


def test_the_sample_loads() -> None:
    [table] = tomllib.loads(plugin.sample)["destinations"].values()
    assert table.pop("kind") == "zammad"
    settings = plugin.settings.model_validate(table | {"token": Secret("x")})
    assert settings.group == "Obras Públicas"
