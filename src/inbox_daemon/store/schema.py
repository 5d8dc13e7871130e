"""The tables. One schema for SQLite and PostgreSQL; changed only together with a migration in `migrations/versions`.

Every table carries the key it would be partitioned by: the instance for what is received, the conversation for
what is delivered. Times are microseconds since 1970 in UTC (`Instant`), so that both engines compare them alike.
Days are local days of the office as YYYYMMDD, set when a thing is received: the ledger is grouped by them.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from inbox_daemon.store.columns import Id, Instant, key, to
from inbox_daemon.store.columns import metadata as metadata

envelope = Table(
    "envelope",
    metadata,
    key(),
    Column("instance", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("body", LargeBinary, nullable=False),
    # new → done | parked. `reason` says why it is parked.
    Column("state", Text, nullable=False, server_default="new"),
    Column("reason", Text),
    # How many events the parser made of it; None until then.
    Column("events", Integer),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Instant, nullable=False),
    Column("holder", Text),
    Column("lease_until", Instant),
    sqlite_autoincrement=True,
)
# Only the open ones are indexed: the receiving path pays for one small index entry, and loses it when done.
Index(
    "ix_envelope_open",
    envelope.c.state,
    envelope.c.due_at,
    envelope.c.id,
    sqlite_where=text("state <> 'done'"),
    postgresql_where=text("state <> 'done'"),
)
Index("ix_envelope_day", envelope.c.day, envelope.c.instance)


def is_unread(envelopes: FromClause) -> ColumnElement[bool]:
    """That an envelope is not done, in the very words of the partial index above.

    SQLite uses a partial index only where it finds its condition word for word (not as a parameter), so it stands in
    every such query beside the state that is really asked for.
    """
    return envelopes.c.state != literal_column("'done'")


ignored = Table(
    "ignored",
    metadata,
    Column("envelope_id", Id, ForeignKey("envelope.id"), primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)

malformed = Table(
    "malformed",
    metadata,
    key(),
    to("envelope"),
    Column("place", Text, nullable=False),
    Column("problem", Text, nullable=False),
    # parked → discarded
    Column("state", Text, nullable=False, server_default="parked"),
    sqlite_autoincrement=True,
)
Index("ix_malformed_envelope_id", malformed.c.envelope_id)

citizen = Table(
    "citizen",
    metadata,
    key(),
    Column("created_at", Instant, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    sqlite_autoincrement=True,
)

handle = Table(
    "handle",
    metadata,
    key(),
    Column("kind", Text, nullable=False),
    # Who gave it out, when it isn't global; `hint:INSTANCE` for what an instance merely heard.
    Column("scope", Text, nullable=False, server_default=""),
    Column("value", Text, nullable=False),
    Column("proof", Text, nullable=False),
    Column("match_key", Text, nullable=False),
    # None: given up by its holder, and nobody's since.
    to("citizen", null=True),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    # When its holder proved by a challenge that it is the same person's as the others; None: never.
    Column("verified_at", Instant),
    UniqueConstraint("kind", "scope", "value"),
    sqlite_autoincrement=True,
)
Index("ix_handle_citizen_id", handle.c.citizen_id)
Index("ix_handle_match_key", handle.c.kind, handle.c.match_key)

identity_event = Table(
    "identity_event",
    metadata,
    key(),
    Column("at", Instant, nullable=False),
    # linked | released | suggested | moved
    Column("kind", Text, nullable=False),
    to("citizen"),
    to("citizen", null=True, name="other_citizen_id"),
    to("handle", null=True),
    to("envelope", null=True),
    Column("evidence", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_identity_event_citizen_id", identity_event.c.citizen_id)

conversation = Table(
    "conversation",
    metadata,
    key(),
    # None only inside the transaction that opens it.
    Column("case_number", Text, unique=True),
    to("citizen"),
    Column("destination", Text, nullable=False),
    Column("matter", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # open | closed; no case of any office: unfiled (asked us), referred (what a case left where it was handed on)
    Column("state", Text, nullable=False, server_default="open"),
    Column("opened_at", Instant, nullable=False),
    Column("last_message_at", Instant, nullable=False),
    Column("ticket_id", Text),
    Column("ticket_number", Text),
    Column("ticket_url", Text),
    # The ticket's state in the shared vocabulary, as last told, and since when; None: never told.
    Column("ticket_state", Text),
    Column("ticket_state_at", Instant),
    to("conversation", null=True, name="follows_id"),
    # Triage: how often the citizen was asked which office it is for; 0: given up; None: never asked, or they said.
    Column("asked", Integer),
    sqlite_autoincrement=True,
)
Index("ix_conversation_citizen_id", conversation.c.citizen_id, conversation.c.destination, conversation.c.state)
Index("ix_conversation_ticket", conversation.c.destination, conversation.c.ticket_id)

message = Table(
    "message",
    metadata,
    key(),
    to("envelope", null=True),
    Column("instance", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    # in: from the citizen; out: from an agent
    Column("direction", Text, nullable=False, server_default="in"),
    # message | edit | revoke | reaction | call; query and choice are for us, not for an office: they make no entry
    Column("type", Text, nullable=False),
    Column("content", Text, nullable=False),
    to("citizen"),
    to("handle", null=True),
    to("conversation"),
    Column("sent_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("sender_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("quoted", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("in_reply_to", Text),
    Column("automatic", Text),
    UniqueConstraint("instance", "external_id", "type", "fingerprint"),
    sqlite_autoincrement=True,
)
Index("ix_message_conversation_id", message.c.conversation_id)
Index("ix_message_envelope_id", message.c.envelope_id)
Index("ix_message_day", message.c.day, message.c.instance)
Index("ix_message_handle_id", message.c.handle_id, message.c.sent_at)

attachment = Table(
    "attachment",
    metadata,
    key(),
    to("message"),
    to("envelope"),
    Column("instance", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("remote", Text, nullable=False),
    Column("inline", Boolean, nullable=False),
    Column("size", BigInteger),
    Column("sha256", Text),
    Column("expires_at", Instant),
    # waiting → stored | failed (reason says why; the ticket is told)
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", Instant, nullable=False),
    Column("holder", Text),
    Column("lease_until", Instant),
    sqlite_autoincrement=True,
)
Index(
    "ix_attachment_waiting",
    attachment.c.due_at,
    sqlite_where=text("state = 'waiting'"),
    postgresql_where=text("state = 'waiting'"),
)


def is_waiting(attachments: FromClause) -> ColumnElement[bool]:
    """That an attachment is still to be fetched, as the partial index above has it (see `is_unread`)."""
    return attachments.c.state == literal_column("'waiting'")


Index("ix_attachment_message_id", attachment.c.message_id)

# What is said to a citizen: an agent's public entry, or a notice of ours.
reply = Table(
    "reply",
    metadata,
    key(),
    to("conversation"),
    # What it was made for, once: `answer|DESTINATION|ENTRY|CITIZEN`, `NOTICE|…`.
    Column("key", Text, nullable=False, unique=True),
    # answer | the kind of a notice (acknowledgement, hours, down, closed, status, menu)
    Column("origin", Text, nullable=False),
    Column("destination", Text),
    Column("ticket_id", Text),
    Column("entry_id", Text),
    Column("author", Text, nullable=False, server_default=""),
    Column("at", Instant, nullable=False),
    Column("learnt_at", Instant, nullable=False),
    Column("text", Text, nullable=False),
    Column("html", Boolean, nullable=False),
    # [{filename, media_type, remote, size, sha256?, path?}]
    Column("files", JSON, nullable=False),
    # [{id, title, description}] of a menu
    Column("choices", JSON, nullable=False),
    # Whom it answers where that is fixed; else it goes to the handle that wrote last.
    Column("instance", Text),
    to("handle", null=True),
    # waiting | held | accepted | sent | delivered | read | failed | withdrawn | parked | call (a person phones)
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("state_at", Instant),
    Column("reason", Text),
    # The last state that the ticket was told of.
    Column("told", Text),
    # The earlier reply whose step carries this one, too: an agent's lines go together.
    to("reply", null=True, name="joined_id"),
    sqlite_autoincrement=True,
)
Index("ix_reply_conversation_id", reply.c.conversation_id)
Index("ix_reply_joined_id", reply.c.joined_id)
Index(
    "ix_reply_held",
    reply.c.handle_id,
    sqlite_where=text("state = 'held'"),
    postgresql_where=text("state = 'held'"),
)


def is_held(replies: FromClause) -> ColumnElement[bool]:
    """That a reply waits for its citizen to write, as the partial index above has it (see `is_unread`)."""
    return replies.c.state == literal_column("'held'")


Index("ix_reply_entry", reply.c.destination, reply.c.entry_id)

dispatch = Table(
    "dispatch",
    metadata,
    key(),
    to("conversation"),
    Column("destination", Text, nullable=False),
    # open | append | attach | note | reopen | referred | notify, in the lane of a destination; send, in a channel's
    Column("kind", Text, nullable=False),
    Column("key", Text, nullable=False, unique=True),
    to("message", null=True),
    to("attachment", null=True),
    # What a `send` says to the citizen (replies joined to it go along), or what a `note` reports of.
    to("reply", null=True),
    # A step of another row that must be done first (an attachment after its message).
    to("dispatch", null=True, name="after_id"),
    # Ordered steps of one conversation go one at a time, by position (the citizen's time in microseconds).
    Column("ordered", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),
    # waiting → sending → done | waiting (provably not done) | unknown (look first) | parked | discarded
    # held: an answer that waits for the citizen to write
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_tried_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("holder", Text),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("lease_until", Instant),
    Column("entry_id", Text),
    sqlite_autoincrement=True,
)
_OPEN_STEPS = text("state NOT IN ('done', 'discarded')")


def is_open(steps: FromClause) -> ColumnElement[bool]:
    """That a step is neither done nor discarded, as the partial indexes below have it (see `is_unread`)."""
    return steps.c.state.not_in([literal_column("'done'"), literal_column("'discarded'")])


Index(
    "ix_dispatch_open",
    dispatch.c.destination,
    dispatch.c.due_at,
    sqlite_where=_OPEN_STEPS,
    postgresql_where=_OPEN_STEPS,
)
Index(
    "ix_dispatch_conversation_open",
    dispatch.c.conversation_id,
    sqlite_where=_OPEN_STEPS,
    postgresql_where=_OPEN_STEPS,
)
Index("ix_dispatch_message_id", dispatch.c.message_id)
Index("ix_dispatch_reply_id", dispatch.c.reply_id)
_WRITTEN = text("entry_id IS NOT NULL")
Index(
    "ix_dispatch_entry",
    dispatch.c.destination,
    dispatch.c.entry_id,
    sqlite_where=_WRITTEN,
    postgresql_where=_WRITTEN,
)

# One portion of a `send` as it went, or is to go, to one address: what is tried once, and has a status of its own.
portion = Table(
    "portion",
    metadata,
    key(),
    to("dispatch"),
    # Portions of one try at one address; a later route replaces what an earlier one could not bring.
    Column("route", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("tag", Text, nullable=False, unique=True),
    Column("instance", Text, nullable=False),
    to("handle"),
    Column("template", Text),
    Column("text", Text, nullable=False),
    # [{filename, media_type, size, sha256, path}]
    Column("files", JSON, nullable=False),
    # Of the folded text, to know it again when some machine sends it back.
    Column("body_hash", Text, nullable=False),
    # planned → trying → accepted → sent → delivered → read | failed | closed (→ planned); planned → dropped
    Column("state", Text, nullable=False, server_default="planned"),
    Column("remote_id", Text),
    Column("tried_at", Instant),
    Column("settled_at", Instant),
    Column("error_code", Text),
    Column("reason", Text),
    UniqueConstraint("dispatch_id", "route", "number"),
    sqlite_autoincrement=True,
)
Index("ix_portion_remote", portion.c.instance, portion.c.remote_id)
Index("ix_portion_handle_id", portion.c.handle_id, portion.c.tried_at)

send_status = Table(
    "send_status",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("tag", Text),
    Column("state", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Column("error_code", Text),
    Column("reason", Text, nullable=False),
)

cursor = Table(
    "cursor",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("value", Text),
    Column("passed_over", Integer, nullable=False, server_default="0"),
    # Up to which envelope the source was told that we have it (mails marked or moved there).
    Column("told_id", Id, nullable=False, server_default="0"),
    Column("updated_at", Instant, nullable=False),
)

follow = Table(
    "follow",
    metadata,
    # Since when answers of a destination are carried to citizens: what agents wrote before stays where it is.
    Column("destination", Text, primary_key=True),
    Column("since", Instant, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
)

instance_notice = Table(
    "instance_notice",
    metadata,
    # The newest notice of each thing that an instance tells of itself; nobody's data.
    Column("instance", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("sent_at", Instant, nullable=False),
    Column("grave", Boolean, nullable=False),
    Column("words", Text, nullable=False),
)

installation = Table(
    "installation",
    metadata,
    # One row: what tells this database from one made anew in its place.
    Column("id", Integer, primary_key=True),
    Column("tag", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

casebook_case = Table(
    "casebook_case",
    metadata,
    key(),
    Column("office", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("opened_at", Instant, nullable=False),
    UniqueConstraint("office", "reference"),
    sqlite_autoincrement=True,
)

casebook_entry = Table(
    "casebook_entry",
    metadata,
    key(),
    to("casebook_case", name="case_id"),
    Column("key", Text, nullable=False),
    # citizen | agent | note | system | withdrawn (an agent's answer, taken back)
    Column("direction", Text, nullable=False),
    Column("heading", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", Instant, nullable=False),
    # {filename, media_type, size, sha256, path} or None
    Column("file", JSON),
    UniqueConstraint("case_id", "key"),
    sqlite_autoincrement=True,
)
