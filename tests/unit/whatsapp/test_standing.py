"""How a number stands, as `inspect` sees it: what is well, what is grave, and what can't be seen."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from inbox_channels.whatsapp import plugin
from inbox_channels.whatsapp.channel import WhatsAppChannel
from inbox_daemon.errors import Credentials, EdgeError, Transient
from inbox_daemon.model import Envelope, InstanceId, InstanceNotice
from inbox_daemon.plugins import Inspecting
from support.graph_fake import Fault, GraphFake
from support.graph_fake_citizens import WABA_ID
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import HIDDEN, refused

NUMBER = "543624000000"
TEMPLATE = {"name": "hay_respuesta", "language": "es_AR", "status": "APPROVED", "category": "UTILITY"}


def whole(number: Number, **changes: Any) -> WhatsAppChannel:
    """A channel that looks at everything."""
    return number.another(**({"account_id": WABA_ID, "answer_template": "hay_respuesta"} | changes))


async def seen(channel: WhatsAppChannel) -> dict[tuple[str, str], InstanceNotice]:
    """What it tells of, by topic and subject: each once, and nothing of anybody."""
    found = await channel.inspect()
    told = {(one.topic, one.subject): one for one in found}
    assert len(told) == len(found)
    assert not [word for one in found for word in HIDDEN if word in repr(one)]
    return told


async def test_all_is_well_and_everything_is_told_of(number: Number) -> None:
    number.graph.account.templates = [TEMPLATE]
    assert isinstance(number.channel, Inspecting)
    told = await seen(whole(number))
    assert {key: one.words for key, one in told.items()} == {
        ("number", NUMBER): "the number's state is connected",
        ("number_quality", NUMBER): "the quality is green",
        ("number_name", NUMBER): "the number's name: approved",
        ("limit", ""): "templates go to 2K people in 24 hours",
        ("account", ""): "messages can be sent",
        ("token", ""): "the access token does not expire",
        ("token_data", ""): "the access token's right to read data does not expire",
        ("token_scopes", ""): "the access token has the permissions it needs",
        ("subscription", ""): "the account's events go to the app",
        ("template", "hay_respuesta"): "the template's state is approved",
        ("template_category", "hay_respuesta"): "the template's category is utility",
    }
    assert not [one for one in told.values() if one.grave]
    assert {one.sent_at for one in told.values()} == {number.graph.now}


async def test_looking_changes_nothing(number: Number) -> None:
    await whole(number).inspect()
    assert all(one.authorized for one in number.graph.seen)
    assert {one.call for one in number.graph.seen} == {"number", "token", "account"}
    assert (number.graph.sent, number.graph.marked, number.graph.uploads) == ([], [], [])


def spoil(graph: GraphFake, place: str, value: Any) -> None:
    """Let one thing of the account be otherwise."""
    if place in ("apps", "templates"):
        setattr(graph.account, place, value)
    elif place in graph.account.token:
        graph.account.token[place] = value
    else:
        graph.account.number[place] = value


BLOCKED = {
    "can_send_message": "BLOCKED",
    "entities": [
        {"entity_type": "PHONE_NUMBER", "id": "1", "can_send_message": "AVAILABLE"},
        {"entity_type": "WABA", "id": "2", "can_send_message": "BLOCKED", "errors": [{"error_code": 141006}]},
        {"entity_type": "BUSINESS", "id": "3", "can_send_message": "LIMITED", "additional_info": ["of Ana Invento"]},
        {"entity_type": "HOLOGRAM", "id": "4", "can_send_message": "LIMITED"},
    ],
}


@pytest.mark.parametrize(
    ("place", "value", "topic", "words"),
    [
        ("status", "RESTRICTED", "number", "nothing goes to people who have not written in the last 24 hours"),
        ("status", "PENDING", "number", "register it under WhatsApp > API Setup"),
        ("quality_rating", "RED", "number_quality", "Meta may soon stop it"),
        ("name_status", "DECLINED", "number_name", "change it in WhatsApp Manager"),
        (
            "health_status",
            BLOCKED,
            "account",
            "because of the WhatsApp Business account (141006), the business portfolio",
        ),
        ("is_valid", False, "token", "not valid any more: make a new one"),
        ("scopes", ["whatsapp_business_messaging"], "token_scopes", "lacks whatsapp_business_management"),
        ("apps", [], "subscription", "nothing comes: POST <account_id>/subscribed_apps"),
        ("apps", ["100000000000099"], "subscription", "do not go to this app"),
        ("templates", [], "template", "there is no template of this name in es_AR"),
        ("templates", [TEMPLATE | {"name": "hay_respuesta_2"}], "template", "there is no template of this name"),
        ("templates", [TEMPLATE | {"language": "en"}], "template", "there is no template of this name in es_AR"),
        ("templates", [TEMPLATE | {"status": "PAUSED"}], "template", "it is paused for some hours"),
        ("templates", [TEMPLATE | {"language": "en"}, TEMPLATE | {"status": "REJECTED"}], "template", "refused it"),
    ],
)
async def test_what_stops_answers_is_grave_and_says_what_to_do(
    number: Number, place: str, value: Any, topic: str, words: str
) -> None:
    number.graph.account.templates = [TEMPLATE]
    spoil(number.graph, place, value)
    grave = [one for one in (await seen(whole(number))).values() if one.grave]
    assert [one.topic for one in grave] == [topic]
    assert words in grave[0].words


@pytest.mark.parametrize("place", ["expires_at", "data_access_expires_at"])
@pytest.mark.parametrize(
    ("left", "grave", "words"),
    [
        (timedelta(days=30), False, "is valid until 20"),
        (timedelta(days=13), True, "expires on 20"),
        (timedelta(days=-1), True, "expired on 20"),
    ],
)
async def test_the_end_of_a_token_is_told_two_weeks_before(
    number: Number, place: str, left: timedelta, grave: bool, words: str
) -> None:
    number.graph.account.token[place] = int((number.graph.now + left).timestamp())
    topic = "token" if place == "expires_at" else "token_data"
    told = (await seen(whole(number, answer_template="")))[topic, ""]
    assert (told.grave, words in told.words) == (grave, True), told.words


@pytest.mark.parametrize("field", ["health_status", "whatsapp_business_manager_messaging_limit"])
async def test_a_field_that_a_version_does_not_know_costs_only_itself(number: Number, field: str) -> None:
    del number.graph.account.number[field]
    told = await seen(whole(number))
    assert len(told) == 9
    assert ("account" if field == "health_status" else "limit", "") not in told


async def test_without_the_accounts_id_that_is_said_and_not_asked(number: Number) -> None:
    told = await seen(whole(number, account_id=""))
    assert told["subscription", ""].words.startswith("account_id is not given")
    assert "account" not in {one.call for one in number.graph.seen}


async def test_a_wrong_account_is_grave_and_nothing_more(number: Number) -> None:
    told = await seen(whole(number, account_id="42"))
    grave = [one for one in told.values() if one.grave]
    assert [one.words[:59] for one in grave] == ["account_id does not exist or access_token may not see it: co"[:59]]
    assert "may not see the account's templates" in told["template", "hay_respuesta"].words


@pytest.mark.parametrize("code", [10, 100, 200, 190])
async def test_a_token_that_may_not_be_asked_about_is_no_fault(number: Number, code: int) -> None:
    number.graph.fail("token", Fault(code=code))
    told = await seen(whole(number))
    assert (told["token", ""].grave, told["token", ""].words) == (
        False,
        "Meta doesn't say how long the access token is valid",
    )
    assert not told["subscription", ""].grave  # some app takes the events, though which one is ours nobody knows


@pytest.mark.parametrize(
    ("call", "fault", "kind"),
    [
        ("number", Fault(code=190), Credentials),
        ("number", Fault(code=100, subcode=33), Credentials),
        ("number", Fault(status=503, raw=b""), Transient),
        ("number", Fault(wait_seconds=1.0), Transient),
        ("token", Fault(status=503, raw=b""), Transient),
        ("account", Fault(wait_seconds=1.0), Transient),
        ("account", Fault(code=80007), Transient),
    ],
)
async def test_who_can_not_look_says_so(number: Number, call: Any, fault: Fault, kind: type[EdgeError]) -> None:
    number.graph.fail(call, fault)
    with refused(kind):
        await whole(number).inspect()


async def test_odd_answers_are_no_crash(number: Number) -> None:
    number.graph.account.number |= {"status": None, "quality_rating": 7, "name_status": ["x"], "health_status": "well"}
    number.graph.account.token |= {"is_valid": "yes", "scopes": None, "expires_at": "soon"}
    number.graph.account.templates = [{"name": "hay_respuesta"}]
    told = await seen(whole(number))
    assert told["token", ""].words == "Meta doesn't say whether the access token is valid"
    assert told["number_quality", NUMBER].words == "the quality is something new"


async def test_what_is_seen_and_what_comes_by_webhook_have_one_topic_and_subject(number: Number) -> None:
    """So that a template that goes on puts the notice of its pause right, and a look every hour does so too."""
    number.graph.account.templates = [TEMPLATE]
    looked = set(await seen(whole(number)))
    fields = {
        "message_template_status_update": {"event": "PAUSED", "message_template_name": "hay_respuesta"},
        "template_category_update": {"new_category": "MARKETING", "message_template_name": "hay_respuesta"},
        "account_update": {"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}},
        "phone_number_quality_update": {"event": "FLAGGED", "display_phone_number": NUMBER},
        "phone_number_name_update": {"decision": "REJECTED", "display_phone_number": NUMBER},
        "business_capability_update": {"max_daily_conversations_per_business": 2000},
    }
    for field, value in fields.items():
        content = b'{"entry":[{"id":"%s","time":1795430000,"changes":[{"field":"%s","value":%s}]}]}' % (
            WABA_ID.encode(),
            field.encode(),
            str(value).replace("'", '"').encode(),
        )
        envelope = Envelope(instance=InstanceId("x"), body=content, received_at=number.graph.now)
        settings = plugin.settings.model_construct(account_id=WABA_ID, answer_template="hay_respuesta")
        (notice,) = plugin.parse(envelope, settings)
        assert isinstance(notice, InstanceNotice)
        assert (notice.topic, notice.subject) in looked
