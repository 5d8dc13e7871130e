"""The table `[channels.<name>]` of a WhatsApp number."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from inbox_daemon.plugins import PluginSettings, Secret


def _given(value: str) -> str:
    if not value:
        raise ValueError("is missing: take it from the app's page, WhatsApp > API Setup")
    return value


def _secret_given(value: Secret) -> Secret:
    if not value.reveal():
        raise ValueError("is missing or empty: give it by reference, { credential = … }, { file = … } or { env = … }")
    return value


def _graph_address(value: str) -> str:
    address = urlsplit(value)
    loopback = address.hostname in ("127.0.0.1", "localhost", "::1")
    if not address.hostname or address.scheme not in ("https", "http") or address.query or address.username:
        raise ValueError("is no address such as https://graph.facebook.com")
    if address.scheme == "http" and not loopback:
        raise ValueError("must be https: the access token travels in it (http only to this machine itself)")
    return value.rstrip("/")


Given = Annotated[str, AfterValidator(_given), Field(validate_default=True)]
GivenSecret = Annotated[Secret, AfterValidator(_secret_given), Field(validate_default=True)]


class WhatsAppSettings(PluginSettings):
    """One WhatsApp number of one app; `sample.toml` explains each key."""

    phone_number_id: Given = ""
    app_secret: GivenSecret = Secret("")
    app_secret_previous: Secret | None = None
    verify_token: GivenSecret = Secret("")
    access_token: GivenSecret = Secret("")
    portfolio: str = ""
    graph_url: Annotated[str, AfterValidator(_graph_address)] = "https://graph.facebook.com"
    graph_version: Annotated[str, Field(pattern=r"^v\d{1,3}\.\d$")] = "v26.0"
    media_hosts: tuple[str, ...] = ("lookaside.fbsbx.com",)
    connect_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    answer_seconds: Annotated[float, Field(gt=0, le=300)] = 30.0
    media_idle_seconds: Annotated[float, Field(gt=0, le=300)] = 30.0
    window_margin_minutes: Annotated[int, Field(ge=0, le=600)] = 15
    template_language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$")] = "es_AR"
    drop_mobile_9: bool = False

    @property
    def app_secrets(self) -> tuple[Secret, ...]:
        """The secrets that a signature may be made with: two while a new one is being put in."""
        return (self.app_secret, *([self.app_secret_previous] if self.app_secret_previous else []))
