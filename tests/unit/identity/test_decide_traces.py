from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from inbox_daemon.identity.decide import CitizenId, Decision, Known, Row, decide, decide_change, stored_handles
from inbox_daemon.model import ExternalId, Handle, HandleChanged, InstanceId, Proof

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Books:
    """Who holds what, kept as the store would keep it."""

    holder: dict[Handle, CitizenId] = field(default_factory=dict)
    seen: dict[Handle, datetime] = field(default_factory=dict)
    people: int = 0

    def known(self, handles: tuple[Handle, ...]) -> list[Known]:
        return [
            Known(handle=h, citizen=c, last_seen=self.seen.get(h), siblings=self.held_by(c))
            for h in handles
            if (c := self.holder.get(h)) is not None
        ]

    def held_by(self, citizen: CitizenId) -> tuple[Handle, ...]:
        return tuple(h for h, c in self.holder.items() if c == citizen)

    def message(self, handles: tuple[Handle, ...], instance: str, at: datetime) -> tuple[CitizenId, Decision]:
        stored = stored_handles(handles, InstanceId(instance))
        known = self.known(stored)
        decision = decide(stored, known, sent_at=at)
        assert decision == decide(stored, known[::-1], sent_at=at)
        citizen = self.apply(decision)
        assert citizen is not None
        for handle in stored:
            if self.holder.get(handle) == citizen:
                self.seen[handle] = max(at, self.seen.get(handle, at))
        return citizen, decision

    def change(self, old: tuple[Handle, ...], new: tuple[Handle, ...], at: datetime) -> None:
        event = HandleChanged(external_id=ExternalId("c"), sent_at=at, old=old, new=new)
        decision = decide_change(event, self.known(tuple(dict.fromkeys(old + new))))
        if decision is not None:
            self.apply(decision)
            self.seen.update((a.handle, at) for a in decision.attach)

    def apply(self, decision: Decision) -> CitizenId | None:
        citizen = decision.citizen
        if citizen is None and decision.row is not Row.CHANGE:
            self.people += 1
            citizen = CitizenId(self.people)
        for release in decision.release:
            assert self.holder.pop(release.handle) == release.citizen
            self.seen.pop(release.handle, None)
        for attach in decision.attach:
            assert citizen is not None
            assert attach.handle not in self.holder, "a handle is never taken from anybody without a release"
            self.holder[attach.handle] = citizen
        return citizen


def bsuid(n: int, scope: str = "m") -> Handle:
    return Handle(kind="bsuid", value=f"AR.{n}", scope=scope)


def phone(n: int) -> Handle:
    return Handle(kind="phone", value=f"+549362400000{n}")


handles = st.one_of(
    st.builds(bsuid, st.integers(1, 4), st.sampled_from(["m", "n"])),
    st.builds(phone, st.integers(1, 4)),
    st.builds(lambda n: Handle(kind="email", value=f"p{n}@x.test"), st.integers(1, 4)),
)
proofs = st.sampled_from([Proof.CHANNEL, Proof.CHANNEL, Proof.HINT, Proof.CLAIM])
messages = st.tuples(
    st.lists(st.builds(lambda h, p: replace(h, proof=p), handles, proofs), max_size=3).map(tuple),
    st.sampled_from(["correo-a", "correo-b"]),
    st.integers(-20, 120),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(messages, max_size=25))
def test_nothing_is_ever_linked_by_a_hint_or_a_claim(trace: list[tuple[tuple[Handle, ...], str, int]]) -> None:
    books = Books()
    at = START
    for given_handles, instance, days in trace:
        at += timedelta(days=days)
        books.message(given_handles, instance, at)
        held = defaultdict(set)
        for handle, citizen in books.holder.items():
            assert handle.proof is not Proof.CLAIM
            held[citizen].add(handle)
        assert all(len(hs) == 1 for hs in held.values() if any(h.proof is Proof.HINT for h in hs))


@settings(max_examples=300, deadline=None)
@given(st.lists(messages, max_size=25))
def test_hints_and_claims_change_nothing_for_the_proven(trace: list[tuple[tuple[Handle, ...], str, int]]) -> None:
    """The same trace without its unproven handles gives every proven handle the same company."""

    def company(of: list[tuple[tuple[Handle, ...], str, int]]) -> set[frozenset[Handle]]:
        books, at = Books(), START
        for given_handles, instance, days in of:
            at += timedelta(days=days)
            books.message(given_handles, instance, at)
        groups = {frozenset(books.held_by(c)) for c in books.holder.values()}
        return {g for g in groups if all(h.proof is Proof.CHANNEL for h in g)}

    bare = [(tuple(h for h in hs if h.proof is Proof.CHANNEL), instance, days) for hs, instance, days in trace]
    assert company(trace) == company(bare)


