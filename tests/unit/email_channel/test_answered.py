"""Our own mails, answered by citizens from the programs in use: their words are told from ours, and threads hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest

from inbox_channels.email.compose import Writer, compose
from inbox_channels.email.parse import ParseOptions, parse
from inbox_channels.email.wording import Language
from inbox_daemon.model import CaseNumber, Envelope, Event, ExternalId, Handle, InstanceId, Message, Reply

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
OPTIONS = ParseOptions(own_addresses=("mesa@gobierno.example",))
WRITER = Writer(address="mesa@gobierno.example", name="Mesa de Entradas", zone=ZoneInfo("America/Argentina/Cordoba"))
ANSWER = Reply(
    tag="4F7K2-8.r12.1",
    to=Handle(kind="email", value="ana@correo.example"),
    case_number=CaseNumber("4F7K2-8"),
    text="Estimada Ana:\n\nTiene turno el lunes 30/11 a las 8:30.\n\n-- \nMesa de Entradas",
    subject="turno",
    in_reply_to=ExternalId("turno@correo.example"),
    quoted="Hola, ¿cuándo hay turno?\n\n> El 20/11 me dijeron\n> que en diciembre",
    quoted_at=datetime(2026, 11, 24, 10, 50, tzinfo=UTC),
)
MENU = replace(ANSWER, text="¿Para quién es su mensaje?\n\n1. Salud\n2. Cultura", automatic=True)
LONELY = replace(ANSWER, quoted="")
MAILS = {"answer": ANSWER, "menu": MENU, "nothing quoted": LONELY}
WRITTEN = "Gracias, ahí voy.\n\n¿Llevo el DNI?"


def marked(text: str) -> str:
    return "\n".join(f">{line}" if line.startswith(">") else f"> {line}".rstrip() for line in text.splitlines())


def gmail(text: str) -> str:
    introduction = "El mar, 24 nov 2026 a las 9:30, Mesa de Entradas (<mesa@gobierno.example>)\nescribió:"
    return f"{WRITTEN}\n\n{introduction}\n\n{marked(text)}\n"


def gmail_in_english(text: str) -> str:
    introduction = "On Tue, Nov 24, 2026 at 9:30 AM Mesa de Entradas <mesa@gobierno.example>\nwrote:"
    return f"{WRITTEN}\n\n{introduction}\n\n{marked(text)}\n"


def apple(text: str) -> str:
    introduction = "> El 24 nov. 2026, a la(s) 09:30, Mesa de Entradas <mesa@gobierno.example> escribió:"
    return f"{WRITTEN}\n\nEnviado desde mi iPhone\n\n{introduction}\n> \n> {marked(text).removeprefix('> ')}\n"


def thunderbird(text: str) -> str:
    return f"El 24/11/2026 a las 09:30, Mesa de Entradas escribió:\n{marked(text)}\n\n{WRITTEN}\n"


def outlook(text: str) -> str:
    block = (
        "De: Mesa de Entradas <mesa@gobierno.example>\nEnviado el: martes, 24 de noviembre de 2026 09:30\n"
        "Para: ana@correo.example\nAsunto: Re: [Caso 4F7K2-8] turno"
    )
    return f"{WRITTEN}\n\n{block}\n\n{text}"


def outlook_on_the_web(text: str) -> str:
    block = (
        "________________________________\nDe: Mesa de Entradas <mesa@gobierno.example>\n"
        "Enviado: martes, 24 de noviembre de 2026 9:30\nPara: ana@correo.example <ana@correo.example>\n"
        "Asunto: Re: [Caso 4F7K2-8] turno"
    )
    return f"{WRITTEN}\n{block}\n\n{text}"


def yahoo(text: str) -> str:
    line = "El martes, 24 de noviembre de 2026, 09:30:00 ART, Mesa de Entradas <mesa@gobierno.example> escribió:"
    return f"{WRITTEN}\n\n    {line}  \n \n {text}"


PROGRAMS = [gmail, gmail_in_english, apple, thunderbird, outlook, outlook_on_the_web, yahoo]


def own(reply: Reply, language: Language = "es-AR") -> EmailMessage:
    return compose(reply, replace(WRITER, language=language), [], NOW)


def text_of(mail: EmailMessage) -> str:
    return str(mail.get_content()).replace("\r\n", "\n")


def answered(mail: EmailMessage, body: str) -> bytes:
    reply = EmailMessage()
    reply["From"] = "Ana <ana@correo.example>"
    reply["To"] = str(mail["Reply-To"] or mail["From"])
    reply["Subject"] = f"RE: {mail['Subject'].removeprefix('Re: ')}"
    reply["Message-ID"] = "<respuesta@correo.example>"
    reply["Date"] = "Tue, 24 Nov 2026 10:00:00 -0300"
    reply["In-Reply-To"] = str(mail["Message-ID"])
    reply["References"] = f"{mail['References']} {mail['Message-ID']}"
    reply.set_content(body)
    return reply.as_bytes()


def read(content: bytes) -> Event:
    (event,) = parse(Envelope(instance=InstanceId("mesa"), body=content, received_at=NOW), OPTIONS)
    return event


@pytest.mark.parametrize("language", ["es-AR", "en"])
@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_only_the_citizens_words_are_theirs(program: Callable[[str], str], name: str, language: Language) -> None:
    mail = own(MAILS[name], language)
    message = read(answered(mail, program(text_of(mail))))
    assert isinstance(message, Message)
    assert message.text == WRITTEN
    assert "turno el lunes" in message.quoted or "su mensaje" in message.quoted
    assert message.automatic is None


def test_an_answer_finds_our_mail_by_its_id() -> None:
    mail = own(ANSWER)
    message = read(answered(mail, gmail(text_of(mail))))
    assert isinstance(message, Message)
    ours = str(mail["Message-ID"]).strip("<>")
    assert message.in_reply_to == ours
    assert message.thread == (ours, "turno@correo.example")


def test_what_is_written_between_our_lines_is_kept() -> None:
    mail = own(LONELY)
    above, _, below = marked(text_of(mail)).partition("> Tiene")
    body = f"El 24/11/2026 a las 09:30, Mesa escribió:\n{above}> Tiene{below.splitlines()[0]}\n\nEse día no puedo.\n"
    message = read(answered(mail, body))
    assert isinstance(message, Message)
    assert message.text == "Ese día no puedo."


def test_ten_times_to_and_fro_neither_subject_nor_quotation_grow() -> None:
    reply, sizes = ANSWER, []
    for turn in range(10):
        mail = own(replace(reply, tag=f"4F7K2-8.r{turn}.1"))
        assert mail["Subject"] == "Re: [Caso 4F7K2-8] turno"
        message = read(answered(mail, outlook(text_of(mail))))
        assert isinstance(message, Message)
        reply = replace(reply, subject=message.subject, quoted=message.text, in_reply_to=message.external_id)
        sizes.append(len(text_of(mail)))
    assert len(set(sizes[1:])) == 1
