"""A page through the whole process: outage and catching up, answers whose outcome is lost, comments; each once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.world import aside, page, submit
from support.daemon import Daemon, eventually
from support.facebook_fake import PageFake, run_page
from support.facebook_fake_book import APP_ID, PAGE_ID, SECRET, TOKEN
from support.graph_fake_faults import Fault

PUBLIC = "Le respondimos por privado."
_TOML = """
[delivery]
order_grace_seconds = 0
retry_first_seconds = 0.05
retry_max_seconds = 0.1
attempt_seconds = 20
settle_seconds = 0.2
follow_seconds = 0.3
[answers]
grace_seconds = 0.2
report_seconds = 0
[channels.facebook-centro]
kind = "facebook"
page_id = "{page}"
app_id = "{app}"
app_secret = {{ env = "TEST_APP_SECRET" }}
verify_token = {{ env = "TEST_VERIFY_TOKEN" }}
page_token = {{ env = "TEST_PAGE_TOKEN" }}
graph_url = "{graph}"
answer_seconds = 3
catch_up_seconds = 10
public_answer = "{public}"
[destinations.centro]
kind = "ticketbook"
office_name = "Casa de Gobierno"
[routing]
default = "centro"
"""


@contextmanager
def running(home: Path) -> Iterator[tuple[Daemon, PageFake]]:
    """A daemon that has polled once, and the page that it listens to."""
    fake = PageFake()
    with aside(run_page(fake)):
        toml = _TOML.format(page=PAGE_ID, app=APP_ID, graph=fake.url, public=PUBLIC)
        environ = {"TEST_APP_SECRET": SECRET, "TEST_VERIFY_TOKEN": "invented-verify-token", "TEST_PAGE_TOKEN": TOKEN}
        with Daemon(home, toml, environ=environ) as daemon:
            fake.webhook = f"http://127.0.0.1:{daemon.public_port}/hooks/facebook-centro"
            eventually(lambda: daemon.sql("SELECT value FROM cursor"), seconds=30)
            yield daemon, fake
            eventually(lambda: fake.untold == 0, seconds=30)


def said(daemon: Daemon) -> list[str]:
    """What citizens wrote, as it stands in the tickets."""
    rows = daemon.sql("SELECT text FROM message WHERE direction = 'in' ORDER BY text")
    return [text for (text,) in rows]


def case(daemon: Daemon, words: str) -> str:
    """Path of the page of the case in which somebody wrote these words."""
    found = eventually(
        lambda: daemon.sql(
            "SELECT c.ticket_url FROM conversation c JOIN message m ON m.conversation_id = c.id"
            " WHERE m.text = ? AND c.ticket_url IS NOT NULL",
            words,
        ),
        seconds=20,
    )
    return urlsplit(str(found[0][0])).path


def answers(daemon: Daemon, path: str, words: str) -> None:
    """An agent answers on the case's page."""
    shown = page(daemon, path)
    assert submit(daemon, f"{path}/answer", text=words, once=shown.once).status in {200, 303}


def test_what_an_outage_kept_back_comes_once_and_the_page_is_subscribed_again(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, fake):
        fake.write("7001", "antes del corte")
        case(daemon, "antes del corte")
        daemon.kill()
        fake.subscribed.clear()  # an hour of failures
        fake.write("7001", "durante el corte")
        fake.write("7002", "otra persona")
        fake.comment("9001", "un comentario")
        daemon.start()
        everything = ["antes del corte", "durante el corte", "otra persona", "un comentario"]
        eventually(lambda: said(daemon) == everything, seconds=30)
        eventually(lambda: {"messages", "feed"} <= fake.subscribed, seconds=30)
        fake.write("7002", "y ahora por aviso")
        everything.append("y ahora por aviso")
        eventually(lambda: said(daemon) == everything, seconds=30)
        daemon.kill()  # the next life polls at once, and what came by delivery comes again
        before = len(daemon.sql("SELECT id FROM envelope"))
        daemon.start()
        eventually(lambda: len(daemon.sql("SELECT id FROM envelope")) >= before + 2, seconds=30)
        eventually(lambda: all(line["balance"] == 0 for line in daemon.books()), seconds=30)
        assert said(daemon) == everything
        assert sum("durante el corte" in one for one in page(daemon, case(daemon, "durante el corte")).entries()) == 1


@pytest.mark.parametrize("fault", [Fault(status=502, raw=b"", done=True), Fault(cut_after=0, done=True)])
def test_an_answer_whose_word_is_lost_is_settled_by_its_echo(tmp_path: Path, fault: Fault) -> None:
    with running(tmp_path) as (daemon, fake):
        fake.write("7001", "¿está abierto?")
        path = case(daemon, "¿está abierto?")
        fake.fail("send", fault)
        answers(daemon, path, "Sí, hasta las 18.")
        eventually(lambda: daemon.sql("SELECT 1 FROM portion WHERE state IN ('sent', 'delivered')"), seconds=30)
        eventually(lambda: daemon.sql("SELECT 1 FROM dispatch WHERE kind = 'send' AND state = 'done'"), seconds=30)
        assert [one.text for one in fake.received("7001")] == ["Sí, hasta las 18."]


def test_a_process_that_dies_after_the_send_was_taken_sends_nothing_again(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, fake):
        fake.write("7001", "¿está abierto?")
        path = case(daemon, "¿está abierto?")
        fake.fail("send", Fault(wait_seconds=2.5, done=True))
        answers(daemon, path, "Sí, hasta las 18.")
        eventually(lambda: fake.received("7001"), seconds=30)
        daemon.kill()
        daemon.start()
        eventually(lambda: daemon.sql("SELECT 1 FROM dispatch WHERE kind = 'send' AND state = 'done'"), seconds=30)
        assert [one.text for one in fake.received("7001")] == ["Sí, hasta las 18."]


def test_a_comment_is_answered_in_private_once_and_goes_on_there(tmp_path: Path) -> None:
    with running(tmp_path) as (daemon, fake):
        comment = fake.comment("9001", "¿dónde pago?")
        path = case(daemon, "¿dónde pago?")
        answers(daemon, path, "En el banco, con el expediente 77.")
        eventually(lambda: fake.received("89001"), seconds=30)
        eventually(lambda: len(fake.book.below(comment["id"]) or ()) == 1, seconds=30)
        answers(daemon, path, "Y traiga el DNI.")
        eventually(lambda: daemon.sql("SELECT 1 FROM reply WHERE state = 'held'"), seconds=30)
        fake.write("89001", "gracias, ¿algo más?")
        eventually(lambda: len(fake.received("89001")) == 2, seconds=30)
        first, second = fake.received("89001")
        assert (first.body["recipient"], second.body["recipient"]) == ({"comment_id": comment["id"]}, {"id": "89001"})
        assert case(daemon, "gracias, ¿algo más?").split(".")[0] == path.split(".")[0], "in the same case"
        public = [one["message"] for one in next(iter(fake.book.posts.values())).comments]
        assert public == ["¿dónde pago?", PUBLIC]
