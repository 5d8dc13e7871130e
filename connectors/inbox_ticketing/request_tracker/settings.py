"""What one Request Tracker destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from inbox_daemon.model import TicketState
from inbox_daemon.plugins import BaseUrl, PluginSettings, Secret

FieldName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^{}'\"\\\r\n]+$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^'\"\\\r\n]+$")]
DEFAULT_STATES: dict[str, TicketState] = {
    "new": TicketState.OPEN,
    "open": TicketState.IN_PROGRESS,
    "stalled": TicketState.WAITING,
    "resolved": TicketState.SOLVED,
    "rejected": TicketState.CLOSED,
    "deleted": TicketState.DELETED,
}
"""Of RT's `default` lifecycle."""


class RequestTrackerSettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `request_tracker`."""

    url: BaseUrl = Field(description="Where Request Tracker is, without /REST/2.0.")
    token: Secret = Field(description="Authentication token of the service account.")
    account: Name = Field(description="Name of the service account; what it wrote is ours and never goes back out.")
    queue: Name = Field(description="Queue in which tickets are opened.")
    reference_field: FieldName = Field(
        default="InboxReference",
        description="Ticket custom field (one free text) that keeps our reference: case number and installation.",
    )
    requestor_fallback: str = Field(
        default="", description="Requestor of tickets of citizens whose address is unknown or not granted; empty: none."
    )
    share_address: bool = Field(
        default=False,
        description="Citizens' proven e-mail addresses become requestors, and authors through the mail gate.",
    )
    mail_gate_url: BaseUrl | None = Field(
        default=None,
        description="The mail gate (…/REST/1.0/NoAuth/mail-gateway). Makes the citizen the author of what they add.",
    )
    closed: Literal["append", "new"] = Field(
        default="append", description="A citizen writes to a closed ticket: append and reopen it, or open a new one."
    )
    open_status: Name = Field(default="open", description="Status that a ticket is reopened with.")
    closed_status: Name = Field(default="resolved", description="Status that a ticket is closed with.")
    states: dict[str, TicketState] = Field(
        default_factory=lambda: dict(DEFAULT_STATES), description="Meaning of each status of the queue's lifecycle."
    )
    link_base: BaseUrl | None = Field(
        default=None, description="Where agents' browsers reach Request Tracker, when that is not `url`."
    )
    hint_secret: Secret | None = Field(
        default=None, description="HMAC key of the hints that a scrip may post; without it none are taken."
    )
    max_attachment_bytes: int = Field(
        default=10_000_000, gt=0, description="Not above RT's own $MaxAttachmentSize: RT may cut what is longer."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    overlap_seconds: int = Field(
        default=60, ge=1, le=86_400, description="How far each look for answers reaches back behind the last one."
    )

    def status_of(self, state: TicketState) -> str | None:
        """The status that a ticket gets for `state`; None where the lifecycle has none (nothing is deleted by us)."""
        if state is TicketState.DELETED:
            return None
        if state in {TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.REOPENED}:
            return self.open_status
        if state in {TicketState.SOLVED, TicketState.CLOSED}:
            return self.closed_status
        return next((status for status, meaning in self.states.items() if meaning is state), None)
