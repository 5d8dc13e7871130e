"""Signed addresses of case pages and of files."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer

from inbox_daemon.model import StoredFile
from inbox_daemon.plugins import Secret
from inbox_daemon.web.links import CaseLinks, FileLinks, LinkedFile, LinkFault

NEW, OLD = Secret("invented-key-2027"), Secret("invented-key-2026")


def links(secret: Secret = NEW, *, days: int = 30, previous: Secret | None = None) -> CaseLinks:
    return CaseLinks(secret, "https://inbox.example/", days, previous=previous)


def file_links(secret: Secret = NEW, *, days: int = 14, previous: Secret | None = None) -> FileLinks:
    return FileLinks(secret, "https://inbox.example/", days, previous=previous)


def stored(filename: str = "turno.pdf", media_type: str = "application/pdf") -> StoredFile:
    return StoredFile(filename=filename, media_type=media_type, size=3, sha256="ab" * 32, path="/elsewhere/ab")


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


def test_a_files_address_says_which_content_and_how_it_was_called() -> None:
    address = file_links().address(stored("Año 2026.pdf"))
    assert address.startswith("https://inbox.example/file/")
    found = file_links().read(token_of(address))
    assert found == LinkedFile(sha256="ab" * 32, filename="Año 2026.pdf", media_type="application/pdf")
    assert "Año" not in repr(found)
    assert file_links(days=-1).read(token_of(address)) is LinkFault.EXPIRED


def test_a_token_of_one_purpose_opens_nothing_of_another_though_the_secret_is_the_same() -> None:
    assert file_links().read(token_of(links().address("42"))) is LinkFault.FORGED
    assert links().read(token_of(file_links().address(stored()))) is LinkFault.FORGED


def test_files_links_rotate_too() -> None:
    token = token_of(file_links(OLD).address(stored()))
    assert file_links(NEW).read(token) is LinkFault.FORGED
    assert isinstance(file_links(NEW, previous=OLD).read(token), LinkedFile)


SIGNED_ODDITIES = [
    "ab" * 32,
    ["../../../../etc/passwd", "x", ""],
    ["/etc/passwd", "x", ""],
    ["AB" * 32, "x", ""],
    ["ab" * 32 + "\n", "x", ""],
    ["ab" * 32, "x"],
    ["ab" * 32, None, ""],
    {"sha256": "ab" * 32},
    None,
]


@pytest.mark.parametrize("content", SIGNED_ODDITIES)
def test_even_what_bears_our_signature_names_nothing_but_a_hash(content: Any) -> None:
    """Another release, or a slip in whoever makes addresses, must not turn a signed token into any path."""
    signer = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    serializer = URLSafeTimedSerializer(NEW.reveal(), salt="inbox-daemon file of an answer", signer_kwargs=signer)
    right = serializer.dumps(["ab" * 32, "x", ""])
    assert isinstance(file_links().read(str(right)), LinkedFile), "the same signature"
    assert file_links().read(str(serializer.dumps(content))) is LinkFault.FORGED


@pytest.mark.parametrize(
    "filename", ["x" * 400 + ".pdf", "x" * 400, "x." + "y" * 400, "", ".", "\ud800.pdf", "😀" * 300]
)
def test_no_name_makes_an_address_that_a_mail_program_would_cut(filename: str) -> None:
    address = file_links().address(stored(filename, "application/" + "z" * 500))
    assert len(address) < 900
    found = file_links().read(token_of(address))
    assert isinstance(found, LinkedFile)
    assert len(found.filename) <= 100
    assert found.filename.endswith(".pdf") == filename.endswith(".pdf")
