"""How columns are made: instants, keys, references, and the names of constraints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Dialect, ForeignKey, Integer, MetaData
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware datetime, stored as whole microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Python to database."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Database to Python."""
        return None if value is None else from_micros(int(value))


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 of an aware datetime."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(value: int) -> datetime:
    """Inverse of `to_micros`, in UTC."""
    return _EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Rising integer keys: SQLite only aliases its rowid for INTEGER, PostgreSQL needs 64 bits.
Id = BigInteger().with_variant(Integer, "sqlite")


def key() -> Column[int]:
    """The table's own rising key."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def to(table: str, *, null: bool = False, name: str | None = None) -> Column[Any]:
    """A reference to a row of `table`, called `TABLE_id` unless it has a name of its own."""
    return Column(name or f"{table}_id", Id, ForeignKey(f"{table}.id"), nullable=null)
