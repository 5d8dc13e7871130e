"""What an article or a change of state means for a citizen. Pure.

Public is what an agent wrote by hand, visibly, as a type of article that the office has allowed. Whatever is new or
can't be read is not.
"""

from __future__ import annotations

from inbox_daemon.model import EntryId, TicketId, TicketState, TicketUpdate
from inbox_ticketing.zammad.parse import Article, Event, Row, our_key
from inbox_ticketing.zammad.settings import ZammadSettings

SYSTEM_USER = 1
"""The account that Zammad's own machinery writes as; never a person."""
_MACHINE_WORDS = ("perform_origin", "notification", "is-auto-response")
"""Preferences of articles that triggers, schedulers and absence notes make."""
TURN = "h"
"""Ids of changes of state begin with it: they are numbers of the history, not of articles."""


def tell_article(article: Article, row: Row, *, number: str, me: int, settings: ZammadSettings) -> TicketUpdate:
    """`article`, which stands in `row` by now, told for ticket `number`."""
    own = article.creator == me or our_key(article) is not None
    automatic = is_automatic(article)
    public = (
        not own
        and not automatic
        and _is_by_agent(article, row)
        and not article.internal
        and _is_answer(article, settings)
        and not row.merged
        and settings.meaning_of(row.state) is not TicketState.DELETED
        and bool(article.body.strip() or article.files)
    )
    return TicketUpdate(
        ticket=TicketId(number),
        entry=EntryId(article.id),
        at=article.at,
        author=article.author or article.creator_name,
        text=article.body if public else "",
        html=article.html,
        public=public,
        own=own,
        automatic=automatic,
        attachments=article.files if public else (),
    )


def tell_turn(event: Event, *, number: str, me: int, settings: ZammadSettings) -> TicketUpdate | None:
    """A change of state, told for ticket `number`; None for a state that nobody gave a meaning."""
    state = settings.states.get(event.after.lower())
    if state is None:
        return None
    return TicketUpdate(
        ticket=TicketId(number),
        entry=EntryId(f"{TURN}{event.id}"),
        at=event.at,
        own=event.creator == me,
        automatic=event.creator == SYSTEM_USER,
        state=state,
    )


def is_automatic(article: Article) -> bool:
    """Whether a program wrote it by itself."""
    marked = any(article.preferences.get(word) for word in _MACHINE_WORDS)
    return marked or article.sender == "System" or article.creator == SYSTEM_USER


def _is_by_agent(article: Article, row: Row) -> bool:
    """An agent in their own name: not what they noted down for somebody else, nor what they asked as a customer."""
    return (
        article.sender == "Agent"
        and article.origin in {None, article.creator}
        and (row.customer is None or article.creator != row.customer)
    )


def _is_answer(article: Article, settings: ZammadSettings) -> bool:
    """A mail counts only where it reached nobody: Zammad has already sent it to every real address in it."""
    if article.kind not in settings.answer_types:
        return False
    if article.kind != "email":
        return True
    end = f"@{settings.mute_domain}"
    return bool(settings.mute_domain and article.to) and all(address.endswith(end) for address in article.to)
