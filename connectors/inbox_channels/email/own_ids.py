"""Message-IDs of the mails that we send: made of a portion's tag, and known again when a mail or report brings them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

_PREFIX = "inbox-daemon."
_AMBIGUOUS_DOT = re.compile(r"(?<=\.)\.|\.$")
_MAX_CHARS = 250
"""Of the whole id. A line of a header holds 998 (RFC 5322, 2.1.1), and old servers cut ids that are much longer."""


def message_id(tag: str, domain: str) -> str:
    """The Message-ID, without its angle brackets, of the mail that carries `tag`: the same on every try.

    Raises `ValueError` for a tag that can't be part of one.
    """
    local = _AMBIGUOUS_DOT.sub("%2E", _PREFIX + quote(tag, safe=""))
    made = f"{local}@{domain.lower()}"
    if not tag.isprintable() or not tag or len(made) > _MAX_CHARS:
        raise ValueError("the tag can't be part of a Message-ID")
    return made


def tag_of(found: str, domains: Iterable[str]) -> str | None:
    """The tag of a mail of ours, sent from one of `domains`, by its Message-ID; None for a mail that isn't ours."""
    local, _, domain = found.rpartition("@")
    if not local.startswith(_PREFIX) or domain.lower() not in {known.lower() for known in domains}:
        return None
    tag = unquote(local.removeprefix(_PREFIX))
    try:
        return tag if message_id(tag, domain).partition("@")[0] == local else None
    except ValueError:
        return None
