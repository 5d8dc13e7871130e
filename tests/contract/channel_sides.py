"""The far side of each channel that can answer: where what is sent arrives, and what may go wrong on the way there.

A channel with the power `Replying` needs one here; the contract fails for a kind that has none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from inbox_channels.facebook.settings import FacebookSettings
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.mailing import Mailer
from inbox_daemon.model import Handle, Proof
from inbox_daemon.plugins import Channel, ChannelPlugin, PluginSettings
from inbox_daemon.settings import Smtp
from support.contexts import lend_context
from support.facebook_fake import PageFake, run_page
from support.facebook_fake_book import ACCOUNT_ID, PAGE_ID
from support.graph_fake import Fault, GraphFake, run_graph
from support.smtp_sink import HANG_UP, Sink, mail_sink

PHONE = Handle(kind="phone", value="+5493624000001")
ADDRESS = Handle(kind="email", value="ana@correo.test")
PERSON = Handle(kind="psid", value="7001", scope=PAGE_ID)

Trouble = Literal["unreachable", "refused", "lost", "locked"]
"""unreachable: nothing can have been taken. refused: this portion never will be. lost: taken, and the answer that says
so is lost. locked: nothing of the instance goes."""


class Side(Protocol):
    """One channel under test with its far side."""

    channel: Channel
    citizen: Handle
    others: Sequence[Handle]
    """Handles of other people that the channel must not write to."""

    def texts(self) -> Sequence[str]:
        """What has come to the citizen, in order: texts that hold the portion's words."""

    def marks(self) -> Sequence[str]:
        """By what the channel itself tells that two of them are the same portion: tag or id."""

    def trouble(self, kind: Trouble) -> None:
        """Let the next call go wrong."""

    def heal(self) -> None:
        """All is well again."""


@dataclass
class WhatsAppSide:
    """A number at the fake Graph API."""

    channel: Channel
    graph: GraphFake
    citizen: Handle = PHONE
    others: Sequence[Handle] = (
        replace(PHONE, value="+5493624000009", proof=Proof.HINT),
        replace(PHONE, value="+5493624000008", proof=Proof.CLAIM),
        ADDRESS,
    )

    def texts(self) -> Sequence[str]:
        """See `Side.texts`."""
        return [one.text for one in self.graph.accepted]

    def marks(self) -> Sequence[str]:
        """See `Side.marks`."""
        return [one.tag for one in self.graph.accepted]

    def trouble(self, kind: Trouble) -> None:
        """See `Side.trouble`."""
        faults = {
            "unreachable": Fault(code=130429),
            "refused": Fault(code=131026),
            "lost": Fault(status=502, raw=b"", done=True),
            "locked": Fault(code=190),
        }
        self.graph.fail("send", faults[kind])

    def heal(self) -> None:
        """See `Side.heal`: a fault befalls one call only."""


@dataclass
class FacebookSide:
    """A page at the fake Graph API, to which the citizen has just written."""

    channel: Channel
    page: PageFake
    citizen: Handle = PERSON
    others: Sequence[Handle] = (
        replace(PERSON, scope="100000000000099"),
        replace(PERSON, value="7002", proof=Proof.HINT),
        Handle(kind="igsid", value="7003", scope=ACCOUNT_ID),
        ADDRESS,
    )

    def texts(self) -> Sequence[str]:
        """See `Side.texts`."""
        return [one.text for one in self.page.sent]

    def marks(self) -> Sequence[str]:
        """See `Side.marks`."""
        return [one.tag for one in self.page.sent]

    def trouble(self, kind: Trouble) -> None:
        """See `Side.trouble`."""
        faults = {
            "unreachable": Fault(code=613),
            "refused": Fault(code=551),
            "lost": Fault(status=502, raw=b"", done=True),
            "locked": Fault(code=190),
        }
        self.page.fail("send", faults[kind])

    def heal(self) -> None:
        """See `Side.heal`: a fault befalls one call only."""


@dataclass
class EmailSide:
    """A mailbox whose answers go to a mail server of the tests."""

    channel: Channel
    sink: Sink
    citizen: Handle = ADDRESS
    others: Sequence[Handle] = (replace(ADDRESS, value="otra@correo.test", proof=Proof.CLAIM), PHONE)

    def texts(self) -> Sequence[str]:
        """See `Side.texts`."""
        bodies = [mail.get_body(("plain",)) for mail in self.sink.mails]
        return [body.get_content().replace("\r\n", "\n") for body in bodies if body is not None]

    def marks(self) -> Sequence[str]:
        """See `Side.marks`."""
        return [str(mail["Message-ID"]) for mail in self.sink.mails]

    def trouble(self, kind: Trouble) -> None:
        """See `Side.trouble`."""
        answers = {
            "unreachable": {"HELLO": HANG_UP},
            "refused": {"RCPT": "550 no such user"},
            "lost": {"END": HANG_UP},
            "locked": {"MAIL": "530 log in first"},
        }
        self.sink.answers = answers[kind]

    def heal(self) -> None:
        """See `Side.heal`."""
        self.sink.answers = {}


Plugin = ChannelPlugin[Any]


@asynccontextmanager
async def _whatsapp(plugin: Plugin, settings: PluginSettings) -> AsyncIterator[Side]:
    async with run_graph() as graph, lend_context() as context:
        assert isinstance(settings, WhatsAppSettings)
        graph.token, graph.app_secret = settings.access_token.reveal(), settings.app_secret.reveal()
        channel = plugin.build(settings.model_copy(update={"graph_url": graph.url}), context)
        yield WhatsAppSide(channel=channel, graph=graph)
        await channel.aclose()


@asynccontextmanager
async def _facebook(plugin: Plugin, settings: PluginSettings) -> AsyncIterator[Side]:
    assert isinstance(settings, FacebookSettings)
    fake = PageFake(app_secret=settings.app_secret.reveal(), token=settings.page_token.reveal())
    async with run_page(fake), lend_context() as context:
        fake.write(PERSON.value, "Hola")
        channel = plugin.build(settings.model_copy(update={"graph_url": fake.url}), context)
        yield FacebookSide(channel=channel, page=fake)
        await channel.aclose()


@asynccontextmanager
async def _email(plugin: Plugin, settings: PluginSettings) -> AsyncIterator[Side]:
    async with mail_sink() as sink, lend_context() as context:
        smtp = {"host": "127.0.0.1", "port": sink.port, "tls": "none", "from_address": "mesa@organismo.example"}
        mail = Mailer(Smtp.model_validate(smtp | {"timeout_seconds": 2.0}))
        own = settings.model_copy(update={"addresses": ("mesa@organismo.example",)})
        channel = plugin.build(own, replace(context, mail=mail))
        yield EmailSide(channel=channel, sink=sink)
        await channel.aclose()


SIDES: dict[str, Callable[[Plugin, PluginSettings], AbstractAsyncContextManager[Side]]] = {
    "whatsapp": _whatsapp,
    "facebook": _facebook,
    "email": _email,
}
