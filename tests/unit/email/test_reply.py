"""What a citizen wrote, told from the history around it, measured on mails in the manner of the programs in use."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import inbox_channels.email as package
from inbox_channels.email.parse import ParseOptions, parse
from inbox_channels.email.parse_reply import split_reply
from inbox_channels.email.parse_words import clean_text
from inbox_daemon.model import Envelope, InstanceId, Message

CASES = Path(package.__file__).parent / "testcases" / "reply"
MARKS = {"{nbsp}": "\xa0", "{nnbsp}": "\u202f", "{sp}": " ", "{lre}": "\u202a", "{acute}": "\u0301"}


@dataclass(frozen=True)
class Case:
    """A body as sent and what of it was written. In the files each line of a plain body says so itself: + or -."""

    name: str
    body: str
    written: str
    html: bool = False
    crlf: bool = False
    forwarded: bool = False

    @property
    def held_out(self) -> bool:
        """Whether the case was not looked at while the rules were made."""
        return zlib.crc32(self.name.encode()) % 3 == 0


def read_cases(language: str) -> list[Case]:
    return [
        _read_case(section)
        for path in sorted(CASES.glob(f"{language}*.txt"))
        for section in path.read_text("utf-8").split("%% ")[1:]
    ]


def _read_case(section: str) -> Case:
    for mark, char in MARKS.items():
        section = section.replace(mark, char)
    title, _, rest = section.partition("\n")
    name, _, options = title.partition(" | ")
    if "html" in options:
        body, _, written = rest.partition("%=\n")
        return Case(name, body, written, html=True)
    lines = rest.rstrip("\n").split("\n")
    wrong = [line for line in lines if line and line[0] not in "+-"]
    assert not wrong, (name, wrong)
    return Case(
        name,
        "\n".join(line[1:] for line in lines),
        "\n".join(line[1:] for line in lines if line.startswith("+")),
        crlf="crlf" in options,
        forwarded="fwd" in options,
    )


def parse_case(case: Case) -> Message:
    kind = "html" if case.html else "plain"
    head = f"From: Ana <ana@correo.example>\nMessage-ID: <{case.name}@correo.example>\n"
    head += f"Subject: {'RV: nota' if case.forwarded else 'Re: nota'}\n"
    head += f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    raw = head + case.body
    envelope = Envelope(
        instance=InstanceId("correo"),
        body=(raw.replace("\n", "\r\n") if case.crlf else raw).encode(),
        received_at=datetime(2026, 9, 20, tzinfo=UTC),
    )
    (event,) = parse(envelope, ParseOptions())
    assert isinstance(event, Message)
    return event


def words(text: str) -> list[str]:
    return text.split()


def lost_words(case: Case, text: str) -> Counter[str]:
    return Counter(words(case.written)) - Counter(words(text))


@pytest.mark.parametrize(("language", "least_cases", "least_exact"), [("es", 150, 0.90), ("en", 80, 0.75)])
def test_written_words_are_told_from_history(language: str, least_cases: int, least_exact: float) -> None:
    cases = read_cases(language)
    assert len(cases) >= least_cases
    assert len({case.name for case in cases}) == len(cases)
    results = {case: parse_case(case).text for case in cases}
    exact = [case for case, text in results.items() if words(text) == words(case.written)]
    losing = [case.name for case, text in results.items() if lost_words(case, text)]
    held_out = [case for case in cases if case.held_out]
    held_exact = sum(case in exact for case in held_out)
    print(
        f"{language}: {len(exact)}/{len(cases)} exact ({held_exact}/{len(held_out)} of those held out),"
        f" {len(losing)} lose words; not exact: {sorted(case.name for case in cases if case not in exact)}"
    )
    assert len(exact) / len(cases) >= least_exact
    assert held_exact / len(held_out) >= least_exact
    assert len(losing) / len(cases) < 0.01, losing


@pytest.mark.parametrize("language", ["es", "en"])
def test_no_word_disappears(language: str) -> None:
    for case in read_cases(language):
        if not case.html:
            message = parse_case(case)
            everything = Counter(words(clean_text(case.body)))
            kept = Counter(words(message.text)) + Counter(words(message.quoted))
            assert kept == everything, case.name


LINES = sorted({line for language in ("es", "en") for case in read_cases(language) for line in case.body.split("\n")})


@settings(max_examples=400, deadline=None)
@given(lines=st.lists(st.sampled_from(LINES), max_size=25), forwarded=st.booleans())
def test_whatever_stands_together_no_word_disappears(lines: list[str], forwarded: bool) -> None:
    text = "\n".join(lines)
    written, quoted = split_reply(text, forwarded=forwarded)
    assert Counter(words(written)) + Counter(words(quoted)) == Counter(words(text))
    assert bool(written.strip()) == bool(text.strip())


def test_a_text_is_never_empty() -> None:
    history = "El lun, 3 ago 2026 a las 10:15, Mesa <m@gobierno.example> escribió:\n> hola"
    assert split_reply(history) == (history, "")
    assert split_reply("") == ("", "")
    assert split_reply("  \n\n") == ("", "")
