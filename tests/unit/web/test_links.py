"""Signed addresses of case pages."""

from __future__ import annotations

import pytest

from inbox_daemon.plugins import Secret
from inbox_daemon.web.links import CaseLinks, LinkFault

NEW, OLD = Secret("invented-key-2027"), Secret("invented-key-2026")


def links(secret: Secret = NEW, *, days: int = 30, previous: Secret | None = None) -> CaseLinks:
    return CaseLinks(secret, "https://inbox.example/", days, previous=previous)


def token_of(address: str) -> str:
    return address.rpartition("/")[2]


def test_an_address_opens_its_case() -> None:
    address = links().address("42")
    assert address.startswith("https://inbox.example/case/")
    assert links().read(token_of(address)) == "42"


def test_an_old_address_has_expired_and_a_longer_life_opens_it() -> None:
    token = token_of(links().address("42"))
    assert links(days=-1).read(token) is LinkFault.EXPIRED
    assert links(days=365).read(token) == "42"


def test_during_a_rotation_both_keys_open_and_only_the_new_one_signs() -> None:
    token = token_of(links(OLD).address("42"))
    assert links(NEW).read(token) is LinkFault.FORGED
    rotating = links(NEW, previous=OLD)
    assert rotating.read(token) == "42"
    assert links(NEW).read(token_of(rotating.address("43"))) == "43"


def test_nothing_else_opens_anything() -> None:
    token = token_of(links().address("42"))
    payload, _, rest = token.partition(".")
    forged = [
        "",
        ".",
        "..",
        "42",
        "null",
        payload,
        f"IjQzIg.{rest}",
        token + "A",
        token[:-1],
        token.swapcase(),
        "ñ",
        "\x00",
    ]
    for one in forged:
        assert links().read(one) is LinkFault.FORGED, one
    assert links(days=-1).read(f"IjQzIg.{rest}") is LinkFault.FORGED, "a forged one is not even told that it is old"


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        links(Secret(""))
