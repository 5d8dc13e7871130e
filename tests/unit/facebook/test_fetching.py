"""Files of messages: from Meta's hosts only, without our token, once more when the address has expired."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inbox_channels.facebook import plugin
from inbox_daemon.errors import EdgeError, Gone, Permanent, Transient
from inbox_daemon.model import Attachment, Envelope, InstanceId, Message
from support.facebook_fake_book import Item
from support.graph_fake_faults import Fault
from unit.facebook.answers import refused
from unit.facebook.conftest import Place


def delivered(place: Place, *pictures: Item) -> tuple[Attachment, Envelope]:
    """What comes of a message with pictures: its last attachment and the envelope."""
    node = place.fake.book.message("7001", "7001", "", place.fake.now, files=pictures)
    body = place.fake.book.told_message(node)
    envelope = Envelope(instance=InstanceId("facebook-centro"), body=body, received_at=place.fake.now)
    (message,) = plugin.parse(envelope, plugin.settings.model_construct())
    assert isinstance(message, Message)
    return message.attachments[-1], envelope


async def fetched(place: Place, attachment: Attachment, envelope: Envelope) -> bytes:
    return b"".join([chunk async for chunk in place.channel.fetch(attachment, envelope)])


async def test_a_picture_comes_from_its_own_address_without_our_token(page: Place) -> None:
    first, second = page.fake.picture("a.jpg", b"A"), page.fake.picture("b.jpg", b"B" * 200_000)
    attachment, envelope = delivered(page, first, second)
    assert await fetched(page, attachment, envelope) == b"B" * 200_000
    (seen,) = page.fake.seen
    assert (seen.call, seen.authorized, "appsecret_proof" in seen.query) == ("download", False, False)


async def test_an_expired_address_is_asked_for_once_more(page: Place) -> None:
    picture = page.fake.picture("a.jpg", b"A", signature="old")
    attachment, envelope = delivered(page, picture)
    picture["image_data"]["url"] = picture["image_data"]["url"].replace("old", "good")
    assert await fetched(page, attachment, envelope) == b"A"
    assert [seen.call for seen in page.fake.seen] == ["download", "file", "download"]


async def test_what_meta_no_longer_has_is_gone(page: Place) -> None:
    attachment, envelope = delivered(page, page.fake.picture("a.jpg", b"A", signature="old"))
    with refused(Gone, "a fresh address holds nothing"):
        await fetched(page, attachment, envelope)
    page.fake.book.conversations.clear()
    with refused(Gone, "no longer has what it came with"):
        await fetched(page, attachment, envelope)


async def test_a_file_that_the_envelope_does_not_hold_any_more_is_asked_for(page: Place) -> None:
    attachment, envelope = delivered(page, page.fake.picture("a.jpg", b"A"))
    assert await fetched(page, attachment, replace(envelope, body=b"{}")) == b"A"


@pytest.mark.parametrize("remote", ["", "m_1", "#1", "m_1#x", "../me#1", "m_1/attachments#1", "m_1?x=1#1"])
async def test_odd_places_are_never_asked_for(page: Place, remote: str) -> None:
    attachment, envelope = delivered(page, page.fake.picture("a.jpg", b"A"))
    with refused(Permanent):
        await fetched(page, replace(attachment, remote=remote), envelope)
    assert page.fake.seen == []


@pytest.mark.parametrize("host", ["http://10.0.0.1/x", "https://evilfbcdn.net/x", "https://fbcdn.net.evil.test/x"])
async def test_no_other_host_is_called(page: Place, host: str) -> None:
    picture = page.fake.picture("a.jpg", b"A")
    picture["image_data"]["url"] = host
    attachment, envelope = delivered(page, picture)
    with refused(Permanent, "see media_hosts"):
        await fetched(page, attachment, envelope)
    assert page.fake.seen == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=302, headers={"Location": "/cdn/a.jpg?sig=good"}), Permanent),
        (Fault(status=503, raw=b""), Transient),
        (Fault(wait_seconds=1.0), Transient),
        (Fault(cut_after=0), Transient),
    ],
)
async def test_other_answers_say_what_follows(page: Place, fault: Fault, kind: type[EdgeError]) -> None:
    attachment, envelope = delivered(page, page.fake.picture("a.jpg", b"A"))
    page.fake.fail("download", fault)
    with refused(kind):
        await fetched(page, attachment, envelope)
    assert len(page.fake.seen) == 1
    assert await fetched(page, attachment, envelope) == b"A"
