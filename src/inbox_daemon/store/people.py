"""Citizens and their handles: looks up what is known, lets the pure decision decide, writes it with its why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, exists, insert, or_, select, update

from inbox_daemon.identity.decide import (
    Attach,
    CitizenId,
    Decision,
    Known,
    Suggestion,
    decide,
    decide_change,
    decide_learned,
    stored_handles,
)
from inbox_daemon.identity.decide import Row as LinkRow
from inbox_daemon.identity.decide import Row as Why
from inbox_daemon.identity.handles import canonical, match_key
from inbox_daemon.model import Handle, HandleChanged, InstanceId, Proof, Sender
from inbox_daemon.store.clock import db_now
from inbox_daemon.store.schema import citizen, handle, identity_event

MOST_SIMILAR = 20
LEARNED = f"{LinkRow.LEARNED}: "
"""How the evidence of a link begins that a channel told by itself when it took an answer."""

# Statements that run for every message are built once: building them costs more than running them.
_BY_KEY = and_(
    handle.c.kind == bindparam("kind_"), handle.c.scope == bindparam("scope_"), handle.c.value == bindparam("value_")
)
_HELD = select(handle).where(_BY_KEY, handle.c.citizen_id.is_not(None)).with_for_update()
_OWN = select(handle.c.id, handle.c.last_seen_at).where(_BY_KEY, handle.c.citizen_id == bindparam("citizen_"))
_SEEN = update(handle).where(handle.c.id == bindparam("id_")).values(last_seen_at=bindparam("at_"))
_HOLD = (
    update(handle)
    .where(_BY_KEY)
    .values(citizen_id=bindparam("citizen_"), proof=bindparam("proof_"))
    .returning(handle.c.id)
)
_NEW_HANDLE = insert(handle).returning(handle.c.id)
_SIBLINGS = select(handle).where(handle.c.citizen_id == bindparam("citizen_"))
_SIMILAR = (
    select(handle)
    .where(
        handle.c.kind == bindparam("kind_"),
        handle.c.match_key == bindparam("key_"),
        handle.c.citizen_id.is_not(None),
    )
    .order_by(handle.c.id)
    .limit(MOST_SIMILAR)
)
_LOCK = select(citizen.c.id).where(citizen.c.id == bindparam("citizen_")).with_for_update()
_NEW_CITIZEN = insert(citizen).values(created_at=db_now()).returning(citizen.c.id)
_RENAME = (
    update(citizen)
    .where(citizen.c.id == bindparam("citizen_"), citizen.c.name != bindparam("name_"))
    .values(name=bindparam("name_"))
)
_NOTE = insert(identity_event).values(at=db_now())


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Whose a message is, and by which handle it came (None: nobody can be answered)."""

    citizen_id: int
    handle_id: int | None


def resolve(
    connection: Connection, sender: Sender, instance: InstanceId, sent_at: datetime, envelope_id: int
) -> Author:
    """Find or make the author of a message, and lock the citizen until the transaction ends."""
    handles = stored_handles(sender.handles, instance)
    decision = decide(handles, _known(connection, handles), sent_at=sent_at, similar=_similar(connection, handles))
    citizen_id = _citizen(connection, decision, sender.name or "")
    _carry_out(connection, decision, citizen_id, sent_at, envelope_id)
    own = _see(connection, handles, citizen_id, sent_at)
    return Author(citizen_id=citizen_id, handle_id=own)


def change(connection: Connection, event: HandleChanged, envelope_id: int) -> bool:
    """Carry out a signed change of handles; False when nothing followed from it."""
    handles = [canonical(one) for one in (*event.old, *event.new)]
    decision = decide_change(event, _known(connection, handles))
    if decision is None:
        return False
    if decision.citizen is not None:  # else a number is given up, and nobody is known to have taken a new one
        _lock(connection, decision.citizen)
    _carry_out(connection, decision, decision.citizen, event.sent_at, envelope_id)
    if decision.citizen is not None and decision.row is Why.CHANGE:
        _see(connection, [canonical(one) for one in event.new], decision.citizen, event.sent_at)
    return True


