"""What every installed channel that can answer citizens keeps to, whatever product is at its far side."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from contract.channel_sides import SIDES, Side, Trouble
from contract.test_channels import KINDS, configured, plugin_of
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain
from inbox_daemon.model import CaseNumber, Handle, Proof, Reply, Sent, StoredFile, Window
from inbox_daemon.plugins import Replying

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
WORDS = "Su trámite está listo; pase por la mesa de entradas.\nGracias: ¡hasta mañana! 🙂"

answering = pytest.mark.parametrize("kind", [kind for kind in KINDS if "Replying" in plugin_of(kind).powers])


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderTest:
    """The channel, as one that answers, and its far side."""

    channel: Replying
    side: Side

    def reply(self, **changes: Any) -> Reply:
        given: dict[str, Any] = {"tag": "4F7K2-8.r1.1", "to": self.side.citizen, "text": WORDS}
        return Reply(case_number=CaseNumber("4F7K2-8"), **(given | changes))


@asynccontextmanager
async def opened(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UnderTest]:
    assert kind in SIDES, f"{kind} can answer: give it a far side in channel_sides.py"
    instance = configured(kind, folder, monkeypatch)
    async with SIDES[kind](instance.plugin, instance.settings) as side:
        assert isinstance(side.channel, Replying)
        yield UnderTest(channel=side.channel, side=side)


@pytest.fixture
async def under_test(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[UnderTest]:
    async with opened(kind, tmp_path, monkeypatch) as made:
        yield made


# ---------------------------------------------------------------- what is data


@answering
async def test_its_rules_can_be_kept(under_test: UnderTest) -> None:
    rules = under_test.channel.rules
    assert rules == under_test.channel.rules
    assert rules.max_chars is None or rules.max_chars >= 100
    assert 0 <= rules.max_caption_chars <= (rules.max_chars or rules.max_caption_chars)
    assert rules.pair_seconds >= 0
    assert rules.max_buttons >= 0
    assert rules.max_rows == 0 or rules.max_rows >= rules.max_buttons
    assert all(rule.max_bytes > 0 for rule in rules.files)
    types = [one for rule in rules.files for one in rule.media_types]
    assert [one for one in types if not re.fullmatch(r"[a-z]+/[a-z0-9][a-z0-9.+-]*", one)] == []


@answering
async def test_its_window_is_arithmetic(under_test: UnderTest) -> None:
    window = partial(under_test.channel.window, under_test.side.citizen)
    earlier, now, never = window(NOW - timedelta(hours=1)), window(NOW), window(None)
    assert (window(NOW), window(None)) == (now, never)
    assert now.template is None or now.template
    if now.open_until is None:
        assert now == earlier == never == Window()
        return
    assert now.open_until > NOW
    assert earlier.open_until == now.open_until - timedelta(hours=1)
    assert never.open_until is not None
    assert never.open_until < NOW, "who never wrote can't be answered freely"


@answering
async def test_it_addresses_only_whom_it_may_write_to(under_test: UnderTest) -> None:
    address, side = under_test.channel.address, under_test.side
    assert address([]) is None
    assert address([side.citizen]) == side.citizen
    assert address(list(side.others)) is None
    for other in side.others:
        assert address([other]) is None
        assert address([other, side.citizen]) == address([side.citizen, other]) == side.citizen
    strange = Handle(kind="fax", value="4400000")
    assert address([strange, replace(side.citizen, proof=Proof.CLAIM)]) is None


@answering
async def test_to_anybody_else_it_sends_nothing(under_test: UnderTest) -> None:
    with pytest.raises(Permanent):
        await under_test.channel.send(under_test.reply(to=Handle(kind="fax", value="4400000")))
    assert under_test.side.texts() == []


# ---------------------------------------------------------------- sending


@answering
async def test_a_portion_arrives_whole_and_once_under_an_id(under_test: UnderTest) -> None:
    sent = await under_test.channel.send(under_test.reply())
    assert isinstance(sent, Sent)
    assert sent.id.strip() == sent.id != ""
    (text,) = under_test.side.texts()
    assert WORDS in text


@answering
async def test_portions_are_told_apart_and_come_in_order(under_test: UnderTest) -> None:
    made = [under_test.reply(tag=f"4F7K2-8.r1.{n}", text=f"Parte {n}.") for n in range(1, 4)]
    ids = [(await under_test.channel.send(reply)).id for reply in made]
    assert len(set(ids)) == len(set(under_test.side.marks())) == 3
    texts = under_test.side.texts()
    assert [reply.text in text for reply, text in zip(made, texts, strict=True)] == [True] * 3


@answering
async def test_the_longest_portion_goes_and_a_longer_one_is_refused_not_cut(under_test: UnderTest) -> None:
    limit = under_test.channel.rules.max_chars
    line = "Una frase del largo dictamen de la oficina.\n"
    longest = (line * 1000)[: limit or 20_000].rstrip().ljust(limit or 20_000, ".")
    await under_test.channel.send(under_test.reply(text=longest))
    assert "".join(longest.split()) in "".join(under_test.side.texts()[0].split())
    if limit is not None:
        with pytest.raises(Permanent):
            await under_test.channel.send(under_test.reply(text=longest + "."))
        assert len(under_test.side.texts()) == 1


@answering
async def test_a_file_that_is_gone_or_too_large_is_refused_before_anything_goes(
    under_test: UnderTest, tmp_path: Path
) -> None:
    rules = under_test.channel.rules
    for rule in rules.files:
        media_type = min(rule.media_types, default="application/pdf")
        lost = StoredFile(
            filename="x.bin", media_type=media_type, size=1, sha256="0" * 64, path=str(tmp_path / "no-such-file")
        )
        for file in (lost, replace(lost, size=rule.max_bytes + 1)):
            with pytest.raises(Permanent):
                await under_test.channel.send(under_test.reply(text="", attachments=(file,)))
    assert rules.files
    assert under_test.side.texts() == []


# ---------------------------------------------------------------- what goes wrong

FOLLOWS: Sequence[tuple[Trouble, type[EdgeError], int]] = (
    ("unreachable", Transient, 0),
    ("refused", Permanent, 0),
    ("lost", Uncertain, 1),
    ("locked", Credentials, 0),
)


@answering
@pytest.mark.parametrize(("trouble", "error", "arrived"), FOLLOWS)
async def test_what_is_proved_and_what_is_not(
    under_test: UnderTest, trouble: Trouble, error: type[EdgeError], arrived: int
) -> None:
    under_test.side.trouble(trouble)
    with pytest.raises(error) as raised:
        await under_test.channel.send(under_test.reply())
    assert len(under_test.side.texts()) == arrived, "and no try more by itself"
    told = str(raised.value) + getattr(raised.value, "told", "")
    assert not [word for word in ("trámite", "4000001", "ana@") if word in told]
    under_test.side.heal()
    await under_test.channel.send(under_test.reply())
    assert len(under_test.side.texts()) == arrived + 1


@answering
async def test_the_same_portion_sent_again_is_known_for_the_same(under_test: UnderTest) -> None:
    """After an unknown outcome a person may have it sent again: who looks can tell that it is no second answer."""
    under_test.side.trouble("lost")
    with pytest.raises(Uncertain):
        await under_test.channel.send(under_test.reply())
    under_test.side.heal()
    await under_test.channel.send(under_test.reply())
    marks = under_test.side.marks()
    assert (len(marks), len(set(marks))) == (2, 1)


@answering
async def test_letting_go_before_between_and_after(under_test: UnderTest) -> None:
    await under_test.channel.send(under_test.reply())
    await under_test.channel.aclose()
    await under_test.channel.aclose()
