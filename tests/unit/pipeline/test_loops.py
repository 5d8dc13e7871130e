"""Two machines stop after a few messages, people pass: the pure rule on simulated exchanges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.pipeline.loops import SHORT, Outgoing, Stop, body_hash, is_machine, is_short, verdict
from inbox_daemon.settings.dialogue import Loops
from inbox_daemon.store.loops import Said

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
OURS = "Su mensaje fue recibido con el número {n}. Le responderemos a la brevedad."
THEIRS = "Gracias por escribir. Registramos su solicitud {n} y la responderemos en 48 horas."
LOOPS = Loops()


@dataclass(kw_only=True)
class Talk:
    """Two sides with a clock; what the office says is judged before it goes."""

    settings: Loops = LOOPS
    now: datetime = START
    said: list[Said] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)

    def citizen(self, text: str, after: float = 2.0, *, query: bool = False, polled: float = 0.0) -> None:
        """They say something `after` so many seconds; our poll finds it `polled` later."""
        written = self.now + after * SECOND
        self.now = written + polled * SECOND
        self.said.append(
            Said(
                ours=False, at=self.now, written_at=written, told_at=self.now, text=text, fingerprint=text, query=query
            )
        )

    def office(self, text: str, after: float = 2.0, *, grace: float = 0.0, ahead: float = 0.0) -> bool:
        """The office writes something `after` so many seconds, which goes `grace` later; whether it goes.

        The destination's clock may be `ahead`.
        """
        written = self.now + after * SECOND
        self.now = written + grace * SECOND
        noted = min(written + ahead * SECOND, self.now)
        sent = sum(1 for one in self.said if one.ours and one.at > self.now - HOUR)
        stop = verdict(self.said, sent, Outgoing(body_hash=body_hash(text), written_at=noted), self.settings)
        if stop is not None:
            self.stops.append(stop)
            return False
        one = Said(ours=True, at=self.now, written_at=noted, told_at=noted, body_hash=body_hash(text))
        self.said.append(one)
        return True

    @property
    def sent(self) -> int:
        """How much of the office's went out."""
        return sum(1 for one in self.said if one.ours)


def machines(talk: Talk, *, until: datetime, pause: float = 2.0, ours: str = OURS, theirs: str = THEIRS) -> None:
    """Each answers whatever the other says, until one of them is not heard any more."""
    number = 0
    talk.citizen(theirs.format(n=number))
    while talk.now < until:
        number += 1
        if not talk.office(ours.format(n=number), pause):
            return
        talk.citizen(theirs.format(n=number), pause)


def test_two_machines_stop_after_a_few_messages_with_a_reason() -> None:
    talk = Talk()
    machines(talk, until=START + HOUR)
    assert talk.sent == LOOPS.max_hops
    assert talk.stops == [Stop(key="loop_parked", place="count", number=LOOPS.max_hops)]
    assert talk.now < START + timedelta(minutes=1)


@pytest.mark.parametrize("max_hops", [2, 7])
def test_the_measure_is_configured(max_hops: int) -> None:
    talk = Talk(settings=Loops(max_hops=max_hops))
    machines(talk, until=START + HOUR)
    assert talk.sent == max_hops


def test_machines_that_wait_for_each_other_stop_too_only_later() -> None:
    talk = Talk()
    machines(talk, until=START + 24 * HOUR, pause=600)
    assert talk.sent == 3 * LOOPS.max_hops
    assert talk.stops[0].number == 3 * LOOPS.max_hops


def test_grace_polling_and_a_wrong_clock_hide_no_machine() -> None:
    talk = Talk()
    talk.citizen(THEIRS)
    while talk.office(OURS, grace=45, ahead=300):
        talk.citizen(THEIRS, 3, polled=300)
    # The clock that is ahead makes the office look slow (45 s), so the slower rule is what stops it.
    assert talk.sent == 3 * LOOPS.max_hops
    talk = Talk()
    talk.citizen(THEIRS)
    while talk.office(OURS, grace=45):
        talk.citizen(THEIRS, 3, polled=300)
    assert talk.sent == LOOPS.max_hops


