"""Files from Meta: id → address → bytes, what expires, what breaks, and where the token never goes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from inbox_channels.whatsapp.channel import WhatsAppChannel
from inbox_daemon.errors import Credentials, Gone, Permanent, Transient
from inbox_daemon.model import Attachment, Envelope, InstanceId
from support.graph_fake import Fault, GraphFake, run_graph
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

PHOTO = os.urandom(200_000)
ENVELOPE = Envelope(instance=InstanceId("whatsapp-centro"), body=b"", received_at=datetime.now(UTC))


@pytest.fixture
async def elsewhere() -> AsyncIterator[GraphFake]:
    """Another server, to which no token may come."""
    async with run_graph() as other:
        yield other


def photo(graph: GraphFake) -> Attachment:
    media = graph.add_file(PHOTO, "image/jpeg")
    return Attachment(
        filename="foto.jpg", media_type="image/jpeg", remote=media["id"], expires_at=graph.now + timedelta(days=7)
    )


async def fetched(channel: WhatsAppChannel, attachment: Attachment) -> bytes:
    return b"".join([chunk async for chunk in channel.fetch(attachment, ENVELOPE)])


def calls(graph: GraphFake) -> list[str]:
    assert all(seen.authorized for seen in graph.seen)
    return [seen.call for seen in graph.seen]


async def test_a_file_comes_by_its_id_and_a_fresh_address_both_with_the_token(number: Number) -> None:
    assert await fetched(number.channel, photo(number.graph)) == PHOTO
    assert calls(number.graph) == ["media", "download"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_dead_address_is_asked_for_once_more(number: Number, status: int) -> None:
    number.graph.fail("download", Fault(status=status))
    assert await fetched(number.channel, photo(number.graph)) == PHOTO
    assert calls(number.graph) == ["media", "download", "media", "download"]


async def test_an_address_that_expired_on_the_way_is_asked_for_once_more(number: Number) -> None:
    file = photo(number.graph)
    good = number.graph.address(file.remote)
    number.graph.now += timedelta(minutes=6)
    number.graph.fail("media", Fault(url=good))
    assert await fetched(number.channel, file) == PHOTO
    assert calls(number.graph) == ["media", "download", "media", "download"]


async def test_fresh_addresses_that_stay_dead_are_tried_later(number: Number) -> None:
    number.graph.fail("download", Fault(status=404), Fault(status=404))
    with refused(Transient, "a fresh address holds nothing yet"):
        await fetched(number.channel, photo(number.graph))
    assert len(number.graph.seen) == 4


async def test_after_seven_days_a_file_is_gone(number: Number) -> None:
    file = photo(number.graph)
    number.graph.now += timedelta(days=7)
    with refused(Gone) as caught:
        await fetched(number.channel, file)
    assert caught.error.reason == "expired"


async def test_a_file_that_meta_deleted_is_gone(number: Number) -> None:
    file = photo(number.graph)
    number.graph.forget_file(file.remote)
    with refused(Gone) as caught:
        await fetched(number.channel, file)
    assert caught.error.reason == "deleted"
    assert calls(number.graph) == ["media", "number"]


async def test_what_the_token_may_not_see_is_not_gone(number: Number) -> None:
    """Meta answers the same for a deleted file and for a token without a right to it: the number's node tells."""
    number.graph.fail("media", Fault(code=100, subcode=33))
    number.graph.fail("number", Fault(code=100, subcode=33))
    with refused(Credentials, "access_token may not see it"):
        await fetched(number.channel, photo(number.graph))


async def test_a_file_that_was_deleted_between_both_steps_is_gone(number: Number) -> None:
    number.graph.fail("download", Fault(status=410))
    with refused(Gone) as caught:
        await fetched(number.channel, photo(number.graph))
    assert caught.error.reason == "deleted"


@pytest.mark.parametrize("sent", [0, 1, 100_000, len(PHOTO) - 1])
async def test_a_connection_that_breaks_in_the_file_is_tried_later(number: Number, sent: int) -> None:
    number.graph.fail("download", Fault(cut_after=sent))
    with refused(Transient, "broke"):
        await fetched(number.channel, photo(number.graph))


