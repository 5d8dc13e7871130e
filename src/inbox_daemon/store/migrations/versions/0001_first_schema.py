"""The first schema. There is no way back from it: what would be lost has no place to go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _casebook_case()
    _citizen()
    _cursor()
    _envelope()
    _follow()
    _installation()
    _lease()
    _send_status()
    _casebook_entry()
    _conversation()
    _handle()
    _ignored()
    _malformed()
    _identity_event()
    _message()
    _reply()
    _attachment()
    _dispatch()
    _portion()


def _casebook_case() -> None:
    op.create_table(
        "casebook_case",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("office", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_casebook_case")),
        sa.UniqueConstraint("office", "reference", name=op.f("uq_casebook_case_office_reference")),
        sqlite_autoincrement=True,
    )


def _citizen() -> None:
    op.create_table(
        "citizen",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_citizen")),
        sqlite_autoincrement=True,
    )


def _cursor() -> None:
    op.create_table(
        "cursor",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("passed_over", sa.Integer(), server_default="0", nullable=False),
        sa.Column("told_id", _ID, server_default="0", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("instance", name=op.f("pk_cursor")),
    )


def _envelope() -> None:
    op.create_table(
        "envelope",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="new", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_envelope")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_envelope_day", "envelope", ["day", "instance"], unique=False)
    op.create_index(
        "ix_envelope_open",
        "envelope",
        ["state", "due_at", "id"],
        unique=False,
        sqlite_where=sa.text("state <> 'done'"),
        postgresql_where=sa.text("state <> 'done'"),
    )


def _follow() -> None:
    op.create_table(
        "follow",
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_follow")),
    )


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )


def _lease() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )


def _send_status() -> None:
    op.create_table(
        "send_status",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "target", name=op.f("pk_send_status")),
    )


def _casebook_entry() -> None:
    op.create_table(
        "casebook_entry",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["casebook_case.id"], name=op.f("fk_casebook_entry_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_casebook_entry")),
        sa.UniqueConstraint("case_id", "key", name=op.f("uq_casebook_entry_case_id_key")),
        sqlite_autoincrement=True,
    )


def _conversation() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("case_number", sa.Text(), nullable=True),
        sa.Column("citizen_id", _ID, nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("matter", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("last_message_at", sa.BigInteger(), nullable=False),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("ticket_number", sa.Text(), nullable=True),
        sa.Column("ticket_url", sa.Text(), nullable=True),
        sa.Column("ticket_state", sa.Text(), nullable=True),
        sa.Column("ticket_state_at", sa.BigInteger(), nullable=True),
        sa.Column("follows_id", _ID, nullable=True),
        sa.Column("asked", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_conversation_citizen_id")),
        sa.ForeignKeyConstraint(["follows_id"], ["conversation.id"], name=op.f("fk_conversation_follows_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("case_number", name=op.f("uq_conversation_case_number")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_conversation_citizen_id", "conversation", ["citizen_id", "destination", "state"], unique=False)
    op.create_index("ix_conversation_ticket", "conversation", ["destination", "ticket_id"], unique=False)


def _handle() -> None:
    op.create_table(
        "handle",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("match_key", sa.Text(), nullable=False),
        sa.Column("citizen_id", _ID, nullable=True),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_handle_citizen_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handle")),
        sa.UniqueConstraint("kind", "scope", "value", name=op.f("uq_handle_kind_scope_value")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_handle_citizen_id", "handle", ["citizen_id"], unique=False)
    op.create_index("ix_handle_match_key", "handle", ["kind", "match_key"], unique=False)


def _ignored() -> None:
    op.create_table(
        "ignored",
        sa.Column("envelope_id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["envelope_id"], ["envelope.id"], name=op.f("fk_ignored_envelope_id")),
        sa.PrimaryKeyConstraint("envelope_id", "reason", name=op.f("pk_ignored")),
    )


def _malformed() -> None:
    op.create_table(
        "malformed",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("envelope_id", _ID, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="parked", nullable=False),
        sa.ForeignKeyConstraint(["envelope_id"], ["envelope.id"], name=op.f("fk_malformed_envelope_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_malformed")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_malformed_envelope_id", "malformed", ["envelope_id"], unique=False)


def _identity_event() -> None:
    op.create_table(
        "identity_event",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("citizen_id", _ID, nullable=False),
        sa.Column("other_citizen_id", _ID, nullable=True),
        sa.Column("handle_id", _ID, nullable=True),
        sa.Column("envelope_id", _ID, nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_identity_event_citizen_id")),
        sa.ForeignKeyConstraint(["envelope_id"], ["envelope.id"], name=op.f("fk_identity_event_envelope_id")),
        sa.ForeignKeyConstraint(["handle_id"], ["handle.id"], name=op.f("fk_identity_event_handle_id")),
        sa.ForeignKeyConstraint(["other_citizen_id"], ["citizen.id"], name=op.f("fk_identity_event_other_citizen_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identity_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_identity_event_citizen_id", "identity_event", ["citizen_id"], unique=False)


def _message() -> None:
    op.create_table(
        "message",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("envelope_id", _ID, nullable=True),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), server_default="in", nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("citizen_id", _ID, nullable=False),
        sa.Column("handle_id", _ID, nullable=True),
        sa.Column("conversation_id", _ID, nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("sender_name", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("quoted", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("in_reply_to", sa.Text(), nullable=True),
        sa.Column("automatic", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["citizen_id"], ["citizen.id"], name=op.f("fk_message_citizen_id")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_message_conversation_id")),
        sa.ForeignKeyConstraint(["envelope_id"], ["envelope.id"], name=op.f("fk_message_envelope_id")),
        sa.ForeignKeyConstraint(["handle_id"], ["handle.id"], name=op.f("fk_message_handle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint(
            "instance",
            "external_id",
            "type",
            "fingerprint",
            name=op.f("uq_message_instance_external_id_type_fingerprint"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_message_conversation_id", "message", ["conversation_id"], unique=False)
    op.create_index("ix_message_day", "message", ["day", "instance"], unique=False)
    op.create_index("ix_message_envelope_id", "message", ["envelope_id"], unique=False)
    op.create_index("ix_message_handle_id", "message", ["handle_id", "sent_at"], unique=False)


def _reply() -> None:
    op.create_table(
        "reply",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("conversation_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("destination", sa.Text(), nullable=True),
        sa.Column("ticket_id", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("learnt_at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("html", sa.Boolean(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=True),
        sa.Column("handle_id", _ID, nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("state_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("told", sa.Text(), nullable=True),
        sa.Column("joined_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_reply_conversation_id")),
        sa.ForeignKeyConstraint(["handle_id"], ["handle.id"], name=op.f("fk_reply_handle_id")),
        sa.ForeignKeyConstraint(["joined_id"], ["reply.id"], name=op.f("fk_reply_joined_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply")),
        sa.UniqueConstraint("key", name=op.f("uq_reply_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reply_conversation_id", "reply", ["conversation_id"], unique=False)
    op.create_index("ix_reply_entry", "reply", ["destination", "entry_id"], unique=False)
    op.create_index(
        "ix_reply_held",
        "reply",
        ["handle_id"],
        unique=False,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index("ix_reply_joined_id", "reply", ["joined_id"], unique=False)


def _attachment() -> None:
    op.create_table(
        "attachment",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("envelope_id", _ID, nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("inline", sa.Boolean(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["envelope_id"], ["envelope.id"], name=op.f("fk_attachment_envelope_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_attachment_message_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_attachment_message_id", "attachment", ["message_id"], unique=False)
    op.create_index(
        "ix_attachment_waiting",
        "attachment",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def _dispatch() -> None:
    op.create_table(
        "dispatch",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("conversation_id", _ID, nullable=False),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("attachment_id", _ID, nullable=True),
        sa.Column("reply_id", _ID, nullable=True),
        sa.Column("after_id", _ID, nullable=True),
        sa.Column("ordered", sa.Boolean(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_tried_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["after_id"], ["dispatch.id"], name=op.f("fk_dispatch_after_id")),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachment.id"], name=op.f("fk_dispatch_attachment_id")),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], name=op.f("fk_dispatch_conversation_id")),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], name=op.f("fk_dispatch_message_id")),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name=op.f("fk_dispatch_reply_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispatch")),
        sa.UniqueConstraint("key", name=op.f("uq_dispatch_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_dispatch_conversation_open",
        "dispatch",
        ["conversation_id"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('done', 'discarded')"),
        postgresql_where=sa.text("state NOT IN ('done', 'discarded')"),
    )
    op.create_index(
        "ix_dispatch_entry",
        "dispatch",
        ["destination", "entry_id"],
        unique=False,
        sqlite_where=sa.text("entry_id IS NOT NULL"),
        postgresql_where=sa.text("entry_id IS NOT NULL"),
    )
    op.create_index("ix_dispatch_message_id", "dispatch", ["message_id"], unique=False)
    op.create_index(
        "ix_dispatch_open",
        "dispatch",
        ["destination", "due_at"],
        unique=False,
        sqlite_where=sa.text("state NOT IN ('done', 'discarded')"),
        postgresql_where=sa.text("state NOT IN ('done', 'discarded')"),
    )
    op.create_index("ix_dispatch_reply_id", "dispatch", ["reply_id"], unique=False)


def _portion() -> None:
    op.create_table(
        "portion",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("dispatch_id", _ID, nullable=False),
        sa.Column("route", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("handle_id", _ID, nullable=False),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="planned", nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("tried_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["dispatch_id"], ["dispatch.id"], name=op.f("fk_portion_dispatch_id")),
        sa.ForeignKeyConstraint(["handle_id"], ["handle.id"], name=op.f("fk_portion_handle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_portion")),
        sa.UniqueConstraint("dispatch_id", "route", "number", name=op.f("uq_portion_dispatch_id_route_number")),
        sa.UniqueConstraint("tag", name=op.f("uq_portion_tag")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_portion_handle_id", "portion", ["handle_id", "tried_at"], unique=False)
    op.create_index("ix_portion_remote", "portion", ["instance", "remote_id"], unique=False)
