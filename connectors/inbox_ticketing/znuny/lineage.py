"""Whose articles are whose after merges. Pure.

A merge moves every article of the merged ticket into the other one and writes down neither whose it was nor that it
moved, except that the article's change time and changer become the merge's. The merged ticket keeps one new article, a
note for the customer; its number parts what was written before the merge from what came after. (Both read in
`Kernel/System/Ticket.pm`, `TicketMerge`, of Znuny and of OTOBO, 2026-11-24.) An article of before the merge whose
change time says neither "untouched since before" nor "moved by this merge" might be anybody's, and is nobody's here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from inbox_ticketing.znuny.parse import Article

WINDOW = timedelta(seconds=5)
"""A merge takes a moment: articles are moved first, the history line is written last, and both in whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """`source` went on in `target`; `first` is the lowest number of an article that stands in `source` since."""

    source: str
    target: str
    at: datetime
    by: str
    first: int | None


def hearers(article: Article, final: str, merges: Mapping[str, Merge]) -> frozenset[str]:
    """Ids of the tickets for whose conversations `article`, which stands in `final`, was written.

    `merges` are all that lead to `final`, directly or by way of others.
    """
    origin = _origin(article, final, merges)
    if origin is None:
        return frozenset()
    if origin != final and not all(_is_after(article, one) for one in _into(origin, merges)):
        return frozenset()  # moved twice: the second move wrote over what the first had left
    return frozenset(_listening(article, origin, merges))


def _into(ticket: str, merges: Mapping[str, Merge]) -> list[Merge]:
    return [one for one in merges.values() if one.target == ticket]


def _origin(article: Article, final: str, merges: Mapping[str, Merge]) -> str | None:
    """The ticket in which `article` stood before the last merge that concerns it; None where nobody can tell."""
    earlier = [one for one in _into(final, merges) if not _is_after(article, one)]
    if not all(_is_before(article, one) for one in earlier):
        return None
    moved = [one for one in earlier if _was_moved(article, one)]
    if len(moved) == 1:
        return moved[0].source
    untouched = all(article.changed < one.at - WINDOW for one in earlier)
    return final if untouched and not moved else None


def _is_after(article: Article, merge: Merge) -> bool:
    return article.number > merge.first if merge.first else article.created > merge.at + WINDOW


def _is_before(article: Article, merge: Merge) -> bool:
    return article.number < merge.first if merge.first else article.created < merge.at - WINDOW


def _was_moved(article: Article, merge: Merge) -> bool:
    recent = merge.at - WINDOW <= article.changed <= merge.at
    return recent and article.changed_by == merge.by and article.created < article.changed


def _listening(article: Article, ticket: str, merges: Mapping[str, Merge]) -> Iterator[str]:
    yield ticket
    for one in _into(ticket, merges):
        if _is_after(article, one):
            yield from _listening(article, one.source, merges)
