"""Where a simulated message goes and who signs it, also for a channel that shares another's address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from inbox_channels._graph import webhook
from inbox_channels.whatsapp import plugin
from inbox_daemon.cli.simulate import posted_to
from inbox_daemon.model import Envelope, InstanceId, Message
from inbox_daemon.plugins import Secret, SimulatedMessage
from inbox_daemon.registry import ChannelInstance

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SAID = SimulatedMessage(sender="5493624000001", name="Ana Prueba", text="Hola", id="s1", at=NOW)


def channel(name: str, **given: Any) -> ChannelInstance:
    settings = plugin.settings.model_validate({"access_token": Secret("token"), **given})
    return ChannelInstance(name=InstanceId(name), plugin=plugin, settings=settings)


HOST = channel("centro", phone_number_id="1", app_secret=Secret("of-the-app"), verify_token=Secret("word"))
GUEST = channel("salud", phone_number_id="2", webhook_of="centro")
ALL = {one.name: one for one in (HOST, GUEST)}


def test_a_channel_with_its_own_address_is_posted_to_there() -> None:
    assert posted_to(HOST, ALL) == ("centro", HOST.settings)


def test_one_that_shares_an_address_is_posted_to_there_and_signed_by_the_app() -> None:
    address, own = posted_to(GUEST, ALL)
    assert plugin.simulate is not None
    request = plugin.simulate(own, SAID)  # type: ignore[arg-type]  # found by name
    assert address == "centro"
    webhook.authenticate(request, [Secret("of-the-app")])
    envelope = Envelope(instance=InstanceId("salud"), body=request.body, received_at=NOW)
    (message,) = GUEST.plugin.parse(envelope, GUEST.settings)
    assert isinstance(message, Message)
    assert [type(one).__name__ for one in HOST.plugin.parse(envelope, HOST.settings)] == ["Ignored"]