@pytest.mark.parametrize("call", ["media", "download"])
async def test_silence_is_tried_later(number: Number, call: str) -> None:
    number.graph.fail(call, Fault(wait_seconds=1.0))  # type: ignore[arg-type]
    with refused(Transient, "no answer in time from 127.0.0.1"):
        await fetched(number.channel, photo(number.graph))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(code=190), Credentials),
        (Fault(code=10), Credentials),
        (Fault(code=80007, headers={"Retry-After": "90"}), Transient),
        (Fault(code=131000), Transient),
        (Fault(status=502, raw=b"<html>"), Transient),
        (Fault(status=200, raw=b"<html>"), Transient),
        (Fault(status=200, raw=b"{}"), Transient),
        (Fault(status=200, raw=b"[" * 5000), Transient),
        (Fault(cut_after=0), Transient),
        (Fault(status=302, headers={"Location": "http://127.0.0.1:9/"}), Permanent),
    ],
)
async def test_errors_of_the_first_step(number: Number, fault: Fault, kind: type[Transient]) -> None:
    number.graph.fail("media", fault, fault)  # twice: a cut read is repeated once by the HTTP client itself
    with refused(kind) as caught:
        await fetched(number.channel, photo(number.graph))
    if fault.code == 80007:
        assert caught.error.retry_after == timedelta(seconds=90)
    assert "download" not in calls(number.graph)


@pytest.mark.parametrize(("status", "kind"), [(401, Credentials), (429, Transient), (500, Transient), (400, Permanent)])
async def test_errors_of_the_second_step(number: Number, status: int, kind: type[Transient]) -> None:
    number.graph.fail("download", Fault(status=status))
    with refused(kind):
        await fetched(number.channel, photo(number.graph))


async def test_an_address_at_a_strange_host_is_refused_without_the_token(number: Number, elsewhere: GraphFake) -> None:
    for url in (
        f"{elsewhere.url}/whatsapp_business/attachments/?mid=1",
        number.graph.url.replace("127.0.0.1", "localhost") + "/whatsapp_business/attachments/?mid=1",
        f"http://user@{number.graph.url.removeprefix('http://')}/x",
        "https://lookaside.fbsbx.com.ladron.test/x",
        "https://lookaside.fbsbx.com@ladron.test/x",
        "http://lookaside.fbsbx.com/in-the-clear",
        "https://lookaside.fbsbx.com:8443/x",
        "https://[::1]/x",
        "https://[broken/x",
        "//lookaside.fbsbx.com/x",
        "file:///etc/hostname",
    ):
        number.graph.fail("media", Fault(url=url))
        with refused(Permanent, "where the token must not go; see media_hosts"):
            await fetched(number.channel, photo(number.graph))
    assert set(calls(number.graph)) == {"media"}
    assert elsewhere.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(number: Number, elsewhere: GraphFake, status: int) -> None:
    number.graph.fail("download", Fault(status=status, headers={"Location": f"{elsewhere.url}/v26.0/1"}))
    with refused(Permanent, "leads on to another one"):
        await fetched(number.channel, photo(number.graph))
    assert elsewhere.seen == []


async def test_a_reader_that_has_enough_may_leave_an_endless_file(number: Number) -> None:
    number.graph.fail("download", Fault(endless=True))
    taken = 0
    async with aclosing(number.channel.fetch(photo(number.graph), ENVELOPE)) as chunks:  # type: ignore[type-var]
        async for chunk in chunks:
            taken += len(chunk)
            if taken > 1_000_000:
                break
    assert taken < 1_200_000
    assert await fetched(number.channel, photo(number.graph)) == PHOTO


@pytest.mark.parametrize("remote", ["", "../me", "1/messages", "1?fields=id", "ñ", "1 2", "1\n"])
async def test_an_id_that_is_none_reaches_nobody(number: Number, remote: str) -> None:
    with refused(Permanent, "no form that Meta gives"):
        await fetched(number.channel, Attachment(filename="x", media_type="image/png", remote=remote))
    assert number.graph.seen == []


async def test_nobody_there_is_tried_later(number: Number) -> None:
    channel = number.another(url="http://127.0.0.1:9")
    with refused(Transient, "no connection to 127.0.0.1"):
        await fetched(channel, photo(number.graph))
