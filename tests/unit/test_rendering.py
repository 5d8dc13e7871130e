"""Every kind of message as an agent reads it, in both languages; and what a denuncia's entry must not show."""

from __future__ import annotations

import string
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from inbox_channels.facebook import plugin as facebook
from inbox_daemon.model import Automatic, Content, Draft, Entry
from inbox_daemon.pipeline.drafting import Drafting, load
from inbox_daemon.pipeline.rendering import CHANNELS, MAX_SUBJECT_CHARS, TEXTS, Shown, Wording, called
from inbox_daemon.pipeline.routing import compile_rule
from inbox_daemon.store import outbox
from inbox_daemon.store.database import Database
from inbox_daemon.store.schema import dispatch
from support.graph_fake_citizens import Phone, body
from support.memory_adapter import MemoryAdapter
from support.pipes import INSTANCE, Pipes
from unit.facebook.deliveries import MILLIS, comment
from unit.facebook.deliveries import body as page_body
from unit.pipeline.scripted import holding, plugin, says

AT = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
ZONE = ZoneInfo("America/Argentina/Cordoba")
ES, EN = Wording("es-AR", ZONE), Wording("en", ZONE)


def _shown(**more: Any) -> Shown:
    values: dict[str, Any] = {
        "channel": "whatsapp",
        "type": "message",
        "content": "text",
        "text": "Hola",
        "details": {},
        "sent_at": AT,
        "name": "Ana Invento",
        "handle": "+54 9 362 400-0001",
    }
    return Shown(**values | more)


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    assert TEXTS["es-AR"].keys() == TEXTS["en"].keys()
    for key, text in TEXTS["es-AR"].items():
        assert places(text) == places(TEXTS["en"][key]), key
        assert key in {"video", "sticker"} or text != TEXTS["en"][key], key


@pytest.mark.parametrize("wording", [ES, EN], ids=["es-AR", "en"])
@pytest.mark.parametrize("content", list(Content))
@pytest.mark.parametrize("type_", ["message", "edit", "revoke", "reaction"])
@pytest.mark.parametrize("automatic", [None, *Automatic])
def test_every_kind_has_words(wording: Wording, content: Content, type_: str, automatic: Automatic | None) -> None:
    shown = _shown(content=content.value, type=type_, automatic=automatic, text="mañana {9}", details={"a": "b"})
    told = wording.body(shown)
    lines = told.splitlines()
    assert "mañana {9}" in told
    if automatic in {Automatic.AUTO_REPLY, Automatic.LIST, Automatic.SYSTEM}:
        assert lines[0] == wording.say(automatic.value)
    if type_ in {"edit", "revoke"}:
        assert wording.say(type_) in lines
    if type_ == "reaction":
        assert wording.say("reaction", text="mañana {9}") in lines
    elif content is not Content.TEXT and type_ != "revoke":
        assert wording.say(content.value) in lines
        assert lines[-1] == "a: b"


def test_bodies_word_by_word() -> None:
    assert ES.body(_shown()) == "Hola"
    assert ES.body(_shown(text="")) == "—"
    assert ES.body(_shown(content="image", text="mi DNI")) == "[Imagen]\nmi DNI"
    place = {"latitud": "-27.45", "longitud": "-58.98"}
    assert ES.body(_shown(content="location", text="", details=place)) == (
        "[Ubicación]\nlatitud: -27.45\nlongitud: -58.98"
    )
    assert ES.body(_shown(type="reaction", text="")) == "[Quitó su reacción a un mensaje]"
    assert EN.body(_shown(type="edit", text="at ten")) == "[Corrects an earlier message. It now reads:]\nat ten"
    assert ES.body(_shown(content="unsupported", text="")).startswith("[Mensaje de un tipo que el canal no entrega")


PUBLIC = {"origin": "comentario público en Facebook", "url": "https://f.test/1", "url 2": "https://f.test/2"}


