"""What Meta says of the account, its number and its template, as notices of the instance. Pure.

Fields and values: whatsapp/webhooks/reference, pages message_template_status_update, message_template_quality_update
(May and June 2026), template_category_update, account_update, account_alerts, phone_number_quality_update,
phone_number_name_update, business_capability_update, security (November 2025). `standing.py` tells of the same topics
and subjects by looking, so that whatever is put right there is put right here. Only words of Meta's own lists go into
a notice: never its free texts, which may name somebody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from inbox_channels._graph.reading import Json, child, word
from inbox_daemon.model import Ignored, InstanceNotice

_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,60}")


class Wanted(Protocol):
    """The settings that decide which notices are ours."""

    @property
    def account_id(self) -> str:
        """The WhatsApp Business account of the number. Empty: any."""

    @property
    def answer_template(self) -> str:
        """The template that answers depend on. Empty: none."""

    @property
    def template_language(self) -> str:
        """Its language."""


def listed(value: Json, key: str) -> str:
    """A word of one of Meta's lists, in small letters with spaces; "something new" for anything else."""
    given = word(value, key)
    return given.lower().replace("_", " ") if _WORD.fullmatch(given) else "something new"


def read_notice(field: str, value: Json, at: datetime, wanted: Wanted) -> InstanceNotice | Ignored:
    """The notice in the value of a change whose `field` is in `NOTICES`."""
    if field.startswith(("message_template_", "template_")):
        return _of_template(field, value, at, wanted)
    return _READERS[field](value, at)


# ---------------------------------------------------------------- the template


TEMPLATE_STOPS: Mapping[str, str] = {
    "REJECTED": "Meta has refused it: change it in WhatsApp Manager, or appeal",
    "PAUSED": "people have complained, it is paused for some hours",
    "DISABLED": "Meta has disabled it for good: make another one",
    "FLAGGED": "people complain, it is about to be disabled",
    "DELETED": "it was deleted",
    "PENDING_DELETION": "it was deleted",
    "ARCHIVED": "it is archived and will be deleted: take it out of the archive in WhatsApp Manager",
    "LIMIT_EXCEEDED": "the account has too many templates",
    "PENDING": "Meta has not approved it yet",
    "IN_APPEAL": "Meta has not approved it yet",
}
"""States in which a template does not go, or soon will not."""


def same_language(one: str, other: str) -> bool:
    """Whether two codes name one language: Meta writes es_AR here and es-AR there."""
    return one.replace("-", "_").lower() == other.replace("-", "_").lower()


def template_notice(status: str, at: datetime, name: str) -> InstanceNotice:
    """How the template stands; `status` as Meta writes it."""
    problem = TEMPLATE_STOPS.get(status)
    words = f"the template's state is {listed({'status': status}, 'status')}" + (f": {problem}" if problem else "")
    return InstanceNotice(sent_at=at, topic="template", subject=name, grave=problem is not None, words=words)


def _of_template(field: str, value: Json, at: datetime, wanted: Wanted) -> InstanceNotice | Ignored:
    name, language = word(value, "message_template_name"), word(value, "message_template_language")
    if not wanted.answer_template or name != wanted.answer_template:
        return Ignored(reason="other_template")
    if language and not same_language(language, wanted.template_language):
        return Ignored(reason="other_template")
    if field == "message_template_status_update":
        return template_notice(word(value, "event").upper(), at, name)
    if field == "message_template_quality_update":
        return quality_notice(word(value, "new_quality_score").upper(), at, "template_quality", name)
    if field == "template_category_update":
        return category_notice(word(value, "correct_category") or word(value, "new_category"), at, name)
    return InstanceNotice(sent_at=at, topic="template_text", subject=name, words="somebody has changed its text")


def category_notice(category: str, at: datetime, name: str) -> InstanceNotice:
    """As what the template goes, or will in a day."""
    words = f"the template's category is {listed({'category': category}, 'category')}"
    if category.upper() not in ("UTILITY", ""):
        words += ", which Meta holds back from some people and charges more for: appeal in WhatsApp Manager"
    return InstanceNotice(sent_at=at, topic="template_category", subject=name, words=words)


def quality_notice(score: str, at: datetime, topic: str, subject: str) -> InstanceNotice:
    """How people like what they are sent: GREEN, YELLOW or RED."""
    words = f"the quality is {listed({'score': score}, 'score')}"
    if score == "RED":
        words += ": people block or report what they are sent, Meta may soon stop it; see WhatsApp Manager > Insights"
    return InstanceNotice(sent_at=at, topic=topic, subject=subject, grave=score == "RED", words=words)


# ---------------------------------------------------------------- the account and the number


def digits(value: Json, key: str = "display_phone_number") -> str:
    """The office's own number, as the subject of what is said of it."""
    return re.sub(r"\D", "", word(value, key))[:20]


_ACCOUNT_STOPS = {
    "ACCOUNT_DELETED": "Meta says that the account was deleted",
    "ACCOUNT_RESTRICTION": "Meta restricts the account: see Business Support Home",
    "ACCOUNT_OFFBOARDED": "the account has left the Cloud API",
    "PARTNER_APP_UNINSTALLED": "the account has been taken from the app: nothing comes any more",
    "PARTNER_REMOVED": "the account is no longer shared with the app's portfolio",
}
_ACCOUNT_GOES_ON = ("ACCOUNT_RECONNECTED", "PARTNER_ADDED", "PARTNER_APP_INSTALLED")


