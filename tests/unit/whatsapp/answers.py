"""Answers to an invented citizen, for the tests of sending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inbox_daemon.model import CaseNumber, Handle, Reply, StoredFile

PHONE = Handle(kind="phone", value="+5493624000001")
BSUID = Handle(kind="bsuid", value="AR.1001", scope="100000000000001")


def answer(text: str = "palabras privadas", **changes: Any) -> Reply:
    """One portion to `PHONE`."""
    given: dict[str, Any] = {"tag": "4F7K2-8.r1.1", "to": PHONE, "case_number": CaseNumber("4F7K2-8"), "text": text}
    return Reply(**(given | changes))


def stored(folder: Path, name: str, media_type: str, content: bytes = b"bytes") -> StoredFile:
    """A file on disk."""
    path = folder / name
    path.write_bytes(content)
    return StoredFile(filename=name, media_type=media_type, size=len(content), sha256="0" * 64, path=str(path))
