"""Where reading of a folder stands: the channel's cursor, and when it must begin anew. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inbox_daemon.errors import Permanent
from inbox_daemon.model import Cursor

GRACE = timedelta(days=1)
"""How far the mail server's clock and ours may differ before a new mail would count as an old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder as the server describes it when it is selected. `uidnext` is the UID that the next mail will get."""

    uidvalidity: int
    uidnext: int
    exists: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Everything up to `last_uid` is settled.

    `since` is the date line: nothing that the server received earlier is ever taken. UIDs up to `stock_until` stood
    in the folder when reading began (or began anew), and for them `stock_since` counts instead. `newest` is the
    latest arrival seen so far.
    """

    uidvalidity: int
    last_uid: int
    since: datetime
    stock_until: int = 0
    stock_since: datetime | None = None
    newest: datetime | None = None

    @property
    def in_stock(self) -> bool:
        """Whether part of the stock is still to be read."""
        return self.last_uid < self.stock_until

    def floor(self, uid: int) -> datetime:
        """The arrival before which the mail `uid` is passed over."""
        return self.stock_since if self.stock_since and uid <= self.stock_until else self.since

    def advanced(self, last_uid: int, newest: datetime | None) -> Position:
        """The position after everything up to `last_uid`."""
        known = [time for time in (self.newest, newest) if time]
        return replace(self, last_uid=last_uid, newest=max(known, default=None))

    def dump(self) -> Cursor:
        """The cursor to be stored."""
        values: dict[str, object] = {"v": 1, "uidvalidity": self.uidvalidity, "last_uid": self.last_uid}
        values["since"] = self.since.isoformat()
        if self.newest:
            values["newest"] = self.newest.isoformat()
        if self.in_stock and self.stock_since:
            values |= {"stock_until": self.stock_until, "stock_since": self.stock_since.isoformat()}
        return Cursor(json.dumps(values))


def load(cursor: Cursor) -> Position:
    """The position in `cursor`. An unreadable one is an error: to begin anew in silence would lose mail."""
    try:
        values = json.loads(cursor)
        known = values["v"] == 1
        position = Position(
            uidvalidity=int(values["uidvalidity"]),
            last_uid=int(values["last_uid"]),
            since=datetime.fromisoformat(values["since"]),
            stock_until=int(values.get("stock_until", 0)),
            stock_since=_time(values.get("stock_since")),
            newest=_time(values.get("newest")),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent("the stored position in the mailbox can't be read") from error
    if not known:
        raise Permanent("the stored position in the mailbox is of a newer version: run that one again")
    return position


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def first(folder: Folder, line: datetime | None, now: datetime) -> Position:
    """The position at the first contact with a folder that may already hold years of mail.

    Without a date line everything that is there is passed over, by UID and not by date: clocks differ.
    """
    if line is None:
        return Position(uidvalidity=folder.uidvalidity, last_uid=folder.uidnext - 1, since=now - GRACE)
    stock_until = folder.uidnext - 1
    return Position(uidvalidity=folder.uidvalidity, last_uid=0, since=line, stock_until=stock_until, stock_since=line)


def broken(position: Position, folder: Folder) -> str:
    """Why the UIDs of `position` mean nothing any more in `folder`; empty when they still do."""
    if folder.uidvalidity != position.uidvalidity:
        return f"UIDVALIDITY changed from {position.uidvalidity} to {folder.uidvalidity}"
    if folder.uidnext <= position.last_uid:  # a mailbox restored from a backup: new mail gets used UIDs
        return f"UIDs went back from {position.last_uid} to {folder.uidnext - 1}"
    return ""


def begin_anew(position: Position, folder: Folder, window_start: datetime) -> Position:
    """The position for a rescan of what arrived since `window_start`, or since the last mail seen if that is earlier.

    The second keeps a long pause from losing mail: what came in it was never seen under the old UIDs. What was not
    yet read of an old stock stays wanted, and nothing from before the date line is taken.
    """
    starts = [window_start]
    if position.newest:
        starts.append(position.newest - GRACE)
    if position.in_stock and position.stock_since:
        starts.append(position.stock_since)
    return Position(
        uidvalidity=folder.uidvalidity,
        last_uid=0,
        since=position.since,
        stock_until=folder.uidnext - 1,
        stock_since=max(position.since, min(starts)),
        newest=position.newest,
    )
