"""What stands of each instance (`store.standing`). Going back forgets it; providers and inspections tell it again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "instance_notice",
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("grave", sa.Boolean(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("instance", "topic", "subject", name=op.f("pk_instance_notice")),
    )


def downgrade() -> None:
    op.drop_table("instance_notice")
