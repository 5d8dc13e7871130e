"""The table `[channels.<name>]` of a Facebook page, or of the Instagram account linked to it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from inbox_channels._graph.fields import INSTANCE_NAME, AccessToken, GivenSecret, GraphAddress, HostName, OwnSecret
from inbox_daemon.plugins import PluginSettings, Secret


def _digits(value: str) -> str:
    if value and not (value.isascii() and value.isdigit()):
        raise ValueError("is no id, which is digits only")
    return value


def _app_id(value: str) -> str:
    if not value:
        raise ValueError("is missing: it is in the app's dashboard under App settings > Basic")
    return _digits(value)


def _page_id(value: str) -> str:
    if not value:
        raise ValueError("is missing: it is on the page under About > Page transparency, or the answer of /me/accounts")
    return _digits(value)


def _account_id(value: str, info: ValidationInfo) -> str:
    if not value and info.data.get("platform") == "instagram":
        raise ValueError("is missing: ask Meta for /<page_id>?fields=instagram_business_account")
    return _digits(value)


class FacebookSettings(PluginSettings):
    """One page on Messenger, or one Instagram account; `sample.toml` explains each key. Parsing needs no secrets."""

    platform: Literal["page", "instagram"] = Field(
        "page", description='"page" for Messenger and the page\'s comments, "instagram" for the linked account.'
    )
    page_id: Annotated[str, AfterValidator(_page_id)] = Field(
        "",
        validate_default=True,
        description="Id of the page; for Instagram, of the page that the account is linked to.",
    )
    account_id: Annotated[str, AfterValidator(_account_id)] = Field(
        "", validate_default=True, description="Id of the Instagram account, for that platform."
    )
    app_id: Annotated[str, AfterValidator(_app_id)] = Field(
        "",
        validate_default=True,
        description="Id of the app: its subscription is kept, and what it sent is told from what was typed elsewhere.",
    )
    webhook_of: str = Field(
        "",
        pattern=INSTANCE_NAME,
        description="Name of the channel of the same app at whose address deliveries for this one come too; empty: its "
        "own address. With it app_secret and verify_token may be missing.",
    )
    app_secret: OwnSecret = Field(
        Secret(""),
        validate_default=True,
        description="The app's secret (App settings > Basic): deliveries are signed and calls proven with it.",
    )
    app_secret_previous: GivenSecret | None = Field(
        None, description="The app's secret before that, while it is being changed; either is accepted."
    )
    verify_token: OwnSecret = Field(
        Secret(""), validate_default=True, description="A word of your own, entered at Meta as well."
    )
    page_token: AccessToken = Field(
        Secret(""), validate_default=True, description="The page's access token, made from a system user's."
    )
    human_agent: bool = Field(
        False,
        description="Meta has granted Human Agent: what a person writes may be sent for 7 days, not only 24 hours.",
    )
    comments: bool = Field(
        True, description="Comments and visitors' posts become messages, are subscribed to and caught up with."
    )
    public_answer: str = Field(
        "",
        max_length=500,
        description="Text without anybody's data, posted below a comment once it was answered in private; empty: none.",
    )
    public_invite: str = Field(
        "",
        max_length=500,
        description="Text without anybody's data, posted below a comment that Meta lets nobody answer in private; "
        "empty: none.",
    )
    catch_up_seconds: float = Field(
        300.0,
        ge=10,
        le=3600,
        description="How often the subscription is looked at, and what no webhook brought fetched.",
    )
    catch_up_days: int = Field(
        0, ge=0, le=30, description="At first contact, how many days back is fetched; 0: only from now on."
    )
    graph_url: GraphAddress = Field("https://graph.facebook.com", description="Where the Graph API is.")
    graph_version: str = Field("v26.0", pattern=r"^v\d{1,3}\.\d$", description="Version of the Graph API.")
    media_hosts: tuple[HostName, ...] = Field(
        ("lookaside.fbsbx.com", "cdn.fbsbx.com", ".fbcdn.net", ".cdninstagram.com"),
        description="Hosts that files are fetched from; one that begins with a dot is every name below it.",
    )
    connect_seconds: float = Field(10.0, gt=0, le=60, description="Longest wait for a connection.")
    answer_seconds: float = Field(30.0, gt=0, le=300, description="Longest wait for an answer of the Graph API.")
    media_idle_seconds: float = Field(30.0, gt=0, le=300, description="Longest silence in the middle of a file.")
    window_margin_minutes: int = Field(
        15, ge=0, le=600, description="How much before the end of the 24 hours (or 7 days) answers stop."
    )

    @property
    def app_secrets(self) -> tuple[Secret, ...]:
        """The secrets that a signature may be made with: two while a new one is being put in."""
        return (self.app_secret, *([self.app_secret_previous] if self.app_secret_previous else []))

    @property
    def own_id(self) -> str:
        """Who the page is on its platform: scope of people's ids, and sender of what the page says."""
        return self.account_id if self.platform == "instagram" else self.page_id
