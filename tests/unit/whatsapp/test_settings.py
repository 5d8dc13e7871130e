"""Settings of a WhatsApp number: what is refused, in which words, and without showing a secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.plugins import Secret
from unit.whatsapp.conftest import SECRETS, settings_for

META = "https://graph.facebook.com"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"phone_number_id": ""}, "is missing: take it from the app's page"),
        ({"phone_number_id": "+54 362 400-0000"}, "is no id, which is digits only"),
        ({"phone_number_id": "../me"}, "is no id"),
        ({"phone_number_id": "١٢٣"}, "is no id"),
        ({"app_secret": Secret("")}, "is missing or empty: give it by reference"),
        ({"app_secret_previous": Secret("")}, "is missing or empty"),
        ({"verify_token": Secret("")}, "is missing or empty"),
        ({"access_token": Secret("")}, "is missing or empty"),
        ({"app_secret": Secret("hidden-value\n")}, "must hold the secret only, on one line"),
        ({"access_token": Secret("hidden-value\r\nX-Header: 1")}, "must hold the secret only, on one line"),
        ({"access_token": Secret("Bearer hidden-value")}, "no access token has: copy it again"),
        ({"access_token": Secret("hidden-valüe")}, "no access token has: copy it again"),
        ({"access_token": "hidden-value"}, "a secret is given by reference"),
        ({"graph_url": "http://graph.facebook.com"}, "must be https: the access token travels in it"),
        ({"graph_url": "graph.facebook.com"}, "is no address such as https://graph.facebook.com"),
        ({"graph_url": "https://user@graph.facebook.com"}, "is no address such as"),
        ({"graph_version": "26"}, "should match pattern"),
        ({"media_hosts": ["https://lookaside.fbsbx.com/"]}, "is no bare host name such as lookaside.fbsbx.com"),
        ({"media_hosts": ["*.fbsbx.com"]}, "is no bare host name"),
        ({"media_hosts": [""]}, "is no bare host name"),
        ({"answer_seconds": 0}, "greater than 0"),
        ({"window_margin_minutes": -1}, "greater than or equal to 0"),
        ({"answer_template": "Hay respuesta"}, "should match pattern"),
        ({"menu_button": ""}, "at least 1 character"),
        ({"menu_button": "x" * 21}, "at most 20 characters"),
        ({"pair_seconds": -1}, "greater than or equal to 0"),
        ({"template_language": "español"}, "should match pattern"),
        ({"numero": "1"}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_told_with_a_remedy(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_for(META, **changes)
    told = str(caught.value)
    assert words in told
    assert "Secret(…)" in told or not isinstance(next(iter(changes.values())), Secret)
    assert "hidden-val" not in told.replace(
        "input_value='hidden-value'", ""
    )  # the core never shows pydantic's own words


def test_what_must_be_given_is_named_key_by_key() -> None:
    with pytest.raises(ValidationError) as caught:
        WhatsAppSettings()
    assert [error["loc"] for error in caught.value.errors()] == [
        ("phone_number_id",),
        ("app_secret",),
        ("verify_token",),
        ("access_token",),
    ]


def test_nothing_shows_a_secret() -> None:
    settings = settings_for(META, app_secret_previous=Secret(SECRETS[0]))
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.model_dump())
    assert [secret for secret in SECRETS if secret in shown] == []


def test_hosts_are_compared_in_small_letters_and_loopback_may_go_without_tls() -> None:
    settings = settings_for("http://127.0.0.1:8099/", media_hosts=["Lookaside.FBSBX.com"])
    assert (settings.graph_url, settings.media_hosts) == ("http://127.0.0.1:8099", ("lookaside.fbsbx.com",))
