"""The page of a case, worked with as an office would, and what follows from it for the next message."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from e2e.world import assert_nobody_in, case_of, cases, deliver, now, office, page, submit
from inbox_daemon.plugins import Secret
from inbox_daemon.web.links import CaseLinks
from support.daemon import Daemon, eventually
from support.graph_fake_citizens import Phone

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with office(tmp_path_factory.mktemp("pages"), follow=0.2) as daemon:
        yield daemon
        assert [line["balance"] for line in daemon.books()] == [0]
        assert_nobody_in(daemon.log.read_text("utf-8"), "Carmen", "54936240012", "martes", "/case/W")


@pytest.fixture
def carmen() -> Phone:
    number = next(_numbers)
    return Phone(number=f"549362400120{number}", bsuid=f"AR.8000{number}", name="Carmen Inventada")


def write(daemon: Daemon, phone: Phone, words: str) -> None:
    assert deliver(daemon, phone.text(words, at=now())) == 200


def test_an_answer_is_recorded_once_however_often_the_form_is_sent(running: Daemon, carmen: Phone) -> None:
    write(running, carmen, "¿Cuándo atienden?")
    path, shown = case_of(running, carmen)
    for _ in range(3):
        answer = submit(running, f"{path}/answer", text="El martes a las 8. <b>¡Gracias!</b>", once=shown.once)
        assert answer.status == 303
        assert answer.headers["location"] == f"{path}?done=answer"
    after = page(running, answer.headers["location"])
    assert after.entries() == ["¿Cuándo atienden?", "El martes a las 8. <b>¡Gracias!</b>"]
    assert "<b>¡" not in after.html
    assert after.text('[role="status"]').startswith("La respuesta quedó registrada")


@pytest.mark.parametrize("text", ["", "   \r\n ", "a" * 10_001])
def test_an_answer_that_cannot_be_kept_is_given_back(running: Daemon, carmen: Phone, text: str) -> None:
    write(running, carmen, "Hola")
    path, shown = case_of(running, carmen)
    answer = submit(running, f"{path}/answer", text=text, once=shown.once)
    assert answer.status == 422
    assert "No se guardó" in answer.text
    assert len(page(running, path).entries()) == 1


def test_a_closed_case_is_followed_by_a_new_one(running: Daemon, carmen: Phone) -> None:
    write(running, carmen, "Primer asunto")
    path, shown = case_of(running, carmen)
    assert shown.badge == "Abierto"
    for _ in range(2):
        assert submit(running, f"{path}/close").status == 303
    closed = page(running, path)
    assert closed.badge == "Cerrado"
    assert len(closed.entries()) == 2, "closing twice is closing once"
    case = f"SELECT state FROM conversation WHERE ticket_url LIKE '%{path}'"
    eventually(lambda: running.sql(case) == [("closed",)])
    write(running, carmen, "Otro asunto")
    second, shown = case_of(running, carmen, number=2)
    assert second != path
    assert shown.entries() == ["Otro asunto"]
    assert page(running, path).badge == "Cerrado"


def test_a_reopened_case_goes_on(running: Daemon, carmen: Phone) -> None:
    write(running, carmen, "Primero")
    path, _ = case_of(running, carmen)
    case = f"SELECT state FROM conversation WHERE ticket_url LIKE '%{path}'"
    assert submit(running, f"{path}/close").status == 303
    eventually(lambda: running.sql(case) == [("closed",)])
    assert submit(running, f"{path}/reopen").status == 303
    eventually(lambda: running.sql(case) == [("open",)])
    write(running, carmen, "Segundo")
    _, shown = case_of(running, carmen, entries=4)
    assert shown.entries()[-1] == "Segundo"
    assert len(cases(running, carmen)) == 1


def test_a_message_that_meets_a_case_just_closed_reopens_it(tmp_path: Path, carmen: Phone) -> None:
    """The page promises it: «Si la persona vuelve a escribir, el caso se reabre solo.»"""
    with office(tmp_path, follow=1.5) as daemon:
        write(daemon, carmen, "Primero")
        path, _ = case_of(daemon, carmen)
        time.sleep(1.5)
        assert submit(daemon, f"{path}/close").status == 303
        write(daemon, carmen, "Segundo, enseguida")
        eventually(lambda: "enseguida" in page(daemon, path).html)
        assert page(daemon, path).badge == "Abierto"
        time.sleep(2)  # the closing is followed now
        write(daemon, carmen, "Tercero")
        eventually(lambda: "Tercero" in page(daemon, cases(daemon, carmen)[-1]).html)
        # a link made later is signed anew; its head is the case
        [one] = cases(daemon, carmen)
        assert one.partition(".")[0] == path.partition(".")[0], "an open case takes what follows"


def test_forged_and_borrowed_links_open_nothing(running: Daemon, carmen: Phone) -> None:
    write(running, carmen, "Palabras reservadas")
    path, _ = case_of(running, carmen)
    token = path.removeprefix("/case/")
    head, _, tail = token.partition(".")
    forged = [token[:-1] + ("A" if token[-1] != "A" else "B"), head, f"IjEi.{tail}", "x", "%00", token + "x", "..", "1"]
    for one in forged:
        for method, rest in (("GET", ""), ("POST", "/answer"), ("POST", "/close"), ("GET", "/file/1")):
            answer = running.ask(method, f"/case/{one}{rest}")
            assert answer.status == 404, one
            assert "Palabras" not in answer.text
    assert running.ask("GET", f"{path}/file/1").status == 404
    assert page(running, path).badge == "Abierto"


def test_a_form_of_another_site_is_refused(running: Daemon, carmen: Phone) -> None:
    write(running, carmen, "Hola")
    path, shown = case_of(running, carmen)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f"text=Intruso&once={shown.once}".encode()
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://malo.test"}, {"Origin": "null"}):
        for verb in ("answer", "close"):
            assert running.ask("POST", f"{path}/{verb}", body, form | foreign).status == 403
    assert page(running, path).entries() == ["Hola"]


def test_an_expired_link_says_so(running: Daemon, carmen: Phone) -> None:
    write(running, carmen, "Hola")
    path, _ = case_of(running, carmen)
    [secret] = [
        p.read_text("utf-8").strip() for p in running.state_dir.iterdir() if "secret" in p.name or "key" in p.name
    ]
    links = CaseLinks(Secret(secret), "http://127.0.0.1", 30)
    case = links.read(path.removeprefix("/case/"))
    assert isinstance(case, str), "the same key"
    with mock.patch("itsdangerous.timed.time.time", return_value=time.time() - 31 * 86_400):
        old = links.path(case)
    answer = running.ask("GET", old)
    assert answer.status == 410
    assert "Hola" not in answer.text
    assert running.ask("POST", f"{old}/close").status == 410
