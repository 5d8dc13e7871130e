"""One Facebook page, or its Instagram account, at work: deliveries, catching up, files, answers, standing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from inbox_channels._graph import webhook
from inbox_channels._graph.client import GraphClient, GraphPlace, OwnNode
from inbox_channels.facebook import compose, rules
from inbox_channels.facebook.catching_up import CatchingUp
from inbox_channels.facebook.fetching import Files
from inbox_channels.facebook.sending import Sender
from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.facebook.standing import OTHER_PAGE, Standing
from inbox_channels.facebook.subscription import Subscription
from inbox_channels.facebook.verdicts import DIALECTS
from inbox_daemon.model import Attachment, Cursor, Envelope, Handle, InstanceNotice, Proof, Reply, Sent, Window
from inbox_daemon.plugins import Context, Page, WebhookAnswer, WebhookRequest

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class FacebookChannel:
    """Pushed, Sharing, Polled, Fetching, Replying and Inspecting for one page or account."""

    keep_headers: Sequence[str] = ()

    def __init__(self, settings: FacebookSettings, context: Context) -> None:
        self._settings = settings
        place = GraphPlace(
            url=settings.graph_url,
            version=settings.graph_version,
            media_hosts=settings.media_hosts,
            connect_seconds=settings.connect_seconds,
            answer_seconds=settings.answer_seconds,
            idle_seconds=settings.media_idle_seconds,
        )
        graph = GraphClient(
            context.session,
            place,
            settings.page_token,
            app_secret=settings.app_secret,
            dialect=DIALECTS[settings.platform],
            own=OwnNode(path="me", id=settings.page_id, lost=OTHER_PAGE),
        )
        subscription = Subscription(graph, settings)
        self._standing = Standing(graph, settings, context, subscription)
        self._catching_up = CatchingUp(graph, settings, context, subscription)
        self._files = Files(graph, settings.page_id, context.now)
        self._sender = Sender(graph, settings, context)
        self.rules = rules.RULES[settings.platform]
        self.poll_seconds = settings.catch_up_seconds

    async def check(self) -> None:
        """Read the page's own node with the page's own token."""
        await self._standing.check()

    async def inspect(self) -> Sequence[InstanceNotice]:
        """Token, subscription and page."""
        return await self._standing.inspect()

    async def aclose(self) -> None:
        """Nothing of its own is open: the session is the core's."""

    # ------------------------------------------------------------ pushed

    @property
    def webhook_of(self) -> str:
        """The instance at whose address deliveries for this one come too."""
        return self._settings.webhook_of

    def concerns(self, body: bytes) -> bool:
        """Whether our page's or account's id stands in it anywhere."""
        return self._settings.own_id.encode() in body

    def handshake(self, request: WebhookRequest) -> WebhookAnswer | None:
        """Answer Meta's verification of the callback address."""
        return webhook.handshake(request, self._settings.verify_token)

    def authenticate(self, request: WebhookRequest) -> None:
        """Check the app's signature, made with the present or the previous secret."""
        webhook.authenticate(request, self._settings.app_secrets)

    # ------------------------------------------------------------ polled

    async def poll(self, cursor: Cursor | None) -> Page:
        """Renew the subscription, then fetch what no webhook brought."""
        return await self._catching_up.poll(cursor)

    async def committed(self, envelopes: Sequence[Envelope]) -> None:
        """Nothing is marked at Meta."""

    # ------------------------------------------------------------ fetching

    def fetch(self, attachment: Attachment, envelope: Envelope) -> AsyncIterator[bytes]:
        """Stream a file that came with a message or comment."""
        return self._files.fetch(attachment, envelope)

    # ------------------------------------------------------------ replying

    def window(self, to: Handle, last_inbound: datetime | None) -> Window:
        """7 days after a comment; 24 hours after a message, or 7 days where a human agent may write. Less a margin.

        What no person wrote goes for 24 hours only; after that Meta refuses it, and it is held.
        """
        if last_inbound is None:
            return Window(open_until=_LONG_AGO)
        life = rules.HUMAN_WINDOW if self._settings.human_agent else rules.WINDOW
        if to.kind == compose.COMMENTER:
            life = rules.PRIVATE_REPLY_WINDOW
        margin = timedelta(minutes=self._settings.window_margin_minutes)
        return Window(open_until=last_inbound + life - margin)

    def address(self, handles: Sequence[Handle]) -> Handle | None:
        """Who writes to this very page or account in private, else who commented on it."""
        own = [one for one in handles if one.proof is Proof.CHANNEL and one.scope == self._settings.own_id]
        for kind in (compose.PERSON[self._settings.platform], compose.COMMENTER):
            for handle in own:
                if handle.kind == kind:
                    return handle
        return None

    async def send(self, reply: Reply) -> Sent:
        """Send one portion as one message."""
        return await self._sender.send(reply)
