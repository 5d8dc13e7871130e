"""What only WhatsApp has, through the whole process: a hidden number that is shared, the read mark, the standing.

With the process killed while answers go out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from e2e.world import HOOK, case_of, cases, meta, now, office, page, submit
from support.daemon import Daemon, eventually
from support.graph_fake import Fate, Fault, GraphFake
from support.graph_fake_citizens import SECRET, WABA_ID, Phone, sign
from support.graph_fake_news import old_chat, other, typed

MORE = f"""
pair_seconds = 0
account_id = "{WABA_ID}"
answer_template = "hay_respuesta"
ask_for_number = true
"""
ANSWERS = """
[answers]
grace_seconds = 0.2
report_seconds = 0
[notices]
acknowledgement = true
on_paid_channels = true
"""


@pytest.fixture
def graph() -> Iterator[GraphFake]:
    with meta(running=True, app_secret=SECRET) as fake:
        fake.account.templates = [
            {"name": "hay_respuesta", "language": "es_AR", "status": "APPROVED", "category": "UTILITY"}
        ]
        yield fake


def running(home: Path, graph: GraphFake) -> Daemon:
    """A daemon at this Meta; not started yet."""
    daemon = office(home, graph=graph.url, follow=0.3)
    text = daemon.config.read_text("utf-8").replace("graph_url =", f"{MORE.strip()}\ngraph_url =", 1)
    daemon.config.write_text(text.replace("[channels.whatsapp-centro]", f"{ANSWERS}[channels.whatsapp-centro]", 1))
    return daemon


def at_meta(graph: GraphFake, daemon: Daemon) -> None:
    """Enter the daemon's address at Meta."""
    graph.webhook = f"http://127.0.0.1:{daemon.public_port}{HOOK}"


def shows(graph: GraphFake, phone: Phone, words: str) -> None:
    """Wait until a phone shows these words."""
    eventually(lambda: any(words in one.text for one in graph.inbox(phone)), seconds=20)


def test_a_hidden_number_is_asked_for_shared_and_answered_to_and_the_word_is_shown_as_read(
    tmp_path: Path, graph: GraphFake
) -> None:
    hidden = Phone(bsuid="AR.9077", name="Nadia Oculta", username="nadia.9")
    shown = Phone(number="5493624000977", bsuid="AR.9077", name="Nadia Oculta")
    with running(tmp_path, graph) as daemon:
        at_meta(graph, daemon)
        graph.write(hidden.text("Quiero un turno", at=now()))
        eventually(lambda: graph.inbox(hidden), seconds=20)
        [asked] = graph.inbox(hidden)
        assert (asked.asks, asked.to, graph.marked) == (True, "AR.9077", [])  # no person has read it yet
        graph.write(hidden.share("5493624000977", asked.wamid, at=now()))
        eventually(lambda: daemon.sql("SELECT 1 FROM handle WHERE value = '+5493624000977'"), seconds=20)
        assert daemon.sql("SELECT count(DISTINCT citizen_id) FROM handle") == [(1,)]
        graph.write(hidden.text("¿Para cuándo?", at=now() + timedelta(seconds=1), id="wamid.LAST"))
        path, seen = case_of(daemon, shown, entries=3)
        assert submit(daemon, f"{path}/answer", text="Mañana a las 8.", once=seen.once).status in {200, 303}
        shows(graph, shown, "Mañana a las 8.")
        eventually(lambda: graph.marked, seconds=10)
        assert set(graph.marked) <= {"wamid.LAST"}
        eventually(lambda: "leída" in page(daemon, path).html.casefold(), seconds=20)
        assert [line["balance"] for line in daemon.books()] == [0]


