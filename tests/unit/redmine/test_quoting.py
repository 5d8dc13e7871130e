"""What of an agent's note goes to the citizen."""

from __future__ import annotations

import pytest

from inbox_ticketing.redmine.quoting import own_words


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ("Va mañana.\r\nAtte.", "Va mañana.\nAtte."),
        ("Inbox Pruebas wrote in #note-1:\n> [...]\n\nVa mañana", "Va mañana"),
        ("Inbox escribió (#note-3):\n> Ana Gómez\n> \n> hola\n> [ref:4F7K2-8.m2]\n\nVa mañana", "Va mañana"),
        ("Buenas.\n\nInbox wrote:\n> x\n> [ref:A-1.m1]\n\nVa.\n\n> [...]\nSí", "Buenas.\n\nVa.\nSí"),
        ("> lo que dice la norma\n\nVa mañana", "> lo que dice la norma\n\nVa mañana"),
        ("Va mañana [ref:A-1.m1]", "Va mañana "),
        ("Va\n[ref:A-1.m1]\nmañana", "Va\nmañana"),
        ("Inbox wrote in #note-1:\n> [...]\n", ""),
        ("", ""),
    ],
)
def test_the_agents_own_words_are_left(notes: str, expected: str) -> None:
    assert own_words(notes) == expected
