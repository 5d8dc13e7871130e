"""Looking at an instance's standing: on one node, kept and told once, and whatever fails is a state and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from inbox_daemon.app import _ask
from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import InstanceId, InstanceNotice
from inbox_daemon.pipeline import inspecting
from inbox_daemon.pipeline.inspecting import Inspector
from inbox_daemon.store import standing
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import lease
from unit.pipeline.scripted import holding
from unit.pipeline.town import Town

NUMBER = InstanceId("whatsapp-centro")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRAVE = InstanceNotice(sent_at=NOW, topic="token", grave=True, words="vence mañana: hacer otro")
WELL = InstanceNotice(sent_at=NOW + timedelta(hours=1), topic="token", words="vale")
FINE = InstanceNotice(sent_at=NOW, topic="number_quality", words="GREEN")


class Number:
    """A channel whose standing is what the test says; the last answer is given again."""

    def __init__(self, *answers: Sequence[InstanceNotice] | BaseException) -> None:
        self.answers = list(answers)
        self.looks = 0

    async def inspect(self) -> Sequence[InstanceNotice]:
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def check(self) -> None: ...

    async def aclose(self) -> None: ...


def _inspector(database: Database, number: Number, node: str = "a", **more: Any) -> Inspector:
    return Inspector(name=NUMBER, channel=number, database=database, node=node, **more)


def _kept(database: Database) -> list[InstanceNotice]:
    return database.run_now(standing.read).get(NUMBER, [])


async def test_what_it_tells_is_kept_and_logged_once(database: Database) -> None:
    one = _inspector(database, Number([GRAVE, FINE], [GRAVE, FINE], [WELL, FINE]))
    with capture_logs() as log:
        assert await one.look()
        assert await one.look()
        assert _kept(database) == [GRAVE, FINE]
        assert await one.look()
    assert _kept(database) == [FINE, WELL]
    told = [(line["topic"], line["grave"], line["log_level"]) for line in log if line["event"] == "instance.noticed"]
    assert told == [("number_quality", False, "info"), ("token", True, "warning"), ("token", False, "info")]
    assert one.state.state == "up"
    assert one.state.looked_at is not None


@pytest.mark.parametrize(
    ("trouble", "state", "detail"),
    [
        (Credentials("the token is refused"), "refused", "the token is refused"),
        (Transient("no answer"), "down", "no answer"),
        (TimeoutError(), "down", "TimeoutError"),
        (ConnectionResetError("reset"), "down", "reset"),
        (ValueError("secret detail of a bug"), "down", "ValueError"),
    ],
)
async def test_a_look_that_fails_is_a_state_and_leaves_what_stands(
    database: Database, trouble: Exception, state: str, detail: str
) -> None:
    one = _inspector(database, Number([GRAVE], trouble, [GRAVE]))
    assert await one.look()
    assert not await one.look()
    assert (one.state.state, one.state.detail) == (state, detail)
    assert _kept(database) == [GRAVE]
    assert await one.look()
    assert one.state.state == "up"


async def test_one_that_hangs_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hangs(Number):
        async def inspect(self) -> Sequence[InstanceNotice]:
            await asyncio.sleep(60)
            return []

    monkeypatch.setattr(inspecting, "LIMIT_SECONDS", 0.05)
    one = _inspector(database, Hangs([]))
    assert not await one.look()
    assert one.state.state == "down"


async def test_of_two_nodes_one_looks_until_it_is_gone(database: Database) -> None:
    number = Number([GRAVE])
    one, other = _inspector(database, number), _inspector(database, number, "b")
    assert [await one.look(), await other.look(), await one.look()] == [True, False, True]
    assert (number.looks, other.state.state) == (2, "elsewhere")
    await database.run(lambda c: c.execute(update(lease).values(until=NOW - timedelta(days=9))))  # it died
    assert await other.look()
    assert not await one.look()
    await other.stop()
    assert await one.look()
    await other.stop()  # late: what it had is another's now
    assert not await other.look()


async def test_it_looks_again_and_again_whatever_happens(database: Database) -> None:
    number = Number([GRAVE], Transient("x"), RuntimeError("a bug"), [WELL])
    task = asyncio.create_task(_inspector(database, number, every=timedelta(milliseconds=10)).run())
    async with asyncio.timeout(10):
        while _kept(database) != [WELL]:
            await asyncio.sleep(0.01)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_a_delivery_tells_is_kept_with_it_and_is_nobodys_message(database: Database) -> None:
    town = Town(database)
    with capture_logs() as log:
        await town.pipes.receive(holding(WELL, GRAVE))
        await town.pipes.take_in()
        await town.reads_again()
    assert _kept(database) == [WELL]
    assert await town.types() == []
    assert (await town.line()).ignored == {"notice": 2}
    assert [line["topic"] for line in log if line["event"] == "instance.noticed"] == ["token"]


async def test_check_online_tells_what_is_grave_and_only_that() -> None:
    assert await _ask("n", Number([FINE])) == [("n", None)]
    assert await _ask("n", Number([FINE, GRAVE])) == [("n", "token: vence mañana: hacer otro")]
    assert await _ask("n", Number(Credentials("the token is refused"))) == [("n", "the token is refused")]
