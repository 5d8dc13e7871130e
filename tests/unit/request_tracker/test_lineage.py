"""Whose entries are whose after merges."""

from __future__ import annotations

from datetime import UTC, datetime

from inbox_ticketing.request_tracker.lineage import Stretch, merges_in, stretches_of
from inbox_ticketing.request_tracker.parse import Row, Transaction


def link(number: int, ticket: str, target: str, *, kind: str = "AddLink", changed: str = "MergedInto") -> Transaction:
    return Transaction(
        id=str(number),
        kind=kind,
        ticket=ticket,
        creator="agente",
        creator_name="",
        at=datetime(2026, 11, 24, tzinfo=UTC),
        changed=changed,
        new_value=f"fsck.com-rt://chaco.test/ticket/{target}",
    )


def row(number: str) -> Row:
    return Row(id=number, effective=number, status="open")


def test_a_chain_of_merges_is_followed_from_each_merge_on() -> None:
    merges = merges_in([link(60, "1", "2"), link(61, "2", "2"), link(65, "2", "3"), link(66, "3", "3")])
    assert merges == {"1": Stretch(ticket="2", after=60), "2": Stretch(ticket="3", after=65)}
    assert stretches_of("1", row("3"), merges) == (
        Stretch(ticket="1"),
        Stretch(ticket="2", after=60),
        Stretch(ticket="3", after=65),
    )
    assert stretches_of("3", row("3"), merges) == (Stretch(ticket="3"),)


def test_other_links_and_lost_traces_join_nothing() -> None:
    assert merges_in([link(1, "1", "2", changed="RefersTo"), link(2, "1", "2", kind="DeleteLink")]) == {}
    assert merges_in([link(1, "1", "2/evil")]) == {}
    assert stretches_of("1", row("9"), {}) == (Stretch(ticket="1"),)


def test_links_in_a_circle_end() -> None:
    merges = merges_in([link(1, "1", "2"), link(2, "2", "1")])
    assert [one.ticket for one in stretches_of("1", row("9"), merges)] == ["1", "2"]


def test_a_stretch_begins_behind_its_merge() -> None:
    stretch = Stretch(ticket="2", after=60)
    assert stretch.holds(link(61, "2", "x"))
    assert not stretch.holds(link(60, "2", "x"))
    assert not stretch.holds(link(61, "1", "x"))
