"""The tables about what is said to citizens: answers, service hours, notices, the menu of offices, loops."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from inbox_daemon.settings.table import Table
from inbox_daemon.settings.values import Count, Keyword

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Report = Literal["accepted", "sent", "delivered", "read"]
Matter = Literal["consulta", "tramite", "denuncia"]
Clock = Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")]
Grace = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
OnFailed = Literal["note", "reopen"]


class Answers(Table):
    """How agents' public answers go back to citizens."""

    grace_seconds: Grace = 20.0
    """How long an answer waits, so that its agent can take it back; lines written meanwhile go together."""
    report: tuple[Report, ...] = ("accepted", "delivered", "read")
    """What the ticket is told of an answer's way; that it failed, waits or is parked is told always."""
    report_seconds: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 5.0
    """How long such a note waits, so that states that follow each other quickly become one."""
    on_unknown: Literal["never", "twice"] = "never"
    """When nothing tells whether the citizen got it: "never" asks a person before it is sent again, "twice" sends."""
    other_handles: bool = False
    """Answer on another channel of the same person when the first can't be used; only what they proved by challenge."""
    call_task: bool = False
    """Ask the office in the ticket to phone, where a number is known and no channel can bring the answer."""
    on_failed: OnFailed = "note"
    """An answer that did not arrive: "note" says so in the ticket, "reopen" also reopens it."""
    show_window: bool = True
    """Say beside each message until when it can be answered freely, where the channel sets a limit."""
    link_days: Annotated[int, Field(ge=1, le=365)] = 14
    """How long a link to a file works: in an answer whose channel can't take it, in a ticket whose system can't."""


class Service(Table):
    """When the office is open."""

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    """Days of the week on which it opens."""
    opens: Clock = "06:30"
    """When it opens, by the clock of [daemon] timezone."""
    closes: Clock = "18:00"
    """When it closes; "24:00" for the end of the day."""
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = "AR"
    """Country whose public holidays are kept; empty: none."""
    province: str = "H"
    """Province whose holidays are kept, too (ISO 3166-2; H is Chaco, none of whose own days is known); empty: none."""
    calendar: Path | None = None
    """An iCalendar file (.ics): on each whole day of its events the office is closed. Relative: beside this file."""
    closed_on: tuple[date, ...] = ()
    """Further days on which it is closed."""
    open_on: tuple[date, ...] = ()
    """Days on which it is open although the weekday or a calendar says otherwise."""

    @property
    def opens_minute(self) -> int:
        """`opens` in minutes from midnight."""
        return _minute(self.opens)

    @property
    def closes_minute(self) -> int:
        """`closes` in minutes from midnight; its end is 1440."""
        return _minute(self.closes)


class Notices(Table):
    """What citizens are told besides agents' answers. Never told to machines, nor about old messages."""

    acknowledgement: bool = False
    """Confirm the first message of each case with its number."""
    out_of_hours: bool = True
    """Say once per case, outside of service hours, when the office opens."""
    closed: bool = False
    """Say that the case was solved or closed."""
    down_after_minutes: Annotated[float, Field(gt=0, le=43_200, allow_inf_nan=False)] | None = 120.0
    """Say once per case that it takes longer, when its ticketing system was down for so long."""
    history_minutes: Annotated[float, Field(gt=0, le=43_200, allow_inf_nan=False)] = 60.0
    """Messages older than this when they are taken in (a backlog, an import) bring no notice."""
    on_paid_channels: bool = True
    """Send notices also where each message is paid for."""
    texts: dict[str, str] = {}  # noqa: RUF012 - pydantic copies it
    """Texts of your own, by their names in the list of texts (README); the rest keep the language's own."""


class TriageOption(Table):
    """One line of the menu."""

    title: Annotated[str, Field(min_length=1, max_length=24)]
    """What the citizen reads; at most 24 characters, as WhatsApp has it."""
    description: Annotated[str, Field(max_length=72)] = ""
    """A few words more, where the channel has room for them."""
    destination: str
    """Name of the destination it leads to."""
    matter: Matter = "consulta"
    """What the message is about."""
    keywords: tuple[Keyword, ...] = ()
    """Words that mean this line when the citizen answers in words of their own."""


class Triage(Table):
    """A menu that asks which office a first message is for, where no rule decides."""

    enabled: bool = False
    """Whether to ask."""
    options: Annotated[tuple[TriageOption, ...], Field(max_length=10)] = ()
    """The lines of the menu, at least two."""
    wait_minutes: Annotated[float, Field(gt=0, le=1440, allow_inf_nan=False)] = 15.0
    """How long to wait for the choice before the default destination gets the message."""
    tries: Annotated[int, Field(ge=1, le=3)] = 2
    """How often to ask before giving up."""
    channels: tuple[str, ...] = ()
    """Kinds of channel on which to ask; empty: all that can be answered on."""


class Loops(Table):
    """When two machines talk to each other."""

    max_hops: Annotated[int, Field(ge=2, le=50)] = 4
    """How many quick exchanges in a row a conversation may have before what follows is parked."""
    quick_seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 30.0
    """An answer sooner than this after what it answers counts as quick."""
    per_hour: Count = 60
    """Most messages that go to one conversation within an hour."""


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
