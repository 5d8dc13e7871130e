"""What Meta refuses while catching up: its neighbours come all the same, and it comes once it can be had."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from inbox_channels.facebook.position import LOST, MOST_MISSED
from inbox_daemon.errors import Transient
from inbox_daemon.model import Cursor
from support.graph_fake_faults import Fault
from unit.facebook.answers import refused
from unit.facebook.conftest import Place
from unit.facebook.test_catching_up import begun, sweep, texts

GONE, FORBIDDEN, BROKEN = Fault(code=100, subcode=33), Fault(code=200), Fault(code=1)
REFUSALS = (GONE, FORBIDDEN, Fault(code=190), BROKEN, Fault(status=503, raw=b""))
MINUTES = timedelta(minutes=10)


def asked_for(place: Place, name: str) -> int:
    """How many requests were about this node since `seen` was cleared."""
    return sum(f"/{name}/" in seen.path for seen in place.fake.seen)


async def later(place: Place, cursor: Cursor | None) -> tuple[list[str], str, Cursor | None]:
    """Ten minutes on, another process sweeps: what it brings, and what it notices."""
    place.fake.now += MINUTES
    pages, cursor = await sweep(place.another(), cursor)
    return texts(place, pages), "; ".join(one.notice for one in pages if one.notice), cursor


# ---------------------------------------------------------------- one conversation


@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_conversation_that_was_refused_comes_when_it_can_be_had(page: Place, fault: Fault) -> None:
    _, cursor = await begun(page)
    page.fake.write("7001", "uno")
    page.fake.write("7002", "dos")
    page.fake.broken["t_7002"] = fault
    for _ in range(3):
        _, notice, cursor = await later(page, cursor)
        assert "a conversation can't be read" in notice
    page.fake.write("7001", "tres")
    came, _, cursor = await later(page, cursor)
    assert "tres" in came
    page.fake.broken.clear()
    came, notice, cursor = await later(page, cursor)
    assert "dos" in came
    assert notice == ""
    assert (await later(page, cursor))[0] == []


@pytest.mark.parametrize("fault", [GONE, FORBIDDEN, BROKEN])
async def test_it_costs_two_calls_a_sweep_at_most_and_brings_nothing_twice(page: Place, fault: Fault) -> None:
    _, cursor = await begun(page)
    page.fake.write("7001", "uno")
    page.fake.write("7002", "dos")
    page.fake.broken["t_7002"] = fault
    for _ in range(2):
        _, _, cursor = await later(page, cursor)
    page.fake.seen.clear()
    came, _, cursor = await later(page, cursor)
    assert came == []
    assert asked_for(page, "t_7002") <= 2
    assert asked_for(page, "t_7001") == 0


async def test_what_stays_refused_for_a_week_is_given_up_and_told(page: Place) -> None:
    _, cursor = await begun(page)
    page.fake.write("7002", "dos")
    page.fake.broken["t_7002"] = GONE
    _, _, cursor = await later(page, cursor)
    page.fake.now += LOST
    _, notice, cursor = await later(page, cursor)
    assert "is given up" in notice
    page.fake.seen.clear()
    _, notice, cursor = await later(page, cursor)
    assert (asked_for(page, "t_7002"), notice) == (0, "")


async def test_where_almost_all_are_refused_the_mark_waits_for_them(page: Place) -> None:
    _, cursor = await begun(page)
    names = [f"7{n:03d}" for n in range(MOST_MISSED + 15)]
    for name in names:
        page.fake.write(name, f"de {name}")
        page.fake.broken[f"t_{name}"] = FORBIDDEN
    for _ in range(2):
        came, _, cursor = await later(page, cursor)
        assert came == []
        assert len(json.loads(cursor or "")["missed"]) == MOST_MISSED
    page.fake.broken.clear()
    got: set[str] = set()
    for _ in range(6):
        came, _, cursor = await later(page, cursor)
        got |= set(came)
    assert got == {f"de {name}" for name in names}


async def test_where_meta_asks_to_wait_the_poll_waits_and_nothing_is_owed(page: Place) -> None:
    channel, cursor = await begun(page)
    page.fake.write("7001", "uno")
    page.fake.fail("messages", Fault(code=4))
    with refused(Transient, "the limit of calls"):
        await channel.poll(cursor)
    assert (await later(page, cursor))[0] == ["uno"]


async def test_where_metas_cursor_is_no_good_any_more_the_list_is_begun_again(page: Place) -> None:
    channel, cursor = await begun(page)
    for n in range(30):
        page.fake.write(f"7{n:03d}", f"mensaje {n}")
    first = await channel.poll(cursor)
    page.fake.fail("conversations", Fault(code=100))
    came, notice, _ = await later(page, first.cursor)
    assert "begun again" in notice
    assert {*came, *texts(page, [first])} == {f"mensaje {n}" for n in range(30)}


async def test_while_meta_fails_a_sweep_does_not_wait_for_each(page: Place) -> None:
    _, cursor = await begun(page)
    for n in range(4):
        page.fake.write(f"7{n:03d}", f"mensaje {n}")
        page.fake.broken[f"t_7{n:03d}"] = BROKEN
    for waiting in range(5):
        page.fake.seen.clear()
        _, _, cursor = await later(page, cursor)
        calls = sum(seen.call == "messages" for seen in page.fake.seen)
        assert calls <= 4, "one that waits and a new one, each in two sizes"
        assert calls == 2 or 0 < waiting < 4
    page.fake.broken = {"t_7000": BROKEN}
    got: set[str] = set()
    for _ in range(2):
        came, _, cursor = await later(page, cursor)
        got |= set(came)
    assert got == {"mensaje 1", "mensaje 2", "mensaje 3"}, "one that stays broken keeps back no other for long"


# ---------------------------------------------------------------- comments


async def test_long_comments_of_anybody_jam_nothing(page: Place) -> None:
    channel, cursor = await begun(page)
    page.fake.now += timedelta(seconds=2)
    for _ in range(50):
        page.fake.comment("9001", "😀" * 2000, told=False)  # 12 bytes each as Meta writes them
    pages, cursor = await sweep(channel, cursor)
    assert texts(page, pages) == ["😀" * 2000] * 50
    assert sum(seen.call == "comments" for seen in page.fake.seen) == 1


async def test_what_cannot_be_had_at_once_is_asked_for_in_smaller_parts(page: Place) -> None:
    channel, cursor = await begun(page)
    for n in range(60):
        page.fake.comment("9001", f"comentario {n}", told=False)
    page.fake.fail("comments", BROKEN)
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages) == [f"comentario {n}" for n in range(60)]
    limits = [seen.query["limit"] for seen in page.fake.seen if seen.call == "comments"]
    assert limits == ["50", *["10"] * 6]
    assert not [one.notice for one in pages if one.notice]


@pytest.mark.parametrize("faults", [(), (BROKEN,)])
async def test_of_very_many_the_newest_come_and_the_rest_is_told(page: Place, faults: tuple[Fault, ...]) -> None:
    channel, cursor = await begun(page)
    for n in range(520):
        page.fake.comment("9001", f"comentario {n}", told=False)
    page.fake.fail("comments", *faults)
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages) == [f"comentario {n}" for n in range(20, 520)]
    assert "its oldest part was left" in "; ".join(one.notice for one in pages)


@pytest.mark.parametrize("fault", REFUSALS)
async def test_comments_below_one_post_that_are_refused_keep_back_no_others(page: Place, fault: Fault) -> None:
    book = page.fake.book
    older, newer = book.post(page.fake.now), book.post(page.fake.now)
    _, cursor = await begun(page)
    book.comment(older, "9001", "al viejo", page.fake.now)
    book.comment(newer, "9002", "al nuevo", page.fake.now)
    page.fake.broken[newer.id] = fault
    got: set[str] = set()
    for _ in range(2):
        came, notice, cursor = await later(page, cursor)
        assert "comments can't be read" in notice
        got |= set(came)
    assert got == {"al viejo"}
    page.fake.write("7001", "en privado")
    came, _, cursor = await later(page, cursor)
    assert "en privado" in came
    page.fake.broken.clear()
    came, _, cursor = await later(page, cursor)
    assert "al nuevo" in came


async def test_a_visitors_post_comes_though_what_stands_below_it_cannot_be_read(page: Place) -> None:
    _, cursor = await begun(page)
    post = page.fake.book.post(page.fake.now, sender="9002", text="Hay un bache")
    page.fake.broken[post.id] = GONE
    assert (await later(page, cursor))[0] == ["Hay un bache"]


@pytest.mark.parametrize("fault", [*REFUSALS, Fault(code=4)])
async def test_posts_that_cannot_be_listed_keep_back_no_messages(page: Place, fault: Fault) -> None:
    _, cursor = await begun(page)
    page.fake.comment("9001", "¿Dónde pago?", told=False)
    for n in range(3):
        page.fake.write("7001", f"mensaje {n}", told=False)
        page.fake.fail("posts", fault)
        came, notice, cursor = await later(page, cursor)
        assert f"mensaje {n}" in came
        assert "comments can't be read" in notice
    came, _, cursor = await later(page, cursor)
    assert "¿Dónde pago?" in came


async def test_the_same_for_an_instagram_account(account: Place) -> None:
    post = account.fake.book.post(account.fake.now)
    _, cursor = await begun(account)
    account.fake.write("7002", "hola")
    account.fake.comment("9001", "¿Dónde pago?")
    account.fake.broken |= {"t_7002": FORBIDDEN, post.id: BROKEN}
    came, notice, cursor = await later(account, cursor)
    assert came == []
    assert "a conversation can't be read" in notice
    assert "comments can't be read" in notice
    account.fake.broken.clear()
    assert set((await later(account, cursor))[0]) == {"hola", "¿Dónde pago?"}
