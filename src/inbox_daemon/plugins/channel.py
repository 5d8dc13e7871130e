"""What a channel plug-in is: a small mandatory protocol, and each further power a protocol of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from inbox_daemon.model import Attachment, Cursor, Envelope, Event, Handle, InstanceNotice, Reply, Sent, Window
from inbox_daemon.plugins.context import Context
from inbox_daemon.plugins.settings import PluginSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One HTTP request to `/hooks/{instance}`; header names are lower-cased, `body` is what came on the wire."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAnswer:
    """What the public listener answers in the channel's name."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one poll found: envelopes in order, and the cursor that is committed together with them.

    `more` asks to be polled again at once. `passed_over` counts items older than the configured date line, and
    `notice` is one sentence for the log and the status page about something unusual (a changed UIDVALIDITY).
    """

    envelopes: Sequence[Envelope]
    cursor: Cursor | None
    more: bool = False
    passed_over: int = 0
    notice: str = ""


class Channel(Protocol):
    """One configured source of messages: one WhatsApp number, one mailbox."""

    async def check(self) -> None:
        """Prove that credentials work, without side effects. Raises `EdgeError`."""

    async def aclose(self) -> None:
        """Let go of everything. Safe twice, and after a failed `check`; never raises."""


@runtime_checkable
class Pushed(Channel, Protocol):
    """A channel that posts to us. All three calls are quick and do no I/O: they run before the acknowledgement."""

    keep_headers: Sequence[str]
    """Lower-case names of request headers worth keeping with the envelope."""

    def handshake(self, request: WebhookRequest) -> WebhookAnswer | None:
        """Answer a verification request (`hub.challenge`); None when this is none."""

    def authenticate(self, request: WebhookRequest) -> None:
        """Check the signature over the raw body in constant time. Raises `Credentials`."""


@runtime_checkable
class Sharing(Pushed, Protocol):
    """A pushed channel whose deliveries may come to the address of another instance: several numbers of one app."""

    @property
    def webhook_of(self) -> str:
        """Name of the instance to whose address deliveries for this one come too; empty: to its own only."""

    def concerns(self, body: bytes) -> bool:
        """Whether a delivery may hold something for this instance. Quick, no parsing; "perhaps" is yes."""


@runtime_checkable
class Inspecting(Channel, Protocol):
    """A channel that can look at its own standing with its provider."""

    async def inspect(self) -> Sequence[InstanceNotice]:
        """How it stands, without side effects: called at start, then every hour, and by `check --online`.

        Everything it looks at is told of, also what is well (not `grave`), so that an earlier notice is put right.
        Raises `EdgeError` when it can't look.
        """


@runtime_checkable
class Polled(Channel, Protocol):
    """A channel that we ask. Only one node polls an instance at a time (a lease sees to it)."""

    poll_seconds: float

    async def poll(self, cursor: Cursor | None) -> Page:
        """Fetch what came after `cursor` (None: first contact). Bounded in count and bytes. Raises `EdgeError`.

        The core commits the page's envelopes and cursor in one transaction; only then `committed` is called with them.
        """

    async def committed(self, envelopes: Sequence[Envelope]) -> None:
        """These are on disk: mark or move them at the source now, if configured. Called at least once; idempotent.

        Their bodies may be empty: after a restart they are read from the journal by their headers only.
        """


@runtime_checkable
class Watching(Polled, Protocol):
    """A polled channel that can wait for news (IMAP IDLE), so that polls come early instead of often."""

    async def watch(self) -> None:
        """Return when something may be new, or after at most `poll_seconds`. Raises `EdgeError`; may be cancelled."""


@runtime_checkable
class Fetching(Channel, Protocol):
    """A channel whose attachments are fetched after the message was taken in."""

    def fetch(self, attachment: Attachment, envelope: Envelope) -> AsyncIterator[bytes]:
        """Stream the bytes of `attachment`, which came in `envelope`. Raises `EdgeError` (`Gone` when expired)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule:
    """Files that a channel takes: of these media types (empty: any), up to so many bytes."""

    media_types: frozenset[str] = frozenset()
    max_bytes: int

    def takes(self, media_type: str, size: int) -> bool:
        """Whether a file of this (bare, lower-case) type and size may go."""
        return size <= self.max_bytes and (not self.media_types or media_type in self.media_types)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingRules:
    """What a channel takes, as data: the core cuts and converts answers with it before it calls `send`.

    A text is cut into portions of at most `max_chars` signs and `max_bytes` bytes of UTF-8 (None: any length). A file
    that no rule of `files` takes goes as a link. `together`: text and files of one answer go in one portion; else a
    text of at most `max_caption_chars` goes along with a single file, and everything else one by one. `markup` is how
    the channel writes emphasis. `pair_seconds` is the least time between two portions to one person. `max_buttons` and
    `max_rows` are how many choices a menu has room for; beyond that a menu is numbered text. `costs`: a portion is
    paid for, so notices go sparingly.
    """

    max_chars: int | None = None
    max_bytes: int | None = None
    max_caption_chars: int = 0
    files: Sequence[FileRule] = ()
    together: bool = False
    markup: Literal["text", "whatsapp"] = "text"
    pair_seconds: float = 0.0
    max_buttons: int = 0
    max_rows: int = 0
    costs: bool = False


@runtime_checkable
class Replying(Channel, Protocol):
    """A channel on which citizens can be answered."""

    rules: SendingRules

    def window(self, to: Handle, last_inbound: datetime | None) -> Window:
        """Until when a free answer may go to `to`, who last wrote at `last_inbound` (None: never). Pure."""

    async def send(self, reply: Reply) -> Sent:
        """Send one portion, once. Raises `EdgeError`: `Uncertain` wherever the channel may have taken it,
        `WindowClosed` where only a template would go, or nothing more until the person writes."""

    def address(self, handles: Sequence[Handle]) -> Handle | None:
        """The handle among `handles` to answer to on this channel, or None. Pure."""


S = TypeVar("S", bound=PluginSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelPlugin(Generic[S]):
    """What an entry point of `inbox_daemon.channels` names.

    `parse` is pure and picklable (a module-level function): envelope and settings in, events out, in the order of
    the envelope. It never raises for content; an item it can't read becomes `Malformed`, and an envelope it can't
    read at all raises `Permanent` with a reason. `isolated` asks for parsing in a limited worker process.
    `settings.model_construct()` (all defaults, nothing validated) must be enough to parse, for `explain`.
    `sample` (the TOML of `sample.toml`) and `summary` (one line) are shown by `inbox-daemon sample` and `plugins`.
    `simulate` makes the raw request of one invented inbound message, signed where the channel signs (None: can't).
    """

    kind: str
    summary: str
    settings: type[S]
    build: Callable[[S, Context], Channel]
    parse: Callable[[Envelope, S], Sequence[Event]]
    isolated: bool = False
    sample: str = ""
    simulate: Callable[[S, SimulatedMessage], WebhookRequest] | None = None
    powers: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedMessage:
    """One invented message for `inbox-daemon simulate`: who (a phone or address), what, under which id and when."""

    sender: str = field(repr=False)
    name: str = field(repr=False)
    text: str = field(repr=False)
    id: str
    at: datetime
