from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from inbox_daemon.identity.decide import (
    CitizenId,
    Decision,
    Known,
    Row,
    Rules,
    decide,
    decide_change,
    decide_learned,
    stored_handles,
)
from inbox_daemon.model import ExternalId, Handle, HandleChanged, InstanceId, Proof

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
A, C, D = CitizenId(1), CitizenId(3), CitizenId(4)
WA = InstanceId("whatsapp-centro")

B1 = Handle(kind="bsuid", value="AR.111", scope="ministerio")
B2 = Handle(kind="bsuid", value="AR.222", scope="ministerio")
PARENT = Handle(kind="bsuid", value="AR.ENT.9", scope="ministerio")
ELSEWHERE = Handle(kind="bsuid", value="AR.333", scope="otro")
P1 = Handle(kind="phone", value="+5493624000001")
P2 = Handle(kind="phone", value="+5493624000002")
MAIL = Handle(kind="email", value="ana@x.test")
HINT = replace(MAIL, proof=Proof.HINT)
KEPT_HINT = replace(HINT, scope="hint:whatsapp-centro")


def known(handle: Handle, citizen: CitizenId, *siblings: Handle, days: float = 1) -> Known:
    return Known(handle=handle, citizen=citizen, last_seen=NOW - days * DAY, siblings=(handle, *siblings))


def said(decision: Decision) -> tuple[object, ...]:
    """row, citizen, attached, released (handle, from whom), suggested citizens"""
    return (
        decision.row,
        decision.citizen,
        [a.handle for a in decision.attach],
        [(r.handle, r.citizen) for r in decision.release],
        [s.citizen for s in decision.suggestions],
    )


ROWS = [
    ("nothing", (), [], (Row.ANONYMOUS, None, [], [], [])),
    ("all new", (B1, P1), [], (Row.NEW, None, [B1, P1], [], [])),
    ("phone alone, new", (P1,), [], (Row.NEW, None, [P1], [], [])),
    ("BSUID without phone", (B1,), [known(B1, A)], (Row.KNOWN, A, [], [], [])),
    ("BSUID after years", (B1, P1), [known(B1, A, P1, days=900), known(P1, A, B1, days=900)],
     (Row.KNOWN, A, [], [], [])),
    ("BSUID shows its phone", (B1, P1), [known(B1, A)], (Row.KNOWN, A, [P1], [], [])),
    ("phone of another", (B1, P1), [known(B1, A), known(P1, C)], (Row.KNOWN, A, [], [], [C])),
    ("phone of another by mail", (B1, P1), [known(B1, A), known(P1, C, MAIL)], (Row.KNOWN, A, [], [], [C])),
    ("phone passed on", (B1, P1), [known(B1, A), known(P1, C, B2)], (Row.KNOWN, A, [P1], [(P1, C)], [C])),
    ("… but late", (B1, P1), [known(B1, A), known(P1, C, B2, days=-1)], (Row.KNOWN, A, [], [], [C])),
    ("phone only, fresh", (P1,), [known(P1, C)], (Row.PHONE, C, [], [], [])),
    ("phone only, has BSUID", (P1,), [known(P1, C, B1)], (Row.PHONE, C, [], [], [])),
    ("phone, 89 days", (P1,), [known(P1, C, days=89.99)], (Row.PHONE, C, [], [], [])),
    ("phone, 90 days", (P1,), [known(P1, C, days=90)], (Row.IDLE_PHONE, None, [P1], [(P1, C)], [C])),
    ("phone, 90 days, new BSUID", (B1, P1), [known(P1, C, days=90)], (Row.IDLE_PHONE, None, [B1, P1], [(P1, C)], [C])),
    ("first BSUID of a phone", (B1, P1), [known(P1, C)], (Row.PHONE, C, [B1], [], [])),
    ("BSUID of another scope", (B1, P1), [known(P1, C, ELSEWHERE)], (Row.PHONE, C, [B1], [], [])),
    ("BSUID of another form", (B1, P1), [known(P1, C, PARENT)], (Row.PHONE, C, [B1], [], [])),
    ("new holder", (B2, P1), [known(P1, C, B1)], (Row.NEW_HOLDER, None, [B2, P1], [(P1, C)], [C])),
    ("new holder, idle", (B2, P1), [known(P1, C, B1, days=200)], (Row.NEW_HOLDER, None, [B2, P1], [(P1, C)], [C])),
    ("earlier holder, late", (B2, P1), [known(P1, C, B1, days=-1)], (Row.NEW_HOLDER, None, [B2], [], [C])),
    ("address known", (MAIL,), [known(MAIL, A, days=900)], (Row.KNOWN, A, [], [], [])),
    ("session of a known address", (MAIL, P2), [known(MAIL, A)], (Row.KNOWN, A, [P2], [], [])),
    ("two known addresses", (P1, MAIL), [known(P1, C), known(MAIL, A)], (Row.PHONE, C, [], [], [A])),
    ("hint, new", (KEPT_HINT,), [], (Row.HINT, None, [KEPT_HINT], [], [])),
    ("hint, known", (KEPT_HINT,), [known(KEPT_HINT, D, days=400)], (Row.HINT, D, [], [], [])),
    ("hint, proven twin", (KEPT_HINT,), [known(MAIL, A)], (Row.HINT, None, [KEPT_HINT], [], [])),
]  # fmt: skip


