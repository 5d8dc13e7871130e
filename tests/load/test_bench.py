"""The bench itself works, with numbers so small that they mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from inbox_daemon.model import Message, StatusEvent
from load import bench
from load.report import PARSED, print_imports, print_report
from unit.facebook.deliveries import read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


def test_every_acknowledged_request_is_found_on_disk(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = bench.acknowledgements(folder, rounds=1, seconds=0.1, watch_seconds=0.2)
    assert found["acknowledged"] == found["on_disk"] > bench.CONNECTIONS
    assert found["refused"] == 0
    assert found["ratio"] == found["durable_per_second"] / found["noop_per_second"]
    found |= bench.dispatching(folder, times=1, messages=2)
    found |= (
        bench.starts(folder, times=1, messages=20) | bench.parsing(seconds=0.01) | bench.holding(times=1, sends=400)
    )
    assert found["messages_to_cases_per_second"] > 0
    assert found["dispatched_per_second"] > 0
    assert all(value >= 0 for value in found.values())
    print_report(found, bench.CONNECTIONS)
    printed = capsys.readouterr().out
    assert "each is on disk" in printed
    assert found["asked_for_held"] <= 8  # as many as go at once; asking each time anew would be eighty
    memory = next(line for line in printed.splitlines() if line.startswith("memory at ready"))
    assert "aim met" in memory  # the only aim that a busy machine doesn't move


@pytest.mark.parametrize("count", [1, 7])
def test_what_is_parsed_of_facebook_is_what_it_is_called(count: int) -> None:
    """A body that parks, or whose parts are ignored, would be measured as fast."""
    kinds = {"messages": Message, "comments": Message, "states": StatusEvent, "polled": Message}
    bodies = bench.facebook_bodies(count)
    assert {f"facebook_1000_{name}" for name in bodies} <= set(PARSED.values())
    assert {name: [type(event) for event in read(content)] for name, content in bodies.items()} == {
        name: [kind] * count for name, kind in kinds.items()
    }


def test_a_loss_is_shouted(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["noop_per_second", "durable_per_second", "ratio", "ready_seconds", "resident_mb", "dispatched_per_second"]
    found = dict.fromkeys([*names, *(f"{name}_{end}" for name in names for end in ("min", "max"))], 1.0)
    for server in ("noop", "durable"):
        found |= dict.fromkeys([f"{server}_{what}" for what in ("p50_ms", "p99_ms", "cpu_us", "generator_cpu_us")], 1.0)
    for name in ("backlog_taken_in", "backlog_delivered", "messages_to_cases"):
        found[f"{name}_per_second"] = 1.0
    found["bare_client_per_second"] = 1.0
    found |= {"resident_mb_after_load": 1.0, "resident_mb_after_messages": 1.0, "messages": 1}
    found |= {f"{name}_ms": 1.0 for name in PARSED.values()}
    found |= {"mail_ms": 1.0, "refused": 0, "acknowledged": 7, "on_disk": 6}
    for name in (*(f"{name}_to_json" for name in PARSED.values()), "held_ratio", "others_per_second"):
        found |= dict.fromkeys([name, f"{name}_min", f"{name}_max"], 1.0)
    found |= {"nobody_held_per_second": 1.0, "asked_for_held": 1}
    print_report(found, 64)
    assert "ON DISK: 6" in capsys.readouterr().out


def test_the_import_times_name_the_packages(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_imports(bench.imports(folder), most=100)
    printed = capsys.readouterr().out.splitlines()
    assert {"aiohttp", "sqlalchemy", "inbox_daemon"} <= {line.split()[-1] for line in printed}
