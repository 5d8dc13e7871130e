"""Whether the channel may work at all: check, inspect, the settings, and deliveries that concern it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from inbox_daemon.errors import Credentials, EdgeError, Transient
from inbox_daemon.plugins import Secret, WebhookRequest
from support.facebook_fake_book import ACCOUNT_ID, SECRET
from support.graph_fake_citizens import sign
from support.graph_fake_faults import Fault
from unit.facebook.answers import refused
from unit.facebook.conftest import Place, settings_for

SCOPES = [
    "pages_manage_metadata", "pages_messaging", "pages_read_engagement", "pages_read_user_content",
    "pages_manage_engagement",
]  # fmt: skip


async def test_check_reads_token_and_page_and_changes_nothing(page: Place, account: Place) -> None:
    for place in (page, account):
        await place.channel.check()
        assert [seen.call for seen in place.fake.seen] == ["me", "node"]
        assert all(seen.proven for seen in place.fake.seen)


@pytest.mark.parametrize(
    ("call", "fault", "kind", "words"),
    [
        ("me", Fault(status=200, raw=b'{"id":"7"}'), Credentials, "page_token is not of the page"),
        ("me", Fault(code=190), Credentials, "renew page_token"),
        ("node", Fault(code=100, subcode=33), Credentials, "page_id does not exist"),
        ("node", Fault(code=10), Credentials, "lacks a permission"),
        ("node", Fault(wait_seconds=1.0), Transient, "no answer in time"),
    ],
)
async def test_check_says_what_is_wrong(
    page: Place, call: Any, fault: Fault, kind: type[EdgeError], words: str
) -> None:
    page.fake.fail(call, fault)
    with refused(kind, words):
        await page.channel.check()


async def test_check_with_another_apps_secret(page: Place) -> None:
    with refused(Credentials, "app_secret is not that of the token's app"):
        await page.another(app_secret=Secret("of another app")).check()


async def test_check_of_an_account_that_is_not_linked(account: Place) -> None:
    with refused(Credentials, "linked to no Instagram account"):
        await account.another(account_id="1784999").check()


async def test_inspect_tells_of_everything_also_what_is_well(page: Place) -> None:
    page.fake.token_data |= {"scopes": SCOPES}
    notices = await page.channel.inspect()
    assert {one.topic for one in notices} >= {"token", "token_scopes", "subscription", "page"}
    assert [one for one in notices if one.grave] == []
    assert not [seen for seen in page.fake.seen if seen.call in ("subscribe", "send")]


async def test_inspect_tells_of_everything_that_is_not(page: Place) -> None:
    soon = int((page.fake.now + timedelta(days=3)).timestamp())
    page.fake.token_data |= {"scopes": SCOPES[1:], "expires_at": soon}
    page.fake.subscribed.discard("feed")
    page.fake.published = False
    page.fake.token_data["app_id"] = "999"
    page.fake.fail("subscribe", Fault(code=200))
    await page.channel.poll(None)
    grave = {one.topic: one.words for one in await page.channel.inspect() if one.grave}
    assert set(grave) == {"token", "token_scopes", "subscription", "page", "app"}
    assert "page_token" in grave["token"]
    assert "pages_manage_metadata" in grave["token_scopes"]
    assert "lacks feed and could not be renewed" in grave["subscription"]
    assert "another app" in grave["app"]


async def test_a_subscription_that_the_daemon_will_renew_troubles_nobody(page: Place) -> None:
    page.fake.subscribed.clear()
    notices = {one.topic: one for one in await page.channel.inspect()}
    assert "renewed by the next poll" in notices["subscription"].words
    assert not notices["subscription"].grave
    page.fake.fail("subscribe", Fault(status=503, raw=b""))
    await page.channel.poll(None)
    assert [one for one in await page.channel.inspect() if one.grave] == []
    await page.channel.poll(None)
    words = {one.topic: one.words for one in await page.channel.inspect()}["subscription"]
    assert words == "the page's subscription is complete"


async def test_a_refused_renewal_is_grave_until_it_succeeds(page: Place) -> None:
    page.fake.subscribed.clear()
    page.fake.fail("subscribe", Fault(code=200))
    await page.channel.poll(None)
    assert [one.topic for one in await page.channel.inspect() if one.grave] == ["subscription"]
    await page.channel.poll(None)
    assert [one for one in await page.channel.inspect() if one.grave] == []


async def test_the_subscription_of_another_app_is_not_ours(page: Place) -> None:
    """The fake's page is subscribed to another app, too, with `feed`."""
    page.fake.subscribed.clear()
    words = {one.topic: one.words for one in await page.channel.inspect()}["subscription"]
    assert "feed" in words


