"""What Zammad is given: customers found again, names and files that it takes."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from contract.ticketing_words import draft, entry
from inbox_daemon.model import Draft, Reference, StoredFile
from inbox_ticketing.zammad import writing

CASE = Reference("4F7K2-8/k7f3qx")


def by(name: str = "Ana Gómez", address: str = "") -> Draft:
    made = draft(CASE)
    return replace(made, first=replace(made.first, author_name=name, reply_address=address))


def test_a_citizen_with_an_address_is_known_by_it_alone() -> None:
    customer = writing.customer_of(by(address="Ana@Example.com"), fallback="mesa", mute_domain="mudo.example")
    assert customer == {"firstname": "Ana", "lastname": "Gómez", "email": "ana@example.com"}


def test_a_citizen_without_an_address_is_known_by_the_case() -> None:
    customer = writing.customer_of(by(), fallback="", mute_domain="")
    assert customer == {"firstname": "Ana", "lastname": "Gómez", "login": "inbox-4f7k2-8-k7f3qx"}
    muted = writing.customer_of(by(), fallback="", mute_domain="mudo.example")
    assert muted == {**customer, "email": "inbox-4f7k2-8-k7f3qx@mudo.example"}


@pytest.mark.parametrize(("fallback", "key"), [("Mesa", "login"), ("Mesa@Example.com", "email")])
def test_the_fallback_bears_nobodys_name(fallback: str, key: str) -> None:
    customer = writing.customer_of(by(), fallback=fallback, mute_domain="mudo.example")
    assert customer == {"firstname": "Ciudadanía", "lastname": "", key: fallback.lower()}


@pytest.mark.parametrize(
    "address", ["no es", "a@b", "a..b@example.com", "ana@example.com\r\nBcc: x@y.z", "ñ@ñ.example"]
)
def test_an_address_that_zammad_would_refuse_does_not_cost_the_ticket(address: str) -> None:
    assert "login" in writing.customer_of(by(address=address), fallback="", mute_domain="")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", ("Ciudadanía", "")),
        ("Ana\r\nMaría  Gómez", ("Ana", "María Gómez")),
        ("http://malo.example/x", ("http", "malo.example x")),
        ("<b>Ana</b>", ("b", "Ana b")),
        ("ñ" * 300, ("ñ" * 50, "")),
    ],
)
def test_names(name: str, expected: tuple[str, str]) -> None:
    customer = writing.customer_of(by(name), fallback="", mute_domain="")
    assert (customer["firstname"], customer["lastname"]) == expected


def test_texts() -> None:
    first = entry(CASE, 1, "hola\r\n\x00chau\n\n")
    assert writing.text_of(first, follows="10080") == (f"{first.heading}\n\nContinúa el caso N.º 10080.\n\nhola\nchau")
    assert writing.text_of(replace(first, heading="", body="\x00")) == "(sin texto)"


def test_a_title_fits_its_column() -> None:
    for subject in ("ü" * 300, "😀" * 90, "uno\r\nX: dos"):
        title = writing.title_of(draft(CASE, subject=subject))
        assert len(title.encode()) <= writing.MAX_SUBJECT_BYTES
        assert "\n" not in title
    assert writing.title_of(draft(CASE, subject=" \n")) == "[4F7K2-8] (sin asunto)"


def test_a_file_has_all_three_keys_whatever_it_is_called() -> None:
    file = StoredFile(filename="", media_type="", size=1, sha256="x", path="/x")
    assert writing.file_json(file, b"x") == {
        "filename": "archivo",
        "mime-type": "application/octet-stream",
        "data": base64.b64encode(b"x").decode(),
    }
