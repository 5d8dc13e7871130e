"""What one GLPI destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from inbox_daemon.plugins import BaseUrl, PluginSettings, Secret, ZoneName


def _without_the_api(value: str) -> str:
    return value.removesuffix("/apirest.php").removesuffix("/api.php")


GlpiUrl = Annotated[BaseUrl, AfterValidator(_without_the_api)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\r\n]+$")]


class GlpiSettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `glpi`."""

    url: GlpiUrl = Field(description="Where GLPI is, without /apirest.php or /api.php.")
    api: Literal["legacy", "v2"] = Field(
        default="legacy", description="legacy: apirest.php (GLPI 10 and 11); v2: the high-level API of GLPI 11."
    )
    user_token: Secret | None = Field(
        default=None,
        description="API token of the service account; what it wrote never goes back out. Optional with v2: for files.",
    )
    app_token: Secret | None = Field(default=None, description="Application token of the API client, where it has one.")
    client_id: Name | None = Field(default=None, description="With v2: id of the OAuth client.")
    client_secret: Secret | None = Field(default=None, description="With v2: secret of the OAuth client.")
    username: Name | None = Field(default=None, description="With v2: login of the service account.")
    password: Secret | None = Field(default=None, description="With v2: password of the service account.")
    api_version: Annotated[str, StringConstraints(pattern=r"^2\.[0-9]{1,3}$")] = Field(
        default="2.2", description="With v2: version of the API to speak, 2.2 or later."
    )
    agent_profiles: list[Name] = Field(
        default_factory=lambda: ["Technician", "Supervisor", "Hotliner", "Admin", "Super-Admin"],
        min_length=1,
        description="With v2: who has one of these profiles is an agent, and nobody else.",
    )
    entity: Name = Field(description="Entity in which tickets are opened; its full name where two are named alike.")
    category: Name | None = Field(default=None, description="Category (full name) of tickets; left out: none.")
    type: Literal["request", "incident"] = Field(default="request", description="Type of the tickets.")
    requester: Name | None = Field(
        default=None, description="Login of the user that stands for all citizens as requester; left out: nobody."
    )
    request_sources: dict[str, Name] = Field(
        default_factory=dict, description="Channel → name of GLPI's request source, shown in the ticket."
    )
    reference_in: Literal["title", "external_id"] = Field(
        default="title", description="Where our reference is kept; `external_id` needs GLPI 11."
    )
    closed: Literal["append", "new"] = Field(
        default="append",
        description="A citizen writes to a solved or closed ticket: append and reopen, or open another.",
    )
    zone: ZoneName | None = Field(
        default=None, description="Time zone in which GLPI tells times; left out: that of the installation."
    )
    link_base: GlpiUrl | None = Field(
        default=None, description="Where agents' browsers reach GLPI, when that is not `url`."
    )
    hint_secret: Secret | None = Field(
        default=None, description="Secret of GLPI 11's webhooks; without it no hints are taken."
    )
    max_attachment_bytes: int = Field(
        default=2_000_000, gt=0, description="Not above PHP's upload_max_filesize and GLPI's own limit for documents."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    overlap_seconds: int = Field(
        default=60, ge=1, le=86_400, description="How far each look for answers reaches back behind the last one."
    )

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        if self.api == "legacy":
            if self.user_token is None:
                raise ValueError("give `user_token`, the API token of the service account")
            return self
        missing = [key for key in ("client_id", "client_secret", "username", "password") if getattr(self, key) is None]
        if missing:
            raise ValueError(f'api = "v2" logs in with an OAuth client: give {", ".join(missing)}')
        return self
