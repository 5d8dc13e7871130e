"""The database's clock as an SQL expression: leases and due times of several nodes are measured by one clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, type_coerce
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from inbox_daemon.store.columns import Instant


class db_now(GenericFunction[Any]):  # noqa: N801 - reads like the SQL function it is
    """Microseconds since 1970 by the database's clock."""

    type = Instant()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite(element: db_now, compiler: Any, **_: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(db_now, "postgresql")
def _postgresql(element: db_now, compiler: Any, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


def after_now(delay: timedelta) -> ColumnElement[Any]:
    """`db_now()` plus `delay`, as an expression of type `Instant`."""
    return later(type_coerce(delay // timedelta(microseconds=1), BigInteger()))


def later(micros: ColumnElement[Any]) -> ColumnElement[Any]:
    """`db_now()` plus so many microseconds (an expression or a parameter), as an expression of type `Instant`."""
    return type_coerce(db_now().op("+")(micros), Instant())
