"""A file out of RT's JSON, whatever the pieces in which it comes."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_ticketing.request_tracker.download import ContentReader


def answer(content: bytes | None, *, indent: int | None = 3, headers: str = "") -> bytes:
    """As `/attachment/N` of Request Tracker 5.0.3: members in any order, base64 with line ends."""
    whole = {
        "Headers": headers,
        "Content": None if content is None else base64.encodebytes(content).decode(),
        "Filename": "plano.pdf",
    }
    return json.dumps(whole, indent=indent).encode()


@given(st.binary(max_size=600), st.integers(1, 90), st.sampled_from([None, 3]))
def test_whatever_the_pieces_the_bytes_are_the_same(content: bytes, size: int, indent: int | None) -> None:
    raw = answer(content, indent=indent, headers='Content-Disposition: "Content" : "AAAA"')
    reader = ContentReader()
    got = b"".join(reader.feed(raw[start : start + size]) for start in range(0, len(raw), size))
    assert got == content
    assert reader.complete


def test_escaped_slashes_and_no_content() -> None:
    content = b"\xff\xef\xbe" * 50
    raw = answer(content).replace(b"/", b"\\/")
    for size in (1, 7, 1000):
        reader = ContentReader()
        assert b"".join(reader.feed(raw[at : at + size]) for at in range(0, len(raw), size)) == content
    reader = ContentReader()
    assert reader.feed(answer(None)) == b""
    assert reader.complete


def test_a_cut_answer_is_not_complete() -> None:
    raw = answer(b"x" * 1000)
    reader = ContentReader()
    reader.feed(raw[:500])
    assert not reader.complete
    assert not ContentReader().complete


@pytest.mark.parametrize("content", [b'"Content": "AAA*"', b'"Content": "A"', b'"Content": "\xc3\xb1\xc3\xb1"'])
def test_what_is_no_base64_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="base64"):
        ContentReader().feed(b"{" + content + b"}")


def test_little_is_kept_in_memory() -> None:
    reader = ContentReader()
    raw = answer(b"x" * 500_000)
    for start in range(0, len(raw), 4096):
        reader.feed(raw[start : start + 4096])
        assert len(reader._rest) < 100