def learn(connection: Connection, answered_id: int, learned: Sequence[Handle]) -> list[int]:
    """Carry out what a channel told of whom it took an answer to; returns the learned handles that are now theirs.

    Where somebody writes under a learned handle at this very moment, one of the two transactions is run again.
    """
    if not learned:
        return []
    answered = connection.execute(select(handle).where(handle.c.id == answered_id).with_for_update()).one_or_none()
    if answered is None or answered.citizen_id is None or answered.proof != Proof.CHANNEL.value:
        return []  # erased, or given up, while the answer was on its way; or nobody vouches for whose it is
    handles = [canonical(one) for one in learned]
    whose = CitizenId(answered.citizen_id)
    decision = decide_learned(whose, answered.kind, handles, _known(connection, handles))
    _lock(connection, whose)
    at = connection.execute(select(db_now())).scalar_one()
    _carry_out(connection, decision, whose, at, None)
    rows = [connection.execute(_OWN, {**_key(one), "citizen_": whose}).one_or_none() for one in handles]
    return [row.id for row in rows if row is not None and row.id != answered_id]


def _key(one: Handle) -> dict[str, str]:
    return {"kind_": one.kind, "scope_": one.scope, "value_": one.value}


def as_handle(row: Row[Any]) -> Handle:
    """The handle in a row of the table."""
    return Handle(kind=row.kind, value=row.value, scope=row.scope, proof=Proof(row.proof))


def _known(connection: Connection, handles: Sequence[Handle]) -> list[Known]:
    rows = [row for one in sorted(handles, key=_order) for row in connection.execute(_HELD, _key(one))]
    siblings = {
        whose: tuple(as_handle(row) for row in connection.execute(_SIBLINGS, {"citizen_": whose}))
        for whose in {row.citizen_id for row in rows}
    }
    return [
        Known(
            handle=as_handle(row),
            citizen=CitizenId(row.citizen_id),
            last_seen=row.last_seen_at,
            siblings=siblings[row.citizen_id],
        )
        for row in rows
    ]


def _order(one: Handle) -> tuple[str, str, str]:
    """Every node locks handles in this order, so that two don't wait for each other."""
    return one.kind, one.scope, one.value


def _similar(connection: Connection, handles: Sequence[Handle]) -> list[Known]:
    """Other handles with an equal match key: they only ever suggest."""
    keys = [(one.kind, match_key(one.kind, one.value)) for one in handles]
    return [
        Known(handle=as_handle(row), citizen=CitizenId(row.citizen_id), last_seen=row.last_seen_at)
        for kind, key in keys
        if key
        for row in connection.execute(_SIMILAR, {"kind_": kind, "key_": key})
    ]


def _lock(connection: Connection, citizen_id: int) -> None:
    connection.execute(_LOCK, {"citizen_": citizen_id})


def _citizen(connection: Connection, decision: Decision, name: str) -> int:
    if decision.citizen is None:
        return int(connection.execute(_NEW_CITIZEN, {"name": name}).scalar_one())
    _lock(connection, decision.citizen)
    if name:
        connection.execute(_RENAME, {"citizen_": decision.citizen, "name_": name})
    return decision.citizen


