"""Answers to invented people, and what none of the errors may show."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest

from inbox_daemon.errors import EdgeError
from inbox_daemon.model import CaseNumber, Handle, Reply, StoredFile
from support.facebook_fake_book import ACCOUNT_ID, PAGE_ID, SECRET, TOKEN

ANA = Handle(kind="psid", value="7001", scope=PAGE_ID)
INES = Handle(kind="igsid", value="7002", scope=ACCOUNT_ID)
BENITO = Handle(kind="fb_user", value="9001", scope=PAGE_ID)
HIDDEN = (SECRET, TOKEN, "word-of-our-choice", "palabras privadas", "7001", "9001")

E = TypeVar("E", bound=EdgeError)


def answer(text: str = "palabras privadas", **changes: Any) -> Reply:
    """One portion to Ana."""
    given: dict[str, Any] = {"tag": "4F7K2-8.r1.1", "to": ANA, "case_number": CaseNumber("4F7K2-8"), "text": text}
    return Reply(**(given | changes))


def stored(folder: Path, name: str, media_type: str, content: bytes = b"bytes") -> StoredFile:
    """A file on disk."""
    path = folder / name
    path.write_bytes(content)
    return StoredFile(filename=name, media_type=media_type, size=len(content), sha256="0" * 64, path=str(path))


class Caught(Generic[E]):
    """What was raised, once the block is left."""

    error: E


@contextmanager
def refused(kind: type[E], words: str = "") -> Iterator[Caught[E]]:
    """The block raises exactly `kind`, with `words` in its message and nothing private anywhere."""
    caught: Caught[E] = Caught()
    with pytest.raises(EdgeError) as raised:
        yield caught
    error = raised.value
    assert type(error) is kind, f"{type(error).__name__}: {error}"
    assert words in str(error)
    told = "".join(traceback.format_exception(error)) + repr(error)
    assert not [secret for secret in HIDDEN if secret in told]
    assert "WhatsApp" not in str(error) + getattr(error, "told", "")
    caught.error = error
