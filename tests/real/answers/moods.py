"""How Meta behaves towards each message, by the mark in it: the same for the same text, whenever it is sent.

A fault befalls the first try only, so that what is tried again goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from real.answers.tokens import tokens_in
from support.graph_fake import Fate, Fault, Received
from support.graph_fake_sends import words

SLOW_SECONDS = 4.0
"""Longer than the daemon waits for an answer of Meta."""

_FAULTS: Mapping[range, Fault] = {
    range(6): Fault(cut_after=0, done=True),
    range(6, 10): Fault(status=502, raw=b"<html>Bad Gateway</html>", done=True),
    range(10, 12): Fault(code=131000),
    range(12, 15): Fault(code=130429),
    range(15, 18): Fault(code=131056),
    range(18, 20): Fault(wait_seconds=SLOW_SECONDS, done=True),
}
_FATES: Mapping[range, Fate] = {
    range(10): Fate(doubled=True),
    range(10, 20): Fate(states=("read", "sent", "delivered")),
    range(20, 30): Fate(before_answer=2),
    range(30, 33): Fate(states=()),
    range(33, 38): Fate(states=("sent",)),
    range(38, 48): Fate(states=("delivered", "sent"), doubled=True),
    range(48, 54): Fate(together=True),
    range(54, 57): Fate.failing(131026, after=("sent",)),
}


class Moods:
    """Give `trouble` and `fate_of` to a `GraphFake`. `told` keeps the last state that Meta tells, by wamid.

    `calm`: everything is read at once.
    """

    def __init__(self, *, calm: bool = False) -> None:
        self._calm = calm
        self.told: dict[str, str] = {}
        self.hit: set[str] = set()
        self.uncertain: set[str] = set()
        """Texts of sends whose outcome nobody will ever learn."""

    def trouble(self, call: str, body: Mapping[str, Any]) -> Fault | None:
        """What befalls this request."""
        if self._calm or call != "send" or body.get("type") == "template":
            return None
        text = words(body)
        mood = _mood(text)
        fault = next((fault for moods, fault in _FAULTS.items() if mood % 100 in moods), None)
        if fault is None or text in self.hit:
            return None
        self.hit.add(text)
        if fault.code == 131000 or (fault.done and not self._fate(mood).states):
            self.uncertain.add(text)
        return fault

    def fate_of(self, received: Received) -> Fate:
        """What becomes of a send that was accepted."""
        fate = self._fate(_mood(received.text)) if received.kind != "template" else Fate()
        order = ("sent", "delivered", "read", "failed")
        self.told[received.wamid] = max(fate.states, key=order.index, default="")
        return fate

    def _fate(self, mood: int) -> Fate:
        fates = {} if self._calm else _FATES
        return next((fate for moods, fate in fates.items() if mood // 100 % 100 in moods), Fate())


def _mood(text: str) -> int:
    marks = tokens_in(text)
    return crc32(str(marks[0]).encode()) if marks else 9999
