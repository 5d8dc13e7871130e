"""The crash matrix on both engines: whatever fails wherever, nothing is doubled and nothing is lost silently."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from inbox_daemon.store.database import Database
from support.memory_adapter import Fault
from unit.pipeline.cells import SHEETS, Cell, Matrix, short_pauses

ANSWERS = (
    None,
    Fault.REFUSED,
    Fault.LOST_ANSWER,
    Fault.LOST_REQUEST,
    Fault.LATE,
    Fault.HANG,
    Fault.CRASH,
    Fault.CREDENTIALS,
)
DEATHS = (Fault.DEATH_BEFORE, Fault.DEATH_AFTER)


def _seeds(database: Database) -> range:
    """As many as INBOX_SEEDS says for a long night, others on each engine."""
    number = int(os.environ.get("INBOX_SEEDS", "1"))
    return range(1, 1 + number) if database.is_sqlite else range(1000, 1000 + number)


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with short_pauses():
        yield


async def test_failing_destinations(database: Database) -> None:
    cells = [
        Cell(kind=kind, fault=fault, seed=seed) for kind in SHEETS for fault in ANSWERS for seed in _seeds(database)
    ]
    assert await Matrix(database, cells).run() == {}


async def test_dying_nodes(database: Database) -> None:
    cells = [
        Cell(kind=kind, fault=fault, seed=seed, restart=restart)
        for kind in SHEETS
        for fault in DEATHS
        for seed in _seeds(database)
        for restart in (True, False)
    ]
    assert await Matrix(database, cells).run() == {}
    assert sum(cell.lives - 1 for cell in cells) >= len(cells) / 2


async def test_a_zombie_works_on_while_another_node_takes_over(database: Database) -> None:
    cells = [Cell(kind=kind, fault=Fault.ZOMBIE, seed=seed, nodes=2) for kind in SHEETS for seed in _seeds(database)]
    matrix = Matrix(database, cells)
    assert await matrix.run() == {}
    assert sum(step.fence > 1 for cell in cells for step in matrix.steps(cell)) >= len(cells) / 2


async def test_dying_and_failing_while_reconciling(database: Database) -> None:
    cells = [
        Cell(kind=kind, fault=Fault.LOST_ANSWER, lookup_fault=fault, seed=seed)
        for kind in "CD"
        for fault in (Fault.DEATH_BEFORE, Fault.REFUSED, Fault.LOST_REQUEST, Fault.CREDENTIALS, Fault.HANG)
        for seed in _seeds(database)
    ]
    assert await Matrix(database, cells).run() == {}


async def test_a_database_that_fails_before_and_after_commits(database: Database) -> None:
    cells = [
        Cell(kind=kind, fault=fault, seed=seed, failing=0.15)
        for kind in SHEETS
        for fault in (None, Fault.LOST_ANSWER)
        for seed in _seeds(database)
    ]
    assert await Matrix(database, cells).run() == {}


async def test_what_nobody_can_look_up_is_parked_and_said(database: Database) -> None:
    cells = [Cell(kind="E", fault=Fault.LOST_ANSWER, seed=seed) for seed in range(4)]
    matrix = Matrix(database, cells)
    assert await matrix.run() == {}
    reasons = [step.reason for cell in cells for step in matrix.steps(cell) if step.state == "parked"]
    assert reasons
    assert set(reasons) == {"possible double: it may have been delivered, and this destination can't be asked"}


CARELESS: dict[str, dict[str, Any]] = {
    "repeating blindly": {"kind": "E", "fault": Fault.LOST_ANSWER, "on_unknown": "resend"},
    "looking too early": {"kind": "C", "fault": Fault.LATE, "settle": timedelta(0), "late_seconds": 1.5},
    "not waiting for the index": {"kind": "D", "fault": Fault.LOST_ANSWER, "settle": timedelta(0), "lag_seconds": 3.0},
    "taking over too early": {"kind": "D", "fault": Fault.DEATH_AFTER, "settle": timedelta(0), "lag_seconds": 3.0},
}


@pytest.mark.parametrize("how", CARELESS)
async def test_control_carelessness_doubles(database: Database, how: str) -> None:
    cells = [Cell(seed=seed, **CARELESS[how]) for seed in range(4)]
    wrong = await Matrix(database, cells).run()
    assert any("times" in one or "tickets" in one for found in wrong.values() for one in found)
