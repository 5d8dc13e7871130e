"""Attachments on disk, under the hash of their content: written aside, synced, then named; never half there."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from inbox_daemon.errors import Permanent

ABANDONED_SECONDS = 3600.0
"""A half-written file that was not touched for so long is nobody's any more: no fetch takes as long."""


def path_of(folder: Path, sha256: str) -> Path:
    """Where the file with this hash lies."""
    return folder / sha256[:2] / sha256


def limit_words(size: int) -> str:
    """A limit as agents and citizens read it: 5242880 is `5,2 MB`. Rounded down: what is that large fits."""
    if size < 100_000:
        return f"{size} bytes"
    return f"{size // 100_000 / 10:g} MB".replace(".", ",")


async def store(folder: Path, chunks: AsyncIterator[bytes], max_bytes: int) -> tuple[int, str]:
    """Stream `chunks` to disk; returns (size, sha256 hex). Raises `Permanent` beyond `max_bytes`."""
    part = _Part(folder)
    try:
        async for chunk in chunks:
            if part.size + len(chunk) > max_bytes:
                words = f"supera el límite de {limit_words(max_bytes)}"
                raise Permanent(words, told=words)  # noqa: TRY301 - what is half written goes
            part.write(chunk)
        await asyncio.to_thread(part.keep)
    except BaseException:
        part.drop()
        raise
    return part.size, part.sha256


class _Part:
    """A file that is being written."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._handle, name = mkstemp(dir=folder, prefix="part-")
        self._path = Path(name)
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._digest.update(chunk)
        left = memoryview(chunk)
        while left:  # a disk that is nearly full takes a part, and refuses the rest at the next try
            left = left[os.write(self._handle, left) :]

    def keep(self) -> None:
        """Sync the bytes, give them their name, and sync the folder: a rename is on disk only when that is."""
        os.fsync(self._handle)
        os.close(self._handle)
        target = path_of(self._folder, self.sha256)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def drop(self) -> None:
        if self._path.exists():
            self._path.unlink()
            os.close(self._handle)


def sweep(folder: Path) -> None:
    """Remove what an earlier life left half written. Called at start; other nodes may be writing to the same folder."""
    for part in folder.glob("part-*"):
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                part.unlink()
