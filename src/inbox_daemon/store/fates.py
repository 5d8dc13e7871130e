"""What became of the answers in a case of the book, for its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from inbox_daemon.store.database import Database
from inbox_daemon.store.replies import SEND
from inbox_daemon.store.schema import casebook_case, dispatch, portion, reply


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredState:
    """How an answer stands; `reason` is in the agents' language, `channel` empty until one has taken it."""

    state: str
    at: datetime | None
    reason: str = field(repr=False)
    due_at: datetime | None
    channel: str


class StoredFates:
    """`web.fates.AnswerStates` on the daemon's database; `name_of` gives the readable name of a channel's instance."""

    def __init__(self, database: Database, name_of: Callable[[str], str]) -> None:
        self._database = database
        self._name_of = name_of

    async def states(self, case_id: str) -> Mapping[int, StoredState]:
        """By the entry's id in the book."""
        return await self._database.read(lambda connection: self._read(connection, case_id))

    def _read(self, connection: Connection, case_id: str) -> dict[int, StoredState]:
        leader = func.coalesce(reply.c.joined_id, reply.c.id)
        taken_by = (
            select(portion.c.instance)
            .where(portion.c.dispatch_id == dispatch.c.id, portion.c.tried_at.is_not(None))
            .order_by(portion.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        rows = connection.execute(
            select(reply, dispatch.c.due_at, taken_by.label("taken_by"))
            .join(casebook_case, casebook_case.c.office == reply.c.destination)
            .outerjoin(dispatch, and_(dispatch.c.reply_id == leader, dispatch.c.kind == SEND))
            .where(casebook_case.c.id == (int(case_id) if case_id.isdecimal() else 0), reply.c.ticket_id == case_id)
        )
        return {
            int(row.entry_id): StoredState(
                state=row.state,
                at=row.state_at,
                reason=row.reason or "",
                due_at=row.due_at if row.state == "waiting" else None,
                channel=self._name_of(row.taken_by) if row.taken_by else "",
            )
            for row in rows
        }