def test_machines_whose_words_differ_each_time_stop_by_speed_or_by_the_hour() -> None:
    words = ["perro", "gato", "río", "monte", "tren", "calle", "plaza", "luz"]
    talk = Talk()
    for n in range(200):
        talk.citizen(f"Recibimos {words[n % 8]} {words[n // 8 % 8]} {words[n // 64]} de su parte")
        if not talk.office(f"Tomamos nota: {words[n // 64]} {words[n % 8]} {words[n // 8 % 8]} quedó asentado"):
            break
    assert talk.sent == 5 * LOOPS.max_hops
    assert talk.stops[0].key == "loop_parked"
    talk = Talk(settings=Loops(per_hour=30))
    for n in range(200):  # one of them takes its time, so it is no quick row
        talk.citizen(f"Recibimos {words[n % 8]} {words[n // 8 % 8]} {words[n // 64]} de su parte", 40)
        talk.office(f"Tomamos nota: {words[n // 64]} {words[n % 8]} {words[n // 8 % 8]} quedó asentado")
    assert talk.stops[0] == Stop(key="rate_parked", place="limit", number=30)
    busiest = max(sum(1 for b in talk.said if b.ours and a.at - HOUR < b.at <= a.at) for a in talk.said)
    assert busiest == 30


def test_a_person_in_the_middle_passes_and_so_does_the_answer() -> None:
    talk = Talk()
    machines(talk, until=START + HOUR)
    assert not talk.office(OURS.format(n=9))
    talk.citizen("Perdón, contestaba mi correo solo. ¿Qué documentación llevo?", 600)
    assert talk.office("Lleve el DNI y una factura de luz.", 300)
    talk.citizen("Muchas gracias, ahí estaré", 20)
    assert talk.office(OURS.format(n=9), 1)


def test_an_agents_own_words_pass_while_the_machines_are_at_it() -> None:
    talk = Talk()
    machines(talk, until=START + HOUR)
    assert not talk.office(OURS.format(n=9))
    assert talk.office("Buenos días, soy Inés, de Rentas. ¿Por qué período consulta?", 5)


def test_after_a_persons_words_the_machines_get_no_more_than_as_many_again() -> None:
    talk = Talk()
    for _ in range(10):
        machines(talk, until=START + 24 * HOUR)
        before = talk.sent
        talk.citizen("Soy una persona, no me contesten más", 60)
    assert before <= 10 * LOOPS.max_hops


def test_two_loops_at_a_time_stop_each_for_itself() -> None:
    one, two = Talk(), Talk(now=START + SECOND)
    for talk in (one, two):
        talk.citizen(THEIRS)
    going = [one, two]
    while going:
        for talk in list(going):
            if talk.office(OURS):
                talk.citizen(THEIRS, 5)
            else:
                going.remove(talk)
    assert (one.sent, two.sent) == (LOOPS.max_hops, LOOPS.max_hops)


def test_a_standard_text_sent_several_times_a_day_is_no_loop() -> None:
    talk = Talk()
    for question in ("¿Cómo sigue mi trámite?", "¿Hay novedades?", "¿Y ahora?"):
        talk.citizen(question, 3 * 3600)
        assert talk.office("Su trámite está en curso", 120)
    talk = Talk()
    for _ in range(10):  # a canned answer, and thanks each time at once
        talk.citizen("gracias", 5)
        assert talk.office("Su trámite está en curso. Le avisaremos.", 1800)


def test_a_live_chat_passes_however_quick() -> None:
    talk = Talk()
    for n in range(5 * LOOPS.max_hops - 1):
        talk.citizen(f"{'qué tal ' * (n % 3)}pregunta {chr(97 + n)}", 4)
        assert talk.office(f"respuesta {chr(97 + n)}, con todo gusto", 6)
    talk.citizen("última pregunta", 4)
    assert talk.office("última respuesta", 60), "a slow answer is a person's"
    for n in range(10):
        talk.citizen(f"otra {chr(97 + n)}", 4)
        assert talk.office(f"y otra más {chr(97 + n)}", 6)


def test_a_chatty_person_and_an_agent_at_human_pace_pass() -> None:
    talk = Talk()
    for n in range(30):
        talk.citizen(f"pregunta {chr(97 + n % 26)}", 3)
        assert talk.office("Un momento, por favor" if n % 2 else f"respuesta {chr(97 + n % 26)}", 90)


def test_an_absent_persons_mailbox_does_not_stop_what_an_agent_writes() -> None:
    talk = Talk()
    for n in range(12):
        assert talk.office(f"Paso {chr(97 + n)}: complete el formulario que sigue", 5)
        talk.citizen("Estoy de vacaciones hasta el lunes.", 1)


def test_asking_for_the_state_often_is_no_loop_but_a_machine_that_asks_is() -> None:
    talk = Talk()
    for _ in range(20):
        talk.citizen("estado 4F7K2-8", 1200, query=True)
        assert talk.office("Caso 4F7K2-8: en trámite.", 0)
    talk = Talk()
    for _ in range(20):
        talk.citizen("estado 4F7K2-8", 1, query=True)
        if not talk.office("Caso 4F7K2-8: en trámite.", 0):
            break
    assert talk.sent == LOOPS.max_hops


