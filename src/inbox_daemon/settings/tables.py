"""The tables of the configuration file that belong to the core, as models; plug-ins bring the rest of theirs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field

from inbox_daemon.model import TicketState
from inbox_daemon.plugins.settings import Secret
from inbox_daemon.settings.dialogue import Grace, OnFailed
from inbox_daemon.settings.table import Table
from inbox_daemon.settings.values import (
    Count,
    DatabaseAddress,
    Keyword,
    Listen,
    OnUnknown,
    Pattern,
    Seconds,
    WebAddress,
    Zone,
    split_listen,
)


def _state_dir() -> Path:
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]  # systemd sets a list
    return Path(given or "/var/lib/inbox-daemon")


class Daemon(Table):
    """The installation as a whole."""

    name: str = Field(default="Centro de Gestión", min_length=1)
    """Name of the office, as citizens and agents read it."""
    timezone: Zone = "America/Argentina/Cordoba"
    """Time zone of the office (IANA name): times in texts and the days of the ledger."""
    language: Literal["es-AR", "en"] = "es-AR"
    """Language of what citizens and agents read."""
    state_dir: Path = Field(default_factory=_state_dir)
    """Folder for database, attachments and generated keys. Default: $STATE_DIRECTORY, else /var/lib/inbox-daemon."""
    default_country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "AR"
    """Country of telephone numbers written without one (two capital letters)."""
    default_area: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,3}$")] = "362"
    """Area code of numbers written without one, without its leading 0."""
    stop_seconds: Seconds = 20.0
    """How long an orderly stop may take before what is open is left to the next start."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """Form of the log: "auto" is console on a terminal and JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important level that is logged."""

    @property
    def zone(self) -> ZoneInfo:
        """The office's time zone."""
        return ZoneInfo(self.timezone)


class Database(Table):
    """Where everything is kept."""

    url: DatabaseAddress = "sqlite:///inbox.sqlite3"
    """SQLite (a relative file is in state_dir) or "postgresql://user@host/db"; never with a password."""
    password: Secret | None = None
    """Password of the PostgreSQL user."""
    pool_size: Annotated[int, Field(ge=1, le=200)] = 8
    """Most connections to PostgreSQL at a time."""


