"""Several numbers of one app at one address: whose a delivery is, and what needs no secrets of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inbox_channels.whatsapp import plugin
from inbox_channels.whatsapp.channel import concerns
from inbox_channels.whatsapp.notices import NOTICES
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.errors import Credentials
from inbox_daemon.model import Envelope, Ignored, InstanceId, InstanceNotice, Message
from inbox_daemon.plugins import Secret, Sharing, WebhookAnswer, WebhookRequest
from support.graph_fake import TOKEN
from support.graph_fake_citizens import PHONE_NUMBER_ID, WABA_ID, Phone, body, sign
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
ANA = Phone(number="5493624000001", bsuid="AR.1001", name="Ana Invento")
SECOND = "100000000000003"
SHARED: dict[str, Any] = {
    "phone_number_id": SECOND,
    "webhook_of": "whatsapp-centro",
    "app_secret": Secret(""),
    "verify_token": Secret(""),
}


def news(field: str, value: dict[str, Any], account: str = WABA_ID) -> bytes:
    changes = [{"field": field, "value": value}]
    return json.dumps({"entry": [{"id": account, "time": 1795430000, "changes": changes}]}).encode()


async def test_a_number_that_shares_an_address_needs_no_secrets_of_its_own(number: Number) -> None:
    second = number.another(**SHARED)
    assert isinstance(second, Sharing)
    assert (number.channel.webhook_of, second.webhook_of) == ("", "whatsapp-centro")
    settings = WhatsAppSettings.model_validate(
        {"phone_number_id": SECOND, "webhook_of": "whatsapp-centro", "access_token": Secret(TOKEN)}
    )
    assert settings.app_secrets[0].reveal() == ""


async def test_nothing_is_believed_at_an_address_without_a_secret(number: Number) -> None:
    second = number.another(**SHARED)
    content = body([ANA.text("hola", at=NOW)], phone_number_id=SECOND)
    for secret in ("", "x"):
        signed = {key.lower(): value for key, value in sign(content, secret).items()}
        with refused(Credentials, "signature"):
            second.authenticate(WebhookRequest(method="POST", query={}, headers=signed, body=content))
    for word in ("", "x"):
        query = {"hub.mode": "subscribe", "hub.verify_token": word, "hub.challenge": "1"}
        asked = WebhookRequest(method="GET", query=query, headers={}, body=b"")
        assert second.handshake(asked) == WebhookAnswer(status=403)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"webhook_of": "Otro Canal"}, "should match pattern"),
        ({"webhook_of": "../x"}, "should match pattern"),
        ({"webhook_of": "whatsapp-centro", "app_secret": Secret("with a line\n")}, "on one line"),
        ({"webhook_of": ""}, "is missing or empty"),
        ({"account_id": "mine"}, "is no id"),
    ],
)
def test_what_is_given_must_still_be_right(changes: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"phone_number_id": SECOND, "access_token": Secret(TOKEN), "webhook_of": "whatsapp-centro"}
    with pytest.raises(ValidationError) as caught:
        WhatsAppSettings.model_validate(given | changes)
    assert words in str(caught.value)


async def test_each_number_is_asked_for_its_own(number: Number) -> None:
    second = number.another(**SHARED)
    for of, first_too, second_too in (
        (PHONE_NUMBER_ID, True, False),
        (SECOND, False, True),
        ("100000000000009", False, False),
    ):
        content = body([ANA.text("hola", at=NOW)], phone_number_id=of)
        assert (number.channel.concerns(content), second.concerns(content)) == (first_too, second_too)
    mixed = [json.loads(body([ANA.text("hola", at=NOW)], phone_number_id=of)) for of in (PHONE_NUMBER_ID, SECOND)]
    both = json.dumps({"entry": [entry for one in mixed for entry in one["entry"]]}).encode()
    assert number.channel.concerns(both)
    assert second.concerns(both)


@pytest.mark.parametrize("field", sorted(NOTICES))
async def test_news_of_an_account_name_no_number_and_are_everybodys(number: Number, field: str) -> None:
    assert number.channel.concerns(news(field, {}))
    assert number.another(**SHARED).concerns(news(field, {}))


@given(before=st.binary(max_size=300), after=st.binary(max_size=300))
def test_the_id_is_seen_wherever_it_stands_also_in_what_is_no_json(before: bytes, after: bytes) -> None:
    assert concerns(before + SECOND.encode() + after, SECOND)
    assert not concerns(b'{"entry":[]}', SECOND)


async def test_whatever_has_a_message_for_a_number_concerns_it(number: Number) -> None:
    """What `concerns` lets go must make nothing but passed-over items; what it takes is told apart by parsing."""
    own = plugin.settings.model_construct(phone_number_id=SECOND, account_id=WABA_ID, answer_template="hay_respuesta")
    second = number.another(**SHARED)
    template = {"event": "PAUSED", "message_template_name": "hay_respuesta"}
    for content in (
        body([ANA.text("hola", at=NOW)], phone_number_id=SECOND),
        body([ANA.text("hola", at=NOW)], phone_number_id=PHONE_NUMBER_ID),
        news("message_template_status_update", template),
        news("message_template_status_update", template, "100000000000009"),
        news("user_preferences", {}),
    ):
        events = plugin.parse(Envelope(instance=InstanceId("x"), body=content, received_at=NOW), own)
        ours = [event for event in events if isinstance(event, Message | InstanceNotice)]
        assert second.concerns(content) or not ours
        assert ours or all(isinstance(event, Ignored) for event in events)
