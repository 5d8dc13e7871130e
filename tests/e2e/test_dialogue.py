"""A dialogue through the daemon: a menu, a choice, an acknowledgement, an answer, its state; nothing for strangers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.world import ANA, BENITO, HOOK, case_of, meta, now, office, page, submit
from support.daemon import Daemon, eventually
from support.graph_fake import GraphFake
from support.graph_fake_citizens import SECRET, Phone

MORE = """
[answers]
grace_seconds = 0.2
report_seconds = 0
[notices]
acknowledgement = true
[triage]
enabled = true
options = [
  { title = "Salud", destination = "salud", keywords = ["turno"] },
  { title = "Seguridad", destination = "seguridad" },
]
"""


@pytest.fixture(scope="module")
def graph() -> Iterator[GraphFake]:
    with meta(running=True, app_secret=SECRET) as fake:
        yield fake


@pytest.fixture(scope="module")
def running(graph: GraphFake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = office(tmp_path_factory.mktemp("dialogue"), graph=graph.url, follow=0.3)
    text = daemon.config.read_text("utf-8").replace('graph_url = "', 'pair_seconds = 0\ngraph_url = "')
    daemon.config.write_text(text.replace("[channels.whatsapp-centro]", f"{MORE}[channels.whatsapp-centro]"), "utf-8")
    with daemon:
        graph.webhook = f"http://127.0.0.1:{daemon.public_port}{HOOK}"
        yield daemon
        assert [line["balance"] for line in daemon.books()] == [0]


def texts(graph: GraphFake, phone: Phone) -> list[str]:
    """What a phone shows of ours."""
    return [one.text for one in graph.inbox(phone)]


def shows(graph: GraphFake, phone: Phone, words: str) -> None:
    """Wait until a phone shows these words."""
    eventually(lambda: any(words in text for text in texts(graph, phone)), seconds=15)


def test_from_the_menu_to_the_answer_and_its_state(running: Daemon, graph: GraphFake) -> None:
    graph.write(ANA.text("hola", at=now()))
    eventually(lambda: graph.inbox(ANA), seconds=15)
    [asked] = graph.inbox(ANA)
    assert [title for _, title in asked.choices] == ["Salud", "Seguridad"]
    graph.write(ANA.choose(asked, asked.choices[1][0], at=now()))
    path, shown = case_of(running, ANA)
    assert shown.entries()[0] == "hola"
    assert "Ministerio de Seguridad" in shown.html
    shows(graph, ANA, "Su número de caso es")
    number = running.sql("SELECT case_number FROM conversation WHERE destination = 'seguridad'")[0][0]
    assert submit(running, f"{path}/answer", text="Un patrullero va en camino.", once=shown.once).status in {200, 303}
    shows(graph, ANA, "Un patrullero va en camino.")
    eventually(lambda: "leída" in page(running, path).html.casefold(), seconds=15)
    graph.write(ANA.text(f"estado {number}", at=now()))
    shows(graph, ANA, f"Caso {number}: recibido.")
    graph.write(BENITO.text(f"Estado {number}", at=now()))
    shows(graph, BENITO, "No encontramos un caso suyo con ese número.")
    assert not any(number in text or "patrullero" in text for text in texts(graph, BENITO))
    [books] = running.books()
    assert (books["ignored"]["menu_choice"], books["ignored"]["status_query"]) == (1, 2)
    assert books["delivered"] == 1
