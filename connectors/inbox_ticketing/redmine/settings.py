"""What one Redmine destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from inbox_daemon.model import TicketState
from inbox_daemon.plugins import BaseUrl, PluginSettings, Secret

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n]+$")]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$")]
Number = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]
TextFormat = Literal["textile", "markdown", "common_mark", "plain"]

DEFAULT_STATES: dict[str, TicketState] = {
    "new": TicketState.OPEN,
    "in progress": TicketState.IN_PROGRESS,
    "feedback": TicketState.WAITING,
    "resolved": TicketState.SOLVED,
    "closed": TicketState.CLOSED,
    "rejected": TicketState.CLOSED,
}
"""The statuses of Redmine's English default data."""


class RedmineSettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `redmine`."""

    url: BaseUrl = Field(description="Where Redmine is, with its sub-path if it has one.")
    key: Secret = Field(description="API access key of the service account.")
    account: Name = Field(description="Login of the service account; what it wrote is ours and never goes back out.")
    project: Identifier = Field(description="Identifier of the project in which issues are opened.")
    tracker: Name = Field(description="Name of the tracker that issues are opened with.")
    reference_field: int = Field(
        gt=0, description="Number of the issue custom field (text, used as a filter) that keeps our reference."
    )
    fields: dict[Number, str] = Field(
        default_factory=dict,
        description="Values for further custom fields that the tracker requires: number of the field to value.",
    )
    text_format: TextFormat = Field(
        default="textile", description="Redmine's text formatting; with a wrong one citizens' words become markup."
    )
    public_project: bool = Field(
        default=False, description="Whether the project may be public; otherwise `check` refuses one."
    )
    agent_roles: tuple[Name, ...] = Field(
        default=(), description="Only notes of members with one of these roles are answers; empty: of any member."
    )
    closed: Literal["append", "new"] = Field(
        default="append", description="A citizen writes to a closed issue: append and reopen it, or open a new one."
    )
    open_status: Name = Field(default="In Progress", description="Status that an issue is reopened with.")
    closed_status: Name = Field(default="Closed", description="Status that an issue is closed with.")
    states: dict[str, TicketState] = Field(
        default_factory=lambda: dict(DEFAULT_STATES),
        description="Meaning of each status by its name; one that is not named is closed or in_progress.",
    )
    link_base: BaseUrl | None = Field(
        default=None, description="Where agents' browsers reach Redmine, when that is not `url`."
    )
    hint_secret: Secret | None = Field(
        default=None, description="Secret of a webhook of Redmine 7 or later; without it no hints are taken."
    )
    max_attachment_bytes: int = Field(
        default=5 * 1024 * 1024, gt=0, description="Not above Redmine's own maximum attachment size."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    overlap_seconds: int = Field(
        default=60, ge=1, le=86_400, description="How far each look for answers reaches back behind the last one."
    )

    def meaning_of(self, status: str) -> TicketState | None:
        """The configured meaning of a status; case does not count."""
        wanted = status.strip().casefold()
        return next((state for name, state in self.states.items() if name.strip().casefold() == wanted), None)

    def status_of(self, state: TicketState) -> str | None:
        """The status that an issue gets for `state`; None where there is none (nothing is deleted by us)."""
        if state is TicketState.DELETED:
            return None
        if state in {TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.REOPENED}:
            return self.open_status
        if state in {TicketState.SOLVED, TicketState.CLOSED}:
            return self.closed_status
        return next((status for status, meaning in self.states.items() if meaning is state), None)
