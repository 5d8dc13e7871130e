"""Who says what to whom: 500 conversations as a play, the same for the same seed. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from real.answers.tokens import Kind, Token
from support.graph_fake_citizens import Phone

Office = Literal["libro", "salud", "obras"]
Verb = Literal[
    "says", "edits", "answers", "takes_back", "notes", "writes_as_us", "replies_automatically", "closes", "reopens",
    "merges", "deletes",
]  # fmt: skip

BOOK: Office = "libro"
TRACKER: Office = "salud"
FAULTY: Office = "obras"
WORDS = {BOOK: ("luminaria", ""), TRACKER: ("turno", "carnet"), FAULTY: ("ruta", "puente")}
"""By which a first message comes to an office; the second word makes it another matter, hence a ticket of its own."""
_LONG_SENTENCES = 45
_FILE_PART = 999
_SENTENCES = (
    "Buenos días, su trámite está en curso y se resuelve en esta semana.",
    "Tiene que presentarse con el documento en la mesa de entradas, de 7 a 12.",
    "Le pedimos disculpas por la demora; la cuadrilla pasa mañana.",
    "El expediente fue enviado a la dirección que corresponde (planta baja).",
    "No hace falta que traiga fotocopias.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Citizen:
    """Writes by WhatsApp (`phone`) or by mail (`address`)."""

    name: str
    phone: Phone | None = None
    address: str = ""

    @property
    def way(self) -> str:
        """The kind of channel."""
        return "whatsapp" if self.phone is not None else "mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing done. `token` is its mark; `parts` are all marks of an answer, in order, its file's the last.

    `at_once`: without a pause after what came before. `hours` ago is when a citizen's message was written. `other` is
    the case whose ticket takes this one's in.
    """

    verb: Verb
    text: str = ""
    token: Token | None = None
    parts: tuple[Token, ...] = ()
    html: bool = False
    file: tuple[str, str, bytes] | None = None
    at_once: bool = False
    hours: int = 0
    other: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One conversation. `plot` names its kind."""

    number: int
    citizen: Citizen
    office: Office
    plot: str
    acts: tuple[Act, ...]

    def answers(self, *kinds: Kind) -> list[Act]:
        """What was said of these kinds."""
        return [act for act in self.acts if act.token is not None and act.token.kind in kinds]


@dataclass(slots=True)
class _Pen:
    """Writes the acts of one case."""

    case: int
    office: Office
    chance: random.Random
    serial: int = 0
    acts: list[Act] = field(default_factory=list)

    def token(self, kind: Kind) -> Token:
        """A mark for the next thing said."""
        self.serial += 1
        return Token(case=self.case, serial=self.serial, part=1, kind=kind)

    def says(self, words: str, *, hours: int = 0) -> None:
        """The citizen writes."""
        token = self.token("citizen")
        self.acts.append(Act(verb="says", text=f"{words} {token}", token=token, hours=hours))

    def edits(self) -> None:
        """The citizen changes what they wrote first."""
        token = self.token("citizen")
        self.acts.append(Act(verb="edits", text=f"Quise decir otra cosa, {token}", token=token))

    def answers(self, *, kind: Kind = "answer", sentences: int = 1, at_once: bool = False) -> None:
        """An agent answers in plain text."""
        parts = self._parts(kind, sentences)
        text = " ".join(self._sentence(part) for part in parts)
        self.acts.append(Act(verb="answers", text=text, token=parts[0], parts=tuple(parts), at_once=at_once))

    def answers_in_html(self) -> None:
        """An agent answers in RT's editor."""
        parts = self._parts("answer", 2)
        text = "".join(f"<p>{self._sentence(part)}</p>" for part in parts) + "<ul><li>Traiga su <b>DNI</b></li></ul>"
        self.acts.append(Act(verb="answers", text=text, token=parts[0], parts=tuple(parts), html=True))

    def answers_with_a_file(self) -> None:
        """An agent answers, and a file goes along."""
        [part] = self._parts("answer", 1)
        mark = Token(part.case, part.serial, _FILE_PART, "file")
        file = (f"constancia-{self.case}.pdf", "application/pdf", f"%PDF-1.4\n% {mark}\n%%EOF\n".encode())
        self.acts.append(Act(verb="answers", text=self._sentence(part), token=part, parts=(part, mark), file=file))

    def takes_back(self, verb: Verb = "takes_back") -> None:
        """An agent answers, and sees to it at once that nobody gets it."""
        self.answers(kind="withdrawn")
        self.acts.append(Act(verb=verb, token=self.acts[-1].token, at_once=True))

    def does(self, verb: Verb, *, other: int = -1) -> None:
        """An agent does something to the ticket."""
        self.acts.append(Act(verb=verb, other=other))

    def noise(self) -> None:
        """Things that concern no citizen, here and there between the rest."""
        verbs: list[tuple[Verb, Kind]] = [("notes", "note"), ("writes_as_us", "own")]
        if self.office != BOOK:
            verbs.append(("replies_automatically", "automatic"))
        for place in range(len(self.acts), 0, -1):
            together = place < len(self.acts) and self.acts[place].at_once
            dead = self.acts[place - 1].verb == "deletes"  # whatever is written there opens the ticket again
            if not together and not dead and self.chance.random() < 0.3:
                verb, kind = self.chance.choice(verbs)
                token = self.token(kind)
                self.acts.insert(place, Act(verb=verb, text=f"{token} No es para el ciudadano.", token=token))

    def _parts(self, kind: Kind, number: int) -> list[Token]:
        first = self.token(kind)
        return [Token(first.case, first.serial, part, kind) for part in range(1, number + 1)]

    def _sentence(self, part: Token) -> str:
        return f"{part} {self.chance.choice(_SENTENCES)}"


