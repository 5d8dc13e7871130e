"""Mails as programs write them (`testcases/`): whose words go to the citizen, and whose never."""

from __future__ import annotations

import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from inbox_ticketing import _by_mail as package
from inbox_ticketing._by_mail.history import own_html, own_words
from inbox_ticketing._by_mail.parse import Mail, Policy, read

CASES = Path(package.__file__).parent / "testcases"
CASE, OTHER = "a" * 16, "c" * 16
POLICY = Policy(
    address="casos@ciudad.example",
    plus=True,
    agents=frozenset({"@obras.example"}),
    authserv="mx.ciudad.example",
)
PROOF = "mx.ciudad.example; dmarc=pass header.from=obras.example"


def recorded(name: str, policy: Policy = POLICY) -> Mail:
    return read((CASES / f"{name}.eml").read_bytes(), policy)


def written(text: str = "Hola.", **headers: str) -> Mail:
    mail = EmailMessage()
    usual = {
        "Authentication-Results": PROOF,
        "From": "laura@obras.example",
        "To": f"casos+{CASE}@ciudad.example",
        "Message-ID": "<x@obras.example>",
    }
    for key, value in (usual | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        if value:
            mail[key] = value
    mail.set_content(text)
    return read(mail.as_bytes(), POLICY)


GOES_OUT = {
    "gmail-plain": "Pasa la cuadrilla mañana.",
    "outlook-plain": "Pasa la cuadrilla mañana.",
    "answered-between-lines": "Mañana.\n\n\nA las ocho.",
    "passed-on-inside": "Se resuelve el lunes.",
}


@pytest.mark.parametrize("name", GOES_OUT)
def test_the_agents_own_words_go_out_and_no_others(name: str) -> None:
    mail = recorded(name)
    assert mail.public
    assert mail.text == GOES_OUT[name]
    assert mail.tokens == (CASE,)
    assert mail.name == "Laura Paz"
    assert not mail.html


def test_outlook_leaves_the_earlier_mail_beside_the_answer() -> None:
    mail = recorded("outlook-html")
    assert mail.public
    assert mail.html
    assert "<b>cuadrilla</b>" in mail.text
    for ours in ("luminaria", "Responda", "[ref:", "WhatsApp"):
        assert ours not in mail.text


@pytest.mark.parametrize("name", ["in-cc-only", "not-proven", "proven-by-a-stranger", "absence-note", "two-authors"])
def test_what_is_not_beyond_doubt_is_not_public(name: str) -> None:
    mail = recorded(name)
    assert not mail.public
    assert CASE in mail.tokens


def test_a_system_marks_all_its_mail_as_bulk() -> None:
    assert recorded("ticket-system").automatic
    policy = Policy(
        address=POLICY.address, plus=True, agents=POLICY.agents, authserv=POLICY.authserv, bulk_is_automatic=False
    )
    mail = recorded("ticket-system", policy)
    assert mail.public
    assert mail.text == "Pasa la cuadrilla mañana."
    assert [(file.name, file.media_type, file.content) for file in mail.files] == [
        ("plano ñ.pdf", "application/pdf", b"%PDF")
    ]
    assert mail.subject.startswith("[Ticket#2026112410000012]")


def test_a_returned_mail_is_of_its_case_and_not_public() -> None:
    mail = recorded("returned")
    assert mail.returned
    assert mail.automatic
    assert not mail.public
    assert mail.tokens == (CASE,)


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "laura@obras.example.evil.example"},
        {"From": "laura@evil-obras.example"},
        {"From": '"laura@obras.example" <x@evil.example>'},
        {"From": "<laura@obras.example> <x@evil.example>"},
        {"From": "laura@obras.example <x@evil.example>"},
        {"Authentication_Results": ""},
        {"Authentication_Results": "mx.ciudad.example; dmarc=pass header.from=evil.example"},
        {"Authentication_Results": "mx.ciudad.example; dmarc=none header.from=obras.example"},
        {"Authentication_Results": "mx.ciudad.example; spf=pass (dmarc=pass header.from=obras.example)"},
        {"Authentication_Results": "mx.ciudad.example.evil.example; dmarc=pass header.from=obras.example"},
        {"Authentication_Results": f"mx.ciudad.example; spf=pass {'(' * 99}; dmarc=pass header.from=obras.example"},
        {"Authentication_Results": f"{PROOF}; dmarc=fail header.from=obras.example"},
        {"To": f"casos+{CASE}@ciudad.example, casos+{OTHER}@ciudad.example"},
        {"To": f"otros.casos+{CASE}@ciudad.example"},
        {"To": f"casos+{CASE}@ciudad.example.evil.example"},
        {"To": "casos@ciudad.example"},
        {"Auto_Submitted": "auto-generated"},
        {"List_Id": "<vecinos.obras.example>"},
        {"X_Autoreply": "yes"},
        {"Return_Path": "<>"},
    ],
)
def test_a_forged_or_odd_header_is_not_public(headers: dict[str, str]) -> None:
    assert written().public
    assert not written(**headers).public


