"""Files of citizens on their way: from Meta through our disk to the page of the case, byte for byte or with a note."""

from __future__ import annotations

import hashlib
import http.server
import itertools
import os
import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar
from urllib.parse import unquote

import pytest

from e2e.world import CasePage, assert_nobody_in, case_of, deliver, meta, now, office, page
from support.daemon import Daemon, eventually
from support.graph_fake import TOKEN, Fault, GraphFake
from support.graph_fake_citizens import Phone

_numbers = itertools.count(1)
PICTURE = random.Random(1).randbytes(90_001)
PDF = b"%PDF-1.7\n" + random.Random(2).randbytes(40_000)


@pytest.fixture(scope="module")
def graph() -> Iterator[GraphFake]:
    with meta() as fake:
        yield fake


@pytest.fixture(scope="module")
def running(graph: GraphFake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with office(tmp_path_factory.mktemp("files"), graph=graph.url) as daemon:
        yield daemon
        assert_no_stray_files(daemon)
        assert [line["balance"] for line in daemon.books()] == [0]
        assert_nobody_in(daemon.log.read_text("utf-8"), TOKEN, "Vecina", "54936240011", "certificado", "ñandú")
        assert all(seen.authorized for seen in graph.seen)


@pytest.fixture
def vecina() -> Phone:
    """A citizen of this test's own."""
    number = next(_numbers)
    return Phone(number=f"54936240011{number:02d}", bsuid=f"AR.70000{number}", name="Vecina Inventada")


def assert_no_stray_files(daemon: Daemon) -> None:
    """What the books call stored is on disk; nothing is half there or under another hash than its own."""
    known = {sha for (sha,) in daemon.sql("SELECT sha256 FROM attachment WHERE state = 'stored'")}
    kept = (daemon.state_dir / "attachments").rglob("*")
    files = [path for path in kept if path.is_file() and not path.name.startswith("part-")]
    assert known <= {path.name for path in files}
    for path in files:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def with_file(daemon: Daemon, vecina: Phone, *, entries: int = 2) -> tuple[str, CasePage]:
    """The case with the message and what stands for its file."""
    return case_of(daemon, vecina, entries=entries)


def test_an_image_with_caption(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    part = graph.add_file(PICTURE, "image/jpeg") | {"caption": "El pozo de la calle"}
    assert deliver(running, vecina.media("image", part, at=now())) == 200
    _, shown = with_file(running, vecina)
    assert shown.entries()[0] == "[Imagen]\nEl pozo de la calle"
    answer = running.ask("GET", shown.download("imagen.jpg"))
    assert (answer.status, answer.body) == (200, PICTURE)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_document_with_a_name_that_is_not_ascii(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    name = "certificado de ñandú 2026 «final».pdf"
    part = graph.add_file(PDF, "application/pdf") | {"filename": name}
    assert deliver(running, vecina.media("document", part, at=now())) == 200
    _, shown = with_file(running, vecina)
    answer = running.ask("GET", shown.download(name))
    assert (answer.status, answer.body) == (200, PDF)
    given = answer.headers["content-disposition"].partition("filename*=UTF-8''")[2]
    assert unquote(given) == name


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "a\r\nX-Evil: 1.pdf", "\u202efdp.exe", "C:\\boot.ini", '"><b>.pdf']
)
def test_a_name_made_to_harm(running: Daemon, graph: GraphFake, vecina: Phone, name: str) -> None:
    part = graph.add_file(PDF, "text/html") | {"filename": name}
    assert deliver(running, vecina.media("document", part, at=now())) == 200
    _, shown = with_file(running, vecina)
    link = shown.tree.css_first("p.file a")
    assert link is not None
    answer = running.ask("GET", str(link.attributes["href"]))
    assert (answer.status, answer.body) == (200, PDF)
    assert "x-evil" not in answer.headers
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment")
    assert not {"/", "\\", "\u202e"} & set(unquote(disposition))
    assert answer.headers["content-type"] != "text/html"
    assert "<b>" not in shown.html


def test_the_same_file_twice_is_kept_once_and_shown_twice(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    for _ in range(2):
        assert deliver(running, vecina.media("image", graph.add_file(PICTURE, "image/jpeg"), at=now())) == 200
    _, shown = with_file(running, vecina, entries=4)
    links = [str(link.attributes["href"]) for link in shown.tree.css("p.file a")]
    assert [running.ask("GET", link).body for link in links] == [PICTURE, PICTURE]


def test_media_that_meta_no_longer_has(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    part = graph.add_file(PICTURE, "image/jpeg")
    graph.forget_file(part["id"])
    assert deliver(running, vecina.media("image", part, at=now() - timedelta(days=8))) == 200
    _, shown = with_file(running, vecina)
    assert shown.entries()[1].startswith("No se pudo obtener el archivo adjunto «imagen.jpg»: ")


def test_media_above_the_limit(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    part = graph.add_file(bytes(200_001), "video/mp4")
    assert deliver(running, vecina.media("video", part, at=now())) == 200
    _, shown = with_file(running, vecina)
    assert shown.entries()[1].startswith("No se pudo obtener el archivo adjunto «video.mp4»: supera el límite")


def test_media_without_end(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    graph.fail("download", Fault(endless=True))
    part = graph.add_file(b"small, it says", "audio/ogg")
    assert deliver(running, vecina.media("audio", part, at=now())) == 200
    _, shown = with_file(running, vecina)
    assert "supera el límite" in shown.entries()[1]


def test_bytes_of_another_hash_are_never_shown(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    graph.fail("download", Fault(raw=PICTURE[:-1], status=200))
    before = len(graph.seen)
    assert deliver(running, vecina.media("image", graph.add_file(PICTURE, "image/jpeg"), at=now())) == 200
    _, shown = with_file(running, vecina)
    assert [seen.call for seen in graph.seen[before:]].count("download") == 2
    assert running.ask("GET", shown.download("imagen.jpg")).body == PICTURE


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(status=404)],
        [Fault(status=404), Fault(cut_after=65_536)],
        [Fault(status=429, headers={"Retry-After": "0"})],
    ],
    ids=["dead address", "cut", "too many"],
)
def test_a_download_that_fails_at_first(running: Daemon, graph: GraphFake, vecina: Phone, faults: list[Fault]) -> None:
    graph.fail("download", *faults)
    assert deliver(running, vecina.media("image", graph.add_file(PICTURE, "image/jpeg"), at=now())) == 200
    _, shown = with_file(running, vecina)
    assert running.ask("GET", shown.download("imagen.jpg")).body == PICTURE


def test_an_address_that_expires_between_asking_and_fetching(running: Daemon, graph: GraphFake, vecina: Phone) -> None:
    part = graph.add_file(PICTURE, "image/jpeg")
    present, graph.now = graph.now, graph.now - timedelta(minutes=30)
    stale = graph.address(part["id"])
    graph.now = present
    graph.fail("media", Fault(url=stale))
    before = len(graph.seen)
    assert deliver(running, vecina.media("image", part, at=now())) == 200
    _, shown = with_file(running, vecina)
    assert running.ask("GET", shown.download("imagen.jpg")).body == PICTURE
    assert [seen.call for seen in graph.seen[before:]] == ["media", "download", "media", "download"]


class _Stranger(http.server.BaseHTTPRequestHandler):
    """Somebody whose address stands where Meta's should, and who would like the token."""

    heard: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.heard.append(str(self.headers))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stranger() -> Iterator[str]:
    _Stranger.heard.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/media"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_token_goes_to_nobody_else(running: Daemon, graph: GraphFake, vecina: Phone, stranger: str) -> None:
    graph.fail("media", Fault(url=stranger))
    part = graph.add_file(PICTURE, "image/jpeg")
    assert deliver(running, vecina.media("image", part, at=now())) == 200
    with_file(running, vecina)
    assert _Stranger.heard == []


def test_a_redirect_takes_the_token_to_nobody_either(
    running: Daemon, graph: GraphFake, vecina: Phone, stranger: str
) -> None:
    graph.fail("download", Fault(status=302, headers={"Location": stranger}))
    assert deliver(running, vecina.media("image", graph.add_file(PICTURE, "image/jpeg"), at=now())) == 200
    with_file(running, vecina)
    assert _Stranger.heard == []


def test_killed_in_mid_download_it_is_fetched_after_the_next_start(
    running: Daemon, graph: GraphFake, vecina: Phone
) -> None:
    graph.fail("download", Fault(cut_after=70_000, wait_seconds=0.0), Fault(wait_seconds=30))
    before = len(graph.seen)
    assert deliver(running, vecina.media("image", graph.add_file(PICTURE, "image/jpeg"), at=now())) == 200
    eventually(lambda: [seen.call for seen in graph.seen[before:]].count("download") == 2)
    path, _ = case_of(running, vecina, entries=1)
    running.kill()
    stray = running.state_dir / "attachments" / "part-left-behind"
    stray.write_bytes(b"half of a file")
    os.utime(stray, (0, 0))  # what is younger may be another node's
    running.start()
    shown = eventually(lambda: (found := page(running, path)) and len(found.entries()) == 2 and found)
    assert running.ask("GET", shown.download("imagen.jpg")).body == PICTURE
    assert not stray.exists()
