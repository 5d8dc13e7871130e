"""What whoever runs the daemon should know of each instance: the newest notice of each topic and subject."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from inbox_daemon.model import InstanceNotice
from inbox_daemon.store.schema import instance_notice

MOST_WORD_CHARS, MOST_SUBJECT_CHARS, MOST_CHARS = 60, 200, 500
"""What is kept of a topic, a subject and the words: an instance tells of dozens of things, not of books."""
_ROW = instance_notice.c


def file(connection: Connection, instance: str, notice: InstanceNotice) -> InstanceNotice | None:
    """Keep a notice if it is newer than what stands; returns it as kept when that says something else than before.

    Of two notices of one moment the grave one stands, then the one whose words come later in the alphabet, so that
    the order in which they arrive makes no difference.
    """
    new = InstanceNotice(
        sent_at=notice.sent_at,
        topic=notice.topic[:MOST_WORD_CHARS],
        subject=notice.subject[:MOST_SUBJECT_CHARS],
        grave=notice.grave,
        words=notice.words[:MOST_CHARS],
    )
    row = _row(connection, instance, new)
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(instance_notice).values(instance=instance, **_values(new)))
        except IntegrityError:  # another node was first with one of this topic
            row = _row(connection, instance, new)
        else:
            return new
    if row is None or _rank(new) <= _rank(row):
        return None
    connection.execute(update(instance_notice).where(*_which(instance, new)).values(**_values(new)))
    return new if (row.grave, row.words) != (new.grave, new.words) else None


def read(connection: Connection) -> dict[str, list[InstanceNotice]]:
    """What stands, by instance: the grave ones first, then by topic and subject.

    Of an instance that is not configured any more it stays: it is a few rows, and right again when that comes back.
    """
    found: dict[str, list[InstanceNotice]] = {}
    for row in connection.execute(
        select(instance_notice).order_by(_ROW.instance, _ROW.grave.desc(), _ROW.topic, _ROW.subject)
    ):
        notice = InstanceNotice(
            sent_at=row.sent_at, topic=row.topic, subject=row.subject, grave=row.grave, words=row.words
        )
        found.setdefault(row.instance, []).append(notice)
    return found


def _row(connection: Connection, instance: str, notice: InstanceNotice) -> Row[Any] | None:
    return connection.execute(select(instance_notice).where(*_which(instance, notice)).with_for_update()).one_or_none()


def _which(instance: str, notice: InstanceNotice) -> tuple[Any, ...]:
    return _ROW.instance == instance, _ROW.topic == notice.topic, _ROW.subject == notice.subject


def _values(notice: InstanceNotice) -> dict[str, object]:
    return {
        "topic": notice.topic,
        "subject": notice.subject,
        "sent_at": notice.sent_at,
        "grave": notice.grave,
        "words": notice.words,
    }


def _rank(notice: Any) -> tuple[Any, ...]:
    return notice.sent_at, notice.grave, notice.words
