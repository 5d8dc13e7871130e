"""The table `[channels.<name>]` of a WhatsApp number."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from inbox_channels._graph.fields import INSTANCE_NAME, AccessToken, GivenSecret, GraphAddress, HostName, OwnSecret
from inbox_daemon.plugins import PluginSettings, Secret


def _number_id(value: str) -> str:
    if not value:
        raise ValueError("is missing: take it from the app's page, WhatsApp > API Setup")
    if not (value.isascii() and value.isdigit()):
        raise ValueError("is no id, which is digits only: take it from the app's page, WhatsApp > API Setup")
    return value


def _account_id(value: str) -> str:
    if value and not (value.isascii() and value.isdigit()):
        raise ValueError("is no id, which is digits only: take it from the app's page, WhatsApp > API Setup")
    return value


class WhatsAppSettings(PluginSettings):
    """One WhatsApp number of one app; `sample.toml` explains each key. All have a default: parsing needs no secrets."""

    phone_number_id: Annotated[str, AfterValidator(_number_id)] = Field(
        "", validate_default=True, description="Id (not the number) under WhatsApp > API Setup."
    )
    account_id: Annotated[str, AfterValidator(_account_id)] = Field(
        "",
        description="Id of the WhatsApp Business account under WhatsApp > API Setup: its subscription and its template "
        "are looked at, notices of other accounts are passed over; empty: neither.",
    )
    webhook_of: str = Field(
        "",
        pattern=INSTANCE_NAME,
        description="Name of the channel whose address and app this number shares; its app_secret and verify_token "
        "are good for both. Empty: this number has an address of its own.",
    )
    app_secret: OwnSecret = Field(
        Secret(""),
        validate_default=True,
        description="The app's secret (App settings > Basic): deliveries are signed, and calls proven, with it.",
    )
    app_secret_previous: GivenSecret | None = Field(
        None, description="The app's secret before that, while it is being changed; either is accepted."
    )
    verify_token: OwnSecret = Field(
        Secret(""),
        validate_default=True,
        description="A word of your own, entered at Meta as well.",
    )
    access_token: AccessToken = Field(
        Secret(""), validate_default=True, description="Token of a system user; fetches files and sends answers."
    )
    portfolio: str = Field(
        "",
        description="One word for all channels of one business portfolio, where it has several WhatsApp accounts; "
        "empty: the account's id. Never changed later.",
    )
    graph_url: GraphAddress = Field("https://graph.facebook.com", description="Where the Graph API is.")
    graph_version: str = Field("v26.0", pattern=r"^v\d{1,3}\.\d$", description="Version of the Graph API.")
    media_hosts: tuple[HostName, ...] = Field(
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
    per_second: float = Field(
        20.0,
        gt=0,
        le=1000,
        description="Most messages of ours in a second; Meta takes 80 from a number, 20 where it is used in the "
        "WhatsApp Business app as well.",
    )
    mark_read: bool = Field(True, description="Mark a citizen's message as read when an agent's answer to it goes out.")
    ask_for_number: bool = Field(
        False,
        description="Send automatic notices to people who hide their number with a button to share it.",
    )
    drop_mobile_9: bool = Field(
        False,
        description="Write to Argentine mobiles without the 9: only for Meta's test numbers.",
    )

    @property
    def app_secrets(self) -> tuple[Secret, ...]:
        """The secrets that a signature may be made with: two while a new one is being put in."""
        return (self.app_secret, *([self.app_secret_previous] if self.app_secret_previous else []))
