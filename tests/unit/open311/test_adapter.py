"""What is particular to Open311: what endpoints do that they should not, public descriptions, tokens, cut lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from contract.open311_provider import KEY
from contract.ticketing_words import draft, entry, reference, stored
from inbox_daemon.errors import Credentials, EdgeError, Gone, Permanent, Transient, Uncertain
from inbox_daemon.model import Attachment, EntryId, MessageKey, Reference, TicketId, TicketState
from inbox_daemon.plugins import Secret, TicketingAdapter
from inbox_ticketing.open311 import plugin
from support.contexts import clock_off, lend_context
from support.fault_proxy import Fault as Network
from support.fault_proxy import FaultProxy
from support.open311_fake import City, Fault
from support.open311_fake_http import serve_city

Build = Callable[..., TicketingAdapter]
UNREAD = [Network.BUSY_503, Network.SLOW_DOWN_429, Network.RESET_ON_ACCEPT, Network.EXPIRED_401]


@pytest.fixture
async def served() -> AsyncIterator[tuple[str, City]]:
    async with serve_city(KEY) as made:
        yield made


@pytest.fixture
async def proxy(served: tuple[str, City]) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", urlsplit(served[0]).port or 0) as made:
        yield made


@pytest.fixture
async def endpoint(served: tuple[str, City]) -> AsyncIterator[tuple[City, Build]]:
    url, city = served
    async with lend_context("ciudad-311") as context:

        def build(**changes: Any) -> TicketingAdapter:
            own = {"url": f"{url}/v2", "api_key": Secret(KEY), "reads_need_key": True, "service_code": "atencion"}
            own |= {"address": "Resistencia", "descriptions_are_public": False}
            return plugin.build(plugin.settings.model_validate(own | changes), context)

        yield city, build


async def test_the_check_leaves_one_closed_request_and_then_only_reads(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    for _ in range(3):
        await build().check()
    [request] = city.requests
    assert request.status == "closed"
    assert 3500 < len(request.description) <= 4000
    assert len(city.updates) == 2


async def test_a_check_that_never_finds_what_it_writes_writes_ever_more_rarely(
    endpoint: tuple[City, Build], monkeypatch: Any
) -> None:
    """While it is refused a lane asks for one every half minute."""
    adapter = endpoint[1]()

    async def nothing(case: Reference) -> None:
        return None

    monkeypatch.setattr(adapter, "find", nothing)
    for later, there in ((0, 1), (0, 1), (50, 1), (70, 2), (130, 2), (200, 3)):
        with clock_off(timedelta(seconds=later)), pytest.raises(Credentials, match="not found again"):
            await adapter.check()
        assert len(endpoint[0].requests) == there


async def test_a_proof_that_was_left_half_made_is_made_whole(endpoint: tuple[City, Build], proxy: FaultProxy) -> None:
    city, build = endpoint
    adapter = build(url=f"{proxy.url}/v2")
    proxy.once(Network.SLOW_DOWN_429, lambda method, path: method == "POST" and "updates" in path)
    with pytest.raises(Transient):
        await adapter.check()
    await adapter.check()
    assert [one.status for one in city.requests] == ["closed"]
    assert len(city.updates) == 2


async def test_updates_that_were_hidden_for_a_while_are_proof_enough(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    city.faults = {Fault.HIDES_OUR_UPDATES}
    for _ in range(2):
        with pytest.raises(Credentials, match="servicerequestupdates"):
            await build().check()
    city.faults = set()
    await build().check()


async def test_a_refused_look_up_is_no_passed_check(
    endpoint: tuple[City, Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = endpoint[1]()

    async def refused(case: Reference) -> None:
        raise Permanent("a proxy before it refuses the look-up (406)")

    monkeypatch.setattr(adapter, "find", refused)
    with pytest.raises(Permanent, match="406"):
        await adapter.check()


async def test_two_proofs_of_two_nodes_that_checked_at_once_are_proof_enough(endpoint: tuple[City, Build]) -> None:
    adapter = endpoint[1]()
    for _ in range(2):
        await adapter.open_ticket(draft(Reference("PRUEBA-ciudad-311")))
    assert len(endpoint[0].requests) == 2
    await adapter.check()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault.IGNORES_TIME, "start_date"),
        (Fault.LISTS_NOTHING, "not found again"),
        (Fault.HIDES_DESCRIPTIONS, "not found again"),
        (Fault.HIDES_OUR_UPDATES, "servicerequestupdates"),
        (Fault.KEEPS_STATUS, "cannot be closed"),
        (Fault.CUTS_TEXTS, "max_description_chars"),
    ],
)
async def test_the_check_tells_each_fault(endpoint: tuple[City, Build], fault: Fault, told: str) -> None:
    city, build = endpoint
    city.open("luminarias", "de otros")
    city.faults = {fault}
    with pytest.raises(Credentials, match=told):
        await build().check()


@pytest.mark.parametrize("faults", [{Fault.STRIPS_SYMBOLS}, {Fault.WRAPPED}, {Fault.TOKENS}])
async def test_what_an_endpoint_may_do(endpoint: tuple[City, Build], faults: set[Fault]) -> None:
    city, build = endpoint
    city.faults = faults
    adapter, case = build(), reference()
    await adapter.check()
    ticket = await adapter.open_ticket(draft(case, body="«Ñandú» 😀\n\nfin  "))
    assert await adapter.find(case) == ticket
    written = await adapter.append(ticket, entry(case, 2, "«¿Y?»\n—raya—"))
    found = await adapter.find_entry(ticket, MessageKey(f"{case}.m2"))
    assert found is not None
    assert found.entry == written.entry


@pytest.mark.parametrize("fault", [Fault.NEVER_AN_ID, Fault.ERROR_AS_200])
async def test_a_request_without_an_id_is_found_by_its_text(endpoint: tuple[City, Build], fault: Fault) -> None:
    city, build = endpoint
    city.faults = {fault}
    adapter, case = build(), reference()
    with pytest.raises(Uncertain):
        await adapter.open_ticket(draft(case))
    ticket = await adapter.find(case)
    assert ticket is not None
    assert ticket.id == str(city.requests[0].number)


@pytest.mark.parametrize("fault", UNREAD)
async def test_whatever_comes_of_a_token_nothing_says_that_no_request_was_made(
    endpoint: tuple[City, Build], proxy: FaultProxy, fault: Network
) -> None:
    city, build = endpoint
    city.faults, case = {Fault.TOKENS}, reference()
    adapter = build(url=f"{proxy.url}/v2")
    proxy.once(fault, lambda method, path: "/tokens/" in path)
    with pytest.raises(Uncertain):
        await adapter.open_ticket(draft(case))
    assert proxy.seen[fault] == 1
    ticket = await adapter.find(case)
    assert ticket is not None
    assert [str(one.number) for one in city.requests] == [ticket.id]


@pytest.mark.parametrize("fault", UNREAD)
async def test_an_update_of_a_closed_request_is_told_as_made_whatever_comes_of_reading_it_back(
    endpoint: tuple[City, Build], proxy: FaultProxy, fault: Network
) -> None:
    city, build = endpoint
    case, written = reference(), list[str]()
    ticket = await build().open_ticket(draft(case))
    city.requests[0].status = "closed"

    def after_write(method: str, path: str) -> bool:
        written.extend([path] if method == "POST" else [])
        return bool(written) and method == "GET"

    proxy.once(fault, after_write)
    told = await build(url=f"{proxy.url}/v2").append(ticket, entry(case, 2))
    assert proxy.seen[fault] == 1
    assert [told.entry] == [str(one.number) for one in city.updates]


@pytest.mark.parametrize("fault", [Fault.SAYS_NO_ID, Fault.DONE_AND_404])
async def test_an_update_that_is_not_confirmed_is_uncertain(endpoint: tuple[City, Build], fault: Fault) -> None:
    city, build = endpoint
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    city.faults = {fault}
    with pytest.raises(Uncertain):
        await adapter.append(ticket, entry(case, 2))
    assert await adapter.find_entry(ticket, MessageKey(f"{case}.m2")) is not None


async def test_a_list_that_is_cut_is_asked_in_halves(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    adapter, case = build(most_rows=10), reference()
    city.most_rows = 10
    ticket = await adapter.open_ticket(draft(case))
    spread = city.requests[0].at - timedelta(days=3)
    for number in range(60):
        city.open("luminarias", f"de otros {number}").at = spread + timedelta(hours=number)
    assert await adapter.find(case) == ticket
    assert await adapter.find(reference()) is None


async def test_a_list_that_stays_full_is_no_absence(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    city.most_rows = 10
    for number in range(30):
        city.open("luminarias", f"de otros {number}")
    with pytest.raises(Uncertain, match="most_rows"):
        await build(most_rows=10).find(reference())


async def test_another_request_is_not_taken_for_ours(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    city.open("luminarias", "de otros")
    city.faults = {Fault.OTHER_REQUEST}
    with pytest.raises(Transient, match="another request"):
        await adapter.append(ticket, entry(case, 2))
    assert city.updates == []


async def test_where_descriptions_are_public_nobody_is_named(endpoint: tuple[City, Build], tmp_path: Path) -> None:
    city, build = endpoint
    adapter, case = build(descriptions_are_public=True), reference()
    ticket = await adapter.open_ticket(draft(case))
    await adapter.append(ticket, entry(case, 2))
    file = stored(tmp_path, "dni.pdf", "application/pdf", b"x")
    assert adapter.capabilities.attach == "none"
    for call in (adapter.note(ticket, entry(case, 4)), adapter.attach(ticket, entry(case, 3), file)):
        with pytest.raises(Permanent) as refused:
            await call
        assert refused.value.told
    assert [one.media_url for one in city.updates] == [""]
    allowed = build(descriptions_are_public=True, files_are_public=True)
    assert allowed.capabilities.attach == "url"
    await allowed.attach(ticket, entry(case, 3, " "), file)
    assert city.updates[-1].media_url.endswith(file.sha256)
    for text in [city.requests[0].description, *(one.description for one in city.updates)]:
        assert "Ana" not in text
        assert "362" not in text


async def test_a_text_that_is_too_long_is_refused_whole(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    for call in (adapter.append(ticket, entry(case, 2, "x" * 4001)), adapter.open_ticket(draft(case, body="x" * 4001))):
        with pytest.raises(Permanent, match="4000") as refused:
            await call
        assert refused.value.told
    assert (len(city.requests), city.updates) == (1, [])


async def test_a_status_that_is_not_kept_is_told(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    adapter, case = build(), reference()
    ticket = await adapter.open_ticket(draft(case))
    city.requests[0].status = "closed"
    city.faults = {Fault.KEEPS_STATUS}
    written = await adapter.append(ticket, entry(case, 2))
    assert not written.reopened
    assert not written.ticket.open
    with pytest.raises(Permanent, match="kept its own"):
        await adapter.set_state(ticket, TicketState.REOPENED)


async def test_slow_down_and_the_key_are_told_apart(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    case = reference()
    ticket = await build().open_ticket(draft(case))
    stranger = build(api_key=Secret("otra clave"))
    for call in (stranger.entry(ticket.id, EntryId("1")), stranger.thread(ticket.id), stranger.updates(None)):
        with pytest.raises(Credentials) as refused:  # never "the request is gone"
            await call
        assert "otra" not in str(refused.value)
    city.faults = {Fault.SLOWS_DOWN}
    for attempt in (build().find(case), build().append(ticket, entry(case, 2))):
        with pytest.raises(Transient) as busy:
            await attempt
        assert busy.value.retry_after == timedelta(seconds=9)


async def test_an_entry_is_found_again_by_an_adapter_that_never_saw_it(endpoint: tuple[City, Build]) -> None:
    city, build = endpoint
    ticket = await build().open_ticket(draft(reference()))
    made = city.update(city.requests[0], "investigating", "Vamos mañana", by_api=False)
    now = await build().entry(ticket.id, EntryId(str(made.number)))
    assert now is not None
    assert now.public
    assert await build().entry(TicketId("1"), EntryId(str(made.number))) is None


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/latest", "file:///etc/passwd", "https://otra.example/x", "http://[x", "//x/y", "a b"],
)
async def test_a_file_on_a_foreign_host_is_not_fetched(endpoint: tuple[City, Build], url: str) -> None:
    _, build = endpoint
    with pytest.raises(Gone, match="media_hosts"):
        assert [one async for one in build().fetch(Attachment(filename="x", media_type="x/y", remote=url))]


async def test_a_wrong_cursor_is_told(endpoint: tuple[City, Build]) -> None:
    _, build = endpoint
    with pytest.raises(EdgeError, match="cursor"):
        await build().updates("x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://x.example/?a=b"},
        {"url": "https://user:pass@x.example"},
        {"address": "", "latitude": None},
        {"latitude": -27.0},
        {"latitude": 91.0, "longitude": 0.0},
        {"service_code": ""},
        {"open_status": "open"},
    ],
)
def test_a_wrong_setting_is_refused(changed: dict[str, object]) -> None:
    own = {"url": "https://x.example/v2", "api_key": Secret(KEY), "service_code": "a", "address": "Resistencia"}
    with pytest.raises(ValidationError) as refused:
        plugin.settings.model_validate(own | changed)
    assert KEY not in str(refused.value)
