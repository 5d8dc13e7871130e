"""What one Open311 destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from inbox_daemon.model import TicketState
from inbox_daemon.plugins import BaseUrl, PluginSettings, Secret

Name = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Status = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Z_]+$")]
DEFAULT_STATES: dict[str, TicketState] = {
    "open": TicketState.OPEN,
    "for_triage": TicketState.OPEN,
    "investigating": TicketState.IN_PROGRESS,
    "in_progress": TicketState.IN_PROGRESS,
    "planned": TicketState.IN_PROGRESS,
    "action_scheduled": TicketState.IN_PROGRESS,
    "internal_referral": TicketState.REFERRED,
    "reopen": TicketState.REOPENED,
    "fixed": TicketState.SOLVED,
    "closed": TicketState.CLOSED,
    "no_further_action": TicketState.CLOSED,
    "cancelled": TicketState.CLOSED,
    "duplicate": TicketState.DUPLICATE,
    "not_councils_responsibility": TicketState.NOT_COMPETENT,
}
"""Open and closed are GeoReport's own; the others are mySociety's (open311-adapter, read 2026-11-24)."""


class Open311Settings(PluginSettings):
    """One `[destinations.NAME]` table of kind `open311`."""

    url: BaseUrl = Field(description="Where GeoReport v2 is: what stands before /services.json.")
    api_key: Secret = Field(description="Key for writing (and, where so configured, for reading).")
    reads_need_key: bool = Field(
        default=False, description="Send the key with look-ups, too: it then stands in the URL."
    )
    jurisdiction_id: Name = Field(default="", description="Only where the endpoint serves several jurisdictions.")
    service_code: Code = Field(description="Service under which requests are opened.")
    attributes: dict[Code, str] = Field(default_factory=dict, description="Attributes that the service requires.")
    latitude: float | None = Field(default=None, ge=-90, le=90, description="Place of requests, with longitude.")
    longitude: float | None = Field(default=None, ge=-180, le=180)
    address: Name = Field(default="", description="Place of requests, where it is not given as coordinates.")
    descriptions_are_public: bool = Field(
        default=True, description="The endpoint shows descriptions to anybody: no heading in them, and no notes."
    )
    files_are_public: bool = Field(
        default=False, description="Links to citizens' files may stand where anybody reads them; else none are written."
    )
    share_address: bool = Field(
        default=False,
        description="Citizens' proven e-mail addresses are passed on, as email.",
    )
    max_description_chars: int = Field(default=4000, ge=500, description="Longest description that is taken whole.")
    closed: Literal["append", "new"] = Field(
        default="append", description="A citizen writes to a closed request: append and reopen it, or open a new one."
    )
    open_status: Status = Field(default="OPEN", description="Status that a request is reopened with.")
    closed_status: Status = Field(default="CLOSED", description="Status that a request is closed with.")
    states: dict[str, TicketState] = Field(
        default_factory=lambda: dict(DEFAULT_STATES), description="Meaning of each status, in small letters."
    )
    agent_name: Name = Field(default="La oficina", min_length=1, description="Who answers: updates name nobody.")
    media_hosts: tuple[Name, ...] = Field(
        default=(), max_length=20, description="Further hosts that files of answers may be fetched from."
    )
    link_base: BaseUrl | None = Field(
        default=None, description="Where agents' browsers reach a request: its id is put behind it."
    )
    look_back_days: int = Field(default=90, ge=1, le=3650, description="How far back a request is looked for.")
    most_rows: int = Field(default=1000, ge=10, description="The most rows that the endpoint answers.")
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    overlap_seconds: int = Field(
        default=300, ge=1, le=86_400, description="How far each look for answers reaches back behind the last one."
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        if self.latitude is None and not self.address:
            raise ValueError("GeoReport takes no request without a place: give latitude and longitude, or address")
        return self

    def status_of(self, state: TicketState) -> str | None:
        """The status that a request gets for `state`; None where there is none to give."""
        if state in {TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.REOPENED}:
            return self.open_status
        if state in {TicketState.SOLVED, TicketState.CLOSED}:
            return self.closed_status
        if state is TicketState.DELETED:
            return None
        return next((status.upper() for status, meaning in self.states.items() if meaning is state), None)
