"""The table `[channels.<name>]` of a WhatsApp number."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from inbox_daemon.plugins import PluginSettings, Secret

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def _number_id(value: str) -> str:
    if not value:
        raise ValueError("is missing: take it from the app's page, WhatsApp > API Setup")
    if not (value.isascii() and value.isdigit()):
        raise ValueError("is no id, which is digits only: take it from the app's page, WhatsApp > API Setup")
    return value


def _secret_given(value: Secret) -> Secret:
    secret = value.reveal()
    if not secret:
        raise ValueError("is missing or empty: give it by reference, { credential = … }, { file = … } or { env = … }")
    if not secret.isprintable() or secret != secret.strip():
        raise ValueError("has a line break or a space at its end: its source must hold the secret only, on one line")
    return value


def _token(value: Secret) -> Secret:
    if not value.reveal().isascii() or " " in value.reveal():
        raise ValueError("has signs in it that no access token has: copy it again")
    return value


def _graph_address(value: str) -> str:
    address = urlsplit(value)
    loopback = address.hostname in ("127.0.0.1", "localhost", "::1")
    if not address.hostname or address.scheme not in ("https", "http") or address.query or address.username:
        raise ValueError("is no address such as https://graph.facebook.com")
    if address.scheme == "http" and not loopback:
        raise ValueError("must be https: the access token travels in it (http only to this machine itself)")
    return value.rstrip("/")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value.lower()):
        raise ValueError("is no bare host name such as lookaside.fbsbx.com")
    return value.lower()


GivenSecret = Annotated[Secret, AfterValidator(_secret_given)]


class WhatsAppSettings(PluginSettings):
    """One WhatsApp number of one app; `sample.toml` explains each key. All have a default: parsing needs no secrets."""

    phone_number_id: Annotated[str, AfterValidator(_number_id)] = Field(
        "", validate_default=True, description="Id (not the number) under WhatsApp > API Setup."
    )
    app_secret: GivenSecret = Field(
        Secret(""),
        validate_default=True,
        description="The app's secret (App settings > Basic): deliveries are signed.",
    )
    app_secret_previous: GivenSecret | None = Field(
        None, description="The app's secret before that, while it is being changed; either is accepted."
    )
    verify_token: GivenSecret = Field(
        Secret(""),
        validate_default=True,
        description="A word of your own, entered at Meta as well.",
    )
    access_token: Annotated[GivenSecret, AfterValidator(_token)] = Field(
        Secret(""), validate_default=True, description="Token of a system user; fetches files and sends answers."
    )
    portfolio: str = Field(
        "",
        description="One word for all channels of one business portfolio, where it has several WhatsApp accounts; "
        "empty: the account's id. Never changed later.",
    )
    graph_url: Annotated[str, AfterValidator(_graph_address)] = Field(
        "https://graph.facebook.com", description="Where the Graph API is."
    )
    graph_version: str = Field("v26.0", pattern=r"^v\d{1,3}\.\d$", description="Version of the Graph API.")
    media_hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(
        ("lookaside.fbsbx.com",),
        description="Hosts besides graph_url's that files are fetched from.",
    )
    connect_seconds: float = Field(10.0, gt=0, le=60, description="Longest wait for a connection.")
    answer_seconds: float = Field(30.0, gt=0, le=300, description="Longest wait for an answer of the Graph API.")
    media_idle_seconds: float = Field(30.0, gt=0, le=300, description="Longest silence in the middle of a file.")
    window_margin_minutes: int = Field(
        15, ge=0, le=600, description="How much before the end of the 24 hours free answers stop."
    )
    answer_template: str = Field(
        "",
        pattern=r"^[a-z0-9_]{0,512}$",
        description="Approved template that says, outside of the 24 hours, that case {{1}} has an answer; empty: none.",
    )
    template_language: str = Field(
        "es_AR", pattern=r"^[a-z]{2,3}(_[A-Z]{2})?$", description="Language of the approved templates."
    )
    menu_button: str = Field(
        "Ver opciones", min_length=1, max_length=20, description="What opens a menu of more than three lines."
    )
    pair_seconds: float = Field(
        6.0, ge=0, le=60, description="Least time between two messages of ours to one person; Meta allows one in 6."
    )
    drop_mobile_9: bool = Field(
        False,
        description="Write to Argentine mobiles without the 9: only for Meta's test numbers.",
    )

    @property
    def app_secrets(self) -> tuple[Secret, ...]:
        """The secrets that a signature may be made with: two while a new one is being put in."""
        return (self.app_secret, *([self.app_secret_previous] if self.app_secret_previous else []))
