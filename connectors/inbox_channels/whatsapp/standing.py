"""How a number stands at Meta: its node, its token, its account's subscription, its template.

Topics and subjects are those of `notices.py`, so that what came by webhook and what is seen put each other right.
Fields: whatsapp/reference (phone number node, November 2025; messaging-limits, May 2026), docs/whatsapp/cloud-api/
health-status. A field that a version of the API doesn't know makes it refuse the whole question (code 100), so what
not every account has is asked for by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.reading import Json, child, children, word
from inbox_channels._graph.standing import look_at_token
from inbox_channels.whatsapp import notices
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import InstanceNotice

SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")


def no_number(doing: str) -> Credentials:
    """What it means that the number's node isn't there."""
    return Credentials(
        f"{doing}: phone_number_id does not exist or access_token may not see it; compare both with "
        "WhatsApp > API Setup and assign the account to the token's system user"
    )


async def look_at_number(graph: GraphClient, settings: WhatsAppSettings, *, doing: str, fields: str) -> Json:
    """The number's own node. Raises `Credentials` where the token may not see it."""
    node = await graph.get(
        settings.phone_number_id,
        {"fields": f"id,{fields}"},
        doing=doing,
        missing=no_number(doing),
    )
    if word(node, "id") != settings.phone_number_id:
        raise Permanent(f"{doing}: what phone_number_id names answers under another id")
    return node


async def inspect(graph: GraphClient, settings: WhatsAppSettings, now: datetime) -> Sequence[InstanceNotice]:
    """Everything that can be seen of the number. Raises `EdgeError` when it can't be looked at."""
    node = await look_at_number(
        graph,
        settings,
        doing="looking at the number",
        fields="display_phone_number,quality_rating,status,name_status",
    )
    found = [*_number(node, now), *await _limits(graph, settings, now)]
    token = await look_at_token(graph, settings.access_token, SCOPES, now)
    found += token.notices
    if not settings.account_id:
        words = "account_id is not given: its subscription and its template are not looked at"
        return [*found, InstanceNotice(sent_at=now, topic="subscription", words=words)]
    found.append(await _subscription(graph, settings.account_id, token.app_id, now))
    if settings.answer_template:
        found += await _template(graph, settings, now)
    return found


def _number(node: Json, now: datetime) -> list[InstanceNotice]:
    subject = notices.digits(node)
    found = []
    if status := word(node, "status").upper():
        found.append(notices.number_notice(status, now, subject))
    if quality := word(node, "quality_rating").upper():
        found.append(notices.quality_notice(quality, now, "number_quality", subject))
    if name := word(node, "name_status").upper():
        found.append(notices.name_notice(name, now, subject))
    return found


async def _limits(graph: GraphClient, settings: WhatsAppSettings, now: datetime) -> list[InstanceNotice]:
    found = []
    for field, read in (("whatsapp_business_manager_messaging_limit", _limit), ("health_status", _health)):
        try:
            node = await look_at_number(graph, settings, doing="looking at the number's limits", fields=field)
        except Permanent:
            continue  # this version or this account has no such field
        found += read(node, now)
    return found


def _limit(node: Json, now: datetime) -> list[InstanceNotice]:
    limit = word(node, "whatsapp_business_manager_messaging_limit")
    return [notices.limit_notice(limit, now)] if limit else []


_LIMBS = {
    "PHONE_NUMBER": "the number",
    "WABA": "the WhatsApp Business account",
    "BUSINESS": "the business portfolio",
    "APP": "the app",
}


def _health(node: Json, now: datetime) -> list[InstanceNotice]:
    """Whether Meta lets the number send, and if not, which of those that it depends on is at fault."""
    health = child(node, "health_status")
    overall = word(health, "can_send_message").upper()
    if overall not in ("AVAILABLE", "LIMITED", "BLOCKED"):
        return []
    limbs = children(health, "entities")
    guilty = [_named(limb) for limb in limbs if word(limb, "can_send_message").upper() not in ("AVAILABLE", "")]
    words = {"AVAILABLE": "messages can be sent", "LIMITED": "Meta limits what can be sent"}.get(
        overall, "Meta lets nothing be sent"
    )
    words += f", because of {', '.join(guilty)}; see WhatsApp Manager" if guilty else ""
    return [InstanceNotice(sent_at=now, topic="account", grave=overall == "BLOCKED", words=words)]


def _named(limb: Json) -> str:
    """What a message depends on, with the code of its first error where Meta gives one."""
    name = _LIMBS.get(word(limb, "entity_type"), "something else")
    code = next((word(error, "error_code") for error in children(limb, "errors")), "")
    return f"{name} ({code})" if code.isdigit() and len(code) < 10 else name


async def _subscription(graph: GraphClient, account: str, app_id: str, now: datetime) -> InstanceNotice:
    """Whether the account's events go to the token's app: without that nothing ever comes."""
    doing = "looking at the account's subscription"
    try:
        answer = await graph.get(f"{account}/subscribed_apps", {}, doing=doing, missing=Permanent("not there"))
    except (Permanent, Credentials):
        words = "account_id does not exist or access_token may not see it: compare it with WhatsApp > API Setup"
        return InstanceNotice(sent_at=now, topic="subscription", grave=True, words=words)
    apps = {word(child(app, "whatsapp_business_api_data"), "id") for app in children(answer, "data")} - {""}
    if app_id in apps or (apps and not app_id):
        return InstanceNotice(sent_at=now, topic="subscription", words="the account's events go to the app")
    words = "the account's events do not go to this app, so nothing comes: POST <account_id>/subscribed_apps (README)"
    return InstanceNotice(sent_at=now, topic="subscription", grave=True, words=words)


async def _template(graph: GraphClient, settings: WhatsAppSettings, now: datetime) -> list[InstanceNotice]:
    name, doing = settings.answer_template, "looking at the template"
    try:
        answer = await graph.get(
            f"{settings.account_id}/message_templates",
            {"name": name, "fields": "name,language,status,category", "limit": "100"},
            doing=doing,
            missing=Permanent("not there"),
        )
    except (Permanent, Credentials):
        words = "access_token may not see the account's templates: it needs whatsapp_business_management"
        return [InstanceNotice(sent_at=now, topic="template", subject=name, words=words)]
    for one in children(answer, "data"):  # `name` finds all that begin like it
        if word(one, "name") == name and notices.same_language(word(one, "language"), settings.template_language):
            category = word(one, "category")
            found = [notices.template_notice(word(one, "status").upper(), now, name)]
            return found + ([notices.category_notice(category, now, name)] if category else [])
    words = f"there is no template of this name in {settings.template_language}: make it in WhatsApp Manager"
    return [InstanceNotice(sent_at=now, topic="template", subject=name, grave=True, words=words)]
