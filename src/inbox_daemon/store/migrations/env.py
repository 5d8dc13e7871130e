"""Alembic's entry: runs the revisions in one transaction on the engine lent by `store.migrate`."""

from __future__ import annotations

from alembic import context

from inbox_daemon.store.schema import metadata

with context.config.attributes["engine"].connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            # Two nodes that start together migrate one after the other.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4070624)")
        context.run_migrations()
    connection.commit()