def test_several_lines_or_portions_are_one_turn() -> None:
    talk = Talk()
    for _ in range(LOOPS.max_hops - 1):
        for line in ("hola", "buenas", "¿están?"):
            talk.citizen(line, 1)
        for portion in ("Primera parte", "Segunda parte", "Tercera parte"):
            assert talk.office(portion, 1)
    talk = Talk()
    for _ in range(3):
        talk.citizen("Nuestro sistema recibió su correo", 1)
        talk.citizen("Su correo quedó asentado", 1)
        assert talk.office("Gracias por avisar", 1)
    assert talk.sent == 3


def test_pictures_are_told_apart_by_what_they_hold() -> None:
    talk = Talk()
    for n in range(8):
        talk.now += 2 * SECOND
        picture = Said(ours=False, at=talk.now, written_at=talk.now, told_at=talk.now, fingerprint=f"picture {n}")
        talk.said.append(picture)
        assert talk.office("Foto recibida. Envíe la siguiente.", 2)


def _repeats(text: str, times: int, *, after: float, ours: Callable[[int], str]) -> tuple[list[Said], Said]:
    talk = Talk(settings=Loops(per_hour=1000, max_hops=50))
    for n in range(times):
        talk.office(ours(n), 60)
        talk.citizen(text, after)
    *said, last = talk.said
    return said, last


def _any(n: int) -> str:
    return "Respuesta " + "abcdefghij"[n]


def test_an_incoming_machine_is_known_by_what_it_says_to_everything() -> None:
    for times in (2, LOOPS.max_hops):
        assert not is_machine(*_repeats(THEIRS, times, after=3, ours=_any), LOOPS)
    assert is_machine(*_repeats(THEIRS, LOOPS.max_hops + 1, after=3, ours=_any), LOOPS)


def test_what_a_person_may_say_again_is_no_machine() -> None:
    assert not is_machine(*_repeats("sí", 9, after=3, ours=_any), LOOPS), "short"
    assert not is_machine(*_repeats(THEIRS, 9, after=120, ours=_any), LOOPS), "at a person's pace"
    said, last = _repeats(THEIRS, 9, after=3, ours=_any)
    other = Said(
        ours=False, at=last.at, written_at=last.at, told_at=last.at, text="Por favor, que me llame una persona"
    )
    assert not is_machine(said, other, LOOPS), "other words"
    late = Said(
        ours=False, at=last.at + 2 * HOUR, written_at=last.at + 2 * HOUR, told_at=last.at, text=THEIRS, fingerprint="x"
    )
    assert not is_machine(said, late, LOOPS), "long after"
    assert not is_machine([], last, LOOPS)


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("Recibimos su mensaje", "RECIBIMOS  su\nmensaje.", True),
        ("Trámite 4F7K2-8 del 23/11/2026 a las 9:30", "tramite 9QXZ1-3 del 4/1/27 a las 10:05", True),
        ("Ticket #4711 creado", "Ticket #4712 creado", True),
        ("Ticket 4711 creado", "Ticket creado", False),
        ("Sí", "No", False),
        ("👍", "👎", False),
        ("?", "!", False),
        ("", " ", True),
        ("año", "ano", True),
    ],
)
def test_which_texts_are_the_same(one: str, two: str, same: bool) -> None:
    assert (body_hash(one) == body_hash(two)) is same


@given(st.text())
def test_any_text_has_a_short_hash_of_its_own_words(text: str) -> None:
    assert len(body_hash(text)) == 32
    assert body_hash(text) == body_hash(f"  {text.upper().lower() if text.isascii() else text}\n")


def test_long_texts_cost_no_more_than_their_beginning() -> None:
    assert body_hash("a" * 4000 + "b") == body_hash("a" * 4000 + "c" * 1_000_000)
    assert is_short("muchas gracias 1234567890 1234567890")
    assert not is_short("x" * SHORT)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "c"]), st.floats(0, 100)), max_size=60))
def test_no_row_of_events_breaks_the_rule_and_new_words_at_a_persons_pace_always_pass(
    events: list[tuple[bool, str, float]],
) -> None:
    talk = Talk(settings=Loops(per_hour=1000))
    for ours, text, after in events:
        if ours:
            talk.office(text, after)
        else:
            talk.citizen(text, after)
    assert talk.office("palabras nuevas de una persona", 60)
