"""What becomes of the connection: waiting, cuts, restarts, TLS, refusals."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from imapclient import IMAPClient

from inbox_channels.email import imap
from inbox_channels.email.channel import EmailChannel
from inbox_daemon.errors import Credentials, Transient
from inbox_daemon.plugins import Secret
from real.email.opening import drained, mail, opened, subjects
from real.servers.fixtures import Dovecot, Mailbox

pytestmark = pytest.mark.real


@asynccontextmanager
async def watching(box: Mailbox, channel: EmailChannel) -> AsyncIterator[asyncio.Task[None]]:
    """A watch that has surely come to IDLE; cancelled at the end."""
    watch = asyncio.create_task(channel.watch())
    await asyncio.sleep(0.7)
    assert not watch.done()
    yield watch
    watch.cancel()
    await asyncio.wait([watch])


@pytest.fixture
def idle_checks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times at which `idle_check` was called."""
    times: list[float] = []
    original = IMAPClient.idle_check

    def counted(client: IMAPClient, timeout: float | None = None) -> Any:
        times.append(time.monotonic())
        return original(client, timeout=timeout)

    monkeypatch.setattr(IMAPClient, "idle_check", counted)
    return times


async def test_a_mail_ends_the_watch_within_two_seconds(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        async with watching(box, channel) as watch:
            began = time.monotonic()
            await asyncio.to_thread(box.put, mail("llegó"))
            await asyncio.wait_for(watch, 2)
            print(f"woken after {time.monotonic() - began:.2f} s")
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["llegó"]


async def test_a_mail_between_poll_and_watch_is_not_slept_over(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("justo en el medio"))
        await asyncio.wait_for(channel.watch(), 1)
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["justo en el medio"]


async def test_the_watch_ends_by_itself_and_renews_idle_meanwhile(
    dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = dovecot.mailbox()
    renewed: list[float] = []
    original = IMAPClient.idle

    def counted(client: IMAPClient) -> Any:
        renewed.append(time.monotonic())
        return original(client)

    monkeypatch.setattr(IMAPClient, "idle", counted)
    async with opened(box, poll_seconds=5) as channel:
        object.__setattr__(channel._settings, "idle_minutes", 1 / 60)
        await channel.poll(None)
        began = time.monotonic()
        await channel.watch()
    assert 4.5 < time.monotonic() - began < 7
    assert 4 <= len(renewed) <= 6


@pytest.mark.parametrize("how", ["kicked", "killed"])
async def test_a_connection_cut_in_idle_is_noticed_and_made_anew(
    dovecot: Dovecot, how: str, idle_checks: list[float]
) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        async with watching(box, channel) as watch:
            if how == "kicked":
                box.kick()
            else:
                for pid in box.sessions():
                    os.kill(pid, signal.SIGKILL)
            began, before = time.monotonic(), len(idle_checks)
            with pytest.raises(Transient, match="closed the connection"):
                await asyncio.wait_for(watch, 5)
            assert time.monotonic() - began < 3
            assert len(idle_checks) - before < 10  # a dead connection answers at once, for ever
        box.put(mail("después del corte"))
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["después del corte"]


async def test_a_connection_cut_between_polls_does_not_fail_the_next(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("uno"))
        box.kick()
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["uno"]


async def test_a_server_that_stops_and_starts_loses_and_doubles_nothing(own_dovecot: Dovecot) -> None:
    box = own_dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        box.put(mail("uno"), mail("dos"))
        pages, cursor = await drained(channel, cursor)
        assert subjects(*pages) == ["uno", "dos"]
        async with watching(box, channel) as watch:
            await asyncio.to_thread(own_dovecot.stop)
            with pytest.raises(Transient, match="closed the connection"):
                await asyncio.wait_for(watch, 20)  # Dovecot lets sessions live on for seven seconds
        with pytest.raises(Transient, match="connection refused: check host and port"):
            await channel.poll(cursor)
        await asyncio.to_thread(own_dovecot.start)
        box.put(mail("tres"))
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["tres"]


async def test_a_cancelled_watch_frees_the_connection_within_a_second(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        async with watching(box, channel) as watch:
            began = time.monotonic()
            watch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watch
            assert time.monotonic() - began < 0.2
            await channel.poll(cursor)
            assert time.monotonic() - began < 1.5


async def test_a_server_without_idle_is_asked_more_often(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    has_capability = IMAPClient.has_capability
    monkeypatch.setattr(
        IMAPClient, "has_capability", lambda client, name: name != "IDLE" and has_capability(client, name)
    )
    monkeypatch.setattr("inbox_channels.email.channel.WITHOUT_IDLE_SECONDS", 0.5)
    async with opened(dovecot.mailbox()) as channel:
        await channel.poll(None)
        began = time.monotonic()
        await channel.watch()
    assert 0.4 < time.monotonic() - began < 2


async def test_a_server_that_hangs_fails_the_poll_in_time(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "READ_SECONDS", 1.0)
    box = dovecot.mailbox()
    async with opened(box) as channel:
        _, cursor = await drained(channel, None)
        [pid] = box.sessions()
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            page = await channel.poll(cursor)  # the first answer that fails is asked again over a new connection
            assert 0.9 < time.monotonic() - began < 4
            assert page.envelopes == []
        finally:
            os.kill(pid, signal.SIGKILL)


async def test_closing_cuts_a_call_that_hangs(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox_channels.email.channel.CLOSE_SECONDS", 0.5)
    box = dovecot.mailbox()
    async with opened(box) as channel:
        await channel.poll(None)
        [pid] = box.sessions()
        os.kill(pid, signal.SIGSTOP)
        try:
            poll = asyncio.create_task(channel.poll(None))
            await asyncio.sleep(0.3)
            began = time.monotonic()
            await channel.aclose()
            await channel.aclose()
            assert time.monotonic() - began < 1.5
            with pytest.raises((Transient, asyncio.CancelledError)):
                await asyncio.wait_for(poll, 5)
        finally:
            os.kill(pid, signal.SIGKILL)


async def test_a_vanished_peer_would_be_noticed_within_a_minute(dovecot: Dovecot) -> None:
    async with opened(dovecot.mailbox()) as channel:
        await channel.poll(None)
        client = channel._mailbox._client
        assert client is not None
        held = client.socket().getsockopt
        options = {name: held(level, getattr(socket, name)) for name, level, _ in imap.SOCKET_OPTIONS}
    assert options["SO_KEEPALIVE"]
    assert options["TCP_KEEPIDLE"] + options["TCP_KEEPINTVL"] * options["TCP_KEEPCNT"] < 60


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
async def test_tls_with_the_authority_of_the_organisation(dovecot: Dovecot, tls: str) -> None:
    box = dovecot.mailbox()
    port = dovecot.imaps_port if tls == "implicit" else dovecot.imap_port
    async with opened(box, tls=tls, host="localhost", port=port, ca_file=dovecot.ca_file) as channel:
        await channel.check()
        _, cursor = await drained(channel, None)
        async with watching(box, channel) as watch:  # IDLE over TLS as well
            await asyncio.to_thread(box.put, mail("cifrado"))
            await asyncio.wait_for(watch, 2)
        pages, _ = await drained(channel, cursor)
    assert subjects(*pages) == ["cifrado"]


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("trusted", ["the system's", "a stranger's"])
async def test_an_untrusted_certificate_gets_no_password(dovecot: Dovecot, tls: str, trusted: str) -> None:
    port = dovecot.imaps_port if tls == "implicit" else dovecot.imap_port
    ca_file = dovecot.stranger_ca_file if trusted == "a stranger's" else None
    async with opened(dovecot.mailbox(), tls=tls, port=port, ca_file=ca_file) as channel:
        with pytest.raises(Transient, match=r"not trusted .*ca_file"):
            await channel.check()


async def test_tls_on_the_wrong_port_says_what_to_look_at(dovecot: Dovecot) -> None:
    async with opened(dovecot.mailbox(), tls="implicit", port=dovecot.imap_port) as channel:
        with pytest.raises(Transient, match=r"TLS failed .*check port and tls"):
            await channel.check()


@pytest.mark.parametrize("password", ["equivocada-7531", "contraseña-7531"])
async def test_a_refused_log_in_tells_no_secret(dovecot: Dovecot, password: str) -> None:
    box = dovecot.mailbox("secreta")
    async with opened(box, password=Secret(password)) as channel:
        with pytest.raises(Credentials) as caught:
            await channel.poll(None)
    told = f"{caught.value!r} {caught.value.__cause__!r} {caught.value}"
    assert "127.0.0.1" in told
    assert "centro.test" in told
    assert "AUTHENTICATIONFAILED" in told
    assert "7531" not in told
    assert "secreta" not in told


async def test_a_missing_folder_stops_the_instance_and_names_those_there_are(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    with box.client(None) as client:
        client.create_folder("Consultas")
    async with opened(box, folder="Consulta") as channel:
        with pytest.raises(Credentials, match=r"no folder 'Consulta'.*'Consultas', 'INBOX'"):
            await channel.check()
    async with opened(box, after="move", move_to="Hechos") as channel:
        with pytest.raises(Credentials, match="no folder 'Hechos'"):
            await channel.check()


async def test_a_check_changes_nothing(dovecot: Dovecot) -> None:
    box = dovecot.mailbox()
    box.put(mail("uno"))
    for after in ("nothing", "seen"):
        async with opened(box, after=after) as channel:
            await channel.check()
    with box.client(readonly=True) as client:
        assert client.search("UNSEEN") == [1]
        assert client.get_flags([1])[1] in ((rb"\Recent",), ())


async def test_an_unknown_host_is_named_as_such(dovecot: Dovecot) -> None:
    async with opened(dovecot.mailbox(), tls="implicit", host="correo.invalid", port=993) as channel:
        with pytest.raises(Transient, match="its name is not known: check host"):
            await channel.check()
