"""Whoever has not the secret signs nothing."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from inbox_daemon.plugins import Secret, is_signed

BODY, SECRET = b'{"ticket": 7}', Secret("invented")
RIGHT = hmac.new(b"invented", BODY, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("given", [RIGHT, f"sha256={RIGHT}"])
def test_the_right_signature_counts_with_and_without_its_name(given: str) -> None:
    assert is_signed(BODY, given, SECRET)


def test_other_digests_count_where_they_are_asked_for() -> None:
    older = hmac.new(b"invented", BODY, hashlib.sha1).hexdigest()
    assert is_signed(BODY, f"sha1={older}", SECRET, digest="sha1")
    assert not is_signed(BODY, f"sha1={older}", SECRET)


@pytest.mark.parametrize(
    "given",
    ["", "sha256=", RIGHT[:-1], RIGHT + "0", f"sha1={RIGHT}", f"sha256=sha256={RIGHT}", "ñ", "\ud800", RIGHT.upper()],
)
def test_anything_else_does_not(given: str) -> None:
    assert not is_signed(BODY, given, SECRET)


def test_another_body_or_secret_does_not_fit() -> None:
    assert not is_signed(BODY + b" ", RIGHT, SECRET)
    assert not is_signed(BODY, RIGHT, Secret("other"))