@pytest.mark.parametrize(("handles", "holders", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rows(handles: tuple[Handle, ...], holders: list[Known], expected: tuple[object, ...]) -> None:
    decision = decide(handles, holders, sent_at=NOW)
    assert said(decision) == expected
    assert decide(handles, list(reversed(holders)), sent_at=NOW) == decision
    assert all(a.evidence for a in decision.attach)
    assert not any(h.value in repr(decision) for h in handles)


def test_a_phone_never_seen_in_a_message_is_idle() -> None:
    holder = Known(handle=P1, citizen=C, last_seen=None, siblings=(P1,))
    assert said(decide((P1,), [holder], sent_at=NOW)) == (Row.IDLE_PHONE, None, [P1], [(P1, C)], [C])


def test_the_idle_time_is_configured() -> None:
    rules = Rules(idle=10 * DAY)
    assert decide((P1,), [known(P1, C, days=11)], sent_at=NOW, rules=rules).row is Row.IDLE_PHONE


def test_similar_handles_are_only_suggested() -> None:
    landline = Handle(kind="phone", value="+543624000001")
    decision = decide(
        (P1,), [known(P1, A)], sent_at=NOW, similar=[known(landline, C), known(landline, C), known(P1, A)]
    )
    assert said(decision) == (Row.PHONE, A, [], [], [C])
    twin = decide((KEPT_HINT,), [], sent_at=NOW, similar=[known(MAIL, A)])
    assert said(twin) == (Row.HINT, None, [KEPT_HINT], [], [A])


# ---------------------------------------------------------------- which handles count


@pytest.mark.parametrize(
    ("handles", "expected"),
    [
        ((), ()),
        ((P1, B1), (B1, P1)),
        ((MAIL, P1, B1), (B1, P1, MAIL)),
        ((P1, P1), (P1,)),
        ((replace(MAIL, value="Ana@X.test"), MAIL), (MAIL,)),
        ((HINT,), (KEPT_HINT,)),
        ((replace(HINT, value="Ana@X.TEST"),), (KEPT_HINT,)),
        ((HINT, replace(HINT, value="eva@x.test")), (KEPT_HINT,)),
        ((HINT, P1), (P1,)),
        ((replace(P1, proof=Proof.CLAIM),), ()),
        ((replace(P1, proof=Proof.CLAIM), replace(MAIL, proof=Proof.CLAIM), B1), (B1,)),
        ((replace(P1, value="147"),), ()),
        ((replace(P1, value="anonymous", proof=Proof.HINT),), ()),
        ((replace(P1, value=""), replace(MAIL, value="")), ()),
        ((replace(MAIL, scope="hint:whatsapp-centro"),), ()),
        ((replace(MAIL, value="mesa@gob.test"),), ()),
        ((replace(HINT, value="mesa@gob.test"),), ()),
    ],
)
def test_handles_that_count(handles: tuple[Handle, ...], expected: tuple[Handle, ...]) -> None:
    rules = Rules(blocked=frozenset({"mesa@gob.test"}))
    assert stored_handles(handles, WA, rules) == expected


def test_hints_of_two_instances_are_apart() -> None:
    assert stored_handles((HINT,), InstanceId("correo-a")) != stored_handles((HINT,), InstanceId("correo-b"))


def test_trusted_from_is_the_address_itself_but_a_caller_id_never() -> None:
    caller = replace(P1, proof=Proof.HINT)
    rules = Rules(trust_from=True)
    assert stored_handles((HINT,), WA, rules) == (MAIL,)
    assert stored_handles((caller,), WA, rules) == (replace(caller, scope="hint:whatsapp-centro"),)


# ---------------------------------------------------------------- signed changes


def change(old: tuple[Handle, ...], new: tuple[Handle, ...]) -> HandleChanged:
    return HandleChanged(external_id=ExternalId("wamid.x"), sent_at=NOW, old=old, new=new)


Handles = tuple[Handle, ...]
CHANGES: list[tuple[str, Handles, Handles, list[Known], tuple[object, ...] | None]] = [
    ("nobody known", (P1, B1), (P2, B2), [], None),
    ("nobody old known", (P1,), (P2,), [known(P2, C)], (Row.CHANGE, None, [], [(P2, C)], [])),
    ("nobody old known, late", (P1,), (P2,), [known(P2, C, days=-1)], None),
    ("number and BSUID", (P1, B1), (P2, B2), [known(P1, A, B1), known(B1, A, P1)],
     (Row.CHANGE, A, [B2, P2], [(B1, A), (P1, A)], [])),
    ("BSUID only", (B1,), (B2,), [known(B1, A, P1)], (Row.CHANGE, A, [B2], [(B1, A)], [])),
    ("phone only", (P1,), (P2,), [known(P1, A)], (Row.CHANGE, A, [P2], [(P1, A)], [])),
    ("the phone stays", (P1, B1), (P1, B2), [known(P1, A, B1), known(B1, A, P1)],
     (Row.CHANGE, A, [B2], [(B1, A)], [])),
    ("the old phone is another's", (P1, B1), (P2, B2), [known(P1, C), known(B1, A)],
     (Row.CHANGE, A, [B2, P2], [(B1, A), (P1, C)], [])),
    ("… and used since", (P1, B1), (P2, B2), [known(P1, C, days=-1), known(B1, A)],
     (Row.CHANGE, A, [B2, P2], [(B1, A)], [])),
    ("the new one is known already", (P1, B1), (P2,), [known(B1, A), known(P2, A)],
     (Row.CHANGE, A, [], [(B1, A)], [])),
    ("taken from C, by BSUID", (P1, B1), (P2, B2), [known(B1, A), known(P2, C, ELSEWHERE)],
     (Row.CHANGE, A, [B2, P2], [(B1, A), (P2, C)], [C])),
    ("taken from C, by phone", (P1,), (P2,), [known(P1, A), known(P2, C)],
     (Row.CHANGE, A, [], [(P1, A), (P2, C)], [C])),
    ("C wrote later", (P1, B1), (P2, B2), [known(B1, A), known(P2, C, days=-1)],
     (Row.CHANGE, A, [B2], [(B1, A)], [C])),
    ("the phone wrote later", (P1,), (P2,), [known(P1, A, days=-1)], (Row.LATE_CHANGE, A, [], [(P1, A)], [])),
    ("another BSUID moved", (P1, B2), (P2,), [known(P1, A, B1)], (Row.LATE_CHANGE, A, [], [(P1, A)], [])),
    ("to nothing", (P1, B1), (), [known(P1, A, B1), known(B1, A, P1)], (Row.CHANGE, A, [], [(B1, A), (P1, A)], [])),
    ("claims and hints", (replace(P1, proof=Proof.HINT),), (P2,), [known(replace(P1, proof=Proof.HINT), A)], None),
    ("to a claim", (B1,), (replace(P2, proof=Proof.CLAIM),), [known(B1, A)], (Row.CHANGE, A, [], [(B1, A)], [])),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "holders", "expected"), [r[1:] for r in CHANGES], ids=[r[0] for r in CHANGES])
def test_changes(old: Handles, new: Handles, holders: list[Known], expected: tuple[object, ...] | None) -> None:
    decision = decide_change(change(old, new), holders)
    assert (said(decision) if decision else None) == expected
    assert decide_change(change(old, new), list(reversed(holders))) == decision


FB = Handle(kind="fb_user", value="c1", scope="pagina")
PSID = Handle(kind="psid", value="p1", scope="pagina")
LEARNED: list[tuple[str, Handles, list[Known], tuple[object, ...]]] = [
    ("nobody's", (PSID,), [], (Row.LEARNED, A, [PSID], [], [])),
    ("theirs already", (PSID,), [known(PSID, A, FB)], (Row.LEARNED, A, [], [], [])),
    ("somebody else's", (PSID,), [known(PSID, C)], (Row.LEARNED, A, [], [], [C])),
    ("two", (PSID, P1), [known(P1, C)], (Row.LEARNED, A, [PSID], [], [C])),
    ("a hint", (replace(PSID, proof=Proof.HINT),), [], (Row.LEARNED, A, [], [], [])),
    ("a claim", (replace(PSID, proof=Proof.CLAIM),), [], (Row.LEARNED, A, [], [], [])),
    ("a broken number", (replace(P1, value="147"),), [], (Row.LEARNED, A, [], [], [])),
]


@pytest.mark.parametrize(("learned", "holders", "expected"), [r[1:] for r in LEARNED], ids=[r[0] for r in LEARNED])
def test_what_a_channel_tells_of_whom_it_took_an_answer_to(
    learned: Handles, holders: list[Known], expected: tuple[object, ...]
) -> None:
    decision = decide_learned(A, "fb_user", learned, holders)
    assert said(decision) == expected
    assert all("fb_user" in one.evidence and "c1" not in one.evidence for one in decision.attach)