def _plain(pen: _Pen) -> None:
    for _ in range(pen.chance.randint(1, 3)):
        pen.answers()
        if pen.chance.random() < 0.4:
            pen.says("Gracias, una pregunta más")


def _quick(pen: _Pen) -> None:
    for place in range(3):
        pen.answers(at_once=place > 0)


def _closes(pen: _Pen) -> None:
    pen.answers()
    pen.does("closes")
    pen.says("Sigue igual que antes")
    pen.does("reopens")
    pen.answers()
    pen.does("closes")


def _withdraws(pen: _Pen) -> None:
    pen.takes_back()
    pen.answers()


def _edits(pen: _Pen) -> None:
    pen.edits()
    pen.answers()


def _late(pen: _Pen) -> None:
    pen.answers()
    if pen.chance.random() < 0.7:
        pen.says("¿Qué me respondieron?")
        pen.answers()


def _html(pen: _Pen) -> None:
    pen.answers_in_html()
    pen.answers_in_html()


PLOTS: Mapping[str, Callable[[_Pen], None]] = {
    "plain": _plain,
    "long": lambda pen: pen.answers(sentences=_LONG_SENTENCES),
    "quick": _quick,
    "closes": _closes,
    "withdraws": _withdraws,
    "bounces": lambda pen: pen.answers(),
    "edits": _edits,
    "late": _late,
    "html": _html,
    "files": lambda pen: pen.answers_with_a_file(),
    "deletes": lambda pen: pen.takes_back("deletes"),
}


def play(*, seed: int, run: str, domain: str, sizes: Sequence[tuple[Office, int]]) -> list[Case]:
    """All cases. `run` makes addresses and numbers unlike those of other runs."""
    chance = random.Random(seed)
    offices = [office for office, size in sizes for _ in range(size)]
    cases: list[Case] = []
    while (number := len(cases)) < len(offices):
        office = offices[number]
        room = number + 1 < len(offices) and offices[number + 1] == office
        if office != BOOK and room and chance.random() < 0.07:
            cases += _merged(number, office, chance, run, domain)
        else:
            cases.append(_one(number, office, chance, run, domain))
    return cases


def _one(number: int, office: Office, chance: random.Random, run: str, domain: str) -> Case:
    by_mail = number % 3 == 0
    plots = ["plain"] * 5 + ["long", "quick", "closes"]
    plots += ["bounces"] if by_mail else ["edits", "late", "late"]
    plots += ["withdraws"] if office == BOOK else ["html", "files", "files", "deletes"]
    plot = chance.choice(plots)
    pen = _Pen(case=number, office=office, chance=chance)
    pen.says(f"Consulta por {WORDS[office][0]}", hours=30 if plot == "late" else 0)
    PLOTS[plot](pen)
    pen.noise()
    citizen = _citizen(number, by_mail, run, domain, bounces=plot == "bounces")
    return Case(number=number, citizen=citizen, office=office, plot=plot, acts=tuple(pen.acts))


def _merged(number: int, office: Office, chance: random.Random, run: str, domain: str) -> list[Case]:
    """Two cases, whose tickets the agent makes one: each is answered before, and the one that is left after it."""
    two_persons = chance.random() < 0.5
    citizen = _citizen(number, chance.random() < 0.3, run, domain)
    made = []
    for place in (0, 1):
        pen = _Pen(case=number + place, office=office, chance=chance)
        if place and two_persons:
            citizen = _citizen(number + 1, chance.random() < 0.3, run, domain)
        pen.says(f"Consulta por {WORDS[office][0 if two_persons else place]}")
        pen.answers()
        if place:
            pen.does("merges", other=number)
            pen.answers(kind="shared" if two_persons else "answer")
        pen.noise()
        plot = "merges two" if two_persons else "merges own"
        made.append(Case(number=number + place, citizen=citizen, office=office, plot=plot, acts=tuple(pen.acts)))
    return made


def _citizen(number: int, by_mail: bool, run: str, domain: str, *, bounces: bool = False) -> Citizen:
    if not by_mail:
        hidden = number % 7 == 0
        phone = Phone(
            number=None if hidden else f"549362{5_000_000 + number:07d}",
            bsuid=f"AR.7{number:06d}",
            name=f"Vecina {number}",
            username=f"vecina.{number}" if hidden else None,
        )
        return Citizen(name=f"c{number}", phone=phone)
    address = f"v{number:04d}-{run}@{domain}"
    if bounces:
        address = f"desconocido-{address}" if number % 2 else address.replace(domain, "rebota.test")
    return Citizen(name=f"c{number}", address=address)
