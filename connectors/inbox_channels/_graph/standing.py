"""How an access token stands with Meta: valid or not, until when, with which permissions.

Source: developers.facebook.com/docs/graph-api/reference/debug_token (`is_valid`, `expires_at`,
`data_access_expires_at`, `scopes`, `app_id`; a time of 0 is "never"). A token may be asked about with itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.reading import Json, child, word
from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.model import InstanceNotice
from inbox_daemon.plugins import Secret

SOON = timedelta(days=14)
"""So long before its end a token is told of as grave: making a new one takes a person and some days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStanding:
    """Notices of a token, and the app it belongs to (empty where Meta doesn't say)."""

    notices: Sequence[InstanceNotice]
    app_id: str = ""


async def look_at_token(graph: GraphClient, token: Secret, wanted: Sequence[str], now: datetime) -> TokenStanding:
    """Ask Meta about `token`, which needs the permissions `wanted`. Raises `Transient` when nobody answers.

    Call it after the token has proven itself elsewhere: a refusal here only means that it may not be asked about.
    """
    doing = "asking how long the access token is valid"
    try:
        answer = await graph.get(
            "debug_token", {"input_token": token.reveal()}, doing=doing, missing=Permanent(f"{doing}: Meta doesn't say")
        )
    except (Credentials, Permanent):
        words = "Meta doesn't say how long the access token is valid"
        return TokenStanding(notices=[InstanceNotice(sent_at=now, topic="token", words=words)])
    data = child(answer, "data")
    return TokenStanding(notices=token_notices(data, wanted, now), app_id=word(data, "app_id"))


def token_notices(data: Json, wanted: Sequence[str], now: datetime) -> list[InstanceNotice]:
    """What the `data` of an answer of debug_token comes to. Pure."""
    if data.get("is_valid") is False:
        words = "the access token is not valid any more: make a new one and renew access_token"
        return [InstanceNotice(sent_at=now, topic="token", grave=True, words=words)]
    if data.get("is_valid") is not True:
        return [InstanceNotice(sent_at=now, topic="token", words="Meta doesn't say whether the access token is valid")]
    found = [
        _until("token", "the access token", data.get("expires_at"), now),
        _until("token_data", "the access token's right to read data", data.get("data_access_expires_at"), now),
    ]
    scopes = data.get("scopes")
    if isinstance(scopes, list):
        found.append(_scopes([name for name in wanted if name not in scopes], now))
    return found


def _until(topic: str, what: str, given: object, now: datetime) -> InstanceNotice:
    moment = _moment(given)
    if moment is None:
        return InstanceNotice(sent_at=now, topic=topic, words=f"{what} does not expire")
    day = moment.astimezone(now.tzinfo).strftime("%Y-%m-%d")
    if moment > now + SOON:
        return InstanceNotice(sent_at=now, topic=topic, words=f"{what} is valid until {day}")
    verb = "expires" if moment > now else "expired"
    words = f"{what} {verb} on {day}: make a new one, best of a system user and without an end, and renew access_token"
    return InstanceNotice(sent_at=now, topic=topic, grave=True, words=words)


def _moment(given: object) -> datetime | None:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 10**11:
        return None
    return datetime.fromtimestamp(given, UTC)


def _scopes(lacking: Sequence[str], now: datetime) -> InstanceNotice:
    if not lacking:
        return InstanceNotice(sent_at=now, topic="token_scopes", words="the access token has the permissions it needs")
    words = f"the access token lacks {', '.join(lacking)}: make a new one with it"
    return InstanceNotice(sent_at=now, topic="token_scopes", grave=True, words=words)
