"""Links to files of answers on a real socket: who holds one gets that file, as a download, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest

from inbox_daemon.model import StoredFile
from inbox_daemon.pipeline import files
from inbox_daemon.plugins import Secret
from inbox_daemon.web.files import Files
from inbox_daemon.web.links import CaseLinks, FileLinks
from unit.web.wire import Answer, Served, request, serving

CONTENT = b"%PDF-1.7 turno de prueba" * 10


@dataclass
class Sent:
    """A served file of an answer."""

    served: Served
    links: FileLinks
    folder: Path
    file: StoredFile

    def path(self, file: StoredFile | None = None) -> str:
        return self.links.address(file or self.file).removeprefix("https://inbox.example")

    async def ask(self, method: str, path: str, **headers: str) -> Answer:
        """One request; what HEAD answers has no body although it tells its length."""
        raw = request(method, path, b"", Connection="close", **headers)
        if method != "HEAD":
            return await self.served.say(raw)
        reader, writer = await self.served.connect()
        writer.write(raw)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        first, *rest = head.decode("latin-1").split("\r\n")
        named = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        return Answer(int(first.split()[1]), named, body, closed=True)


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def keep(folder: Path, content: bytes, filename: str, media_type: str) -> StoredFile:
    size, sha256 = await files.store(folder, _one(content), 10_000)
    path = str(files.path_of(folder, sha256))
    return StoredFile(filename=filename, media_type=media_type, size=size, sha256=sha256, path=path)


@pytest.fixture
async def sent(tmp_path: Path, log: list[Any]) -> AsyncIterator[Sent]:
    folder = tmp_path / "attachments"
    links = FileLinks(Secret("invented"), "https://inbox.example", 14)
    file = await keep(folder, CONTENT, "Turno de Ana.pdf", "application/pdf")
    pages = Files(links, folder, "Centro de Gestión", ZoneInfo("America/Argentina/Cordoba"))
    async with serving(files=pages) as served:
        yield Sent(served, links, folder, file)


async def test_a_link_brings_the_file_as_a_download(sent: Sent, log: list[Any]) -> None:
    for _ in range(2):  # a preview or a scanner that was there first uses nothing up
        answer = await sent.ask("GET", sent.path())
        assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith('attachment; filename="Turno de Ana.pdf"')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].endswith("sandbox")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-robots-tag"].startswith("noindex")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    assert log == []


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/html\r\nX-Evil: 1", ""]
)
async def test_what_a_browser_could_run_is_only_bytes(sent: Sent, media_type: str) -> None:
    file = await keep(sent.folder, b"<script>alert(1)</script>", 'a"\r\nX-Evil: 1/..\\b.html', media_type)
    answer = await sent.ask("GET", sent.path(file))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert "x-evil" not in answer.headers


async def test_head_and_parts_work_as_download_managers_ask_for_them(sent: Sent) -> None:
    head = await sent.ask("HEAD", sent.path())
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(CONTENT)))
    assert head.headers["cache-control"] == "no-store"
    part = await sent.ask("GET", sent.path(), Range="bytes=5-9")
    assert (part.status, part.body) == (206, CONTENT[5:10])
    assert part.headers["content-disposition"].startswith("attachment;")
    assert (await sent.ask("GET", sent.path(), Range=f"bytes={len(CONTENT)}-")).status == 416


async def test_an_old_link_says_how_to_get_the_file_again(sent: Sent, log: list[Any]) -> None:
    with mock.patch("itsdangerous.timed.time.time", return_value=time.time() - 15 * 86_400):
        path = sent.path()
    answer = await sent.ask("GET", path)
    assert answer.status == 410
    assert "El enlace venció" in answer.body.decode()
    assert "14 días" in answer.body.decode()
    assert answer.headers["cache-control"] == "no-store"
    assert (await sent.ask("HEAD", path)).status == 410
    assert [(line["instance"], line["reason"]) for line in log] == [("file", "expired_link")]
    assert path.split("/")[2] not in repr(log)


async def test_a_file_that_is_no_longer_kept_is_404_in_plain_words(sent: Sent, log: list[Any]) -> None:
    Path(sent.file.path).unlink()
    answer = await sent.ask("GET", sent.path())
    assert answer.status == 404
    assert "ya no está disponible" in answer.body.decode()
    assert "Ana" not in answer.body.decode()
    assert [line["reason"] for line in log] == ["file_gone"]
    assert sent.file.sha256 not in repr(log)


FORGED = ["x", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..%2fattachments", "%00", "%ff", "a.b.c"]


@pytest.mark.parametrize("token", FORGED)
async def test_a_forged_link_opens_nothing(sent: Sent, token: str) -> None:
    answer = await sent.ask("GET", f"/file/{token}")
    assert answer.status == 404
    assert CONTENT not in answer.body


async def test_neither_the_hash_nor_a_cases_link_nor_another_secret_opens_a_file(sent: Sent) -> None:
    case = CaseLinks(Secret("invented"), "", 30).path("1").removeprefix("/case/")
    foreign = FileLinks(Secret("another"), "", 14).address(sent.file).removeprefix("/file/")
    changed = sent.path().removeprefix("/file/")[:-1]
    for token in (sent.file.sha256, f"{sent.file.sha256[:2]}%2f{sent.file.sha256}", case, foreign, changed):
        answer = await sent.ask("GET", f"/file/{token}")
        assert answer.status == 404
        assert CONTENT not in answer.body
        assert "no corresponde a ningún archivo" in answer.body.decode()


async def test_only_reading_is_offered(sent: Sent) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = await sent.ask(method, sent.path())
        assert answer.status == 405
        assert answer.headers["allow"] == "GET,HEAD"
