"""One WhatsApp number at work: proof of deliveries, files from Meta, answers to citizens."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from inbox_channels._graph import webhook
from inbox_channels._graph.client import GraphClient, GraphPlace, OwnNode
from inbox_channels._graph.reading import word
from inbox_channels._graph.verdicts import GraphFault, to_error, wait_hint
from inbox_channels.whatsapp import standing
from inbox_channels.whatsapp.notices import NOTICES
from inbox_channels.whatsapp.pace import Holds
from inbox_channels.whatsapp.rules import sending_rules
from inbox_channels.whatsapp.sending import Sending
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_channels.whatsapp.standing import look_at_number
from inbox_daemon.errors import EdgeError, Gone, Permanent, Transient
from inbox_daemon.model import Attachment, Envelope, Handle, InstanceNotice, Proof, Reply, Sent, Window
from inbox_daemon.plugins import Context, WebhookAnswer, WebhookRequest

_WINDOW = timedelta(hours=24)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_MEDIA_ID = re.compile(r"[A-Za-z0-9_-]+")
_CHUNK_BYTES = 64 * 1024
_NEWS = tuple(field.encode() for field in sorted(NOTICES))


def concerns(body: bytes, phone_number_id: str) -> bool:
    """See `WhatsAppChannel.concerns`."""
    return phone_number_id.encode() in body or any(field in body for field in _NEWS)


class WhatsAppChannel:
    """Sharing, Inspecting, Fetching and Replying on one number."""

    keep_headers: Sequence[str] = ()

    def __init__(self, settings: WhatsAppSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        place = GraphPlace(
            url=settings.graph_url,
            version=settings.graph_version,
            media_hosts=settings.media_hosts,
            connect_seconds=settings.connect_seconds,
            answer_seconds=settings.answer_seconds,
            idle_seconds=settings.media_idle_seconds,
        )
        self._graph = GraphClient(
            context.session,
            place,
            settings.access_token,
            app_secret=settings.app_secret,
            own=OwnNode(
                path=settings.phone_number_id,
                id=settings.phone_number_id,
                lost=standing.no_number("looking at the number"),
            ),
        )
        self._sending = Sending(self._graph, settings, Holds(context.now), context.log)
        self.rules = sending_rules(settings.pair_seconds)

    async def check(self) -> None:
        """Read the number's own node: the token is good and may see it."""
        await look_at_number(self._graph, self._settings, doing="checking the number", fields="verified_name")

    async def inspect(self) -> Sequence[InstanceNotice]:
        """How the number, its token, its account and its template stand; see `standing`."""
        return await standing.inspect(self._graph, self._settings, self._context.now())

    async def aclose(self) -> None:
        """End what nobody waits for; the session is the core's."""
        await self._sending.aclose()

    # ------------------------------------------------------------ pushed

    @property
    def webhook_of(self) -> str:
        """Whose address this number's deliveries come to as well."""
        return self._settings.webhook_of

    def concerns(self, body: bytes) -> bool:
        """Whether the number's id is in it anywhere, or news of an account, which name no number."""
        return concerns(body, self._settings.phone_number_id)

    def handshake(self, request: WebhookRequest) -> WebhookAnswer | None:
        """Answer Meta's verification of the callback address."""
        return webhook.handshake(request, self._settings.verify_token)

    def authenticate(self, request: WebhookRequest) -> None:
        """Check the app's signature, made with the present or the previous secret."""
        webhook.authenticate(request, self._settings.app_secrets)

    # ------------------------------------------------------------ fetching

    async def fetch(self, attachment: Attachment, envelope: Envelope) -> AsyncIterator[bytes]:
        """Stream a file by its media id: id → address (good for five minutes) → bytes.

        An address that is already dead is asked for once more. Raises `Gone` when Meta no longer has the file.
        """
        for last in (False, True):
            url = await self._media_url(attachment)
            async with self._graph.download(url, doing="fetching a file") as answer:
                if answer.status == 200:
                    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                        yield chunk
                    return
                if answer.status == 410:
                    raise Gone("fetching a file: Meta no longer has it", reason="deleted")
                if answer.status not in (403, 404) or last:
                    raise self._no_file(answer.status, wait_hint(answer.headers), attachment)

    async def _media_url(self, attachment: Attachment) -> str:
        if not _MEDIA_ID.fullmatch(attachment.remote):
            raise Permanent("fetching a file: its media id has no form that Meta gives")
        try:
            node = await self._graph.get(
                attachment.remote,
                {"phone_number_id": self._settings.phone_number_id},
                doing="asking where a file is",
                missing=Gone("fetching a file: Meta no longer knows its id", reason=self._why(attachment)),
            )
        except Gone as gone:
            if gone.reason != "expired":
                await self.check()  # Meta says the same of what the token may not see: then nothing is gone
            raise
        url = word(node, "url")
        if not url:
            raise Transient("asking where a file is: the answer holds no address")
        return url

    def _no_file(self, status: int, wait: timedelta | None, attachment: Attachment) -> EdgeError:
        if 300 <= status < 400:
            return Permanent("fetching a file: its address leads on to another one, which is not followed")
        if status in (403, 404):
            if self._why(attachment) == "expired":
                return Gone("fetching a file: its id has expired", reason="expired")
            return Transient("fetching a file: a fresh address holds nothing yet")
        return to_error(GraphFault(status=status, wait=wait), doing="fetching a file", harmless=True)

    def _why(self, attachment: Attachment) -> str:
        expired = attachment.expires_at is not None and self._context.now() >= attachment.expires_at
        return "expired" if expired else "deleted"

    # ------------------------------------------------------------ replying

    def window(self, to: Handle, last_inbound: datetime | None) -> Window:
        """24 hours from the citizen's last message, less a margin; after that, and to who never wrote, a template."""
        template = self._settings.answer_template or None
        if last_inbound is None:
            return Window(open_until=_LONG_AGO, template=template)
        margin = timedelta(minutes=self._settings.window_margin_minutes)
        return Window(open_until=last_inbound + _WINDOW - margin, template=template)

    def address(self, handles: Sequence[Handle]) -> Handle | None:
        """A phone that the channel vouched for, else a BSUID, which can be written to from its own portfolio only."""
        own = self._settings.portfolio
        proven = [
            handle
            for handle in handles
            if handle.proof is Proof.CHANNEL and (handle.kind == "phone" or not own or handle.scope == own)
        ]
        for kind in ("phone", "bsuid"):
            for handle in proven:
                if handle.kind == kind:
                    return handle
        return None

    async def send(self, reply: Reply) -> Sent:
        """Upload the portion's file, if it has one, then send it as one message; see `Sending`."""
        return await self._sending.send(reply)
