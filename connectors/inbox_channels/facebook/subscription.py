"""The page's subscription to our app: without it Meta posts nothing, and after an hour of failures Meta ends it."""

from __future__ import annotations

from collections.abc import Sequence

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.reading import Json, children, word
from inbox_channels.facebook.settings import FacebookSettings
from inbox_daemon.errors import Credentials, EdgeError, Permanent

MESSAGES = (
    "messages",
    "message_echoes",
    "message_edits",
    "message_reactions",
    "message_deliveries",
    "message_reads",
    "messaging_postbacks",
    "messaging_referrals",
    "messaging_optins",
    "messaging_handovers",
    "standby",
    "messaging_policy_enforcement",
)
"""Fields of Messenger (webhooks-for-pages, and the Messenger Platform's webhook events; June 2026)."""
COMMENTS = ("feed",)

_NOBODY = Credentials(
    "looking at the page's subscription: the page does not exist or page_token may not see it; compare page_id"
)


def wanted_fields(settings: FacebookSettings) -> tuple[str, ...]:
    """Fields of the page that are to be subscribed.

    An Instagram account's own fields are chosen in the app's dashboard; its page only has to be subscribed to
    something (messenger-platform/instagram/features/webhook).
    """
    if settings.platform == "instagram":
        return ("messages",)
    return MESSAGES + (COMMENTS if settings.comments else ())


class Subscription:
    """The subscription of one page."""

    def __init__(self, graph: GraphClient, settings: FacebookSettings) -> None:
        self._graph = graph
        self._settings = settings
        self._path = f"{settings.page_id}/subscribed_apps"
        self._is_refused = False

    @property
    def is_refused(self) -> bool:
        """Whether Meta refused the last renewal: then a person has to mend it."""
        return self._is_refused

    async def missing(self) -> Sequence[str]:
        """Fields that should be subscribed and are not."""
        there = await self._fields()
        return [name for name in wanted_fields(self._settings) if name not in there]

    async def keep(self) -> str:
        """Renew the subscription where something is missing; what was found and done in a sentence, else nothing.

        It never raises: polling goes on without webhooks, and is what brings the messages then.
        """
        self._is_refused = False
        try:
            missing = await self.missing()
            if not missing:
                return ""
            fields = sorted({*await self._fields(), *wanted_fields(self._settings)})
            await self._graph.post(
                self._path, doing="renewing the page's subscription", json={"subscribed_fields": ",".join(fields)}
            )
        except EdgeError as error:
            self._is_refused = isinstance(error, Credentials | Permanent)
            return f"the page's subscription is in doubt: {error}"
        return f"the page's subscription lacked {', '.join(missing)} and was renewed"

    async def _fields(self) -> set[str]:
        answer = await self._graph.get(
            self._path, {"fields": "id,subscribed_fields"}, doing="looking at the page's subscription", missing=_NOBODY
        )
        rows = [row for row in children(answer, "data") if self._is_ours(row)]
        return {name for row in rows for name in row.get("subscribed_fields") or () if isinstance(name, str)}

    def _is_ours(self, app: Json) -> bool:
        return word(app, "id") == self._settings.app_id
