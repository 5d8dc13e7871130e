"""What one Zammad destination is configured with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from inbox_daemon.model import TicketState
from inbox_daemon.plugins import BaseUrl, PluginSettings, Secret


def _own_attribute(value: str) -> str:
    if value.endswith(("_id", "_ids")) or value in _BUILT_IN:
        raise ValueError("give the name of an attribute made for this purpose: Zammad's own ones keep other things")
    return value


_BUILT_IN = frozenset({"number", "title", "note", "state", "priority", "group", "customer", "owner", "tags", "type"})
Attribute = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,98}[a-z0-9]$"), AfterValidator(_own_attribute)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\r\n\x00]+$")]
DEFAULT_STATES: dict[str, TicketState] = {
    "new": TicketState.OPEN,
    "open": TicketState.IN_PROGRESS,
    "pending reminder": TicketState.WAITING,
    "pending close": TicketState.WAITING,
    "closed": TicketState.CLOSED,
    "removed": TicketState.DELETED,
}
"""Of a Zammad as it is installed. `merged` is not among them: it is followed, never told."""


class ZammadSettings(PluginSettings):
    """One `[destinations.NAME]` table of kind `zammad`."""

    url: BaseUrl = Field(description="Where Zammad is, without /api/v1.")
    token: Secret = Field(description="Access token of the service account; what it wrote never goes back out.")
    group: Name = Field(description="Group in which tickets are opened, by its full name (Obras::Alumbrado).")
    reference_field: Attribute = Field(
        default="inbox_reference",
        description="Ticket attribute (text, 120 characters) that keeps our reference: case number and installation.",
    )
    customer_fallback: str = Field(
        default="",
        description="Login or address of one customer for all citizens without an address; empty: one customer a case.",
    )
    share_address: bool = Field(
        default=False,
        description="Citizens' proven e-mail addresses are passed on: Zammad's customers have them.",
    )
    article_type: Literal["web", "phone", "note"] = Field(
        default="web", description="Type of citizens' articles. Zammad's service levels do not count notes."
    )
    answer_types: tuple[Literal["note", "phone", "web", "email"], ...] = Field(
        default=("note", "phone", "web"),
        description="Types of agents' public articles that go to the citizen; e-mail only to `mute_domain`.",
    )
    mute_domain: str = Field(
        default="",
        pattern=r"^([a-z0-9-]+(\.[a-z0-9-]+)+)?$",
        description="Mail domain that your server discards: makes Zammad's Reply usable for citizens without address.",
    )
    closed: Literal["append", "new"] = Field(
        default="append", description="A citizen writes to a closed ticket: append and reopen it, or open a new one."
    )
    open_state: Name = Field(default="open", description="State that a ticket is reopened with.")
    closed_state: Name = Field(default="closed", description="State that a ticket is closed with.")
    states: dict[str, TicketState] = Field(
        default_factory=lambda: dict(DEFAULT_STATES), description="Meaning of each state, by its name in Zammad."
    )
    pending_days: int = Field(
        default=7, ge=1, le=365, description="How far ahead a ticket set to a pending state is put on the calendar."
    )
    link_base: BaseUrl | None = Field(
        default=None, description="Where agents' browsers reach Zammad, when that is not `url`."
    )
    hint_secret: Secret | None = Field(
        default=None, description="Signature token of Zammad's webhook; without it no hints are taken."
    )
    max_attachment_bytes: int = Field(
        default=30_000_000, gt=0, description="Times 1.37 not above the web server's client_max_body_size (50 MB)."
    )
    timeout_seconds: float = Field(default=30.0, gt=0, le=600, description="For one request, answer included.")
    connect_timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    overlap_seconds: int = Field(
        default=60, ge=1, le=86_400, description="How far each look for answers reaches back behind the last one."
    )

    def meaning_of(self, state: str) -> TicketState:
        """What a state means; one that nobody configured is taken for work going on."""
        word = state.lower()
        default = TicketState.DELETED if word == "removed" else TicketState.IN_PROGRESS
        return self.states.get(word, default)

    def state_for(self, meaning: TicketState) -> str | None:
        """The state that a ticket gets for `meaning`; None where there is none (nothing is deleted by us)."""
        if meaning is TicketState.DELETED:
            return None
        if meaning in {TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.REOPENED}:
            return self.open_state
        if meaning in {TicketState.SOLVED, TicketState.CLOSED}:
            return self.closed_state
        return next((name for name, known in self.states.items() if known is meaning), None)
