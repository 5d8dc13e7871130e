"""Catching up: what no webhook brought comes by poll, the subscription is renewed, and nothing of it is endless."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from inbox_channels.facebook import plugin
from inbox_channels.facebook.channel import FacebookChannel
from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.model import Cursor, Event, Ignored, Message
from inbox_daemon.plugins import Page
from support.facebook_fake_book import ACCOUNT_ID, PAGE_ID
from support.graph_fake_faults import Fault
from unit.facebook.answers import refused
from unit.facebook.conftest import Place, settings_for


async def sweep(channel: FacebookChannel, cursor: Cursor | None) -> tuple[list[Page], Cursor | None]:
    """Poll as the core does until there is no more."""
    pages = [await channel.poll(cursor)]
    while pages[-1].more:
        assert len(pages) < 100, "a sweep has an end"
        pages.append(await channel.poll(pages[-1].cursor))
    return pages, pages[-1].cursor


def events(place: Place, pages: Sequence[Page]) -> list[Event]:
    platform = place.fake.platform
    own = settings_for(place.fake.url, platform=platform, account_id=ACCOUNT_ID if platform == "instagram" else "")
    return [event for page in pages for envelope in page.envelopes for event in plugin.parse(envelope, own)]


def texts(place: Place, pages: Sequence[Page]) -> list[str]:
    found = events(place, pages)
    assert all(isinstance(event, Message) for event in found), found
    return [event.text for event in found if isinstance(event, Message)]


async def begun(place: Place, **changes: Any) -> tuple[FacebookChannel, Cursor | None]:
    """A channel that has listened from now on, and has been away for an hour."""
    channel = place.another(**changes)
    place.fake.now += timedelta(seconds=2)  # Meta's times are cut to the second
    _, cursor = await sweep(channel, None)
    place.fake.now += timedelta(hours=1)
    return channel, cursor


async def test_at_first_contact_only_what_comes_from_now_on(page: Place) -> None:
    page.fake.write("7001", "de antes")
    page.fake.comment("9001", "también de antes")
    page.fake.now += timedelta(hours=1)
    pages, _ = await sweep(page.channel, None)
    assert texts(page, pages) == []


async def test_what_is_written_in_the_very_second_of_the_first_contact_is_not_missed(page: Place) -> None:
    _, cursor = await sweep(page.channel, None)
    page.fake.write("7001", "en el mismo segundo", told=False)
    pages, _ = await sweep(page.channel, cursor)
    assert texts(page, pages) == ["en el mismo segundo"]


async def test_or_of_so_many_days_as_are_asked_for(page: Place) -> None:
    page.fake.write("7001", "de hace mucho")
    page.fake.now += timedelta(days=5)
    page.fake.write("7001", "de ayer")
    page.fake.comment("9001", "un comentario de ayer")
    page.fake.now += timedelta(days=1)
    pages, _ = await sweep(page.another(catch_up_days=3), None)
    assert texts(page, pages) == ["de ayer", "un comentario de ayer"]


async def test_everything_of_an_outage_comes_in_order_and_as_by_webhook(page: Place) -> None:
    page.fake.write("7001", "visto")
    post = page.fake.book.post(page.fake.now)
    channel, cursor = await begun(page)
    page.fake.subscribed.clear()
    for n in range(3):
        page.fake.write("7001", f"Ana {n}")
        page.fake.write("7002", f"Benito {n}")
        page.fake.now += timedelta(seconds=5)
    said = page.fake.write("7003", "Carla")
    comment = page.fake.comment("9001", "¿Dónde pago?")
    page.fake.book.post(page.fake.now, sender="9002", text="Hay un bache")
    pages, cursor = await sweep(channel, cursor)
    got = texts(page, pages)
    assert [text for text in got if text.startswith("Ana")] == ["Ana 0", "Ana 1", "Ana 2"]
    assert sorted(got) == sorted(
        ["Ana 0", "Ana 1", "Ana 2", "Benito 0", "Benito 1", "Benito 2", "Carla", "¿Dónde pago?", "Hay un bache"]
    )
    by_poll = {event.external_id: event for event in events(page, pages) if isinstance(event, Message)}
    own = settings_for(page.fake.url)
    for told in (page.fake.book.told_message(said), page.fake.book.told_comment(post, comment)):
        envelope = (
            pages[0]
            .envelopes[0]
            .__class__(instance=pages[0].envelopes[0].instance, body=told, received_at=page.fake.now)
        )
        (hooked,) = plugin.parse(envelope, own)
        assert isinstance(hooked, Message)
        same = by_poll[hooked.external_id]
        assert (same.fingerprint, same.sender.handles, same.text) == (
            hooked.fingerprint,
            hooked.sender.handles,
            hooked.text,
        )


async def test_the_next_sweep_brings_only_what_is_new(page: Place) -> None:
    channel, cursor = await begun(page)
    page.fake.write("7001", "uno")
    page.fake.now += timedelta(minutes=10)
    pages, cursor = await sweep(channel, cursor)
    assert texts(page, pages) == ["uno"]
    page.fake.now += timedelta(minutes=10)
    page.fake.write("7001", "dos")
    pages, cursor = await sweep(channel, cursor)
    assert texts(page, pages) == ["dos"]
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages) == ["dos"], "the overlap brings it again, which is harmless"


async def test_what_the_page_itself_wrote_is_left_out(page: Place) -> None:
    channel, cursor = await begun(page)
    page.fake.write("7001", "Hola")
    page.fake.typed("7001", "escrito en la bandeja")
    comment = page.fake.comment("9001", "¿Dónde?")
    post = next(iter(page.fake.book.posts.values()))
    page.fake.book.comment(post, PAGE_ID, "Por privado", page.fake.now, parent=comment["id"])
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages) == ["Hola", "¿Dónde?"]


async def test_many_conversations_come_page_by_page(page: Place) -> None:
    channel, cursor = await begun(page)
    for n in range(60):
        page.fake.write(f"7{n:03d}", f"mensaje {n}")
    pages, _ = await sweep(channel, cursor)
    assert sorted(texts(page, pages)) == sorted(f"mensaje {n}" for n in range(60))
    assert max(len(one.envelopes) for one in pages) <= 25


async def test_a_crash_between_two_pages_loses_nothing(page: Place) -> None:
    channel, cursor = await begun(page)
    for n in range(60):
        page.fake.write(f"7{n:03d}", f"mensaje {n}")
    first = await channel.poll(cursor)
    page.fake.fail("conversations", Fault(status=503, raw=b""))
    with refused(Transient):
        await channel.poll(first.cursor)
    page.fake.write("7999", "mientras tanto")
    rest, cursor = await sweep(page.another(), first.cursor)
    later, _ = await sweep(page.another(), cursor)
    got = {*texts(page, [first, *rest, *later])}
    assert got == {*(f"mensaje {n}" for n in range(60)), "mientras tanto"}


async def test_after_a_start_in_the_middle_of_a_sweep_a_whole_one_follows_at_once(page: Place) -> None:
    channel, cursor = await begun(page)
    broken_off = await channel.poll(cursor)
    assert broken_off.more
    page.fake.subscribed.clear()
    page.fake.write("7001", "entre dos vidas")
    pages, _ = await sweep(page.another(), broken_off.cursor)
    assert texts(page, pages) == ["entre dos vidas"]
    assert "messages" in page.fake.subscribed


async def test_more_than_twenty_of_one_person_are_told_to_a_human(page: Place) -> None:
    channel, cursor = await begun(page)
    for n in range(25):
        page.fake.write("7001", f"m{n}")
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages) == [f"m{n}" for n in range(5, 25)]
    assert "look at the page's inbox" in pages[0].notice


async def test_a_conversation_that_is_refused_stops_no_other(page: Place) -> None:
    channel, cursor = await begun(page)
    page.fake.write("7001", "uno")
    page.fake.now += timedelta(seconds=2)
    page.fake.write("7002", "dos")
    page.fake.fail("messages", Fault(code=100, subcode=33))
    pages, cursor = await sweep(channel, cursor)
    assert texts(page, pages) == ["uno"]
    assert "a conversation can't be read" in pages[0].notice
    page.fake.now += timedelta(minutes=10)
    pages, _ = await sweep(page.another(), cursor)
    assert "dos" in texts(page, pages), "it is asked for again"


async def test_comments_that_may_not_be_read_stop_no_messages(page: Place) -> None:
    channel, cursor = await begun(page)
    page.fake.comment("9001", "¿Dónde pago?")
    page.fake.write("7001", "uno")
    page.fake.fail("posts", Fault(code=10))
    pages, cursor = await sweep(channel, cursor)
    assert texts(page, pages) == ["uno"]
    assert "comments can't be read" in pages[-1].notice
    page.fake.now += timedelta(hours=2)
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages)[-1:] == ["¿Dónde pago?"], "their mark has stayed"


async def test_a_refused_token_stops_the_poll(page: Place) -> None:
    page.fake.fail("conversations", Fault(code=190))
    with refused(Credentials, "renew page_token"):
        await page.channel.poll(None)


async def test_near_the_limit_of_calls_the_rest_waits_for_the_next_turn(page: Place) -> None:
    channel, cursor = await begun(page)
    for n in range(30):
        page.fake.write(f"7{n:03d}", f"mensaje {n}")
    page.fake.usage = 85
    first = await channel.poll(cursor)
    assert (len(first.envelopes), first.more) == (25, False)
    page.fake.usage = 10
    pages, _ = await sweep(channel, first.cursor)
    assert len(texts(page, [first, *pages])) == 30


async def test_old_posts_that_are_unchanged_end_the_sweep(page: Place) -> None:
    for _ in range(60):
        page.fake.book.post(page.fake.now)
    channel, cursor = await begun(page)
    page.fake.seen.clear()
    await sweep(channel, cursor)
    assert sum(seen.call == "comments" for seen in page.fake.seen) == 30


async def test_without_comments_nobody_asks_for_them(page: Place) -> None:
    page.fake.comment("9001", "¿Dónde pago?")
    channel, cursor = await begun(page, comments=False)
    await sweep(channel, cursor)
    assert not [seen for seen in page.fake.seen if seen.call in ("posts", "comments")]


async def test_instagram_in_its_own_words(account: Place) -> None:
    account.fake.book.post(account.fake.now)
    channel, cursor = await begun(account)
    account.fake.write("7002", "Hola")
    account.fake.typed("7002", "escrito en la bandeja")
    account.fake.comment("9001", "¿Dónde pago?")
    pages, _ = await sweep(channel, cursor)
    assert texts(account, pages) == ["Hola", "¿Dónde pago?"]
    asked = [seen.query.get("platform") for seen in account.fake.seen if seen.call == "conversations"]
    assert set(asked) == {"instagram"}


@pytest.mark.parametrize("cursor", ["", "{", "[]", '{"messages": 5}', '{"messages": "x"}', "{}"])
async def test_where_the_position_cannot_be_read_a_week_is_looked_through_again(page: Place, cursor: str) -> None:
    page.fake.write("7001", "de hace mucho")
    page.fake.now += timedelta(days=8)
    page.fake.write("7001", "de ayer")
    page.fake.now += timedelta(days=1)
    pages, written = await sweep(page.channel, Cursor(cursor))
    assert texts(page, pages) == ["de ayer"]
    assert set(json.loads(written or "")) == {"messages", "comments"}


# ---------------------------------------------------------------- the subscription


async def test_a_lost_subscription_is_renewed_and_told(page: Place) -> None:
    page.fake.subscribed.clear()
    pages, cursor = await sweep(page.channel, None)
    assert {"messages", "message_echoes", "feed"} <= page.fake.subscribed
    assert "was renewed" in pages[0].notice
    pages, _ = await sweep(page.channel, cursor)
    assert [one.notice for one in pages if one.notice] == []


async def test_what_else_is_subscribed_stays(page: Place) -> None:
    page.fake.subscribed -= {"feed"}
    page.fake.subscribed |= {"mention"}
    await sweep(page.channel, None)
    assert {"mention", "feed", "messages"} <= page.fake.subscribed


async def test_comments_that_are_not_wanted_are_not_subscribed(page: Place) -> None:
    page.fake.subscribed.clear()
    await sweep(page.another(comments=False), None)
    assert "feed" not in page.fake.subscribed


@pytest.mark.parametrize("fault", [Fault(code=200), Fault(status=503, raw=b""), Fault(wait_seconds=1.0)])
@pytest.mark.parametrize("call", ["subscription", "subscribe"])
async def test_a_subscription_that_fails_stops_no_poll(page: Place, call: Any, fault: Fault) -> None:
    channel, cursor = await begun(page)
    page.fake.subscribed.clear()
    page.fake.write("7001", "uno")
    page.fake.fail(call, fault)
    pages, _ = await sweep(channel, cursor)
    assert texts(page, pages) == ["uno"]
    assert "in doubt" in pages[0].notice


async def test_an_echo_in_the_books_is_ignored_not_answered(page: Place) -> None:
    """Should the page's own message come by poll all the same, parsing knows it for the page's."""
    node = page.fake.typed("7001", "escrito en la bandeja")
    page.fake.write("7001", "Hola")
    body = json.dumps({"object": "page", "polled": [{"kind": "message", "conversation": "t_1", "item": node}]})
    envelope = (await page.another(catch_up_days=1).poll(None)).envelopes[0]
    made = plugin.parse(
        envelope.__class__(instance=envelope.instance, body=body.encode(), received_at=page.fake.now),
        settings_for(page.fake.url),
    )
    assert all(isinstance(event, Ignored) or (isinstance(event, Message) and event.echo) for event in made)