def _carry_out(
    connection: Connection, decision: Decision, citizen_id: int | None, at: datetime, envelope_id: int | None
) -> None:
    def note(kind: str, whose: int, *, handle_id: int | None, other: int | None, evidence: str) -> None:
        connection.execute(
            _NOTE,
            {
                "kind": kind,
                "citizen_id": whose,
                "other_citizen_id": other,
                "handle_id": handle_id,
                "envelope_id": envelope_id,
                "evidence": f"{decision.row}: {evidence}",
            },
        )

    for release in decision.release:
        released = connection.execute(_HOLD, {**_key(release.handle), "citizen_": None, "proof_": release.handle.proof})
        released_id = released.scalar_one_or_none()
        note("released", release.citizen, handle_id=released_id, other=citizen_id, evidence=release.reason)
    if citizen_id is None:
        return
    for attach in decision.attach:
        handle_id = _attach(connection, attach, citizen_id, at)
        note("linked", citizen_id, handle_id=handle_id, other=None, evidence=attach.evidence)
    for suggestion in decision.suggestions:
        if not _suggested(connection, citizen_id, suggestion):
            note("suggested", citizen_id, handle_id=None, other=suggestion.citizen, evidence=suggestion.reason)


def _attach(connection: Connection, attach: Attach, citizen_id: int, at: datetime) -> int:
    one = attach.handle
    held = connection.execute(_HOLD, {**_key(one), "citizen_": citizen_id, "proof_": one.proof})
    found: int | None = held.scalar_one_or_none()
    if found is not None:
        return found
    values = {
        "kind": one.kind,
        "scope": one.scope,
        "value": one.value,
        "proof": one.proof,
        "match_key": match_key(one.kind, one.value),
        "citizen_id": citizen_id,
        "first_seen_at": at,
        "last_seen_at": at,
    }
    return int(connection.execute(_NEW_HANDLE, values).scalar_one())


def _suggested(connection: Connection, citizen_id: int, suggestion: Suggestion) -> bool:
    """Whether this pair was suggested before, from either side."""
    pair = (citizen_id, suggestion.citizen)
    return (
        connection.execute(
            select(identity_event.c.id)
            .where(
                identity_event.c.kind == "suggested",
                or_(
                    and_(identity_event.c.citizen_id == pair[0], identity_event.c.other_citizen_id == pair[1]),
                    and_(identity_event.c.citizen_id == pair[1], identity_event.c.other_citizen_id == pair[0]),
                ),
            )
            .limit(1)
        ).first()
        is not None
    )


def _see(connection: Connection, handles: Sequence[Handle], citizen_id: int, at: datetime) -> int | None:
    """Note that the citizen's handles were seen at `at`; returns the one that agents read (a phone before an id)."""
    seen = []
    for one in handles:
        row = connection.execute(_OWN, {**_key(one), "citizen_": citizen_id}).one_or_none()
        if row is not None:
            seen.append((one.kind == "bsuid", row.id))
            if row.last_seen_at < at:
                connection.execute(_SEEN, {"id_": row.id, "at_": at})
    return min(seen)[1] if seen else None


def alike(connection: Connection, one: Handle | int) -> list[Row[Any]]:
    """The row of a handle (or of its id), and those by which the same page or account knows the same person, locked.

    Only what the channel itself told when it took an answer counts: a private reply to a comment lies in the very
    thread in which its commenter writes by Messenger. Empty for a handle that nobody has.
    """
    by = handle.c.id == one if isinstance(one, int) else and_(*(handle.c[name] == value for name, value in _named(one)))
    asked = connection.execute(select(handle).where(by).with_for_update()).one_or_none()
    if asked is None or not asked.scope or asked.citizen_id is None:
        return [] if asked is None else [asked]
    told = exists().where(
        or_(identity_event.c.handle_id == asked.id, identity_event.c.handle_id == handle.c.id),
        identity_event.c.citizen_id == asked.citizen_id,
        identity_event.c.kind == "linked",
        identity_event.c.evidence.startswith(LEARNED),
    )
    same = and_(handle.c.citizen_id == asked.citizen_id, handle.c.scope == asked.scope, handle.c.kind != asked.kind)
    return [asked, *connection.execute(select(handle).where(same, told).order_by(handle.c.id).with_for_update())]


def _named(one: Handle) -> list[tuple[str, str]]:
    return [("kind", one.kind), ("scope", one.scope), ("value", one.value)]