class Public(Table):
    """The listener that the internet reaches (through a reverse proxy that speaks TLS)."""

    listen: Listen = "127.0.0.1:8080"
    """Address and port to listen on; "[::1]:8080" for IPv6."""
    url: WebAddress | None = None
    """Where browsers and Meta reach the listener: "https://…". Default: "http://" and `listen`, for try-outs."""
    max_body_bytes: Annotated[int, Field(ge=1024, le=100_000_000)] = 3_500_000
    """Largest body taken (Meta sends up to 3 MB)."""
    body_seconds: Seconds = 10.0
    """How long a sender may take for one body."""
    max_connections: Count = 1000
    """Most connections at a time."""
    link_secret: Secret | None = None
    """Key that signs links to case pages. Default: made once, in state_dir. Set it when several nodes serve."""
    link_days: Annotated[int, Field(ge=1, le=365)] = 30
    """How long such a link works."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return split_listen(self.listen)

    @property
    def base_url(self) -> str:
        """`url` or what follows from `listen`; without a trailing slash."""
        return self.url or f"http://{self.listen}"


class Operations(Table):
    """The listener for health, metrics and status: for the operators' network only."""

    listen: Listen = "127.0.0.1:8081"
    """Address and port to listen on."""
    allow_remote: bool = False
    """Has to be true when `listen` is not a loopback address: nobody logs in here."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return split_listen(self.listen)


class Delivery(Table):
    """How messages get into ticketing systems."""

    order_grace_seconds: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 2.0
    """How long a message waits for an earlier one of the same person that is still on its way."""
    retry_first_seconds: Seconds = 5.0
    """Pause after the first failure; each further one is about twice as long."""
    retry_max_seconds: Seconds = 3600.0
    """Longest pause between two tries."""
    give_up_days: Annotated[float, Field(gt=0, le=365, allow_inf_nan=False)] = 7.0
    """After how long without success an item is parked."""
    attempt_seconds: Annotated[float, Field(ge=10, le=3600, allow_inf_nan=False)] = 60.0
    """Longest time one try may take; has to exceed the time-outs of all destinations."""
    settle_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 30.0
    """How long to wait after a lost answer before looking up whether it was done."""
    on_unknown: OnUnknown = "park"
    """What follows a lost answer where nothing can be looked up: "park" asks a person, "resend" may double."""
    parallel: Annotated[int, Field(ge=1, le=200)] = 8
    """Tries at a time per destination."""
    down_alert_seconds: Seconds = 300.0
    """For how long a destination may fail before it counts as down."""
    follow_seconds: Annotated[float, Field(ge=0.2, le=3600, allow_inf_nan=False)] = 60.0
    """How often a destination is asked what became of its tickets; a closed one takes no more messages."""


class Conversation(Table):
    """When messages belong together."""

    window_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] = 14.0
    """A message within this time after the last one continues its conversation while the ticket is open."""


class Attachments(Table):
    """Limits of files that come with messages."""

    max_bytes: Annotated[int, Field(ge=1, le=2_000_000_000)] = 25_000_000
    """Largest file kept; a larger one is named in the ticket and left where it is."""
    max_per_message: Annotated[int, Field(ge=1, le=1000)] = 30
    """Most files of one message."""


class Smtp(Table):
    """The mail server that outgoing mail is handed to."""

    host: str = Field(min_length=1)
    """Host name of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    """Port of the server."""
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    """How the connection is protected; "none" is for a server on this machine."""
    user: str = ""
    """User to log in as; empty: no log-in."""
    password: Secret | None = None
    """Password of that user."""
    from_address: Annotated[str, Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")]
    """Address that outgoing mail comes from."""
    timeout_seconds: Seconds = 30.0
    """How long one step of the delivery may take."""


class Instance(Table):
    """What every channel and destination has; all other keys of its table belong to the plug-in."""

    model_config = ConfigDict(extra="allow")

    kind: str = Field(min_length=1)
    """Which plug-in it is; `inbox-daemon plugins` lists them."""
    enabled: bool = True
    """False: the table is checked, but the instance is not run."""

    CORE_KEYS: ClassVar[frozenset[str]] = frozenset({"kind", "enabled"})

    @property
    def options(self) -> dict[str, Any]:
        """The plug-in's own keys, as they were read; references to secrets not yet resolved."""
        return dict(self.model_extra or {})

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:  # options may hold what should have been a secret
        yield from ((key, getattr(self, key)) for key in sorted(self.CORE_KEYS))


class ChannelTable(Instance):
    """One source of messages: a WhatsApp number, a mailbox."""


class DestinationTable(Instance):
    """One ministry's ticketing system."""

    parallel: Annotated[int, Field(ge=1, le=200)] | None = None
    """Tries at a time; default: the smaller of [delivery] and what the product takes well."""
    on_unknown: OnUnknown | None = None
    """As in [delivery], for this destination only."""
    grace_seconds: Grace | None = None
    """As in [answers], for this destination only."""
    on_failed: OnFailed | None = None
    """As in [answers], for this destination only."""
    public_states: tuple[TicketState, ...] = (
        TicketState.OPEN,
        TicketState.IN_PROGRESS,
        TicketState.WAITING,
        TicketState.REFERRED,
        TicketState.SOLVED,
        TicketState.CLOSED,
        TicketState.REOPENED,
    )
    """States of a ticket that its citizen may learn; of any other one they learn only whether the case is open."""
    refer_to: str = ""
    """Destination that goes on with a case when this one says that it is not competent; empty: [routing] default."""

    CORE_KEYS: ClassVar[frozenset[str]] = frozenset(
        {"kind", "enabled", "parallel", "on_unknown", "grace_seconds", "on_failed", "public_states", "refer_to"}
    )


class Routing(Table):
    """Where messages go that no route takes."""

    default: str = Field(min_length=1)
    """Name of the destination."""


class Route(Table):
    """A rule of [[routes]]: tried in order, the first whose conditions all hold decides. No condition: all messages."""

    name: str = Field(min_length=1)
    """Name of the rule, for the log and the books."""
    destination: str
    """Name of the destination the message goes to."""
    channels: tuple[str, ...] = ()
    """Kinds of channel it holds for; empty: all."""
    instances: tuple[str, ...] = ()
    """Names of channels it holds for; empty: all."""
    keywords: tuple[Keyword, ...] = ()
    """Words or phrases of which one has to be in the text, accents and case aside; empty: any text."""
    pattern: Pattern = ""
    """Regular expression that has to be found in the text; empty: any text."""
    matter: Literal["consulta", "tramite", "denuncia"] = "consulta"
    """What the message is about. A denuncia is pseudonymous."""

    @property
    def conditional(self) -> bool:
        """Whether some message may pass it by."""
        return bool(self.channels or self.instances or self.keywords or self.pattern)
