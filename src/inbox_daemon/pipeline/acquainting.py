"""Acts on a channel's word of whom it took an answer to: what waits for that person waits where the channel says."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from inbox_daemon.model import Handle
from inbox_daemon.store import people, portions, replies, targets


def acquaint(connection: Connection, instance: str, answered_id: int, learned: Sequence[Handle]) -> None:
    """Whoever was answered under `answered_id` is known to the channel by `learned`, too (see `Sent.learned`).

    Repeats change nothing: the channel says it when it takes an answer, and may say it again when it reports of it.
    """
    for handle_id in people.learn(connection, answered_id, learned)[:1]:
        where = targets.at(connection, instance, handle_id)
        for leader_id, step_id in replies.held_for(connection, instance, answered_id):
            replies.aim(connection, leader_id, where)
            portions.readdress(connection, step_id, handle_id)
