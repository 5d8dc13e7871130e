"""The words of the domain as types (design: channel, envelope, message, handle, ticket …). No I/O, no framework.

Everything a parser makes and everything an adapter is given is made of these frozen classes. Times are aware.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

InstanceId = NewType("InstanceId", str)
"""Name of one configured channel or destination (`whatsapp-centro`). Ours; stored with every row, never reused."""

ExternalId = NewType("ExternalId", str)
"""The channel's own id of one message or status, unique within one instance. The channel plug-in owns its form."""

TicketId = NewType("TicketId", str)
"""The destination's internal id of a ticket. The adapter owns its form; opaque to the core."""

EntryId = NewType("EntryId", str)
"""The destination's id of one entry (article, transaction, journal) of a ticket; opaque to the core."""

RemoteId = NewType("RemoteId", str)
"""The channel's id of something we sent; matches `StatusEvent.target`."""

MessageKey = NewType("MessageKey", str)
"""Our marker of one outgoing step, unique for ever and the same on every try (`4F7K-2.m7`). Written into the entry."""

CaseNumber = NewType("CaseNumber", str)
"""Quotable number of a conversation with a check character (`4F7K2-8`); unique within one installation."""

Reference = NewType("Reference", str)
"""What is written into a ticket so that it can be found again (`4F7K2-8/k7f3qx`): the case number, and a tag of this
installation. A database that is made anew counts from the start, and must never take an old ticket for its own."""

Cursor = NewType("Cursor", str)
"""Where a poll goes on; opaque to the core, made and read by one plug-in only."""


class Proof(StrEnum):
    """How much an identifier is worth. Only `CHANNEL` may ever join two contacts by itself."""

    CHANNEL = "channel"
    """The channel vouches for it: signed webhook, DMARC-aligned From, own chat session."""
    HINT = "hint"
    """Sender-asserted and easily forged: caller id, unaligned From."""
    CLAIM = "claim"
    """Somebody said it (a DNI typed in a chat, a shared contact card)."""