@pytest.mark.parametrize("wording", [ES, EN], ids=["es-AR", "en"])
@pytest.mark.parametrize(
    ("details", "hidden"),
    [
        (PUBLIC, True),
        (PUBLIC | {"name 2": "un título"}, True),
        ({"origin": "contact_request", "contact": "Benito"}, False),
        ({"latitude": "-27.45", "url": "https://mapa.test"}, False),  # a place that was sent in private
    ],
)
@pytest.mark.parametrize("type_", ["message", "edit"])
def test_a_reserved_author_is_not_led_to_by_what_they_wrote_in_public(
    wording: Wording, details: dict[str, str], hidden: bool, type_: str
) -> None:
    shown = wording.body(_shown(details=details, type=type_))
    assert all(value in shown for value in details.values())
    assert wording.say("link_reserved") not in shown
    reserved = wording.body(_shown(details=details, type=type_, reserved=True))
    assert ("https://f.test" in reserved, wording.say("link_reserved") in reserved) == (False, hidden)
    kept = {label: value for label, value in details.items() if not (hidden and label.startswith("url"))}
    assert all(value in reserved for value in kept.values())


@pytest.mark.parametrize(
    ("more", "heading"),
    [
        ({}, "WhatsApp · Ana Invento · +54 9 362 400-0001 · 23/11/2026 09:30"),
        ({"name": ""}, "WhatsApp · +54 9 362 400-0001 · 23/11/2026 09:30"),
        ({"name": "", "handle": ""}, "WhatsApp · Sin nombre · 23/11/2026 09:30"),
        ({"name": " Ana\r\nX-Evil: 1\t"}, "WhatsApp · Ana X-Evil: 1 · +54 9 362 400-0001 · 23/11/2026 09:30"),
        ({"name": " \n "}, "WhatsApp · +54 9 362 400-0001 · 23/11/2026 09:30"),
        ({"reserved": True}, "WhatsApp · Identidad reservada · 23/11/2026 09:30"),
        ({"channel": "fax"}, "fax · Ana Invento · +54 9 362 400-0001 · 23/11/2026 09:30"),
    ],
)
def test_headings(more: dict[str, Any], heading: str) -> None:
    assert ES.heading(_shown(**more)) == heading


@given(name=st.text(max_size=60), channel=st.sampled_from(sorted(CHANNELS)))
def test_a_heading_is_one_line(name: str, channel: str) -> None:
    assert len(EN.heading(_shown(name=name, channel=channel)).splitlines()) == 1


@pytest.mark.parametrize(
    ("subject", "text", "told"),
    [
        ("Turno  para\nmañana", "x", "Turno para mañana"),
        ("", "\n\n  Hola,\nquería", "Hola,"),
        ("", "", "Mensaje por WhatsApp"),
        (" \n", "\n \n", "Mensaje por WhatsApp"),
    ],
)
def test_subjects(subject: str, text: str, told: str) -> None:
    assert ES.subject(channel="whatsapp", subject=subject, text=text) == told


@given(subject=st.text(max_size=300), text=st.text(max_size=300))
def test_a_subject_is_one_short_line_and_never_empty(subject: str, text: str) -> None:
    told = ES.subject(channel="email", subject=subject, text=text)
    assert told.strip()
    assert len(told) <= MAX_SUBJECT_CHARS
    assert len(told.splitlines()) == 1


