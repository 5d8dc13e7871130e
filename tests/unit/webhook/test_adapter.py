"""What is particular to the webhook: receivers that can't be asked or break the protocol, links, bounds, secrets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from contract.ticketing_words import draft, entry, reference, stored
from contract.webhook_provider import OLD_SECRET, SECRET, WRONG_SECRET, hint
from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, SettingsError, Transient, Uncertain
from inbox_daemon.model import Attachment, EntryId, MessageKey, Reference, TicketId, TicketState
from inbox_daemon.plugins import Secret, TicketingAdapter, WebhookRequest
from inbox_ticketing.webhook import plugin
from support.contexts import CLOCK, clock_off, lend_context
from support.webhook_fake import Breach, Office
from support.webhook_fake_http import serve_receiver
from support.webhook_schema import problems

Build = Callable[..., TicketingAdapter]


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Office, Build]]:
    async with serve_receiver(SECRET) as (url, office), lend_context("obras-webhook") as context:

        def build(**changes: Any) -> TicketingAdapter:
            own = {"url": f"{url}/inbox/events", "read_url": f"{url}/inbox/lookup", "secrets": [Secret(SECRET)]}
            given = {key: value for key, value in (own | changes).items() if value is not None}
            return plugin.build(plugin.settings.model_validate(given), context)

        yield office, build


async def test_the_check_leaves_one_closed_test_ticket_and_then_only_reads(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    for _ in range(3):
        await build().check()
    [case] = office.cases.values()
    assert case.test
    assert case.state == "closed"
    assert case.references == ["PRUEBA-obras-webhook"]


async def test_a_check_that_never_finds_what_it_writes_writes_ever_more_rarely(
    receiver: tuple[Office, Build], monkeypatch: Any
) -> None:
    """While it is refused a lane asks for one every half minute."""
    adapter = receiver[1]()

    async def nothing(case: Reference) -> None:
        return None

    monkeypatch.setattr(adapter, "find", nothing)
    for later, there in ((0, 1), (0, 1), (50, 1), (70, 2), (130, 2), (200, 3)):
        with clock_off(timedelta(seconds=later)), pytest.raises(Credentials, match="not found again"):
            await adapter.check()
        assert len(receiver[0].cases) == there


@pytest.mark.parametrize(("breach", "told"), [(Breach.FORGETS_KEY, "entry.key"), (Breach.KEEPS_STATE, "as before")])
@pytest.mark.parametrize("keeps_ids", [True, False])
async def test_a_breach_is_told_by_every_check_and_not_by_the_first_only(
    receiver: tuple[Office, Build], breach: Breach, told: str, keeps_ids: bool
) -> None:
    office, build = receiver
    office.breaches = {breach}
    adapter = build(keeps_ids=keeps_ids)
    for _ in range(3):
        with pytest.raises(Credentials, match=told):
            await adapter.check()
    assert len(office.cases) == 1
    assert len(office.lines) <= 6
    office.breaches = set()
    with clock_off(timedelta(minutes=2)):
        await adapter.check()


async def test_a_note_that_was_not_shown_for_a_while_is_no_double(
    receiver: tuple[Office, Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, build = receiver
    monkeypatch.setattr(office, "by_key", lambda key: [])
    for _ in range(2):
        with pytest.raises(Credentials, match=r"entry\.key"):
            await build().check()
    monkeypatch.undo()
    await build().check()
    lines = len(office.lines)
    await build().check()
    assert len(office.lines) == lines


async def test_a_refused_look_up_is_no_passed_check(
    receiver: tuple[Office, Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = receiver[1](keeps_ids=False)

    async def refused(case: Reference) -> None:
        raise Permanent("a proxy before it refuses the look-up (406)")

    monkeypatch.setattr(adapter, "find", refused)
    with pytest.raises(Permanent, match="406"):
        await adapter.check()


async def test_two_proofs_of_two_nodes_that_checked_at_once_are_proof_enough(receiver: tuple[Office, Build]) -> None:
    adapter = receiver[1](keeps_ids=False)
    receiver[0].breaches = {Breach.FORGETS_IDS}
    for _ in range(2):
        await adapter.open_ticket(draft(Reference("PRUEBA-obras-webhook")))
    assert len(receiver[0].cases) == 2
    await adapter.check()


@pytest.mark.parametrize(
    ("breach", "told"),
    [
        (Breach.TAKES_ANY_SIGNATURE, "wrong signature"),
        (Breach.FINDS_EVERYTHING, "does not filter"),
        (Breach.FINDS_NOTHING, "not found again"),
        (Breach.FORGETS_REFERENCE, "ticket.reference"),
        (Breach.FORGETS_KEY, "entry.key"),
        (Breach.DOES_NOTHING, "not found again"),
        (Breach.FORGETS_IDS, "keeps_ids"),
        (Breach.KEEPS_STATE, "as before"),
        (Breach.SIGNS_OFF, "takes no events"),
        (Breach.NO_LOOK_UP, "read_url"),
    ],
)
async def test_the_check_tells_each_breach(receiver: tuple[Office, Build], breach: Breach, told: str) -> None:
    office, build = receiver
    case = reference()
    await build().open_ticket(draft(case))  # so that a look-up that does not filter has something to find
    office.breaches = {breach}
    with pytest.raises(Credentials, match=told):
        await build().check()


async def test_a_double_goes_on_being_told_and_may_be_allowed(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    office.breaches = {Breach.FORGETS_IDS}
    for _ in range(2):
        with pytest.raises(Credentials, match="webhook-id"):
            await build().check()
    assert len(office.lines) == 4  # the opening, the closing, and a note that stands twice
    await build(keeps_ids=False).check()


async def test_a_receiver_behind_a_guard_may_be_let_off(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    office.breaches = {Breach.TAKES_ANY_SIGNATURE}
    await build(checks_signatures=False).check()


async def test_a_receiver_that_cannot_be_asked(receiver: tuple[Office, Build], tmp_path: Path) -> None:
    office, build = receiver
    office.breaches = {Breach.SAYS_NOTHING}
    blind, case = build(read_url=None), reference()
    sheet = blind.capabilities
    assert (sheet.find, sheet.find_entry, sheet.updates, sheet.idempotency) == ("none", "none", "none", "key")
    await blind.check()
    ticket = await blind.open_ticket(draft(case))
    assert (str(ticket.id), ticket.number, ticket.open) == (str(case), case.partition("/")[0], True)
    assert await blind.open_ticket(draft(case)) == ticket
    assert [one.references for one in office.cases.values()] == [[case]]
    assert blind.parse_hint(hint(ticket.id)) is None
    with pytest.raises(Permanent, match="read_url"):
        await blind.find(case)
    with pytest.raises(Gone):
        assert [piece async for piece in blind.fetch(Attachment(filename="x", media_type="x/y", remote="f1"))]


def test_a_receiver_that_keeps_no_ids_is_not_idempotent() -> None:
    settings = plugin.settings.model_validate(
        {"url": "http://localhost/x", "secrets": [Secret(SECRET)], "keeps_ids": False}
    )
    assert plugin.build(settings, _no_context()).capabilities.idempotency == "none"


def _no_context() -> Any:
    class Nothing:
        instance = "obras"
        now = CLOCK.now

    return Nothing()


@pytest.mark.parametrize("breach", [Breach.SAYS_NOTHING, Breach.SAYS_OK])
async def test_an_answer_without_a_ticket_is_uncertain_where_it_can_be_asked(
    receiver: tuple[Office, Build], breach: Breach
) -> None:
    office, build = receiver
    adapter, case = build(), reference()
    office.breaches = {breach}
    with pytest.raises(Uncertain):
        await adapter.open_ticket(draft(case))
    ticket = await adapter.find(case)
    assert ticket is not None
    with pytest.raises(Uncertain):
        await adapter.append(ticket, entry(case, 2))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None


async def test_more_than_one_match_is_refused(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    office.breaches = {Breach.TWO_OF_EACH}
    await adapter.append(ticket, entry(case, 2))
    with pytest.raises(Permanent, match="more than one entry"):
        await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    other = reference()
    await adapter.open_ticket(draft(other))
    with pytest.raises(Permanent, match=other):
        await adapter.find(other)


async def test_a_look_up_that_finds_everything_is_neither_ours_nor_an_absence(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    office.breaches = {Breach.FINDS_EVERYTHING}
    await adapter.append(ticket, entry(case, 2))
    await adapter.open_ticket(draft(reference()))
    for call in (adapter.find(reference()), adapter.find(case), adapter.find_entry(ticket, MessageKey(f"{case}.m9"))):
        with pytest.raises(Credentials, match="does not filter"):  # who knows what was left out
            await call


async def test_slow_down_is_provably_nothing(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    office.breaches = {Breach.SLOWS_DOWN}
    with pytest.raises(Transient) as refused:
        await build().open_ticket(draft(reference()))
    assert refused.value.retry_after == timedelta(seconds=7)


async def test_a_file_goes_as_a_link_where_so_configured(receiver: tuple[Office, Build], tmp_path: Path) -> None:
    office, build = receiver
    adapter, case = build(files="link"), reference()
    assert adapter.capabilities.attach == "url"
    assert adapter.capabilities.max_attachment_bytes is None
    ticket = await adapter.open_ticket(draft(case))
    file = replace(stored(tmp_path, "video.mp4", "video/mp4", b"x"), size=900_000_000)
    written = await adapter.attach(ticket, entry(case, 2), file)
    assert office.links == [f"http://127.0.0.1:8080/file/{file.sha256}"]
    assert written.entry is not None


async def test_a_stored_file_that_is_not_there_is_permanent(receiver: tuple[Office, Build], tmp_path: Path) -> None:
    _, build = receiver
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    file = replace(stored(tmp_path, "a.pdf", "application/pdf", b"x"), path=str(tmp_path / "none"))
    with pytest.raises(Permanent, match="cannot be read"):
        await adapter.attach(ticket, entry(case, 2), file)


async def test_a_long_thread_comes_whole_in_short_pages(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    _, cursor = await adapter.updates(None)
    for number in range(50):
        office.write(ticket.id, "answer.added", role="agent", name="Luis", text=str(number), visibility="public")
    assert len(await adapter.thread(ticket.id)) == 51
    told, after = await adapter.updates(cursor)
    assert [one.text for one in told] == [str(number) for number in range(50)]
    assert (await adapter.updates(after))[0] == []
    office.page_size = 1
    some, between = await adapter.updates(cursor)
    rest, _ = await adapter.updates(between)
    assert len(some) == 20
    assert [one.text for one in rest][:1] == ["20"]


async def test_an_answer_that_is_too_long_is_not_taken_for_anything(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    adapter, case = build(max_answer_bytes=10_000), reference()
    ticket = await adapter.open_ticket(draft(case))
    made = office.write(ticket.id, "answer.added", role="agent", name="Luis", text="x" * 20_000, visibility="public")
    with pytest.raises(Transient):
        await adapter.entry(ticket.id, EntryId(made.id))


async def test_everything_is_signed_with_each_secret(receiver: tuple[Office, Build]) -> None:
    _, build = receiver
    case = reference()
    rotating = build(secrets=[Secret(OLD_SECRET), Secret(SECRET)])
    ticket = await rotating.open_ticket(draft(case))
    assert await rotating.find(case) == ticket
    assert rotating.parse_hint(hint(ticket.id)) is not None
    own = build(incoming_secrets=[Secret(OLD_SECRET)])
    with pytest.raises(Credentials, match="signature"):
        own.parse_hint(hint(ticket.id))


async def test_an_old_hint_is_refused(receiver: tuple[Office, Build]) -> None:
    _, build = receiver
    request = hint(TicketId("7"))
    old = {"webhook-timestamp": str(int(request.headers["webhook-timestamp"]) - 301)}
    with pytest.raises(Credentials):
        build().parse_hint(
            WebhookRequest(method="POST", query={}, headers={**request.headers, **old}, body=request.body)
        )


async def test_what_the_receiver_says_of_itself_is_as_the_schema_says(receiver: tuple[Office, Build]) -> None:
    office, build = receiver
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.set_state(ticket, TicketState.SOLVED)
    for answer in office.done.values():
        assert problems("outcome", json.loads(json.dumps(answer))) == []
    for line in office.lines:
        assert problems("entry", office.entry_json(line, ticket.id)) == []


async def test_no_secret_and_no_word_of_the_query_is_told(receiver: tuple[Office, Build]) -> None:
    _, build = receiver
    adapter = build(secrets=[Secret(WRONG_SECRET)])
    for call in (adapter.check(), adapter.find(reference()), adapter.open_ticket(draft(reference()))):
        with pytest.raises(EdgeError) as refused:
            await call
        assert "deadbeef" not in str(refused.value)
        assert "/inbox/" not in str(refused.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "ftp://x.example/"},
        {"url": "https://user:pass@x.example/"},
        {"url": "https://x.example/#a"},
        {"read_url": "https://x.example/?a=b"},
        {"secrets": []},
        {"secrets": [Secret(SECRET)] * 5},
        {"queue": "a\nb"},
        {"files": "both"},
    ],
)
def test_a_wrong_setting_is_refused_and_no_secret_shown(changed: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refused:
        plugin.settings.model_validate({"url": "https://x.example/e", "secrets": [Secret(SECRET)]} | changed)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("name", ["secrets", "incoming_secrets"])
def test_a_secret_of_another_kind_is_refused_with_its_key_and_not_shown(name: str) -> None:
    given = {"url": "https://x.example/e", "secrets": [Secret(SECRET)], name: [Secret("whsec_c2hvcnQ=")]}
    with pytest.raises(SettingsError) as refused:
        plugin.build(plugin.settings.model_validate(given), _no_context())
    assert refused.value.key == f"destinations.obras.{name}"
    assert refused.value.remedy
    assert "c2hvcnQ" not in str(refused.value)
