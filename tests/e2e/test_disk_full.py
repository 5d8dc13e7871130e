"""No room on the disk: nothing more is acknowledged, nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.world import ANA, assert_nobody_in, case_of, deliver, envelopes, meta, now, office, page
from support.daemon import Daemon, eventually

SIZE = 60_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 60 MB. Mounting needs root, as the suite has it wherever every part is required."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode and os.environ.get("INBOX_REQUIRE_REAL") != "1":
        pytest.skip("mounting a small disk needs root")
    assert mounted.returncode == 0, mounted.stderr
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(folder: Path, leave_bytes: int) -> Path:
    filler = folder / "filler"
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with filler.open("wb", buffering=0) as file:
        try:
            left = free - leave_bytes
            while left > 0:
                left -= file.write(bytes(min(left, 65_536)))
        except OSError:
            pass
    return filler


def _ready(daemon: Daemon) -> bool:
    return daemon.ask("GET", "/readyz", operations=True).status == 200


def test_a_disk_that_is_full_at_once_loses_nothing_that_was_acknowledged(tmp_path: Path, small_disk: Path) -> None:
    picture = bytes(150_000)
    taken = ["Mensaje 0"]
    with meta() as graph, office(tmp_path, graph=graph.url, state=small_disk / "state") as daemon:
        assert deliver(daemon, ANA.text("Mensaje 0", at=now())) == 200
        filler = _fill(small_disk, 400_000)
        answers = set()
        for number in range(1, 40):
            words = f"Mensaje {number}"
            status = deliver(daemon, ANA.text(words, at=now()), ANA.text("y" * 20_000, at=now()))
            answers.add(status)
            if status == 200:
                taken.append(words)
        assert answers <= {200, 503}
        assert 503 in answers
        eventually(lambda: not _ready(daemon), seconds=8)
        assert daemon.ask("GET", "/readyz", operations=True).text == "disk full\n"
        assert daemon.status()["reason"] == "disk full"
        assert daemon.get("/healthz") is not None, "the process need not be started anew"
        filler.unlink()
        eventually(lambda: _ready(daemon), seconds=8)
        assert deliver(daemon, ANA.media("image", graph.add_file(picture, "image/jpeg"), at=now())) == 200
        daemon.settled(seconds=40, messages=2 * len(taken))
        assert envelopes(daemon) == len(taken) + 1
        path, _ = case_of(daemon, ANA, entries=2 * len(taken) + 1)
        shown = eventually(lambda: (p := page(daemon, path)) and "imagen.jpg" in p.html and p)
        assert [words for words in shown.entries() if words.startswith("Mensaje ")] == taken
        assert daemon.ask("GET", shown.download("imagen.jpg")).body == picture
        assert not list(small_disk.rglob("part-*"))
        assert [line["balance"] for line in daemon.books()] == [0]
    assert_nobody_in(daemon.log.read_text("utf-8"), "Mensaje", "Quebracho", "5493624000901", "AR.9001")
