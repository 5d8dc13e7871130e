"""A stored file is handed over whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.ticketing_words import stored
from inbox_daemon.errors import Permanent
from inbox_daemon.plugins import read_stored


async def test_a_file_up_to_the_limit_is_read(tmp_path: Path) -> None:
    file = stored(tmp_path, "a.pdf", "application/pdf", bytes(100))
    assert await read_stored(file, "obras", limit=100) == bytes(100)


async def test_a_larger_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = stored(tmp_path, "a.pdf", "application/pdf", bytes(101))
    Path(file.path).unlink()
    with pytest.raises(Permanent, match=r"^obras: .* 101 bytes .* 100 of `max_attachment_bytes`") as refused:
        await read_stored(file, "obras", limit=100)
    assert refused.value.told


async def test_a_file_that_is_lost_is_told_without_its_path(tmp_path: Path) -> None:
    file = stored(tmp_path, "a.pdf", "application/pdf", b"x")
    Path(file.path).unlink()
    with pytest.raises(Permanent, match=r"^obras: .* cannot be read") as lost:
        await read_stored(file, "obras", limit=100)
    assert str(tmp_path) not in str(lost.value)
