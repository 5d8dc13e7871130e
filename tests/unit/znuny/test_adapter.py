"""What only Znuny and OTOBO do, played on the in-memory fake."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from contract.ticketing_words import draft, entry, reference, stored
from contract.znuny_provider import HINT_SECRET, SETTINGS
from inbox_daemon.errors import Credentials, Permanent, Transient
from inbox_daemon.model import Draft, TicketState
from inbox_daemon.plugins import Secret, WebhookRequest
from inbox_ticketing.znuny import plugin
from unit.znuny.conftest import Desk


def mailed(address: str) -> Draft:
    made = draft(reference())
    return replace(made, first=replace(made.first, reply_address=address))


# ---------------------------------------------------------------- checking


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"queue": "Inexistente"}, ("Inexistente", "queue")),
        ({"queue": "Reservada"}, ("Reservada", "create")),
        ({"account": "nadie"}, ("nadie", "account")),
        ({"reference_field": "Suelto"}, ("reference_field", "names")),
        ({"message_field": "Suelto"}, ("message_field", "names")),
        ({"message_field": "InboxReference"}, ("message_field", "object article")),
        ({"new_state": "nuevo"}, ("new_state", "names")),
        ({"closed_state": "terminado"}, ("closed_state", "names")),
        ({"priority": "alta"}, ("priority", "names")),
        ({"customer_fallback": "nadie@example.com"}, ("customer_fallback", "domain")),
        ({"time_zone": "UTC"}, ("time_zone", "OTRSTimeZone", "OTOBOTimeZone")),
        ({"web_service": "Otro"}, ("Otro", "imported")),
    ],
)
async def test_a_check_names_what_is_missing(desk: Desk, changes: dict[str, str], words: tuple[str, ...]) -> None:
    with pytest.raises((Credentials, Transient)) as missing:
        await desk.adapter(**changes).check()
    for word in ("salud-znuny", *words):
        assert word in str(missing.value)


async def test_checks_leave_one_closed_ticket_and_write_no_more(desk: Desk) -> None:
    adapter = desk.adapter()
    await adapter.check()
    lines = len(desk.state.history)
    [proof] = desk.state.tickets.values()
    assert proof.state == "closed successful"
    await adapter.check()
    assert len(desk.state.history) == lines


async def test_the_proof_follows_the_queue_and_so_proves_that_it_is_there(desk: Desk) -> None:
    await desk.adapter().check()
    desk.state.users["inbox"].queues = frozenset({"Atencion", "Reservada"})
    await desk.adapter(queue="Reservada").check()
    [proof] = desk.state.tickets.values()
    assert proof.queue == "Reservada"
    with pytest.raises(Credentials, match="Inexistente"):
        await desk.adapter(queue="Inexistente").check()


async def test_a_filter_that_is_ignored_is_not_an_absence(desk: Desk) -> None:
    adapter, case = desk.adapter(), reference()
    await adapter.open_ticket(draft(reference()))
    desk.state.ticket_fields.clear()
    for call in (adapter.find(case), adapter.check()):
        with pytest.raises(Credentials, match="ignores the filter on 'InboxReference'"):
            await call


async def test_a_filter_that_is_ignored_is_seen_even_where_the_proof_is_the_only_ticket(desk: Desk) -> None:
    await desk.adapter().check()
    desk.state.ticket_fields.remove("InboxReference")
    with pytest.raises(Credentials, match="ignores the filter"):
        await desk.adapter().check()


# ---------------------------------------------------------------- sessions and refusals


async def test_an_ended_session_is_opened_again(desk: Desk) -> None:
    adapter, case = desk.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    for call in (
        adapter.append(ticket, entry(case, 2)),
        adapter.find(case),
        adapter.updates(None),
        adapter.set_state(ticket, TicketState.CLOSED),
    ):
        desk.state.sessions.clear()
        await call
        assert len(desk.state.sessions) == 1
    assert len(desk.state.articles) == 2


async def test_an_account_that_was_closed_meanwhile_is_credentials_and_writes_nothing(desk: Desk) -> None:
    adapter, case = desk.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    desk.state.sessions.clear()
    desk.state.users["inbox"].password = "otra"
    with pytest.raises(Credentials, match="refuses the login"):
        await adapter.append(ticket, entry(case, 2))
    assert len(desk.state.articles) == 1


async def test_a_right_that_was_taken_away_is_named(desk: Desk) -> None:
    adapter = desk.adapter()
    await adapter.open_ticket(draft(reference()))
    desk.state.users["inbox"].queues = frozenset()
    with pytest.raises(Credentials, match="move_into, create"):
        await adapter.open_ticket(draft(reference()))


async def test_asked_to_slow_down_is_surely_nothing_done(desk: Desk) -> None:
    desk.state.asks_to_slow_down = True
    with pytest.raises(Transient) as slow:
        await desk.adapter().open_ticket(draft(reference()))
    assert slow.value.retry_after == timedelta(seconds=9)


async def test_a_request_that_is_too_large_is_told_to_agents(desk: Desk, tmp_path: Path) -> None:
    adapter, case = desk.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    desk.state.largest_request = 10_000
    with pytest.raises(Permanent, match="MaxLength") as refused:
        await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.bin", "x/y", b"x" * 20_000))
    assert refused.value.told


async def test_an_empty_file_is_told_to_agents(desk: Desk, tmp_path: Path) -> None:
    adapter, case = desk.adapter(), reference()
    ticket = await adapter.open_ticket(draft(case))
    with pytest.raises(Permanent) as refused:
        await adapter.attach(ticket, entry(case, 2), stored(tmp_path, "a.bin", "x/y", b""))
    assert refused.value.told == "el archivo está vacío"


# ---------------------------------------------------------------- customers


async def test_the_citizen_is_customer_and_author_where_the_address_is_granted(desk: Desk) -> None:
    adapter = desk.adapter()
    for given, customer, sender in (
        ("ana@chaco.test", "ana@chaco.test", '"Ana Gómez" <ana@chaco.test>'),
        ("ana@example.com", "sin-correo@salud.test", '"Ana Gómez" <sin-correo@salud.test>'),
        ("", "sin-correo@salud.test", '"Ana Gómez" <sin-correo@salud.test>'),
    ):
        ticket = await adapter.open_ticket(mailed(given))
        assert desk.state.tickets[int(ticket.id)].customer == customer
        [article] = desk.state.articles_of(int(ticket.id))
        assert article.sent_by.replace('"', "") == sender.replace('"', "")
        assert (article.sender, article.visible, article.channel) == ("customer", True, "Phone")
    assert len(desk.state.tickets) == 3


async def test_a_customers_login_may_stand_for_those_without_an_address(desk: Desk) -> None:
    ticket = await desk.adapter(customer_fallback="juana").open_ticket(draft(reference()))
    assert desk.state.tickets[int(ticket.id)].customer == "juana"


async def test_a_state_that_does_not_stay_is_refused(desk: Desk) -> None:
    adapter = desk.adapter()
    ticket = await adapter.open_ticket(draft(reference()))
    desk.state.frozen = True
    with pytest.raises(Permanent, match="does not keep"):
        await adapter.set_state(ticket, TicketState.CLOSED)


# ---------------------------------------------------------------- hints and settings


async def test_hints_of_both_products_are_read_and_nothing_else(desk: Desk) -> None:
    adapter = desk.adapter()
    word = base64.b64encode(f"inbox:{HINT_SECRET}".encode()).decode()

    def asked(body: object, header: str = f"Basic {word}") -> Any:
        raw = json.dumps(body).encode()
        return WebhookRequest(method="POST", query={}, headers={"authorization": header}, body=raw)

    assert adapter.parse_hint(asked({"TicketID": 12, "Event": "ArticleCreate"})).tickets == ("12",)
    assert adapter.parse_hint(asked({"Event": {"TicketID": "12", "MainTicketID": "9"}})).tickets == ("12", "9")
    nothing: tuple[object, ...] = ({}, [], None, {"TicketID": "x"})
    for empty in nothing:
        assert adapter.parse_hint(asked(empty)) is None
    with pytest.raises(Credentials):
        adapter.parse_hint(asked({"TicketID": 12}, header=f"Bearer {word}"))
    assert desk.adapter(hint_secret=None).parse_hint(asked({"TicketID": 12}, header="")) is None
    assert desk.adapter(hint_secret=None).capabilities.updates == "poll"


@pytest.mark.parametrize(
    ("changes", "service"),
    [
        ({"url": "https://t.example"}, "https://t.example/znuny/nph-genericinterface.pl/Webservice/InboxDaemon"),
        (
            {"url": "https://t.example/", "product": "otobo"},
            "https://t.example/otobo/nph-genericinterface.pl/Webservice/InboxDaemon",
        ),
        (
            {"url": "https://t.example/mesa/otrs/", "web_service": "X"},
            "https://t.example/mesa/otrs/nph-genericinterface.pl/Webservice/X",
        ),
    ],
)
def test_the_product_says_where_its_interface_is(changes: dict[str, str], service: str) -> None:
    assert plugin.settings.model_validate(SETTINGS | changes).service_url == service


async def test_an_otobo_is_spoken_to_under_its_own_path(desk: Desk) -> None:
    adapter, case = desk.adapter(product="otobo"), reference()
    ticket = await adapter.open_ticket(draft(case))
    assert "/otobo/index.pl?Action=AgentTicketZoom;TicketID=1" in ticket.url
    assert await adapter.find(case) == ticket


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://x"},
        {"url": "https://inbox:clave@x.example"},
        {"url": "https://x.example/?a=b"},
        {"time_zone": "Marte/Olympus"},
        {"reference_field": "Inbox-Reference"},
        {"product": "otrs"},
        {"password": "literal"},
        {"unknown": 1},
        {"web_service": "a/b"},
    ],
)
def test_mistakes_in_the_settings_are_seen(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        plugin.settings.model_validate(SETTINGS | {"url": "https://t.example"} | changes)


def test_a_secret_is_not_shown() -> None:
    made = plugin.settings.model_validate(SETTINGS | {"url": "https://t.example", "password": Secret("deadbeef")})
    assert "deadbeef" not in repr(made)
