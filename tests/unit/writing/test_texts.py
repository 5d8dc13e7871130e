"""The words of an entry, from whatever a citizen sends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.ticketing_words import entry, reference, stored
from inbox_daemon.model import MessageKey, StoredFile
from inbox_ticketing._writing import texts

ANY = st.text(alphabet=st.characters(codec=None), max_size=200)


def file(tmp_path: Path, name: str, media_type: str = "image/png") -> StoredFile:
    return replace(stored(tmp_path, "x", media_type, b"abc"), filename=name)


@given(ANY)
def test_what_is_kept_can_be_kept_by_every_database(text: str) -> None:
    kept = texts.clean(text)
    kept.encode("utf-8")
    assert not {"\x00", "\r", "\x7f", "\x85"} & set(kept)
    assert texts.clean(kept) == kept


@given(ANY)
def test_a_line_is_one_line(text: str) -> None:
    assert len(texts.one_line(text).splitlines()) <= 1


@given(ANY, st.integers(min_value=1, max_value=50))
def test_a_cut_breaks_no_character(text: str, limit: int) -> None:
    clean = texts.clean(text)
    cut = texts.cut_bytes(clean, limit)
    assert len(cut.encode("utf-8")) <= limit
    assert clean.startswith(cut)


def test_an_entry_begins_with_its_heading_and_ends_in_its_marker() -> None:
    one = replace(entry(reference(), 2, "\n\nuno\r\n\r\ndos\n"), heading="WhatsApp ·\nAna")
    assert texts.text_of(one) == f"WhatsApp · Ana\n\nuno\n\ndos\n\n[ref:{one.key}]"
    assert "Ana\n\nContinúa el caso N.º 12 3.\n\nuno" in texts.text_of(one, preface=texts.preface_of("12\n3"))
    assert texts.text_of(replace(one, heading="", body=" \x00")) == f"[ref:{one.key}]"


def test_nothing_is_linked_where_nothing_was() -> None:
    assert texts.preface_of("") == ""


def test_no_marker_stands_within_another() -> None:
    assert texts.marker(MessageKey("X.m1")) not in texts.marker(MessageKey("X.m10"))


@pytest.mark.parametrize(("name", "told"), [("plano\n.pdf", "plano .pdf"), ("\x00", "archivo")])
def test_a_file_is_told_in_one_line(tmp_path: Path, name: str, told: str) -> None:
    one = file(tmp_path, name)
    assert texts.file_line(one) == f"Adjunto: {told} (3 bytes)"
    made = entry(reference(), 3)
    assert texts.file_text(made, one).splitlines()[-1] == texts.marker(made.key)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("plano ñ 😀.pdf", "plano ñ 😀.pdf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ('a"b/c\\d.txt', "a_b_c_d.txt"),
        (" .. ", "archivo"),
        ("", "archivo"),
        ("x" * 300 + ".pdf", "x" * 180 + ".pdf"),
        ("ñ" * 300 + ".pdf", "ñ" * 90 + ".pdf"),
        ("x" * 300, "x" * 200),
        ("a." + "x" * 300, "a." + "x" * 198),
        ("x" * 300 + "." + "😀" * 16, "x" * 200),
    ],
)
def test_a_name_is_no_path_and_keeps_its_ending(name: str, kept: str) -> None:
    assert texts.file_name(name, '"/\\') == kept


@given(ANY, st.sampled_from([60, 120, 200]))
def test_any_name_fits(name: str, limit: int) -> None:
    made = texts.file_name(name, '"/\\[]^-', limit=limit)
    assert 0 < len(made.encode("utf-8")) <= limit
    assert not set('"/\\[]^-\r\n') & set(made)


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [
        ("image/PNG; name=x", "image/png"),
        ("text/plain", "text/plain"),
        ("", "application/octet-stream"),
        ("image", "application/octet-stream"),
        ("image/png\r\nX-Evil: 1", "application/octet-stream"),
        ("image/" + "x" * 100, "application/octet-stream"),
    ],
)
def test_a_type_that_is_none_is_bytes(tmp_path: Path, given_type: str, kept: str) -> None:
    assert texts.file_type(file(tmp_path, "x", given_type)) == kept


@pytest.mark.parametrize("kind", ["text/plain", "message/rfc822", "multipart/mixed"])
def test_what_would_be_converted_goes_as_bytes(tmp_path: Path, kind: str) -> None:
    assert texts.file_type(file(tmp_path, "x", kind), as_bytes=texts.CONVERTED) == "application/octet-stream"
