"""What osTicket answers to a mail, and what it loses of one; pure.

Behaviour was observed on osTicket 1.18, 2026-11-24.
"""

from __future__ import annotations

import re
from typing import Literal

Outcome = Literal["taken", "refused", "not_now", "not_allowed", "unclear"]
_NUMBER = re.compile(r"[A-Za-z0-9-]{1,40}")
_REFUSAL = re.compile(r"unable to create new ticket\s*:(?!\s*unknown)", re.IGNORECASE)
_LOST = re.compile(r"[\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\u20e3\U00010000-\U0010ffff]")


def number_of(text: str) -> str:
    """The ticket's number: the whole body of a 201, bare text (`229888`)."""
    word = text.strip().strip('"')
    return word if _NUMBER.fullmatch(word) and any(one.isdigit() for one in word) else ""


def outcome(status: int, text: str) -> Outcome:
    """What an answer proves. A validation comes as 500, so the words decide there."""
    if status in {200, 201}:
        return "taken" if number_of(text) else "unclear"
    if status == 500 and _REFUSAL.search(text):
        # "Incomplete client information" is also what a failed look-up of the address's MX comes to: DNS may be down.
        return "not_now" if "incomplete client information" in text.lower() else "refused"
    if status in {400, 403, 413, 422}:
        return "refused"
    if status in {401, 404, 405} or 300 <= status < 400:
        return "not_allowed"
    return "not_now" if status == 429 else "unclear"


def reason(text: str) -> str:
    """osTicket's own sentence about a refusal, if it is a bare one: those name fields, not what is in them."""
    words = " ".join(text.split())
    return words[:160] if words and "<" not in words and "@" not in words else "no reason given"


def loses(text: str) -> bool:
    """Whether osTicket drops characters of the text: symbols and emoji are taken out without a word."""
    return _LOST.search(text) is not None
