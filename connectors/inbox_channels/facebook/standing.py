"""How a page stands with Meta: its token, its subscription, whether it is published and linked to its account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
        """Token, subscription and page, each as it is now. Raises `EdgeError` when it can't look."""
        now = self._context.now()
        page = await self.check()
        token = await look_at_token(self._graph, self._settings.page_token, wanted_scopes(self._settings), now)
        renewed = [replace(one, words=one.words.replace("access_token", "page_token")) for one in token.notices]
        missing = await self._subscription.missing()
        hidden = page.get("is_published") is False
        return [
            *renewed,
            InstanceNotice(
                sent_at=now,
                topic="subscription",
                grave=bool(missing),
                words=f"the page's subscription lacks {', '.join(missing)}: it is renewed by the next poll"
                if missing
                else "the page's subscription is complete",
            ),
            InstanceNotice(
                sent_at=now,
                topic="page",
                grave=hidden,
                words="the page is not published: nobody can write to it" if hidden else "the page is published",
            ),
        ]