async def test_where_meta_does_not_say_whose_the_token_is_nothing_is_told_of_it(page: Place) -> None:
    page.fake.token_data.pop("app_id")
    assert "app" not in {one.topic for one in await page.channel.inspect()}


async def test_letting_go_is_safe_at_any_time(page: Place) -> None:
    await page.channel.aclose()
    await page.channel.aclose()
    broken = page.another(url="http://127.0.0.1:9")
    with refused(Transient, "no connection"):
        await broken.check()
    await broken.aclose()


# ---------------------------------------------------------------- deliveries


def test_deliveries_are_proven_and_told_apart(page: Place, account: Place) -> None:
    node = page.fake.book.message("7001", "7001", "Hola", page.fake.now)
    body = page.fake.book.told_message(node)
    headers = {key.lower(): value for key, value in sign(body, SECRET).items()}
    page.channel.authenticate(WebhookRequest(method="POST", query={}, headers=headers, body=body))
    with pytest.raises(Credentials):
        page.channel.authenticate(WebhookRequest(method="POST", query={}, headers=headers, body=body + b" "))
    assert page.channel.concerns(body)
    assert not account.channel.concerns(body)


def test_without_a_secret_of_its_own_nothing_is_believed(page: Place) -> None:
    sharing = page.another(webhook_of="otra", app_secret=Secret(""), verify_token=Secret(""))
    assert sharing.webhook_of == "otra"
    body = b"{}"
    headers = {key.lower(): value for key, value in sign(body, "").items()}
    with pytest.raises(Credentials):
        sharing.authenticate(WebhookRequest(method="POST", query={}, headers=headers, body=body))
    query = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "7"}
    answer = sharing.handshake(WebhookRequest(method="GET", query=query, headers={}, body=b""))
    assert answer is not None
    assert answer.status == 403


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"page_id": ""}, "is missing"),
        ({"page_id": "mipagina"}, "digits only"),
        ({"app_id": ""}, "App settings > Basic"),
        ({"app_id": "miapp"}, "digits only"),
        ({"platform": "instagram"}, "instagram_business_account"),
        ({"platform": "twitter"}, "page"),
        ({"app_secret": Secret("")}, "is missing or empty"),
        ({"verify_token": Secret("")}, "is missing or empty"),
        ({"page_token": Secret("")}, "is missing or empty"),
        ({"webhook_of": "otra", "page_token": Secret("")}, "is missing or empty"),
        ({"page_token": Secret("con espacio adentro")}, "copy it again"),
        ({"graph_url": "http://graph.facebook.com"}, "must be https"),
        ({"media_hosts": ("https://x",)}, "no bare host name"),
        ({"media_hosts": (".",)}, "no bare host name"),
        ({"catch_up_seconds": 1}, "greater than or equal to 10"),
        ({"public_answer": "x" * 501}, "at most 500"),
    ],
)
def test_mistakes_are_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        settings_for("http://127.0.0.1:9", **changes)
    assert SECRET not in str(raised.value)


def test_what_may_be_left_out() -> None:
    made = settings_for(
        "http://127.0.0.1:9",
        platform="instagram",
        account_id=ACCOUNT_ID,
        webhook_of="facebook-centro",
        app_secret=Secret(""),
        verify_token=Secret(""),
    )
    assert made.own_id == ACCOUNT_ID
