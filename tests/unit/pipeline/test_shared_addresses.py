"""A citizen's mail address goes to the destinations that it was granted to, and nowhere else."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

import inbox_ticketing
from inbox_daemon import registry
from inbox_daemon.model import Entry, ExternalId, Handle, InstanceId, Message, Proof, Sender
from inbox_daemon.pipeline.drafting import Drafting, load
from inbox_daemon.pipeline.rendering import Wording
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.registry import DestinationInstance
from inbox_daemon.store import outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch
from inbox_daemon.workers import Shop, drafting_for
from support.memory_adapter import MemoryAdapter
from support.pipes import INSTANCE, Pipes
from unit.pipeline.scripted import AT, holding, plugin

ZONE = ZoneInfo("America/Argentina/Cordoba")
ADDRESS = "ana.invento@correo.example"
SENDERS = {
    "proven": Handle(kind="email", value=ADDRESS, proof=Proof.CHANNEL),
    "unproven": Handle(kind="email", value=ADDRESS, proof=Proof.HINT),
    "no mail": Handle(kind="session", value=ADDRESS, proof=Proof.CHANNEL),
}


async def _written(database: Database, who: Handle, words: str, drafting: Any) -> list[Entry]:
    """What the destination would be told of two messages, the one that opens the ticket and the next."""
    rules = [
        compile_rule(name="d", destination="seguridad", keywords=["denuncia"], matter="denuncia"),
        compile_rule(name="c", destination="seguridad", keywords=["consulta"]),
    ]
    pipes = Pipes(database, {"seguridad": MemoryAdapter()}, plugin=plugin, rules=rules, default="seguridad")
    sender = Sender(name="Ana Invento", handles=(who,))
    said = [
        Message(external_id=ExternalId(f"m{n}"), sent_at=AT + n * timedelta(minutes=1), sender=sender, text=words)
        for n in range(2)
    ]
    await pipes.receive(holding(*said))
    await pipes.take_in()
    rows = await database.read(lambda c: c.execute(select(dispatch).order_by(dispatch.c.id)).all())
    assert len(rows) == 2
    steps = await database.run(lambda c: outbox.take(c, rows, "node", timedelta(seconds=60)))
    works = [(step, await database.read(partial(load, step=step))) for step in steps]
    return [drafting(pipes).entry(step, work) for step, work in works]


def _drafting(share: bool) -> Any:
    return lambda pipes: Drafting(
        Wording("es-AR", ZONE), {INSTANCE: "email"}, "x", texts=pipes.texts, share_address=share
    )


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("words", ["una consulta", "una denuncia"])
@pytest.mark.parametrize("who", SENDERS)
async def test_only_a_proven_address_goes_and_only_where_granted(
    database: Database, share: bool, words: str, who: str
) -> None:
    entries = await _written(database, SENDERS[who], words, _drafting(share))
    granted = share and words == "una consulta" and who == "proven"
    assert [one.reply_address for one in entries] == [ADDRESS if granted else ""] * 2


async def test_after_a_consulta_a_denuncia_still_names_nobody(database: Database) -> None:
    [first, _] = await _written(database, SENDERS["proven"], "una consulta", _drafting(share=True))
    assert first.reply_address == ADDRESS
    rules = [compile_rule(name="d", destination="seguridad", keywords=["denuncia"], matter="denuncia")]
    pipes = Pipes(database, {"seguridad": MemoryAdapter()}, plugin=plugin, rules=rules, default="seguridad")
    sender = Sender(name="Ana Invento", handles=(SENDERS["proven"],))
    said = Message(external_id=ExternalId("d"), sent_at=AT + timedelta(hours=1), sender=sender, text="una denuncia")
    await pipes.receive(holding(said))
    await pipes.take_in()
    newest = select(dispatch).order_by(dispatch.c.id.desc()).limit(1)
    rows = await database.read(lambda c: c.execute(newest).all())
    [step] = await database.run(lambda c: outbox.take(c, rows, "node", timedelta(seconds=60)))
    work = await database.read(lambda c: load(c, step))
    entry = _drafting(True)(pipes).entry(step, work)
    assert ADDRESS not in f"{entry.reply_address} {entry.heading} {entry.body} {entry.author_name}"


def _shop(pipes: Pipes) -> Shop:
    """As much of one as wording needs."""
    said = SimpleNamespace(language="es-AR", zone=ZONE)
    made = SimpleNamespace(
        settings=SimpleNamespace(daemon=said, answers=SimpleNamespace(show_window=False)),
        instances=SimpleNamespace(channels={}),
        texts=pipes.texts,
        offices={},
        open_until=None,
    )
    return cast("Shop", made)


@pytest.mark.parametrize("own", [{"share_address": True}, {"share_address": False}, {}])
async def test_each_destination_has_its_own_setting(database: Database, own: dict[str, bool]) -> None:
    """The daemon's own way from the table to the entry; a kind without the setting is granted nothing."""
    destination = DestinationInstance(
        name=InstanceId("seguridad"),
        plugin=registry.ticketing_plugin("webhook"),
        settings=cast("Any", SimpleNamespace(**own)),
        parallel=1,
        on_unknown="park",
    )
    entries = await _written(
        database, SENDERS["proven"], "una consulta", lambda pipes: drafting_for(_shop(pipes), destination, "x")
    )
    assert {one.reply_address for one in entries} == {ADDRESS if own.get("share_address") else ""}


@pytest.mark.parametrize("kind", sorted(registry.installed().ticketing))
def test_who_reads_the_address_has_the_setting_and_it_is_off(kind: str) -> None:
    """Else an adapter would wait for what never comes, or a setting would promise what nothing does."""
    folder = Path(inbox_ticketing.__path__[0]) / kind
    reads = any("reply_address" in path.read_text("utf-8") for path in folder.glob("*.py") if path.stem != "settings")
    setting = registry.ticketing_plugin(kind).settings.model_fields.get("share_address")
    assert (setting is not None) is reads
    assert setting is None or setting.default is False
