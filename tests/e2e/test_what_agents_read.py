"""Whatever a citizen sends, the case shows a readable line in Spanish, and shows nobody where that is not due."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from e2e.world import HOOK, SECRETS, assert_nobody_in, case_of, deliver, envelopes, now, office, page
from support.daemon import Daemon
from support.graph_fake_citizens import Phone, body, sign, status_update

_numbers = itertools.count(1)
NAME = "Delfina Urunday"
SURE = ("Urunday", "54936240013", "AR.6000", "ñandubay", "tatané")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with office(tmp_path_factory.mktemp("words")) as daemon:
        yield daemon
        assert [line["balance"] for line in daemon.books()] == [0]
        told = [daemon.log.read_text("utf-8")]
        told += [(daemon.get(path) or b"").decode() for path in ("/status", "/metrics")]
        told.append(daemon.command("status"))
        for text in told:
            assert_nobody_in(text, *SURE, *SECRETS)


@pytest.fixture
def delfina() -> Phone:
    number = next(_numbers)
    return Phone(number=f"54936240013{number:02d}", bsuid=f"AR.6000{number}", name=NAME)


PRODUCT = {"product_retailer_id": "x", "quantity": 1, "item_price": 2, "currency": "ARS"}
PARTS = {
    "location": ({"latitude": -27.4512, "longitude": -58.9866, "name": "Plaza"}, "[Ubicación]"),
    "contacts": ([{"name": {"formatted_name": "Otra Persona"}}], "[Contacto compartido]"),
    "interactive": ({"type": "button_reply", "button_reply": {"id": "si", "title": "Sí"}}, "[Respuesta a un menú]"),
    "button": ({"payload": "SI", "text": "Sí"}, "[Respuesta a un menú]"),
    "order": ({"catalog_id": "1", "product_items": [PRODUCT]}, "[Pedido]"),
    "unsupported": ({"type": "poll_creation"}, "[Mensaje de un tipo que el canal no entrega"),
    "hologram_2031": ({"body": "algo nuevo"}, "[Mensaje de un tipo que el canal no entrega"),
}


@pytest.mark.parametrize("kind", PARTS)
def test_a_message_that_is_no_text(running: Daemon, delfina: Phone, kind: str) -> None:
    part, line = PARTS[kind]
    assert deliver(running, delfina.message(kind, part, at=now())) == 200
    _, shown = case_of(running, delfina)
    assert shown.entries()[0].startswith(line)
    assert shown.text("p.heading").startswith(f"WhatsApp · {NAME} · ")


def test_an_edit_a_withdrawal_and_reactions(running: Daemon, delfina: Phone) -> None:
    first = delfina.text("Vivo en Ñandubay 12", at=now(), id="wamid.AAAA1")
    assert deliver(running, first) == 200
    case_of(running, delfina)
    assert deliver(running, delfina.edit("wamid.AAAA1", "Vivo en Ñandubay 21", at=now())) == 200
    case_of(running, delfina, entries=2)
    assert deliver(running, delfina.react("wamid.AAAA1", "👍", at=now())) == 200
    case_of(running, delfina, entries=3)
    assert deliver(running, delfina.react("wamid.AAAA1", "", at=now())) == 200
    case_of(running, delfina, entries=4)
    assert deliver(running, delfina.revoke("wamid.AAAA1", at=now())) == 200
    _, shown = case_of(running, delfina, entries=5)
    assert shown.entries() == [
        "Vivo en Ñandubay 12",
        "[Corrige un mensaje anterior. Ahora dice:]\nVivo en Ñandubay 21",
        "[Reaccionó a un mensaje: 👍]",
        "[Quitó su reacción a un mensaje]",
        "[Eliminó un mensaje anterior; lo que se recibió sigue más arriba]",
    ]


def test_statuses_make_no_entry_and_are_kept(running: Daemon, delfina: Phone) -> None:
    assert deliver(running, delfina.text("Hola", at=now())) == 200
    path, _ = case_of(running, delfina)
    states = ("sent", "delivered", "read", "failed")
    updates = [status_update("wamid.OUT9", s, at=now(), recipient="549362400130", error=131047) for s in states]
    for update in updates:
        assert deliver(running, update) == 200
    running.settled(seconds=10, messages=1)
    assert len(page(running, path).entries()) == 1
    assert running.sql("SELECT count(*) FROM send_status WHERE target = 'wamid.OUT9'") == [(1,)]
    assert running.status()["ledger"][0]["ignored"]["status"] >= 4


def test_what_speaks_of_a_message_that_never_came_is_in_the_books(running: Daemon, delfina: Phone) -> None:
    before = running.status()["ledger"][0]["ignored"]
    assert deliver(running, delfina.react("wamid.NEVER", "👍", at=now())) == 200
    assert deliver(running, delfina.revoke("wamid.NEVER", at=now())) == 200
    running.settled(seconds=10, messages=1)
    after = running.status()["ledger"][0]["ignored"]
    assert after.get("reaction_without_message", 0) == before.get("reaction_without_message", 0) + 1
    assert after.get("revoke_without_message", 0) == before.get("revoke_without_message", 0) + 1


def test_many_of_all_kinds_in_one_body_in_their_order(running: Daemon, delfina: Phone) -> None:
    updates = [delfina.text(f"Renglón {n}", at=now()) for n in range(20)]
    content = body([*updates, status_update("wamid.OUT8", "sent", at=now())], values=7, entries=3)
    for _ in range(3):
        assert running.post(HOOK, content, sign(content)) == 200
    _, shown = case_of(running, delfina, entries=20)
    assert shown.entries() == [f"Renglón {n}" for n in range(20)]


def test_words_made_to_harm_the_page_are_shown_as_words(running: Daemon, delfina: Phone) -> None:
    words = "<script>alert(1)</script> {{ 7*7 }} {% x %} & \" ' \u202e \x07 fin"
    harmful = Phone(number=delfina.number, bsuid=delfina.bsuid, name="<img src=x onerror=alert(1)>")
    assert deliver(running, harmful.text(words, at=now())) == 200
    _, shown = case_of(running, delfina)
    assert "<script" not in shown.html
    assert "<img" not in shown.html
    assert shown.entries()[0].startswith("<script>alert(1)</script> {{ 7*7 }} {% x %} & \" '")


def test_a_denuncia_shows_nobody(running: Daemon, delfina: Phone) -> None:
    assert deliver(running, delfina.text("Quiero hacer una denuncia: cortan tatané en la reserva", at=now())) == 200
    assert deliver(running, delfina.message("location", {"latitude": -27.1, "longitude": -58.2}, at=now())) == 200
    path, shown = case_of(running, delfina, entries=2)
    assert "Ministerio de Seguridad" in shown.html
    assert "Identidad reservada" in shown.html
    assert_nobody_in(shown.html, "Delfina", "Urunday", delfina.number or "", delfina.bsuid or "")
    assert deliver(running, delfina.edit("wamid.none", "Corrijo: son quebrachos", at=now())) == 200
    case_of(running, delfina, entries=3)
    assert_nobody_in(page(running, path).html, "Delfina", "Urunday", delfina.number or "", delfina.bsuid or "")


def test_a_person_without_a_number_is_a_person(running: Daemon) -> None:
    hidden = Phone(bsuid="AR.600099", name="Elba Oculta", username="elba.oculta")
    assert deliver(running, hidden.text("Uno", at=now())) == 200
    assert deliver(running, hidden.text("Dos", at=now())) == 200
    _, shown = case_of(running, hidden, entries=2)
    assert shown.text("p.heading").startswith("WhatsApp · Elba Oculta · ")
    assert envelopes(running) >= 2