def _account(value: Json, at: datetime) -> InstanceNotice:
    event, ban = word(value, "event").upper(), word(child(value, "ban_info"), "waba_ban_state").upper()
    if event == "DISABLED_UPDATE":
        words = {
            "REINSTATE": "Meta lets the account go on",
            "SCHEDULE_FOR_DISABLE": "Meta is about to disable the account: see Business Support Home",
        }.get(ban, "Meta has disabled the account: see Business Support Home")
        return InstanceNotice(sent_at=at, topic="account", grave=ban != "REINSTATE", words=words)
    if event in _ACCOUNT_STOPS:
        return InstanceNotice(sent_at=at, topic="account", grave=True, words=_ACCOUNT_STOPS[event])
    if event in _ACCOUNT_GOES_ON:
        return InstanceNotice(sent_at=at, topic="account", words=f"Meta says: {listed(value, 'event')}")
    if event == "ACCOUNT_VIOLATION":
        kind = listed(child(value, "violation_info"), "violation_type")
        words = f"Meta sees a violation of its rules ({kind}): see Business Support Home"
        return InstanceNotice(sent_at=at, topic="violation", subject=kind, words=words)
    return InstanceNotice(sent_at=at, topic="account_news", words=f"Meta says: {listed(value, 'event')}")


def _review(value: Json, at: datetime) -> InstanceNotice:
    refused = word(value, "decision").upper() == "REJECTED"
    words = f"Meta's review of the account: {listed(value, 'decision')}"
    return InstanceNotice(sent_at=at, topic="account_review", grave=refused, words=words)


def _alert(value: Json, at: datetime) -> InstanceNotice:
    """Refusals to raise a limit, a lost picture: none of them stops anything. An older form has no `alert_info`."""
    alert = child(value, "alert_info") or value
    kind = listed(alert, "alert_type")
    words = f"Meta's alert: {kind} ({listed(alert, 'alert_severity')}); see WhatsApp Manager"
    return InstanceNotice(sent_at=at, topic="alert", subject=kind, words=words)


_NUMBER_STOPS = {
    "FLAGGED": "its quality is low: it will be limited in some days unless that changes",
    "RESTRICTED": "nothing goes to people who have not written in the last 24 hours",
    "RATE_LIMITED": "it has reached its limit for the day",
    "BANNED": "Meta has blocked it",
    "DELETED": "it was removed from the account",
    "DISCONNECTED": "it is not connected: register it under WhatsApp > API Setup",
    "PENDING": "it is not registered: register it under WhatsApp > API Setup",
    "UNVERIFIED": "it is not verified: verify it under WhatsApp > API Setup",
    "OFFLINE": "it is not connected: register it under WhatsApp > API Setup",
    "MIGRATED": "it has moved to another account",
}


def number_notice(status: str, at: datetime, subject: str) -> InstanceNotice:
    """Whether the number works; `status` as Meta writes it (`CONNECTED` is well)."""
    problem = _NUMBER_STOPS.get(status)
    words = f"the number's state is {listed({'status': status}, 'status')}" + (f": {problem}" if problem else "")
    return InstanceNotice(sent_at=at, topic="number", subject=subject, grave=problem is not None, words=words)


def _number(value: Json, at: datetime) -> InstanceNotice:
    """Changes of limits. FLAGGED and UNFLAGGED were of before 2026, and may come again."""
    event = word(value, "event").upper()
    if event in ("FLAGGED", "UNFLAGGED"):
        return number_notice("FLAGGED" if event == "FLAGGED" else "CONNECTED", at, digits(value))
    limit = word(value, "max_daily_conversations_per_business") or word(value, "current_limit")
    words = f"Meta says: {listed(value, 'event')}" + (f", limit {listed({'limit': limit}, 'limit')}" if limit else "")
    return InstanceNotice(sent_at=at, topic="throughput", subject=digits(value), words=words)


def _limits(value: Json, at: datetime) -> InstanceNotice:
    given = value.get("max_daily_conversations_per_business", value.get("max_daily_conversation_per_phone"))
    return limit_notice(str(given), at)


def limit_notice(limit: str, at: datetime) -> InstanceNotice:
    """How many people may be written to first in a day: `TIER_2K`, or a number, of which -1 is any."""
    tier = limit.upper().removeprefix("TIER_")
    shown = "any number of" if tier in ("-1", "UNLIMITED") else tier if re.fullmatch(r"[0-9]{1,7}K?", tier) else "some"
    words = f"templates go to {shown} people in 24 hours"
    return InstanceNotice(sent_at=at, topic="limit", words=words)


def name_notice(decision: str, at: datetime, subject: str) -> InstanceNotice:
    """What Meta decided on the name that people see: APPROVED, REJECTED (in the node: DECLINED), or not yet."""
    refused = decision in ("REJECTED", "DECLINED", "EXPIRED")
    words = f"the number's name: {listed({'decision': decision}, 'decision')}"
    if refused:
        words += "; change it in WhatsApp Manager, until then Meta may refuse what is sent"
    return InstanceNotice(sent_at=at, topic="number_name", subject=subject, grave=refused, words=words)


def _name(value: Json, at: datetime) -> InstanceNotice:
    return name_notice(word(value, "decision").upper(), at, digits(value))


def _security(value: Json, at: datetime) -> InstanceNotice:
    words = f"two-step verification: {listed(value, 'event')}; if nobody of the office did this, look at who has access"
    return InstanceNotice(sent_at=at, topic="security", subject=digits(value), words=words)


_READERS: Mapping[str, Callable[[Json, datetime], InstanceNotice]] = {
    "account_alerts": _alert,
    "account_review_update": _review,
    "account_update": _account,
    "business_capability_update": _limits,
    "phone_number_name_update": _name,
    "phone_number_quality_update": _number,
    "security": _security,
}

NOTICES = frozenset(_READERS) | {
    "message_template_status_update",
    "message_template_quality_update",
    "message_template_components_update",
    "template_category_update",
}
"""Fields of a subscription that become notices."""