class Content(StrEnum):
    """What a message mainly is; decides the placeholder line an agent sees."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACTS = "contacts"
    INTERACTIVE = "interactive"
    ORDER = "order"
    CALL = "call"
    VOICEMAIL = "voicemail"
    UNSUPPORTED = "unsupported"


class Automatic(StrEnum):
    """Why a message is not a person writing now; None where it is."""

    AUTO_REPLY = "auto_reply"
    BOUNCE = "bounce"
    LIST = "list"
    SYSTEM = "system"


class SendState(StrEnum):
    """Life of something we sent, as the channel reports it. Compare by `rank`, never by order of arrival."""

    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    """Ranks below `DELIVERED`: what has arrived has not failed, whichever of the two is told first."""
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"

    @property
    def rank(self) -> int:
        """Monotone: a state never replaces one of a higher rank."""
        return list(SendState).index(self)


class TicketState(StrEnum):
    """The shared vocabulary: what any product's state means for the citizen. Each adapter maps its own states to it."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    """For the citizen."""
    REFERRED = "referred"
    SOLVED = "solved"
    CLOSED = "closed"
    REOPENED = "reopened"
    DUPLICATE = "duplicate"
    NOT_COMPETENT = "not_competent"
    DELETED = "deleted"

    @property
    def ends(self) -> bool:
        """Whether a ticket in this state takes no more of the citizen's matter."""
        return self.value in {"solved", "closed", "duplicate", "not_competent", "deleted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handle:
    """(kind, value, scope) under which a channel knows a person.

    `kind` is one of phone, bsuid, psid, igsid, fb_user, email, session, document. `value` is the identity form: what
    the channel gave, only canonicalized (E.164 with `+`, lower-cased mail domain). `scope` is who gave it out when it
    is not global: the business portfolio of a BSUID, the page of a PSID and of a commenter (`fb_user`: not known to be
    the PSID of the same person), the Instagram account of an IGSID.
    """

    kind: str
    value: str
    scope: str = ""
    proof: Proof = Proof.CHANNEL

    def __repr__(self) -> str:  # people's identifiers stay out of logs and tracebacks
        return f"Handle({self.kind}, …{self.value[-2:]}, {self.proof.value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who wrote. `handles` are in the channel's order of trust, the most stable one first; may be empty."""

    name: str | None = field(default=None, repr=False)
    handles: tuple[Handle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file that came with a message; its bytes are fetched later by the channel (`Fetching`).

    `remote` tells the channel where the bytes are (media id, part number): opaque to the core. `sha256` is hex.
    `expires_at` is when `remote` stops working, None when never. `inline` marks pictures inside an HTML body.
    """

    filename: str = field(repr=False)
    media_type: str
    remote: str = field(repr=False)
    size: int | None = None
    sha256: str | None = None
    expires_at: datetime | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One normalized utterance.

    `text` is what the person wrote, without quoted history or signature; `quoted` is the part cut off. `details`
    describes content that isn't text, as label → value in plain words for the agent (`latitude`, `contact`, …).
    `echo` marks what an agent wrote outside of us (on the business phone, in a page's inbox) to `sender`, who is then
    the citizen: never treated as a citizen's message. `history` marks what was written before this installation
    listened: kept, and neither delivered nor answered. `thread` are channel ids this message belongs after (mail
    References), the nearest first. `unique` says that the channel never gives `external_id` to anything else: what
    comes under it again is the same message, also where another source gives it another shape.
    """

    external_id: ExternalId
    sent_at: datetime
    sender: Sender
    content: Content = Content.TEXT
    text: str = field(default="", repr=False)
    quoted: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: ExternalId | None = None
    thread: tuple[ExternalId, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict, repr=False)
    automatic: Automatic | None = None
    echo: bool = False
    history: bool = False
    unique: bool = False

    @property
    def fingerprint(self) -> str:
        """Hex digest of the content: a reused external id with another fingerprint is another message.

        Left out is what may differ between two deliveries of the same thing: names, media URLs, arrival time.
        """
        digest = hashlib.sha256()
        if self.unique:
            return digest.hexdigest()
        parts = [self.content.value, self.subject, self.text, self.quoted]
        parts += [f"{a.filename}\x1f{a.media_type}\x1f{a.sha256 or a.remote}" for a in self.attachments]
        parts += [f"{key}\x1f{value}" for key, value in sorted(self.details.items())]
        for part in parts:
            digest.update(part.encode("utf-8", "surrogatepass") + b"\x1e")
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """The channel says what became of something we sent. `target` is its `RemoteId`, `tag` our own id if echoed.

    `window` says of a failed one that only the time for free answers was over: it goes when the citizen writes.
    `learned` is as in `Sent`, for when the answer to our call was lost.
    """

    external_id: ExternalId
    sent_at: datetime
    target: RemoteId
    state: SendState
    tag: str | None = None
    error_code: str | None = None
    reason: str = ""
    window: bool = False
    learned: tuple[Handle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WatermarkEvent:
    """All that we sent to `to` up to `until` (inclusive) has come as far as `state`: delivered or read."""

    external_id: ExternalId
    sent_at: datetime
    to: Handle
    until: datetime
    state: SendState


@dataclass(frozen=True, slots=True, kw_only=True)
class EditEvent:
    """The person changed an earlier message; `message` is the new form. Evidence is never deleted: it is appended."""

    external_id: ExternalId
    sent_at: datetime
    target: ExternalId
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeEvent:
    """The person withdrew an earlier message."""

    external_id: ExternalId
    sent_at: datetime
    target: ExternalId
    sender: Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionEvent:
    """A reaction to an earlier message; an empty `emoji` takes it back."""

    external_id: ExternalId
    sent_at: datetime
    target: ExternalId
    emoji: str
    sender: Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleChanged:
    """The channel itself says that `old` and `new` are one person (signed number or BSUID change)."""

    external_id: ExternalId
    sent_at: datetime
    old: tuple[Handle, ...]
    new: tuple[Handle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """One telephone call (all its legs); `outcome` is answered, missed, abandoned or voicemail."""

    external_id: ExternalId
    sent_at: datetime
    sender: Sender
    outcome: str
    seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceNotice:
    """Something that whoever runs the daemon should know of an instance: a paused template, a token about to expire.

    The newest one of a `topic` and `subject` stands: `topic` is a short, bounded word (`template`, `number_quality`,
    `token`), `subject` which of them (a template's name; may be empty). `grave` is what stops or will soon stop
    answers or messages; one that is not grave puts an earlier one right, or just informs. `words` hold nobody's data.
    """

    sent_at: datetime
    topic: str
    subject: str = ""
    grave: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Something received that makes no message, counted under a short, bounded `reason` (`echo`, `template_status`)."""

    reason: str
    external_id: ExternalId | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """One item of an envelope that can't be read, parked by itself so that its neighbours go on.

    `place` says where in the envelope (`entry[0].changes[2].messages[5]`), `problem` what is wrong, without content.
    """

    place: str
    problem: str


Event = (
    Message
    | StatusEvent
    | WatermarkEvent
    | EditEvent
    | RevokeEvent
    | ReactionEvent
    | HandleChanged
    | CallEvent
    | InstanceNotice
    | Ignored
    | Malformed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One raw thing received, kept as it came. `headers` are the few the channel asked to keep."""

    instance: InstanceId
    body: bytes = field(repr=False)
    received_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Where a conversation stands in a destination: its internal id, the number people quote, a link for agents."""

    id: TicketId
    number: str
    url: str = field(default="", repr=False)
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing to write into a ticket, already reduced to what the destination may see.

    `key` is our marker: the adapter writes it where `find_entry` finds it again. `heading` is one line in the
    destination's language that says channel, author, handle in readable form and time; `body` is plain text.
    `reply_address` is an address at which the author can be mailed, only where configuration grants it.
    """

    key: MessageKey
    heading: str = field(repr=False)
    body: str = field(repr=False)
    author_name: str = field(default="", repr=False)
    reply_address: str = field(default="", repr=False)
    sent_at: datetime
    automatic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A ticket to open: `reference` is to be written where `find` finds it exactly, `case_number` is what people quote.

    `follows` is the number of the earlier ticket when that one no longer takes entries.
    """

    reference: Reference
    case_number: CaseNumber
    subject: str = field(repr=False)
    first: Entry
    channel: str = ""
    matter: str = ""
    follows: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an append came to: the entry and the ticket it really stands in (merges move it)."""

    ticket: Ticket
    entry: EntryId | None
    reopened: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """An attachment whose bytes are on our disk at `path`."""

    filename: str
    media_type: str
    size: int
    sha256: str
    path: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketUpdate:
    """Something that happened in a ticket, as the destination tells it.

    `public` is True only where the destination says beyond doubt that citizens may read it. `own` is True where the
    entry was written by our account. `state` is set when the ticket's state changed.
    """

    ticket: TicketId
    entry: EntryId | None
    at: datetime
    author: str = ""
    text: str = field(default="", repr=False)
    html: bool = False
    public: bool = False
    own: bool = False
    automatic: bool = False
    state: TicketState | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A destination's webhook says that these tickets changed; the thread is fetched, the hint is not believed."""

    tickets: tuple[TicketId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of the answers that a menu offers. `id` comes back with the answer where the channel has menus."""

    id: str
    title: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One portion of what goes to the citizen, already inside the channel's `SendingRules`: one call, one `tag`.

    `tag` is our own id of this portion, the same on every try, echoed by channels that can. `in_reply_to` and
    `thread` are the channel's ids of the citizen's messages, the nearest first; `quoted` is the last of them, written
    at `quoted_at`. `template` names a pre-approved text with `parameters`, which stands instead of `text`. `choices`
    make it a menu. `automatic` marks what no person wrote (a notice), so that no machine answers it.
    """

    tag: str
    to: Handle
    case_number: CaseNumber
    text: str = field(default="", repr=False)
    subject: str = ""
    in_reply_to: ExternalId | None = None
    thread: tuple[ExternalId, ...] = ()
    quoted: str = field(default="", repr=False)
    quoted_at: datetime | None = None
    attachments: tuple[StoredFile, ...] = ()
    template: str | None = None
    parameters: tuple[str, ...] = field(default=(), repr=False)
    choices: tuple[Choice, ...] = ()
    automatic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The channel took a portion and calls it `id`. Accepted is not delivered: a `StatusEvent` says more.

    `learned` are further handles of the very person it went to, by the channel's own word (a commenter's in private).
    """

    id: RemoteId
    state: SendState = SendState.ACCEPTED
    learned: tuple[Handle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Until when a free answer may be sent to somebody; None is "no limit". `template` is what may go after that.

    The template's one parameter is the case number; without a template nothing goes until the citizen writes.
    """

    open_until: datetime | None = None
    template: str | None = None
