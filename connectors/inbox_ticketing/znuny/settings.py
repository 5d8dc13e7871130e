"""What one Znuny or OTOBO destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints

from inbox_daemon.model import TicketState
from inbox_daemon.plugins import BaseUrl, PluginSettings, Secret, ZoneName

FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,200}$")]
"""Only these characters are allowed in the search by `DynamicField_NAME`; the administration page allows no others."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n\x00]+$")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]

DEFAULT_STATES: dict[str, TicketState] = {
    "new": TicketState.OPEN,
    "open": TicketState.IN_PROGRESS,
    "pending reminder": TicketState.WAITING,
    "pending auto close+": TicketState.WAITING,
    "pending auto close-": TicketState.WAITING,
    "closed successful": TicketState.SOLVED,
    "closed unsuccessful": TicketState.CLOSED,
    "closed with workaround": TicketState.SOLVED,
    "removed": TicketState.DELETED,
}
"""Those that a new installation has, under the names that the interface uses whatever language agents see."""


class ZnunySettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `znuny`."""

    url: BaseUrl = Field(description="Where it is: a host alone (then /znuny or /otobo follows), or with its path.")
    product: Literal["znuny", "otobo"] = Field(
        default="znuny", description="Which of the two: the path below a bare host, and the name in messages."
    )
    web_service: ServiceName = Field(
        default="InboxDaemon", description="Name under which InboxDaemon.yml was imported."
    )
    account: Name = Field(description="Login of the service account, an agent; what it wrote never goes back out.")
    password: Secret = Field(description="Password of the service account.")
    queue: Name = Field(description="Queue in which tickets are opened, with its parents: Salud::Atencion.")
    priority: Name = Field(default="3 normal", description="Priority of new tickets.")
    ticket_type: str = Field(default="", description="Type of new tickets; needed where Ticket::Type is switched on.")
    reference_field: FieldName = Field(
        default="InboxReference", description="Dynamic field (ticket, text) that keeps our reference."
    )
    message_field: FieldName = Field(
        default="InboxMessage", description="Dynamic field (article, text) that keeps the marker of each entry."
    )
    customer_fallback: Name = Field(
        description="Customer of those whose address is unknown, not granted or refused: an address of your own "
        "domain that answers nothing, or a customer's login."
    )
    share_address: bool = Field(
        default=False,
        description="Citizens' proven e-mail addresses are passed on, as customer and in From.",
    )
    communication_channel: Literal["Phone", "Internal", "Email", "Chat"] = Field(
        default="Phone", description="Channel that citizens' messages are shown under."
    )
    closed: Literal["append", "new"] = Field(
        default="append", description="A citizen writes to a closed ticket: append and reopen it, or open a new one."
    )
    new_state: Name = Field(default="new", description="State of new tickets.")
    open_state: Name = Field(default="open", description="State that a ticket is reopened with.")
    closed_state: Name = Field(default="closed successful", description="State that a ticket is closed with.")
    states: dict[str, TicketState] = Field(
        default_factory=lambda: dict(DEFAULT_STATES), description="Meaning of each state, by its name."
    )
    public_kinds: tuple[str, ...] = Field(
        default=("SendAnswer", "EmailAgent", "AddNote"),
        description="Kinds of history entry of agents' articles that may go to citizens, where visible to customers.",
    )
    time_zone: ZoneName = Field(
        default="UTC", description="OTRSTimeZone or OTOBOTimeZone: the interface tells no zone."
    )
    link_base: BaseUrl | None = Field(
        default=None, description="Where agents' browsers reach it, with its path, when that is not `url`."
    )
    hint_user: Name = Field(default="inbox", description="User name of the hints (Basic authentication).")
    hint_secret: Secret | None = Field(default=None, description="Password of the hints; without it none are taken.")
    max_attachment_bytes: int = Field(
        default=10_000_000, gt=0, description="Largest file to it; below three quarters of MaxLength of the service."
    )
    max_download_bytes: int = Field(
        default=50_000_000, gt=0, description="Most that may come to fetch one file of an answer; see Limits."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    overlap_seconds: int = Field(
        default=60, ge=1, le=86_400, description="How far each look for answers reaches back behind the last one."
    )

    @property
    def base(self) -> str:
        """Where the product is, with its path."""
        return self.url if urlsplit(self.url).path else f"{self.url}/{self.product}"

    @property
    def service_url(self) -> str:
        """The web service; routes follow."""
        return f"{self.base}/nph-genericinterface.pl/Webservice/{self.web_service}"

    def state_name(self, state: TicketState) -> str | None:
        """The state that a ticket gets for `state`; None where there is none (nothing is removed by us)."""
        if state is TicketState.DELETED:
            return None
        if state in {TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.REOPENED}:
            return self.open_state
        if state in {TicketState.SOLVED, TicketState.CLOSED}:
            return self.closed_state
        return next((name for name, meaning in self.states.items() if meaning is state), None)