@dataclass
class Person:
    """A WhatsApp user as Meta keeps them: a new number makes a new BSUID, and a username may hide the number."""

    number: int
    bsuid: int

    @property
    def handles(self) -> tuple[Handle, ...]:
        return phone(self.number), bsuid(self.bsuid)


def lives(shown: int) -> st.SearchStrategy[list[tuple[str, int, int]]]:
    """What four people do: write (showing both handles, only the BSUID, only the phone), swap numbers, move to one."""
    return st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 3), st.integers(0, shown)),
            st.tuples(st.just("swap"), st.integers(0, 3), st.integers(0, 3)),
            st.tuples(st.just("move"), st.integers(0, 3), st.integers(1, 8)),
        ),
        max_size=40,
    )


def live(trace: list[tuple[str, int, int]], *, events: bool) -> None:
    """Play `trace`, and assert that no citizen ever has messages of two people."""
    books = Books()
    people = [Person(number=n + 1, bsuid=n + 1) for n in range(4)]
    wrote: dict[CitizenId, set[int]] = defaultdict(set)
    for step, (what, who, other) in enumerate(trace):
        at = START + timedelta(hours=step)
        if what == "write":
            number, lasting = people[who].handles
            citizen, _ = books.message(((number, lasting), (lasting,), (number,))[other], "whatsapp", at)
            wrote[citizen].add(who)
            assert wrote[citizen] == {who}
            continue
        numbers = {who: people[other].number, other: people[who].number} if what == "swap" else {who: other}
        if what == "move" and any(p.number == other for p in people):
            continue
        moved = {i: Person(number=number, bsuid=100 + 10 * step + i) for i, number in numbers.items()}
        for i, after in moved.items():
            if events:
                books.change(people[i].handles, after.handles, at)
            people[i] = after


@settings(max_examples=300, deadline=None)
@given(lives(shown=2))
def test_people_who_pass_numbers_on_are_never_mixed(trace: list[tuple[str, int, int]]) -> None:
    live(trace, events=True)


@settings(max_examples=300, deadline=None)
@given(lives(shown=1))
def test_nor_are_they_when_the_events_are_lost_while_bsuids_are_shown(trace: list[tuple[str, int, int]]) -> None:
    live(trace, events=False)


def test_a_citizen_keeps_the_conversation_through_a_signed_change() -> None:
    books = Books()
    first, _ = books.message((bsuid(1), phone(1)), "whatsapp", START)
    books.change((phone(1), bsuid(1)), (phone(2), bsuid(2)), START + timedelta(days=1))
    again, _ = books.message((bsuid(2), phone(2)), "whatsapp", START + timedelta(days=2))
    stranger, decision = books.message((bsuid(9), phone(1)), "whatsapp", START + timedelta(days=3))
    assert again == first
    assert stranger != first
    assert decision.row is Row.NEW


def test_old_style_swap_without_bsuids_joins_nobody() -> None:
    books = Books()
    ana, _ = books.message((phone(1),), "sms", START)
    eva, _ = books.message((phone(2),), "sms", START)
    books.change((phone(1),), (phone(2),), START + timedelta(hours=1))
    books.change((phone(2),), (phone(1),), START + timedelta(hours=1))
    ana_now, _ = books.message((phone(2),), "sms", START + timedelta(hours=2))
    eva_now, _ = books.message((phone(1),), "sms", START + timedelta(hours=2))
    assert ana_now != eva
    assert eva_now != ana


def test_mails_without_proof_thread_with_themselves_and_stay_apart_from_the_proven() -> None:
    books = Books()
    mail = Handle(kind="email", value="ana@x.test")
    hint = replace(mail, proof=Proof.HINT)
    proven, _ = books.message((mail,), "correo-a", START)
    unproven, _ = books.message((hint,), "correo-a", START)
    again, _ = books.message((replace(hint, value="Ana@X.test"),), "correo-a", START + timedelta(days=300))
    other_box, _ = books.message((hint,), "correo-b", START)
    assert unproven == again
    assert len({proven, unproven, other_box}) == 3
