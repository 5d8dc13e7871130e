"""The change is logged, not the state."""

from __future__ import annotations

from structlog.testing import capture_logs
from structlog.typing import EventDict

from inbox_daemon.observability import StateLog


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def state_log(clock: Clock) -> StateLog:
    import structlog

    return StateLog(structlog.get_logger(), clock=clock)


def events(log: list[EventDict]) -> list[str]:
    return [str(line["event"]) for line in log]


def test_one_line_down_one_line_back() -> None:
    clock = Clock()
    with capture_logs() as log:
        state = state_log(clock)
        assert not state.up("salud")
        assert state.down("salud", "unreachable")
        for _ in range(200):
            clock.now += 10
            assert not state.down("salud", "unreachable")
        assert state.down_seconds("salud") == 2000
        assert state.up("salud")
        assert not state.up("salud")
    assert events(log) == ["instance.went_down", "instance.recovered"]
    assert log[1]["down_seconds"] == 2000
    assert log[1]["failures_count"] == 201
    assert state.down_seconds("salud") is None


def test_a_new_reason_is_a_change_an_old_one_is_not() -> None:
    with capture_logs() as log:
        state = state_log(Clock())
        for reason in ("unreachable", "slow", "unreachable", "slow", "credentials"):
            state.down("salud", reason)
    assert events(log) == ["instance.went_down", "instance.failed_otherwise", "instance.failed_otherwise"]
    assert [line["reason"] for line in log] == ["unreachable", "slow", "credentials"]


def test_what_stays_down_is_told_again_every_hour() -> None:
    clock = Clock()
    with capture_logs() as log:
        state = state_log(clock)
        for _ in range(3 * 60 + 1):
            state.down("salud", "unreachable")
            clock.now += 60
    assert events(log) == ["instance.went_down", *["instance.stayed_down"] * 3]
    assert log[-1]["down_seconds"] == 3 * 3600


def test_names_are_kept_apart() -> None:
    clock = Clock()
    state = state_log(clock)
    state.down("salud", "unreachable")
    clock.now += 5
    state.down("gobierno", "unreachable")
    assert state.names_down() == {"salud": 5.0, "gobierno": 0.0}
    state.up("salud")
    assert state.names_down() == {"gobierno": 0.0}
