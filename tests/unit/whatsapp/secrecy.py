"""Expect an error, and that neither it nor its traceback shows a secret, a citizen's words or their number."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import pytest

from inbox_daemon.errors import EdgeError
from support.graph_fake import TOKEN
from support.graph_fake_citizens import SECRET

HIDDEN = (SECRET, TOKEN, "word-of-our-choice", "palabras privadas", "3624000001")

E = TypeVar("E", bound=EdgeError)


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
    caught.error = error
