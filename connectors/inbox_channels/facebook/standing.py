"""How a page stands with Meta: its token, its subscription, whether it is published and linked to its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from inbox_channels._graph.client import GraphClient
from inbox_channels._graph.reading import Json, child, word
from inbox_channels._graph.standing import look_at_token
from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.facebook.subscription import Subscription
from inbox_daemon.errors import Credentials
from inbox_daemon.model import InstanceNotice
from inbox_daemon.plugins import Context

_MISSING = Credentials(
    "checking the page: page_id does not exist or page_token may not see it; compare both, and give the page to the "
    "token's system user"
)
OTHER_PAGE = Credentials(
    "checking the token: page_token is not of the page that page_id names; take the access_token that "
    "/<page_id>?fields=access_token gives to the system user's token"
)


def wanted_scopes(settings: FacebookSettings) -> tuple[str, ...]:
    """Permissions that the token needs (messenger-platform and pages-api, 2026)."""
    common = ("pages_manage_metadata", "pages_messaging")
    if settings.platform == "instagram":
        own = (*common, "instagram_basic", "instagram_manage_messages")
        return (*own, "instagram_manage_comments") if settings.comments else own
    if not settings.comments:
        return common
    return (*common, "pages_read_engagement", "pages_read_user_content", "pages_manage_engagement")


class Standing:
    """Looks; changes nothing."""

    def __init__(
        self, graph: GraphClient, settings: FacebookSettings, context: Context, subscription: Subscription
    ) -> None:
        self._graph = graph
        self._settings = settings
        self._context = context
        self._subscription = subscription

    async def check(self) -> Json:
        """Prove that the token is the page's own, and the app's secret right. Returns the page's node."""
        me = await self._graph.get("me", {"fields": "id"}, doing="checking the token", missing=_MISSING)
        if word(me, "id") != self._settings.page_id:
            raise OTHER_PAGE
        fields = "id,is_published,instagram_business_account"
        page = await self._graph.get(
            self._settings.page_id, {"fields": fields}, doing="checking the page", missing=_MISSING
        )
        linked = word(child(page, "instagram_business_account"), "id")
        if self._settings.platform == "instagram" and linked != self._settings.account_id:
            raise Credentials(
                "checking the account: the page is linked to no Instagram account, or to another one than account_id"
            )
        return page

    async def inspect(self) -> Sequence[InstanceNotice]:
        """Token, its app, subscription and page, each as it is now. Raises `EdgeError` when it can't look."""
        now = self._context.now()
        page = await self.check()
        token = await look_at_token(self._graph, self._settings.page_token, wanted_scopes(self._settings), now)
        renewed = [replace(one, words=one.words.replace("access_token", "page_token")) for one in token.notices]
        hidden = page.get("is_published") is False
        return [
            *renewed,
            *self._app(token.app_id, now),
            await self._subscribed(now),
            InstanceNotice(
                sent_at=now,
                topic="page",
                grave=hidden,
                words="the page is not published: nobody can write to it" if hidden else "the page is published",
            ),
        ]

    def _app(self, app_id: str, now: datetime) -> Sequence[InstanceNotice]:
        """Whether the token is the configured app's; nothing where Meta doesn't say."""
        if not app_id:
            return []
        other = app_id != self._settings.app_id
        words = (
            "page_token was made for another app than app_id names: its subscription and echoes are not known as ours"
        )
        return [
            InstanceNotice(sent_at=now, topic="app", grave=other, words=words if other else "page_token is of this app")
        ]

    async def _subscribed(self, now: datetime) -> InstanceNotice:
        """What is missing is no matter for a person as long as polling can renew it."""
        missing = ", ".join(await self._subscription.missing())
        refused = bool(missing) and self._subscription.is_refused
        words = f"the page's subscription lacks {missing}" if missing else "the page's subscription is complete"
        if refused:
            words += " and could not be renewed: give page_token the permission pages_manage_metadata"
        elif missing:
            words += ": it is renewed by the next poll"
        return InstanceNotice(sent_at=now, topic="subscription", grave=refused, words=words)