def test_a_header_below_the_servers_own_proves_nothing() -> None:
    raw = (
        b"Received: from evil by mx.ciudad.example\r\n"
        b"Authentication-Results: mx.ciudad.example; dmarc=none header.from=obras.example\r\n"
        b"Received: from x\r\nAuthentication-Results: " + PROOF.encode() + b"\r\n"
        b"From: laura@obras.example\r\nTo: casos+" + CASE.encode() + b"@ciudad.example\r\n\r\nHola\r\n"
    )
    assert not read(raw, POLICY).public


def test_an_answer_that_says_nothing_of_its_own_is_not_public() -> None:
    assert not written("> todo citado\n> y nada más\n").public


def test_without_addresses_of_cases_the_answered_mail_tells_the_case() -> None:
    policy = Policy(address=POLICY.address, plus=False, agents=POLICY.agents, authserv="")
    head = "From: laura@obras.example\r\nTo: casos@ciudad.example\r\n"
    answered = f"In-Reply-To: <{CASE}.{'b' * 16}@ciudad.example>\r\n\r\nHola\r\n"
    mail = read((head + answered).encode(), policy)
    assert mail.public
    assert mail.tokens == (CASE,)
    assert not read((head + "\r\nHola\r\n").encode(), policy).tokens


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\xff" * 100,
        b"From: =?utf-8?b?" + b"A" * 5000 + b"\r\nTo: x\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        + b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n" * 300,
        b"Content-Type: text/plain; charset=nada\r\nContent-Transfer-Encoding: base64\r\n\r\n=?!\xe1",
        b"From: a@b.example\r\nAuthentication-Results: " + b"(" * 9000 + b"\r\n\r\nx",
        b"Subject: =?utf-8?b?A?=\r\nFrom: =?utf-8?b?A?= <a@b.example>\r\n\r\nx",
        b"Content-Type: message/rfc822\r\n\r\nFrom: x@y.example\r\n\r\nadentro",
    ],
)
def test_any_bytes_are_read_and_none_are_public(raw: bytes) -> None:
    assert not read(raw, POLICY).public


def test_a_mail_inside_a_mail_was_written_to_somebody_else() -> None:
    inner = EmailMessage()
    inner["From"] = "pedro@obras.example"
    inner.set_content("Esto es entre nosotros.")
    mail = EmailMessage()
    mail["Authentication-Results"] = PROOF
    mail["From"] = "laura@obras.example"
    mail["To"] = f"casos+{CASE}@ciudad.example"
    mail.set_content("Va la respuesta.")
    mail.add_attachment(inner)
    told = read(mail.as_bytes(), POLICY)
    assert told.text == "Va la respuesta."
    assert told.files == ()


def test_two_mails_under_one_message_id_are_two() -> None:
    assert written("uno").digest != written("dos").digest
    assert written("uno").digest == written("uno", Delivered_To="casos@ciudad.example").digest


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hola\n-- \nLaura", "Hola\n-- \nLaura"),
        ("Mide 3 > 2 metros.", "Mide 3 > 2 metros."),
        ("De: la plaza a la ruta, mañana.", "De: la plaza a la ruta, mañana."),
        ("Ya está.\n\nOn Tue, Ana <a@b.example> wrote:\n\n> hola", "Ya está."),
        ("Ya está.\n▔▔▔ Responda por encima de esta línea ▔▔▔\nhola", "Ya está."),
        ("\n\n> hola\n", ""),
    ],
)
def test_plain_words(text: str, kept: str) -> None:
    assert own_words(text) == kept


@pytest.mark.parametrize(
    ("page", "there", "gone"),
    [
        ("<p>Sí</p><blockquote>no</blockquote>", "Sí", "no<"),
        ('<div>Sí</div><div class="gmail_quote"><div>El lunes escribió:</div>viejo</div>', "Sí", "viejo"),
        ('Sí<div id="appendonsend"></div><hr><div>viejo</div>', "Sí", "viejo"),
        ("<div><div>Sí</div><p>Responda por encima de esta línea</p><p>viejo</p></div><p>más viejo</p>", "Sí", "viejo"),
        ("<html><body>Sí<br>[ref:4F7K-2.m1]<br>viejo</body></html>", "Sí", "viejo"),
    ],
)
def test_html_words(page: str, there: str, gone: str) -> None:
    kept = own_html(page)
    assert there in kept
    assert gone not in kept


def test_deeply_nested_pages_and_remarks_cost_little() -> None:
    page = f"<html>{'<div>' * 20_000}Responda por encima de esta línea{'</div>' * 20_000}</html>"
    began = time.monotonic()
    own_html(page)
    own_html("<blockquote>" * 20_000)
    remark = f"{'(' * 9000}{')' * 9000}"
    assert not written(
        Authentication_Results=f"mx.ciudad.example; {remark} dmarc=pass header.from=obras.example"
    ).public
    assert time.monotonic() - began < 3


def test_what_strangers_write_is_not_even_read() -> None:
    mail = written("Comprá ya.", From="x@evil.example")
    assert (mail.text, mail.files, mail.public) == ("", (), False)
