"""What one destination behind a signed webhook is configured with."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from inbox_daemon.plugins import PluginSettings, Secret, WebAddress


def _without_query(value: str) -> str:
    if urlsplit(value).query:
        raise ValueError("give the address without ?: the question is put behind it")
    return value


LookUpUrl = Annotated[WebAddress, AfterValidator(_without_query)]
Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class WebhookSettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `webhook`."""

    url: WebAddress = Field(description="Where events are posted.", repr=False)
    read_url: LookUpUrl | None = Field(
        default=None, description="Where tickets and answers are looked up; without it nothing comes back."
    )
    secrets: tuple[Secret, ...] = Field(
        min_length=1, max_length=4, description="whsec_ secrets; everything we send is signed with each of them."
    )
    incoming_secrets: tuple[Secret, ...] = Field(
        default=(), max_length=4, description="whsec_ secrets that the receiver signs with; empty: `secrets`."
    )
    queue: Name = Field(default="", description="The receiver's word for where tickets go; empty: it knows.")
    share_address: bool = Field(
        default=False,
        description="Citizens' proven e-mail addresses are passed on, as reply_address.",
    )
    closed: Literal["append", "new"] = Field(
        default="append", description="A citizen writes to a closed ticket: append and reopen it, or open a new one."
    )
    files: Literal["inline", "link"] = Field(
        default="inline", description="Files go as base64 in the event, or as a signed link that expires."
    )
    max_attachment_bytes: int = Field(
        default=5_000_000, gt=0, le=50_000_000, description="Largest file that goes inline; base64 adds a third."
    )
    keeps_ids: bool = Field(
        default=True,
        description="The receiver keeps webhook-ids and does each once; if not, doubles can't be excluded.",
    )
    checks_signatures: bool = Field(
        default=True, description="The self-check refuses a receiver that takes a wrong signature."
    )
    tolerance_seconds: int = Field(
        default=300, ge=30, le=3600, description="How old a request to us may be, and how far its clock may be off."
    )
    timeout_seconds: float = Field(default=20.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    max_answer_bytes: int = Field(
        default=8_000_000, ge=10_000, le=100_000_000, description="Longest answer that is read (files aside)."
    )
