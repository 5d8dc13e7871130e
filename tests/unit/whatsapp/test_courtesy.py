"""What goes beside an answer: the read mark, which nothing depends on, and the request for a hidden number."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inbox_channels.whatsapp import plugin
from inbox_daemon.errors import Credentials, Transient, Uncertain, WindowClosed
from inbox_daemon.model import Choice, Envelope, Event, ExternalId, Handle, InstanceId, Message
from support.graph_fake import Fault
from support.graph_fake_citizens import Phone, Update, body
from unit.whatsapp.answers import BSUID, PHONE, answer, stored
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

WORD = ExternalId("wamid.IN1")
BENITO = Phone(bsuid="AR.1001", name="Benito", username="benito.9")


async def marked(number: Number, count: int = 1) -> list[str]:
    """The marks, once so many have come or a moment has gone."""
    for _ in range(30):
        if len(number.graph.marked) >= count:
            break
        await asyncio.sleep(0.01)
    return number.graph.marked


# ---------------------------------------------------------------- read mark


async def test_the_message_that_an_agent_answers_is_shown_as_read(number: Number) -> None:
    await number.channel.send(answer(in_reply_to=WORD))
    assert await marked(number) == [WORD]
    [seen] = [one for one in number.graph.seen if one.call == "read"]
    assert seen.body == {"messaging_product": "whatsapp", "status": "read", "message_id": WORD}
    assert len(number.graph.sent) == 1


@pytest.mark.parametrize(
    ("reply", "settings"),
    [
        ({"in_reply_to": WORD, "automatic": True}, {}),
        ({"in_reply_to": None}, {}),
        ({"in_reply_to": WORD}, {"mark_read": False}),
    ],
)
async def test_what_no_person_has_read_is_not_marked(
    number: Number, reply: dict[str, Any], settings: dict[str, Any]
) -> None:
    await number.another(**settings).send(answer(**reply))
    await asyncio.sleep(0.05)
    assert (number.graph.marked, len(number.graph.sent)) == ([], 1)


@pytest.mark.parametrize(
    "fault",
    [{"code": 131009}, {"code": 190}, {"code": 131056}, {"status": 502, "raw": b""}, {"cut_after": 0}],
)
async def test_a_mark_that_fails_costs_the_answer_nothing(number: Number, fault: dict[str, Any]) -> None:
    number.graph.fail("read", Fault(**fault))
    await number.channel.send(answer(in_reply_to=WORD))
    await asyncio.sleep(0.05)
    assert (number.graph.marked, len(number.graph.sent)) == ([], 1)
    await number.channel.send(answer(in_reply_to=WORD))  # and holds nobody
    assert await marked(number) == [WORD]


async def test_a_mark_that_hangs_is_waited_for_by_nobody_and_ends_with_the_channel(number: Number) -> None:
    channel = number.another(answer_seconds=30.0)
    number.graph.fail("read", Fault(wait_seconds=20.0))
    began = time.monotonic()
    await channel.send(answer(in_reply_to=WORD))
    assert len(number.graph.sent) == 1
    await channel.aclose()
    await channel.aclose()
    assert time.monotonic() - began < 2
    assert number.graph.marked == []


async def test_an_answer_that_does_not_go_leaves_its_error(number: Number) -> None:
    for fault, kind in ((Fault(code=131047), WindowClosed), (Fault(code=190), Credentials)):
        number.graph.fail("send", fault)
        with refused(kind):
            await number.channel.send(answer(in_reply_to=WORD))


# ---------------------------------------------------------------- request for a number


def notice(text: str = "Recibimos su mensaje.", **changes: Any) -> Any:
    return answer(text, **({"to": BSUID, "automatic": True} | changes))


async def test_a_notice_to_who_hides_their_number_asks_for_it_where_configured(number: Number) -> None:
    sent = await number.another(ask_for_number=True).send(notice(in_reply_to=WORD))
    (message,) = number.graph.sent
    assert message.pop("wamid") == sent.id
    assert message == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "recipient": "AR.1001",
        "type": "interactive",
        "interactive": {
            "type": "contact_request",
            "body": {"text": "Recibimos su mensaje."},
            "action": {"name": "request_contact_info"},
        },
        "context": {"message_id": WORD},
        "biz_opaque_callback_data": "4F7K2-8.r1.1",
    }
    (received,) = number.graph.inbox(BENITO)
    assert (received.asks, received.text) == (True, "Recibimos su mensaje.")


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"text": "x" * 1024}, True),
        ({"text": "x" * 1025}, False),
        ({"to": PHONE}, False),
        ({"automatic": False}, False),
        ({"template": "hay_respuesta", "text": ""}, False),
        ({"choices": (Choice(id="a", title="Salud"),)}, False),
    ],
)
async def test_only_notices_of_words_ask(number: Number, changes: dict[str, Any], asked: bool) -> None:
    await number.another(ask_for_number=True).send(notice(**changes))
    await number.channel.send(notice(**changes))
    assert [one.asks for one in number.graph.accepted] == [asked, False]


async def test_a_file_never_asks(number: Number, tmp_path: Path) -> None:
    file = stored(tmp_path, "plano.png", "image/png")
    await number.another(ask_for_number=True).send(notice(attachments=(file,)))
    assert [one.asks for one in number.graph.accepted] == [False]


@pytest.mark.parametrize("code", [131009, 131051, 131062, 100])
async def test_where_meta_refuses_the_request_the_plain_notice_goes_once(number: Number, code: int) -> None:
    number.graph.fail("send", Fault(code=code))
    await number.another(ask_for_number=True).send(notice())
    assert [(one.asks, one.kind) for one in number.graph.accepted] == [(False, "text")]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(code=131047), WindowClosed),
        (Fault(code=131056), Transient),
        (Fault(code=190), Credentials),
        (Fault(status=502, raw=b"", done=True), Uncertain),
        (Fault(wait_seconds=1.0, done=True), Uncertain),
    ],
)
async def test_any_other_end_of_it_is_the_portions_and_nothing_goes_twice(
    number: Number, fault: Fault, kind: type[Any]
) -> None:
    number.graph.fail("send", fault)
    with refused(kind):
        await number.another(ask_for_number=True).send(notice())
    assert len(number.graph.sent) == int(fault.done)


def read(update: Update, number: Number) -> Sequence[Event]:
    envelope = Envelope(instance=InstanceId("x"), body=body([update]), received_at=number.graph.now)
    return plugin.parse(envelope, plugin.settings.model_construct())


async def test_the_number_that_is_shared_is_the_senders_and_answers_go_there(number: Number) -> None:
    await number.another(ask_for_number=True).send(notice())
    (asked,) = number.graph.inbox(BENITO)
    (shared,) = read(BENITO.share("5493624000009", asked.wamid, at=number.graph.now), number)
    assert isinstance(shared, Message)
    assert shared.in_reply_to == asked.wamid
    assert [(one.kind, one.value, one.proof.value) for one in shared.sender.handles] == [
        ("bsuid", "AR.1001", "channel"),
        ("phone", "+5493624000009", "channel"),
    ]
    assert number.channel.address(shared.sender.handles) == Handle(kind="phone", value="+5493624000009")


async def test_a_card_of_somebody_else_links_nobody(number: Number) -> None:
    update = BENITO.share("5493624000009", "wamid.OUT1", at=number.graph.now)
    update["messages"][0]["contacts"][0]["origin"] = "other"
    (message,) = read(update, number)
    assert isinstance(message, Message)
    assert [one.kind for one in message.sender.handles] == ["bsuid"]
    assert number.channel.address(message.sender.handles) == replace(BSUID, scope="100000000000001")
