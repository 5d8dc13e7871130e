"""What a ticketing plug-in is: one adapter protocol and a capability sheet that the core plans with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from inbox_daemon.model import (
    Attachment,
    Cursor,
    Draft,
    Entry,
    EntryId,
    Hint,
    MessageKey,
    Reference,
    StoredFile,
    Ticket,
    TicketId,
    TicketState,
    TicketUpdate,
    Written,
)
from inbox_daemon.plugins.channel import WebhookRequest
from inbox_daemon.plugins.context import Context
from inbox_daemon.plugins.settings import PluginSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a product can do, as data: the core plans with it, `inbox-daemon plugins` prints it, docs are made of it.

    `find` and `find_entry`: whether our reference or key can be looked up at once, after a lag, or not at all (then an
    unknown outcome is parked as a possible double). `index_lag_seconds` is that lag's upper bound. `idempotency`:
    whether repeating a call under the same key is harmless by itself. `author`: whether an entry can carry the
    citizen as its author (on create, on every entry, never; then the heading line says it). `reopen`: whether an
    append to a closed ticket reopens it. `updates`: how answers are learnt. `states`: whether a ticket's
    state can be set. Sizes are bytes and characters.
    """

    append: bool = True
    note: bool = True
    states: bool = True
    find: Literal["immediate", "lagging", "none"] = "immediate"
    find_entry: Literal["immediate", "lagging", "none"] = "immediate"
    index_lag_seconds: float = 0.0
    idempotency: Literal["none", "key", "message_id", "unique"] = "none"
    author: Literal["none", "create", "entries"] = "none"
    customer_needs_email: bool = False
    attach: Literal["none", "inline", "multipart", "two_step", "url"] = "inline"
    max_attachment_bytes: int | None = None
    body_format: Literal["text", "html", "textile", "markdown"] = "text"
    max_body_chars: int | None = None
    max_subject_bytes: int | None = None
    reopen: Literal["auto", "explicit", "never"] = "auto"
    merges: Literal["follow", "lookup", "none"] = "none"
    updates: Literal["push", "poll", "both", "none"] = "poll"
    parallel: int = 8
    """How many calls at a time the product takes well."""


class TicketingAdapter(Protocol):
    """One configured ticketing system of one ministry.

    Every call is one attempt, bounded by the adapter's own time-outs; it never retries. It may be called from several
    nodes at once. All raise `EdgeError`: `Transient` only where provably nothing was done, `Uncertain` wherever
    something may have been (also for an answer that makes no sense), `Gone` when the ticket takes nothing any more,
    `Credentials` only where nothing was written: what stands wrongly is `Permanent`, which is not repeated.
    """

    capabilities: Capabilities

    async def check(self) -> None:
        """Prove that what is configured exists and that a reference is written *and found*; nothing lasting stays.

        Called at every start before anything is sent, and again and again after `Credentials` until it passes: what
        can be proved without writing is not written again.
        """

    async def open_ticket(self, draft: Draft) -> Ticket:
        """Create a ticket that carries `draft.reference` and, as its first entry, `draft.first` with its key."""

    async def append(self, ticket: Ticket, entry: Entry) -> Written:
        """Add a citizen's message. Follows merges. Raises `Gone` when the ticket is closed for good or deleted."""

    async def note(self, ticket: Ticket, entry: Entry) -> Written:
        """Add an internal note, seen by agents only."""

    async def attach(self, ticket: Ticket, entry: Entry, file: StoredFile) -> Written:
        """Add one file under `entry.key`, with `entry.heading` beside it."""

    async def set_state(self, ticket: Ticket, state: TicketState) -> None:
        """Put the ticket into the product's state for `state`. Idempotent; `Permanent` where it has none."""

    async def find(self, reference: Reference) -> Ticket | None:
        """The ticket that carries exactly `reference`; each row found is compared on our side.

        Raises `Permanent` when more than one matches.
        """

    async def find_entry(self, ticket: Ticket, key: MessageKey) -> Written | None:
        """The entry written under exactly `key`, wherever a merge has moved it."""

    async def updates(self, cursor: Cursor | None) -> tuple[Sequence[TicketUpdate], Cursor | None]:
        """What agents wrote and changed since `cursor`, oldest first, with overlap: repeats are harmless.

        None as cursor means "from now on": nothing old is answered. An entry's id is unique within the destination
        and survives merges; a merged ticket's updates are told under each id by which the core knows it.
        """

    async def thread(self, ticket: TicketId) -> Sequence[TicketUpdate]:
        """All updates of one ticket from its beginning, as `updates` would tell them. Called after a hint."""

    async def entry(self, ticket: TicketId, entry: EntryId) -> TicketUpdate | None:
        """One entry as it stands at this moment, None when it is there no more. Asked just before it is sent on:
        whatever is not beyond doubt public comes back with `public=False`."""

    def fetch(self, attachment: Attachment) -> AsyncIterator[bytes]:
        """Stream the bytes of a file of an agent's entry. Raises `EdgeError`."""

    def parse_hint(self, request: WebhookRequest) -> Hint | None:
        """What a webhook of the destination points at. Raises `Credentials` when its signature is wrong. Pure."""

    async def aclose(self) -> None:
        """Let go of everything. Safe twice, and after a failed `check`; never raises."""


@runtime_checkable
class Notifying(TicketingAdapter, Protocol):
    """A system that tells nobody of what comes in, so that somebody has to."""

    @property
    def notifies(self) -> bool:
        """Whether it is configured to; where it is not, `notify` is never called."""

    async def notify(self, ticket: Ticket, key: MessageKey, *, opened: bool) -> None:
        """Tell the office of the citizen's entry `key`, which `opened` the ticket or was added to it.

        Called after the entry is on disk there, at least once and in no set order, and again after `Uncertain`; what
        fails holds up no entry. Raises `EdgeError`; `Gone` when there is nothing to tell of any more.
        """


@runtime_checkable
class Proving(TicketingAdapter, Protocol):
    """A system of which more can be proved than ought to be waited for before every start."""

    async def prove(self) -> None:
        """`check`, and what only a person waits for (`check --online`): no citizen's step is held up by it."""


S = TypeVar("S", bound=PluginSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketingPlugin(Generic[S]):
    """What an entry point of `inbox_daemon.ticketing` names; see `ChannelPlugin` for `summary` and `sample`."""

    kind: str
    summary: str
    settings: type[S]
    build: Callable[[S, Context], TicketingAdapter]
    capabilities: Capabilities
    sample: str = ""
