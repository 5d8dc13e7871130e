"""The cursor of a destination that is asked for what changed since a moment."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from inbox_daemon.errors import Permanent
from inbox_daemon.model import Cursor


def cursor_at(moment: datetime) -> Cursor:
    """`moment`, which has a zone, as a cursor: best by the other side's clock, so that two clocks need not agree."""
    return Cursor(json.dumps({"since": moment.astimezone(UTC).isoformat()}))


def moment_of(cursor: Cursor) -> datetime:
    """The moment of a cursor, in UTC. Raises `Permanent` for what `cursor_at` did not make."""
    try:
        return datetime.fromisoformat(json.loads(cursor)["since"]).astimezone(UTC)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise Permanent("the stored cursor of this destination cannot be read") from error
