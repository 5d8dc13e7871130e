"""Invented cases and messages for the ticketing suite."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from pathlib import Path

from inbox_daemon.model import CaseNumber, Draft, Entry, MessageKey, Reference, StoredFile


def reference() -> Reference:
    """As the core makes them, case number and installation (`PA95A-3/k7f3qx`), with one that no other test has."""
    return Reference(f"T{secrets.token_hex(4).upper()}-{secrets.randbelow(10)}/k7f3qx")


def entry(case: Reference, number: int, body: str = "", *, address: str = "") -> Entry:
    """The `number`th message of a case."""
    return Entry(
        key=MessageKey(f"{case}.m{number}"),
        heading="WhatsApp · Ana Gómez · +54 9 362 400-0001 · 23/11/2026 09:30",
        body=body or f"Mensaje número {number} del caso {case}: la luminaria sigue apagada.",
        author_name="Ana Gómez",
        reply_address=address,
        sent_at=datetime(2026, 11, 23, 12, 30, number % 60, tzinfo=UTC),
    )


def draft(case: Reference, *, subject: str = "Luminaria apagada", body: str = "") -> Draft:
    """A new case with its first message."""
    number = CaseNumber(case.partition("/")[0])
    return Draft(reference=case, case_number=number, subject=subject, first=entry(case, 1, body), channel="whatsapp")


def stored(folder: Path, name: str, media_type: str, content: bytes) -> StoredFile:
    """A file on our disk."""
    path = folder / hashlib.sha256(content).hexdigest()
    path.write_bytes(content)
    return StoredFile(filename=name, media_type=media_type, size=len(content), sha256=path.name, path=str(path))
