"""Stored files, as plug-ins hand them over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from inbox_daemon.errors import Permanent
from inbox_daemon.model import StoredFile


async def read_stored(file: StoredFile, where: str, *, limit: int) -> bytes:
    """The bytes of a stored file, if there are at most `limit` (`max_attachment_bytes` of the instance).

    Raises `Permanent` beginning with `where`, also for a file that can't be read. Reads beside the event loop.
    """
    if file.size > limit:
        raise Permanent(
            f"{where}: a file of {file.size} bytes is above the {limit} of `max_attachment_bytes`",
            told="el archivo es demasiado grande para el sistema",
        )
    try:
        return await asyncio.to_thread(Path(file.path).read_bytes)
    except OSError as error:
        raise Permanent(f"{where}: a stored file cannot be read ({error.strerror})") from error