class _Ear(MemoryAdapter):
    """Keeps everything that a destination is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    async def open_ticket(self, draft: Draft) -> Any:
        self.heard.append(str(asdict(draft)))
        return await super().open_ticket(draft)

    async def append(self, ticket: Any, entry: Entry) -> Any:
        self.heard.append(str(asdict(entry)))
        return await super().append(ticket, entry)


@pytest.mark.parametrize("reserved", [True, False])
async def test_a_denuncia_tells_neither_name_nor_handle(database: Database, reserved: bool) -> None:
    ear = _Ear()
    matter = "denuncia" if reserved else "consulta"
    rules = [
        compile_rule(name="d", destination="seguridad", keywords=["denuncia"], matter=matter),
        compile_rule(name="c", destination="seguridad", keywords=["consulta"]),
    ]
    pipes = Pipes(database, {"seguridad": ear}, rules=rules, default="seguridad")
    ana = Phone(number="5493624999888", bsuid="AR.secreta77", name="Ana Invento", username="anita.inv")
    first = ana.text("una denuncia", at=AT, id="wamid.1")
    await pipes.deliver(body([first]))
    media = {"id": "M1", "mime_type": "image/jpeg", "caption": "la patente"}
    await pipes.deliver(body([ana.text("y fue ayer", at=AT), ana.edit("wamid.1", "la denuncia", at=AT)]))
    await pipes.receive(body([ana.media("image", media, at=AT)]))
    await pipes.take_in()
    secrets = ("Ana", "Invento", "4999888", "499-9888", "9988", "secreta77", "anita")
    told = "\n".join(ear.heard)
    assert len(ear.heard) == 3
    assert [secret for secret in secrets if secret in told] == ([] if reserved else ["Ana", "Invento", *secrets[3:4]])


async def test_a_denuncia_never_enters_a_ticket_that_names_its_author(database: Database) -> None:
    ear = _Ear()
    rules = [
        compile_rule(name="d", destination="seguridad", keywords=["denuncia"], matter="denuncia"),
        compile_rule(name="c", destination="seguridad", keywords=["consulta"]),
    ]
    pipes = Pipes(database, {"seguridad": ear}, rules=rules, default="seguridad")
    ana = Phone(number="5493624999888", bsuid="AR.secreta77", name="Ana Invento")
    await pipes.deliver(body([ana.text("una consulta", at=AT, id="wamid.1")]))
    await pipes.deliver(body([ana.text("ahora una denuncia", at=AT)]))
    await pipes.deliver(body([ana.text("otra denuncia, contestando", at=AT, reply_to="wamid.1")]))
    await pipes.deliver(body([ana.text("y otra consulta", at=AT)]))
    bodies = [[text for _, _, text in ticket.entries] for ticket in ear.tickets]
    assert bodies == [["una consulta", "y otra consulta"], ["ahora una denuncia", "otra denuncia, contestando"]]
    assert [("Ana" in heard) for heard in ear.heard] == [True, False, False, True]


@pytest.mark.parametrize(
    ("kind", "settings", "shown"),
    [
        ("facebook", {"platform": "instagram"}, "instagram"),
        ("facebook", {"platform": "page"}, "facebook"),
        ("facebook", {}, "facebook"),
        ("whatsapp", {}, "whatsapp"),
    ],
)
def test_a_channel_is_called_as_people_call_it(kind: str, settings: dict[str, str], shown: str) -> None:
    assert called(kind, SimpleNamespace(**settings)) == shown
    assert CHANNELS[shown]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("whatsapp", "Respondido por WhatsApp desde el teléfono de la oficina:\nVenga"),
        ("facebook", "Respondido desde la bandeja de la página de Facebook:\nVenga"),
        ("instagram", "Respondido desde la bandeja de la página de Instagram:\nVenga"),
        ("webchat", "Respondido por Chat web, fuera de este sistema:\nVenga"),
    ],
)
async def test_what_agents_say_elsewhere_is_told_with_its_place(database: Database, channel: str, words: str) -> None:
    adapter = MemoryAdapter()
    pipes = Pipes(database, {"gobierno": adapter}, plugin=plugin)
    lane = Drafting(Wording("es-AR", ZONE), {INSTANCE: channel}, "x", texts=pipes.texts)
    await pipes.receive(holding(says("Hola"), says("Venga", 1, echo=True)))
    await pipes.take_in()
    wanted = select(dispatch).where(dispatch.c.kind == "note")
    [row] = await database.read(lambda c: c.execute(wanted).all())
    [step] = await database.run(lambda c: outbox.take(c, [row], "node", timedelta(seconds=60)))
    work = await database.read(lambda c: load(c, step))
    assert lane.note(step, work).body == words


@pytest.mark.parametrize("reserved", [True, False])
async def test_a_denuncia_by_comment_tells_no_way_to_its_author(database: Database, reserved: bool) -> None:
    """The comment, its new form and a link in it; neither Meta's ids nor its permalink may reach the office."""
    ear = _Ear()
    matter = "denuncia" if reserved else "consulta"
    rules = [compile_rule(name="d", destination="seguridad", keywords=["denuncia"], matter=matter)]
    pipes = Pipes(database, {"seguridad": ear}, rules=rules, default="seguridad", plugin=facebook)
    link = {"permalink_url": "https://www.facebook.com/p/posts/5?comment_id=77", "link": "https://facebook.com/ana.i"}
    first = comment(1, "una denuncia", **link)
    later = comment(1, "la denuncia es otra", verb="edited", created_time=MILLIS // 1000 + 60)
    await pipes.deliver(page_body(changes=[first]), page_body(changes=[later]))
    told = "\n".join(ear.heard)
    assert ("una denuncia" in told, "la denuncia es otra" in told, len(ear.heard)) == (True, True, 2)
    secrets = ["Ana", "Invento", "comment_id=77", "ana.i", "500000000000001_1", "21000000000000001"]
    assert [secret for secret in secrets if secret in told] == ([] if reserved else secrets)
