"""Logging in to Meta by reading the number, and letting go."""

from __future__ import annotations

import pytest

from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient
from inbox_daemon.plugins import Secret
from support.graph_fake import Fault
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused


async def test_check_reads_the_number_and_changes_nothing(number: Number) -> None:
    await number.channel.check()
    assert [seen.path for seen in number.graph.seen] == ["/v26.0/100000000000002"]
    assert (number.graph.sent, number.graph.uploads) == ([], [])


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(code=190), Credentials, "the access token is invalid or has expired: make a new one"),
        (Fault(code=10), Credentials, "give its system user whatsapp_business_messaging"),
        (Fault(code=100, subcode=33), Credentials, "phone_number_id does not exist or access_token may not see it"),
        (Fault(code=133010), Credentials, "register it"),
        (Fault(status=404, raw=b"<html>"), Permanent, "HTTP 404"),
        (Fault(status=301, headers={"Location": "/"}), Permanent, "check graph_url"),
        (Fault(status=200, raw=b'{"id":"7"}'), Permanent, "answers under another id"),
        (Fault(status=200, raw=b"<html>"), Transient, "not one of the Graph API"),
        (Fault(status=503, raw=b""), Transient, "HTTP 503"),
        (Fault(wait_seconds=1.0), Transient, "no answer in time from 127.0.0.1"),
    ],
)
async def test_check_says_what_is_wrong(number: Number, fault: Fault, kind: type[EdgeError], words: str) -> None:
    number.graph.fail("number", fault)
    with refused(kind, words):
        await number.channel.check()
    with refused(kind, "checking the number"):
        number.graph.fail("number", fault)
        await number.channel.check()


async def test_check_with_a_wrong_token(number: Number) -> None:
    with refused(Credentials, "access token is invalid"):
        await number.another(access_token=Secret("another")).check()
    assert [seen.authorized for seen in number.graph.seen] == [False]


async def test_check_with_another_apps_secret(number: Number) -> None:
    await number.channel.check()
    assert [seen.proven for seen in number.graph.seen] == [True]
    with refused(Credentials, "app_secret is not that of the token's app"):
        await number.another(app_secret=Secret("of another app")).check()


async def test_an_app_that_requires_its_secret_gets_it(number: Number) -> None:
    number.graph.insists = True
    await number.channel.check()
    await number.channel.inspect()
    assert all(seen.proven for seen in number.graph.seen)
    sharing = number.another(webhook_of="whatsapp-centro", app_secret=Secret(""), verify_token=Secret(""))
    with refused(Credentials, "give app_secret"):
        await sharing.check()


async def test_check_when_nobody_is_there(number: Number) -> None:
    with refused(Transient, "no connection to 127.0.0.1"):
        await number.another(url="http://127.0.0.1:9").check()


async def test_letting_go_is_safe_at_any_time(number: Number) -> None:
    fresh = number.another()
    await fresh.aclose()
    await fresh.aclose()
    broken = number.another(url="http://127.0.0.1:9")
    with refused(Transient):
        await broken.check()
    await broken.aclose()
    assert "Secret(…)" in repr(broken.__dict__)