def test_kills_while_answers_go_out_send_none_twice_and_leave_none_in_doubt_unsaid(
    tmp_path: Path, graph: GraphFake
) -> None:
    """Meta takes its time, tells states early and twice, and loses answers; the process dies five times meanwhile."""
    people = [Phone(number=f"54936240009{n:02}", bsuid=f"AR.91{n:02}", name=f"Vecina {n}") for n in range(6)]

    def trouble(call: str, message: Any) -> Fault | None:
        if call != "send" or message.get("type") != "text":
            return None
        number = int(str(message.get("to"))[-2:])
        return [None, Fault(wait_seconds=0.4), Fault(status=502, raw=b"", done=True)][number % 3]

    with running(tmp_path, graph) as daemon:
        at_meta(graph, daemon)
        graph.write(*[phone.text("Hola", at=now()) for phone in people])
        pages = {phone.key: case_of(daemon, phone) for phone in people}
        daemon.settled(seconds=40, messages=len(people))
        before = len(graph.accepted)
        graph.trouble = trouble
        graph.fate_of = lambda one: Fate(before_answer=1, doubled=True, states=("delivered", "sent", "read"))
        for phone in people:
            path, seen = pages[phone.key]
            words = f"Respuesta para {phone.name}"
            assert submit(daemon, f"{path}/answer", text=words, once=seen.once).status in {200, 303}
        for _ in range(5):
            time.sleep(0.35)
            daemon.kill()
            daemon.start()
            at_meta(graph, daemon)
        eventually(lambda: not graph.untold, seconds=30)

        def came(phone: Phone) -> int:
            words = f"Respuesta para {phone.name}"
            return sum(one.text == words for one in graph.accepted[before:])

        def settled(phone: Phone) -> bool:
            """Read, or, where the process died before it was out, left to a person: never sent again by itself."""
            shown = page(daemon, pages[phone.key][0]).html.casefold()
            return "leída" in shown if came(phone) else "no se sabe" in shown

        eventually(lambda: all(map(settled, people)), seconds=60)
        assert all(came(phone) <= 1 for phone in people)
        assert any(map(came, people))
        assert [line["balance"] for line in daemon.books()] == [0]
        assert "Traceback" not in daemon.log.read_text("utf-8")


def test_what_the_office_wrote_on_its_phone_is_a_note_and_old_chats_are_kept_in_silence(
    tmp_path: Path, graph: GraphFake
) -> None:
    ana = Phone(number="5493624000955", bsuid="AR.9055", name="Ana Timbó")

    def brings(daemon: Daemon, *bodies: bytes) -> None:
        for content in (*bodies, *bodies):  # Meta brings things twice
            assert daemon.post(HOOK, content, sign(content)) == 200

    with running(tmp_path, graph) as daemon:
        at_meta(graph, daemon)
        brings(daemon, old_chat(ana, (False, "¿Atienden hoy?"), (True, "De 7 a 13."), at=now() - timedelta(days=40)))
        eventually(lambda: daemon.sql("SELECT count(*) FROM message") == [(2,)], seconds=20)
        assert (cases(daemon, ana), graph.accepted) == ([], [])  # no ticket, no answer
        graph.write(ana.text("Perdí el turno", at=now(), id="wamid.NEW"))
        path, shown = case_of(daemon, ana)
        assert not any("Atienden" in one or "7 a 13" in one for one in shown.entries())
        shows(graph, ana, "Su número de caso es")
        before = len(graph.accepted)
        brings(daemon, typed(ana, "Venga mañana a las 8", at=now(), id="wamid.E1"))
        eventually(lambda: "Venga mañana a las 8" in page(daemon, path).html, seconds=20)
        brings(daemon, typed(ana, "Venga mañana a las 9", at=now(), target="wamid.E1"))
        eventually(lambda: "Venga mañana a las 9" in page(daemon, path).html, seconds=20)
        brings(daemon, typed(ana, "", at=now(), target="wamid.E1"))
        kept = "SELECT type, count(*) FROM message WHERE direction = 'out' GROUP BY type ORDER BY type"
        eventually(lambda: len(daemon.sql(kept)) == 4, seconds=20)
        assert [count for _, count in daemon.sql(kept)] == [1, 1, 1, 1]
        assert page(daemon, path).html.count("Venga mañana a las 8") == 1
        assert (len(graph.accepted), graph.marked) == (before, [])
        assert [line["balance"] for line in daemon.books()] == [0]


def test_what_meta_says_of_the_template_shows_in_the_status_and_is_put_right(tmp_path: Path, graph: GraphFake) -> None:
    def news(event: str, at: datetime) -> bytes:
        value = {"event": event, "message_template_name": "hay_respuesta", "message_template_language": "es_AR"}
        return other("message_template_status_update", value, at=at)

    with running(tmp_path, graph) as daemon:

        def template() -> list[dict[str, Any]]:
            notices = daemon.status()["channels"]["whatsapp-centro"]["notices"]
            return [one for one in notices if one["topic"] == "template"]

        eventually(template, seconds=20)
        assert [one["grave"] for one in template()] == [False]
        later = now() + timedelta(seconds=1)
        for event, grave in (("PAUSED", True), ("APPROVED", False)):
            content = news(event, later)
            assert daemon.post(HOOK, content, sign(content)) == 200
            eventually(partial(lambda grave: [one["grave"] for one in template()] == [grave], grave), seconds=10)
            later += timedelta(seconds=1)
