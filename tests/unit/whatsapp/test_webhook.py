"""Proof of deliveries: the verification request, and the signature over the bytes as received."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from inbox_channels.whatsapp import plugin
from inbox_daemon.errors import Credentials
from inbox_daemon.model import Envelope, InstanceId, Message
from inbox_daemon.plugins import Pushed, Secret, SimulatedMessage, WebhookAnswer, WebhookRequest
from support.graph_fake_citizens import SECRET, Phone, body, sign
from unit.whatsapp.conftest import Number, settings_for
from unit.whatsapp.secrecy import refused

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
CONTENT = body([Phone(number="5493624000001", bsuid="AR.1001", name="Ñata").text("palabras privadas 🙂", at=NOW)])
RIGHT = {"hub.mode": "subscribe", "hub.verify_token": "word-of-our-choice", "hub.challenge": "1158201444"}


def asked(**changes: str | None) -> WebhookRequest:
    query = RIGHT | {f"hub.{key}": value for key, value in changes.items()}
    kept = {key: value for key, value in query.items() if value is not None}
    return WebhookRequest(method="GET", query=kept, headers={}, body=b"")


def posted(content: bytes, *, secret: str = SECRET, **headers: str) -> WebhookRequest:
    signed = {key.lower(): value for key, value in sign(content, secret).items()}
    return WebhookRequest(method="POST", query={}, headers=signed | headers, body=content)


async def test_the_right_word_is_answered_with_the_challenge_as_plain_text(number: Number) -> None:
    assert number.channel.handshake(asked()) == WebhookAnswer(status=200, body=b"1158201444", content_type="text/plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"verify_token": "another"},
        {"verify_token": ""},
        {"verify_token": None},
        {"verify_token": "word-of-our-choicé"},
        {"verify_token": "\ud800"},
        {"mode": "unsubscribe"},
        {"mode": None},
        {"challenge": None},
        {"challenge": ""},
    ],
)
async def test_anything_else_is_not_verified(number: Number, changes: dict[str, str | None]) -> None:
    assert number.channel.handshake(asked(**changes)) == WebhookAnswer(status=403)


async def test_a_challenge_is_echoed_and_never_as_a_page(number: Number) -> None:
    answer = number.channel.handshake(asked(challenge="<script>ñ\ud800"))
    assert answer is not None
    assert (answer.body, answer.content_type) == ("<script>ñ?".encode(), "text/plain")


async def test_a_delivery_is_no_handshake(number: Number) -> None:
    assert number.channel.handshake(posted(CONTENT)) is None


async def test_a_delivery_with_the_apps_signature_is_taken(number: Number) -> None:
    number.channel.authenticate(posted(CONTENT))
    digest = sign(CONTENT)["X-Hub-Signature-256"].removeprefix("sha256=")
    number.channel.authenticate(posted(CONTENT, **{"x-hub-signature-256": f" sha256={digest.upper()} "}))


async def test_the_signature_is_over_the_bytes_as_received(number: Number) -> None:
    assert b"\\ud83d\\ude42" in CONTENT
    signature = {"x-hub-signature-256": sign(CONTENT)["X-Hub-Signature-256"]}
    written_anew = json.dumps(json.loads(CONTENT), ensure_ascii=False, separators=(",", ":")).encode()
    for other in (written_anew, CONTENT + b"\n", CONTENT.replace(b"\\ud83d", b"\\uD83D")):
        with refused(Credentials, "does not match"):
            number.channel.authenticate(posted(other, **signature))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "is not sha256= and 64 hexadecimal digits"),
        ("sha256=", "is not sha256= and 64 hexadecimal digits"),
        ("sha256=" + "0" * 63, "is not sha256="),
        ("sha256=" + "0" * 65, "is not sha256="),
        ("sha256=" + "g" * 64, "is not sha256="),
        ("sha256=" + "٠" * 64, "is not sha256="),
        ("sha1=" + "0" * 40, "is not sha256="),
        ("0" * 64, "is not sha256="),
        ("sha256=" + "0" * 64, "does not match; compare app_secret"),
    ],
)
async def test_a_wrong_signature_is_refused(number: Number, header: str, words: str) -> None:
    with refused(Credentials, words):
        number.channel.authenticate(posted(CONTENT, **{"x-hub-signature-256": header}))


async def test_a_delivery_without_a_signature_is_refused(number: Number) -> None:
    old = {"x-hub-signature": "sha1=" + "0" * 40}
    with refused(Credentials, "X-Hub-Signature-256 is missing"):
        number.channel.authenticate(WebhookRequest(method="POST", query={}, headers=old, body=CONTENT))


async def test_another_apps_signature_is_refused(number: Number) -> None:
    with refused(Credentials, "does not match"):
        number.channel.authenticate(posted(CONTENT, secret="another"))
    with refused(Credentials, "does not match"):
        number.channel.authenticate(posted(CONTENT, secret=""))


async def test_while_a_secret_is_changed_both_are_good_and_no_third(number: Number) -> None:
    channel = number.another(app_secret=Secret("new-one"), app_secret_previous=Secret(SECRET))
    channel.authenticate(posted(CONTENT, secret="new-one"))
    channel.authenticate(posted(CONTENT))
    with refused(Credentials):
        channel.authenticate(posted(CONTENT, secret="third"))
    with refused(Credentials):
        number.another(app_secret=Secret("new-one")).authenticate(posted(CONTENT))


@pytest.mark.parametrize("sender", ["+54 9 362 400-0001", "AR.55501"])
async def test_what_is_simulated_passes_as_metas_own(number: Number, sender: str) -> None:
    made = SimulatedMessage(sender=sender, name="Ñata", text="¿Hola? 🙂", id="s1", at=NOW)
    settings = settings_for(number.graph.url)
    assert plugin.simulate is not None
    request = plugin.simulate(settings, made)
    assert isinstance(number.channel, Pushed)
    assert number.channel.handshake(request) is None
    number.channel.authenticate(request)
    envelope = Envelope(instance=InstanceId("whatsapp-centro"), body=request.body, received_at=NOW)
    (message,) = plugin.parse(envelope, settings)
    assert isinstance(message, Message)
    assert (message.external_id, message.text, message.sent_at) == ("wamid.s1", "¿Hola? 🙂", NOW)
