"""Several instances of one app at one address: each has what may concern it, all of it before the 200."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from inbox_channels._graph import webhook
from inbox_daemon.model import Envelope
from inbox_daemon.plugins import Secret, Sharing, WebhookAnswer, WebhookRequest
from inbox_daemon.store.database import StorageBroken, StorageFull
from unit.web.wire import VERIFY_TOKEN, Served, SignedHook, request, serving, sign

CENTRO, SALUD, TURNOS = "whatsapp-centro", "whatsapp-salud", "whatsapp-turnos"


@dataclass
class Number:
    """A number that is concerned by bodies with its mark in them; with `secret` its deliveries can be proven."""

    mark: bytes
    webhook_of: str = CENTRO
    secret: str = ""
    keep_headers: Sequence[str] = ("x-note",)
    asked: list[bytes] = field(default_factory=list)
    trouble: Exception | None = None

    def concerns(self, body: bytes) -> bool:
        self.asked.append(body)
        if self.trouble is not None:
            raise self.trouble
        return self.mark in body

    def handshake(self, request: WebhookRequest) -> WebhookAnswer | None:
        return webhook.handshake(request, Secret(VERIFY_TOKEN if self.secret else ""))

    def authenticate(self, request: WebhookRequest) -> None:
        webhook.authenticate(request, [Secret(self.secret)])

    async def check(self) -> None: ...

    async def aclose(self) -> None: ...


class Host(SignedHook):
    """The number whose address it is, which can tell what concerns it."""

    webhook_of = ""

    def concerns(self, body: bytes) -> bool:
        return b"centro" in body


async def _post(served: Served, body: bytes, path: str = CENTRO, **headers: str) -> int:
    answer = await served.post(body, f"/hooks/{path}", X_Hub_Signature_256=sign(body), **headers)
    return answer.status


def _kept(served: Served) -> list[tuple[str, bytes]]:
    return [(str(one.instance), one.body) for one in served.journal.envelopes]


def _numbers(**more: Any) -> dict[str, Any]:
    return {SALUD: Number(b"salud", **more), TURNOS: Number(b"turnos")}


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        (b"centro", [CENTRO]),
        (b"salud", [SALUD]),
        (b"turnos salud", [SALUD, TURNOS]),
        (b"salud centro", [CENTRO, SALUD]),
        (b"somebody else's", [CENTRO]),  # kept where a person would look for it
        (b"", [CENTRO]),
    ],
)
async def test_each_has_a_copy_of_what_may_concern_it(body: bytes, meant: list[str]) -> None:
    async with serving(more_hooks={CENTRO: Host(), **_numbers()}) as served:
        assert await _post(served, body, X_Note="v") == 200
        assert _kept(served) == [(name, body) for name in meant]
        assert all(one.headers["x-note"] == "v" for one in served.journal.envelopes)


async def test_a_host_that_can_not_tell_always_has_one() -> None:
    async with serving(more_hooks=_numbers()) as served:
        assert await _post(served, b"salud") == 200
        assert _kept(served) == [(CENTRO, b"salud"), (SALUD, b"salud")]


async def test_what_is_not_signed_by_the_app_reaches_nobody() -> None:
    numbers = _numbers()
    async with serving(more_hooks=numbers) as served:
        answer = await served.post(b"salud", f"/hooks/{CENTRO}", X_Hub_Signature_256=sign(b"other"))
        assert answer.status == 401
        assert _kept(served) == []
        assert numbers[SALUD].asked == []


async def test_a_bug_in_telling_loses_nothing(log: list[Any]) -> None:
    async with serving(more_hooks={CENTRO: Host(), **_numbers(trouble=ValueError("x"))}) as served:
        assert await _post(served, b"centro") == 200
        assert _kept(served) == [(CENTRO, b"centro"), (SALUD, b"centro")]
    assert [line["event"] for line in log] == ["http.failed"]


@pytest.mark.parametrize("trouble", [StorageFull("x"), StorageBroken("x")])
@pytest.mark.parametrize("failing", [CENTRO, SALUD])
async def test_it_is_acknowledged_only_when_all_of_it_is_kept(
    failing: str, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(more_hooks={CENTRO: Host(), **_numbers()}) as served:
        append = served.journal.append

        async def fail(envelope: Envelope) -> None:
            if envelope.instance == failing:
                raise trouble
            await append(envelope)

        monkeypatch.setattr(served.journal, "append", fail)
        assert await _post(served, b"salud centro") == 503
        monkeypatch.undo()
        assert await _post(served, b"salud centro") == 200  # the redelivery; the repeat is known by its ids
        assert {name for name, _ in _kept(served)} == {CENTRO, SALUD}


async def test_without_a_secret_of_its_own_a_sharer_has_no_address(log: list[Any]) -> None:
    async with serving(more_hooks=_numbers()) as served:
        assert await _post(served, b"salud", SALUD) == 404
        empty = webhook.signature(b"salud", Secret(""))
        assert (await served.post(b"salud", f"/hooks/{SALUD}", X_Hub_Signature_256=empty)).status == 404
        handshake = f"/hooks/{SALUD}?hub.mode=subscribe&hub.verify_token=&hub.challenge=7"
        assert (await served.say(request("GET", handshake))).status == 404
        assert _kept(served) == []
    assert {(line["instance"], line["reason"]) for line in log} == {(SALUD, "shared_address")}


async def test_with_one_its_old_address_goes_on(log: list[Any]) -> None:
    async with serving(more_hooks=_numbers(secret="invented-own-secret")) as served:
        signature = webhook.signature(b"salud turnos", Secret("invented-own-secret"))
        answer = await served.post(b"salud turnos", f"/hooks/{SALUD}", X_Hub_Signature_256=signature)
        assert answer.status == 200
        assert _kept(served) == [(SALUD, b"salud turnos")]
        handshake = f"/hooks/{SALUD}?hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=7"
        assert (await served.say(request("GET", handshake))).body == b"7"
    assert log == []


async def test_who_shares_with_nobody_is_asked_nothing() -> None:
    alone = Number(b"x", webhook_of="", secret="invented-own-secret")
    assert isinstance(alone, Sharing)
    async with serving(more_hooks={SALUD: alone, TURNOS: Number(b"t", webhook_of="not-there")}) as served:
        assert await _post(served, b"t") == 200
        assert _kept(served) == [(CENTRO, b"t")]
    assert alone.asked == []
