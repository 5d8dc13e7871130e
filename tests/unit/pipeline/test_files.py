"""Attachments on disk are whole, or they are not there."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from inbox_daemon.pipeline import files

CONTENT = b"una foto inventada"


async def _chunks() -> AsyncIterator[bytes]:
    yield CONTENT


async def test_a_write_that_takes_only_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, bytes(data)[:3]))
    size, sha256 = await files.store(tmp_path, _chunks(), 1000)
    assert files.path_of(tmp_path, sha256).read_bytes() == CONTENT
    assert size == len(CONTENT)


async def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = os.write, 0

    def fills_up(handle: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, bytes(data)[:3])

    monkeypatch.setattr(os, "write", fills_up)
    with pytest.raises(OSError, match="No space"):
        await files.store(tmp_path, _chunks(), 1000)
    assert list(tmp_path.iterdir()) == []


def test_a_start_removes_what_was_abandoned_and_nothing_that_another_node_writes(tmp_path: Path) -> None:
    old, new = tmp_path / "part-old", tmp_path / "part-new"
    for part in (old, new):
        part.write_bytes(b"half")
    long_ago = time.time() - files.ABANDONED_SECONDS - 1
    os.utime(old, (long_ago, long_ago))
    files.sweep(tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["part-new"]


@pytest.mark.parametrize(
    ("size", "words"),
    [(2, "2 bytes"), (99_999, "99999 bytes"), (100_000, "0,1 MB"), (5_242_880, "5,2 MB"), (25_000_000, "25 MB")],
)
def test_a_limit_reads_well_and_promises_no_more_than_it_is(size: int, words: str) -> None:
    assert files.limit_words(size) == words
