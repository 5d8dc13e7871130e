"""Decides whose message it is from what its channel proves, and what that changes in who holds which handle.

First form: equal proven handles are one citizen; everything else stays apart. The worst error is to join two people,
so whatever is doubtful makes a new citizen and a suggestion for an agent, which changes nothing by itself.

What a handle can do depends on its proof:

| proof   | kept as                                  | it may
| ------- | ---------------------------------------- | ----------------------------------------------------------------
| CHANNEL | itself                                   | name a citizen, and tie together the handles of one message
| HINT    | itself in the scope `hint:INSTANCE`      | continue the contact of the same hint at the same instance; only
|         |                                          | when the message proves nothing, and only the first hint
| CLAIM   | nothing                                  | nothing: it stays in the message's text

So an unproven `From: ana@x.test` at one mailbox threads with itself (many mail servers attest nothing), never meets
the citizen for whom `ana@x.test` was proven, and another mailbox's hint neither. With `trust_from` an instance's hints
of kind email count as proven. An id of Meta's (PSID, IGSID, commenter) without its scope, phones that aren't E.164
(`147`, `anonymous`), empty and blocked values are no handles.

The rows for a message, the first that fits. B is a BSUID, P a phone, A and C are citizens; "other B" is another BSUID
of the same scope among the siblings of P's holder; "idle" counts from P's last message to this one:

| row           | the message has                                     | citizen | handles                | suggestion
| ------------- | --------------------------------------------------- | ------- | ---------------------- | ----------
| ANONYMOUS     | nothing that counts                                 | new     | –                      | –
| HINT          | hints only                                          | the hint's, else new | the hint  | –
| KNOWN         | B (or PSID, address, session) of A, the rest new    | A       | the rest to A          | –
| KNOWN         | B of A and P of C, who has no other B               | A       | P stays with C         | A and C
| KNOWN         | B of A and P of C, who has an other B               | A       | P from C to A, if this | A and C
|               |                                                     |         | is P's latest message  |
| PHONE         | P of C; no B, or a new B and C has no other B; idle | C       | B to C                 | –
|               | under 90 days                                       |         |                        |
| IDLE_PHONE    | the same, idle 90 days or more, or never seen       | new     | B, P (from C) to it    | new and C
| NEW_HOLDER    | P of C and a new B, but C has an other B            | new     | B, and P from C, if    | new and C
|               |                                                     |         | this is P's latest     |
| NEW           | only handles nobody has                             | new     | all to it              | –

"If this is P's latest message": a delivery delayed by days tells of an earlier holder and must not take the number
back. The rows for a signed change of handles are at `decide_change`. Rules: the identity table of the design.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from inbox_daemon.identity.handles import SCOPED, canonical
from inbox_daemon.model import Handle, HandleChanged, InstanceId, Proof

CitizenId = NewType("CitizenId", int)
"""Our id of one citizen; the store owns it."""

_E164 = re.compile(r"\+[1-9]\d{5,14}", re.ASCII)
_ORDER = ("bsuid", "phone")  # a BSUID ends with its holder, a phone number goes on to the next one
_HINT_SCOPE = "hint:"


class Row(StrEnum):
    """Which row of the tables decided; kept with the link event."""

    ANONYMOUS = "anonymous"
    HINT = "hint"
    KNOWN = "known"
    PHONE = "phone"
    IDLE_PHONE = "idle_phone"
    NEW_HOLDER = "new_holder"
    NEW = "new"
    CHANGE = "change"
    LATE_CHANGE = "late_change"
    LEARNED = "learned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What configuration may set. `blocked` are values nobody is known by: our own numbers, `info@…`, a library's."""

    idle: timedelta = timedelta(days=90)
    trust_from: bool = False
    blocked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store knows of one handle, looked up in the form that `stored_handles` gave.

    `citizen` holds it now. `last_seen` is the latest `sent_at` of the messages that carried it while he held it, and
    of the signed change that gave it to him; `siblings` are all handles `citizen` holds.
    """

    handle: Handle
    citizen: CitizenId
    last_seen: datetime | None = None
    siblings: tuple[Handle, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """`handle` is from now on held by the decision's citizen, because of `evidence` (without identifiers)."""

    handle: Handle
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """`handle` is no longer held by `citizen`; carried out before any `Attach`."""

    handle: Handle
    citizen: CitizenId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """`citizen` may be the decision's citizen too: for an agent to judge, never acted upon."""

    citizen: CitizenId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whose the message is (`citizen` None: somebody new), and what changes; releases come before attachments."""

    row: Row
    citizen: CitizenId | None
    attach: tuple[Attach, ...] = ()
    release: tuple[Release, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


def stored_handles(handles: Sequence[Handle], instance: InstanceId, rules: Rules = Rules()) -> tuple[Handle, ...]:
    """The handles of a message that count, in canonical form, in the order and the form in which the store has them.

    Look these up, and give the result to `decide`.
    """
    trusted = [_trusted(canonical(h), rules) for h in handles if h.proof is not Proof.CLAIM]
    usable = [h for h in trusted if _usable(h, rules)]
    proven = dict.fromkeys(h for h in usable if h.proof is Proof.CHANNEL)
    if proven:
        return tuple(sorted(proven, key=_rank))
    return tuple(dataclasses.replace(h, scope=f"{_HINT_SCOPE}{instance}") for h in usable[:1])


def decide(
    handles: Sequence[Handle],
    known: Iterable[Known],
    *,
    sent_at: datetime,
    similar: Iterable[Known] = (),
    rules: Rules = Rules(),
) -> Decision:
    """Decide for one message with `handles` (of `stored_handles`), of which the store knows `known`.

    `similar` are handles that only have the same match key (a number without the 9, an address with another tag, the
    proven twin of a hint): their citizens are suggested. Pure; the same input gives the same decision.
    """
    holders = {k.handle: k for k in known}
    decision = _decide(tuple(handles), holders, sent_at, rules)
    alike = tuple(
        Suggestion(citizen=k.citizen, reason=f"a similar {k.handle.kind} ({k.handle.proof.value})")
        for k in similar
        if k.handle not in handles and k.citizen != decision.citizen
    )
    return dataclasses.replace(decision, suggestions=_each_once(decision.suggestions + alike))


def decide_change(change: HandleChanged, known: Iterable[Known], *, rules: Rules = Rules()) -> Decision | None:
    """Decide on the channel's own word that old and new handles are one person; None when nothing follows.

    `known` tells of the handles of `change.old` and `change.new` in canonical form. A is the citizen of the old BSUID
    or, without one, of the old phone. A decision without a citizen only releases: nobody is to be made for it.

    | handle of the event | held by                                    | what
    | ------------------- | ------------------------------------------ | ---------------------------------------------
    | old, not also new   | A                                          | released at once
    | old, not also new   | another, who hasn't used it since          | released: it was the mover's until now
    | new                 | nobody                                     | to A
    | new                 | C, who hasn't used it since                | released; to A if the old BSUID named A, for by
    |                     |                                            | phones alone two swapping people look like one
    | new                 | whom this very event gave it, told again   | stays
    | any                 | another, who has used it since             | stays: the event is late; suggestion

    LATE_CHANGE: only the phone names A, and it wrote after the change, or A has an other BSUID than the event. Who
    wrote isn't, or may not be, who moved on: the same releases, but nothing goes to A.
    """
    holders = {k.handle: k for k in known}
    old, new = (tuple(sorted(_proven(side, rules), key=_rank)) for side in (change.old, change.new))
    named = next((holders[h] for h in old if h in holders), None)
    citizen = named.citizen if named else None
    foreign = [holders[h] for h in new if h in holders and holders[h].citizen != citizen]
    # Told again, with the old handles nobody's any more: who got the new one by this very change keeps it.
    taken = {
        k.handle
        for k in foreign
        if not _seen_after(k, change.sent_at) and not (named is None and k.last_seen == change.sent_at)
    }
    given_up = {
        h
        for h in old
        if h in holders
        and h not in new
        and (holders[h].citizen == citizen or not _seen_after(holders[h], change.sent_at))
    }
    release = tuple(
        Release(handle=h, citizen=holders[h].citizen, reason="the channel's signed change of handles")
        for h in dict.fromkeys(old + new)
        if h in given_up | taken
    )
    if named is None:
        return Decision(row=Row.CHANGE, citizen=None, release=release) if release else None
    by_phone = named.handle.kind == "phone"
    late = by_phone and (_seen_after(named, change.sent_at) or _has_other_bsuid(named, old))
    gained = [h for h in new if h not in holders or (h in taken and not by_phone)]
    return Decision(
        row=Row.LATE_CHANGE if late else Row.CHANGE,
        citizen=citizen,
        attach=()
        if late
        else tuple(Attach(handle=h, evidence="the channel's signed change of handles") for h in gained),
        release=release,
        suggestions=_each_once(
            tuple(Suggestion(citizen=k.citizen, reason=f"held the new {k.handle.kind} until now") for k in foreign)
        ),
    )


def decide_learned(
    citizen: CitizenId, answered: str, learned: Sequence[Handle], known: Iterable[Known], *, rules: Rules = Rules()
) -> Decision:
    """Decide on what a channel told when it took an answer to `citizen`: under which further handles it knows them.

    `answered` is the kind of handle that was answered, `known` tells of the `learned` ones in canonical form. What
    nobody holds goes to the citizen; what somebody else holds stays there, as a suggestion: they wrote first under it.
    """
    return _decision(
        Row.LEARNED,
        citizen,
        tuple(_proven(learned, rules)),
        {k.handle: k for k in known},
        f"told by the channel when it took an answer to a {answered}",
    )


def _decide(handles: tuple[Handle, ...], holders: Mapping[Handle, Known], at: datetime, rules: Rules) -> Decision:
    if not handles:
        return Decision(row=Row.ANONYMOUS, citizen=None)
    if handles[0].proof is not Proof.CHANNEL:
        return _by_hint(handles[0], holders)
    named = next((holders[h] for h in handles if h in holders), None)
    if named is None:
        return _decision(Row.NEW, None, handles, holders, "first message that proves it")
    if named.handle.kind != "phone":
        return _by_lasting_handle(named, handles, holders, at)
    return _by_phone(named, handles, holders, at, rules)


def _by_hint(handle: Handle, holders: Mapping[Handle, Known]) -> Decision:
    if handle in holders:
        return Decision(row=Row.HINT, citizen=holders[handle].citizen)
    return Decision(row=Row.HINT, citizen=None, attach=(Attach(handle=handle, evidence="unproven, by itself only"),))


def _by_lasting_handle(
    named: Known, handles: tuple[Handle, ...], holders: Mapping[Handle, Known], at: datetime
) -> Decision:
    moved = tuple(
        holders[h]
        for h in handles
        if h.kind == "phone"
        and h in holders
        and holders[h].citizen != named.citizen
        and _has_other_bsuid(holders[h], handles)
        and not _seen_after(holders[h], at)
    )
    evidence = f"proven by the same message as a known {named.handle.kind}"
    return _decision(Row.KNOWN, named.citizen, handles, holders, evidence, moved)


def _by_phone(
    named: Known, handles: tuple[Handle, ...], holders: Mapping[Handle, Known], at: datetime, rules: Rules
) -> Decision:
    if _has_other_bsuid(named, handles):
        moved = () if _seen_after(named, at) else (named,)
        return _decision(Row.NEW_HOLDER, None, handles, holders, "same phone, new BSUID", moved)
    if named.last_seen is None or at - named.last_seen >= rules.idle:
        return _decision(Row.IDLE_PHONE, None, handles, holders, "phone used again after long silence", (named,))
    return _decision(Row.PHONE, named.citizen, handles, holders, "proven by the same message as a known phone")


def _decision(
    row: Row,
    citizen: CitizenId | None,
    handles: tuple[Handle, ...],
    holders: Mapping[Handle, Known],
    evidence: str,
    moved: tuple[Known, ...] = (),
) -> Decision:
    """Give `citizen` what nobody holds and what is `moved`; suggest the holders of the rest."""
    taken = {k.handle for k in moved}
    foreign = [holders[h] for h in handles if h in holders and holders[h].citizen != citizen]
    return Decision(
        row=row,
        citizen=citizen,
        attach=tuple(Attach(handle=h, evidence=evidence) for h in handles if h not in holders or h in taken),
        release=tuple(Release(handle=k.handle, citizen=k.citizen, reason=evidence) for k in moved),
        suggestions=_each_once(
            tuple(Suggestion(citizen=k.citizen, reason=f"same {k.handle.kind}, {row.value}") for k in foreign)
        ),
    )


def _seen_after(known: Known, at: datetime) -> bool:
    return known.last_seen is not None and known.last_seen > at


def _has_other_bsuid(holder: Known, handles: Sequence[Handle]) -> bool:
    """Does `holder` have a BSUID of the same scope and form as one of `handles`, but another?"""
    given = {h for h in handles if h.kind == "bsuid"}
    forms = {_bsuid_form(h) for h in given}
    return any(s.kind == "bsuid" and s not in given and _bsuid_form(s) in forms for s in holder.siblings)


def _bsuid_form(handle: Handle) -> tuple[str, bool]:
    return handle.scope, handle.value[2:7] == ".ENT."  # one user has a plain and, in managed businesses, a parent id


def _each_once(suggestions: tuple[Suggestion, ...]) -> tuple[Suggestion, ...]:
    """One suggestion for each citizen, the first reason."""
    return tuple({s.citizen: s for s in reversed(suggestions)}.values())[::-1]


# ---------------------------------------------------------------- which handles count


def _trusted(handle: Handle, rules: Rules) -> Handle:
    if rules.trust_from and handle.kind == "email" and handle.proof is Proof.HINT:
        return dataclasses.replace(handle, proof=Proof.CHANNEL)
    return handle


def _usable(handle: Handle, rules: Rules) -> bool:
    if not handle.value or handle.value in rules.blocked or handle.scope.startswith(_HINT_SCOPE):
        return False
    if handle.kind in SCOPED:
        return bool(handle.scope)
    return handle.kind != "phone" or _E164.fullmatch(handle.value) is not None


def _proven(handles: Iterable[Handle], rules: Rules) -> list[Handle]:
    plain = (canonical(h) for h in handles if h.proof is Proof.CHANNEL)
    return list(dict.fromkeys(h for h in plain if _usable(h, rules)))


def _rank(handle: Handle) -> int:
    return _ORDER.index(handle.kind) if handle.kind in _ORDER else len(_ORDER)
