"""Portions of answers to citizens through the Graph API: what goes out, as one message each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from inbox_channels.whatsapp import plugin
from inbox_daemon.errors import Permanent
from inbox_daemon.model import (
    Choice,
    Envelope,
    ExternalId,
    Handle,
    InstanceId,
    Message,
    SendState,
    StatusEvent,
    StoredFile,
)
from support.graph_fake import Fate
from support.graph_fake_citizens import Phone, body
from unit.whatsapp.answers import BSUID, answer, stored
from unit.whatsapp.conftest import Number
from unit.whatsapp.secrecy import refused

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
ANA = Phone(number="5493624000001", bsuid="AR.1001", name="Ana Invento")


async def test_a_text_goes_to_the_received_number_with_plus_our_tag_and_what_it_answers(number: Number) -> None:
    sent = await number.channel.send(answer("Ya está.", in_reply_to=ExternalId("wamid.IN1")))
    (message,) = number.graph.sent
    assert (sent.id, sent.state) == (message.pop("wamid"), SendState.ACCEPTED)
    assert message == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "+5493624000001",
        "type": "text",
        "text": {"body": "Ya está.", "preview_url": False},
        "context": {"message_id": "wamid.IN1"},
        "biz_opaque_callback_data": "4F7K2-8.r1.1",
    }
    (seen,) = [seen for seen in number.graph.seen if seen.call == "send"]
    assert (seen.authorized, seen.path) == (True, "/v26.0/100000000000002/messages")


async def test_a_person_without_a_number_is_written_to_by_their_id(number: Number) -> None:
    await number.channel.send(answer(to=BSUID))
    (message,) = number.graph.sent
    assert (message["recipient"], "to" in message) == ("AR.1001", False)


@pytest.mark.parametrize(
    ("value", "kept", "shortened"),
    [
        ("+5493624000001", "+5493624000001", "+543624000001"),
        ("5493624000001", "+5493624000001", "+543624000001"),
        ("+543624000001", "+543624000001", "+543624000001"),
        ("+5215512345678", "+5215512345678", "+5215512345678"),
    ],
)
async def test_only_the_switch_drops_the_9(number: Number, value: str, kept: str, shortened: str) -> None:
    reply = answer(to=Handle(kind="phone", value=value))
    await number.channel.send(reply)
    await number.another(drop_mobile_9=True).send(reply)
    assert [message["to"] for message in number.graph.sent] == [kept, shortened]


async def test_a_text_is_sent_as_it_is_up_to_the_last_sign(number: Number) -> None:
    text = "  *Ya está*\n\n" + "x" * 4082 + " "
    await number.channel.send(answer(text))
    (message,) = number.graph.sent
    assert (len(text), message["text"]["body"]) == (4096, text)


async def test_a_template_goes_with_its_parameters_and_language(number: Number) -> None:
    parameters = ("EX-123", "dos\nrenglones\ty  más")
    await number.channel.send(answer("", template="caso_actualizado", parameters=parameters))
    (message,) = number.graph.sent
    assert message["template"] == {
        "name": "caso_actualizado",
        "language": {"code": "es_AR"},
        "components": [
            {
                "type": "body",
                "parameters": [{"type": "text", "text": "EX-123"}, {"type": "text", "text": "dos renglones y más"}],
            }
        ],
    }
    await number.another(template_language="es").send(answer("", template="aviso"))
    assert number.graph.sent[1]["template"] == {"name": "aviso", "language": {"code": "es"}}


@pytest.mark.parametrize(
    ("name", "media_type", "kind", "sent_type"),
    [
        ("resolución.pdf", "application/pdf", "document", "application/pdf"),
        ("plano.png", "image/png; charset=binary", "image", "image/png"),
        ("acto.mp4", "Video/MP4", "video", "video/mp4"),
    ],
)
async def test_a_file_is_uploaded_and_sent_by_id_as_what_whatsapp_shows(
    number: Number, tmp_path: Path, name: str, media_type: str, kind: str, sent_type: str
) -> None:
    file = stored(tmp_path, name, media_type, b"%PDF")
    sent = await number.channel.send(answer("El papel", attachments=(file,)))
    assert number.graph.uploads == [(name, sent_type, b"%PDF")]
    (received,) = number.graph.inbox(ANA)
    assert (received.wamid, received.kind, received.text, received.content) == (sent.id, kind, "El papel", b"%PDF")
    assert received.filename == (name if kind == "document" else "")
    assert received.tag == "4F7K2-8.r1.1"


async def test_a_file_without_words_has_no_caption(number: Number, tmp_path: Path) -> None:
    await number.channel.send(answer(" \n", attachments=(stored(tmp_path, "plano.png", "image/png"),)))
    await number.channel.send(answer("", attachments=(stored(tmp_path, "voz.ogg", "audio/ogg; codecs=opus"),)))
    assert number.graph.sent[0]["image"].keys() == number.graph.sent[1]["audio"].keys() == {"id"}


def choices(*titles: str, description: str = "") -> tuple[Choice, ...]:
    return tuple(Choice(id=f"o{n}", title=title, description=description) for n, title in enumerate(titles))


@pytest.mark.parametrize(
    ("titles", "buttons"),
    [
        (("Salud",), True),
        (("Salud", "Seguridad", "Otra cosa"), True),
        (("Salud", "x" * 20), True),
        (("Salud", "x" * 21), False),
        (("Salud", "Seguridad", "Educación", "Otra cosa"), False),
        (tuple(f"{n:02d}{'x' * 22}" for n in range(10)), False),
    ],
)
async def test_a_menu_is_buttons_where_they_fit_else_a_list_and_its_answer_names_the_choice(
    number: Number, titles: Sequence[str], buttons: bool
) -> None:
    sent = await number.channel.send(answer("¿Para quién es?", choices=choices(*titles, description="Trámites")))
    (menu,) = number.graph.inbox(ANA)
    assert (menu.text, menu.buttons) == ("¿Para quién es?", buttons)
    assert [title for _, title in menu.choices] == list(titles)
    content = body([ANA.choose(menu, menu.choices[-1][0], at=NOW)])
    (event,) = parsed(content)
    assert isinstance(event, Message)
    assert (event.text, dict(event.details)) == (titles[-1], {"choice": f"o{len(titles) - 1}"})
    assert str(event.in_reply_to) == sent.id


async def test_a_list_opens_from_a_button_of_the_offices_own_words_and_keeps_descriptions(number: Number) -> None:
    menu = (*choices("Salud", "Seguridad", "Educación"), Choice(id="o9", title="Otra", description="Lo demás"))
    await number.channel.send(answer("¿Para quién es?", choices=menu))
    await number.another(menu_button="Elegir oficina").send(answer("¿Para quién es?", choices=menu))
    actions = [message["interactive"]["action"] for message in number.graph.sent]
    assert [action["button"] for action in actions] == ["Ver opciones", "Elegir oficina"]
    assert actions[0]["sections"][0]["rows"][2:] == [
        {"id": "o2", "title": "Educación"},
        {"id": "o9", "title": "Otra", "description": "Lo demás"},
    ]


FILE = StoredFile(filename="x", media_type="image/png", size=1, sha256="0" * 64, path="/lost")
ONE = choices("Salud")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"text": "  \n "}, "it is empty"),
        ({"text": "x" * 4097}, "the text has 4097 signs, and WhatsApp takes 4096"),
        ({"tag": "x" * 513}, "its tag is longer than WhatsApp echoes"),
        ({"to": Handle(kind="email", value="ana@correo.test")}, "a handle of kind email"),
        ({"template": "aviso", "attachments": (FILE,)}, "can't go together"),
        ({"template": "aviso", "choices": ONE}, "can't go together"),
        ({"choices": ONE, "attachments": (FILE,)}, "can't go together"),
        ({"template": "aviso", "parameters": ("4F7K2-8", " \n")}, "one of its parameters is empty"),
        ({"attachments": (FILE, FILE)}, "two files can't go together"),
        ({"text": "x" * 1025, "attachments": (FILE,)}, "the text beside a file has 1025 signs"),
        ({"attachments": (FILE,)}, "not on our disk any more"),
        ({"attachments": (replace(FILE, size=(5 << 20) + 1),)}, "5.0 MB is too large for WhatsApp, which takes 5"),
        ({"attachments": (replace(FILE, size=6 << 20),)}, "6.0 MB is too large"),
        ({"attachments": (replace(FILE, media_type="application/zip"),)}, "takes no file of this type"),
        ({"attachments": (replace(FILE, media_type="no\r\nX-Header: 1"),)}, "takes no file of this type"),
        ({"attachments": (replace(FILE, media_type="audio/ogg"),)}, "no text beside a voice file"),
        ({"attachments": (replace(FILE, media_type="audio/wav"),)}, "takes no file of this type"),
        ({"text": " ", "choices": ONE}, "it has no text"),
        ({"text": "x" * 1025, "choices": ONE}, "the text of a menu has 1025 signs"),
        ({"choices": choices(*map(str, range(11)))}, "it has 11 lines, and WhatsApp takes 10"),
        ({"choices": choices("x" * 25)}, "the title of a line has 25 signs"),
        ({"choices": choices("Salud", "Salud")}, "each line needs its own title"),
        ({"choices": choices("Salud", " ")}, "each line needs its own title"),
        ({"choices": (*ONE, Choice(id="o0", title="Otra"))}, "each line needs its own id"),
        ({"choices": (Choice(id="x" * 201, title="Otra"),)}, "the id of a line has 201 signs"),
        ({"choices": choices("Salud", description="x" * 73)}, "the description of a line has 73 signs"),
    ],
)
async def test_a_portion_outside_of_the_rules_is_refused_before_anything_goes_out(
    number: Number, changes: dict[str, Any], words: str
) -> None:
    with refused(Permanent, words):
        await number.channel.send(answer(**changes))
    assert number.graph.seen == []


def parsed(content: bytes) -> Sequence[Any]:
    envelope = Envelope(instance=InstanceId("x"), body=content, received_at=NOW)
    return plugin.parse(envelope, plugin.settings.model_construct())


async def test_states_come_back_under_our_tag_and_a_failure_in_words_for_the_agent(number: Number) -> None:
    number.graph.destine(Fate.failing(131026))
    sent = await number.channel.send(answer())
    assert number.graph.inbox(ANA) == []
    states = parsed(body(number.graph.statuses(sent.id, "sent", "failed", error=131026)))
    assert all(isinstance(state, StatusEvent) for state in states)
    assert [(state.target, state.tag, state.state, state.error_code) for state in states] == [
        (sent.id, "4F7K2-8.r1.1", SendState.SENT, None),
        (sent.id, "4F7K2-8.r1.1", SendState.FAILED, "131026"),
    ]
    assert [state.reason for state in states] == [
        "",
        "el número no tiene WhatsApp o no puede recibir mensajes de esta oficina; conviene usar otro medio",
    ]
