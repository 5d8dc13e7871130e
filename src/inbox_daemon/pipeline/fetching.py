"""Fetches attachments ahead of their expiry, from the channel to our disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from sqlalchemy import Connection

from inbox_daemon.errors import EdgeError, Gone, Permanent, Transient
from inbox_daemon.model import Envelope, InstanceId
from inbox_daemon.pipeline import files
from inbox_daemon.plugins import Channel, Fetching
from inbox_daemon.retry import Policy, backoff
from inbox_daemon.store import attachments, envelopes
from inbox_daemon.store.attachments import Wanted
from inbox_daemon.store.database import Database

PARALLEL = 4
LEASE = timedelta(minutes=10)
FETCH_SECONDS = 300.0
IDLE_SECONDS = 2.0
MOST_WRONG = 4
"""How often a file may come with other bytes than were announced before it is given up."""


class Fetcher:
    """The worker that fetches attachments on this node."""

    def __init__(
        self,
        *,
        channels: Mapping[InstanceId, Channel],
        database: Database,
        node: str,
        folder: Path,
        max_bytes: int,
        policy: Policy,
        fetched: Callable[[str, str, int], None],
    ) -> None:
        self.wake = asyncio.Event()
        self._channels = channels
        self._database = database
        self._node = node
        self._folder = folder
        self._max_bytes = max_bytes
        self._policy = policy
        self._fetched = fetched
        self._log = structlog.get_logger(__name__)

    async def run(self) -> None:
        """Work until cancelled; what is being fetched then is fetched anew after the next start."""
        while True:
            self.wake.clear()
            wanted = await self._database.run(
                lambda connection: attachments.claim(connection, self._node, LEASE, PARALLEL)
            )
            if wanted:
                await asyncio.gather(*(self._fetch(one) for one in wanted))
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def _fetch(self, wanted: Wanted) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                size, sha256 = await self._store(wanted)
        except (Gone, Permanent) as error:
            self._log.warning("attachment.refused", instance=wanted.instance, reason=str(error))
            await self._give_up(wanted, _told(error))
        except (EdgeError, TimeoutError, OSError) as error:
            wish = error.retry_after if isinstance(error, Transient) else None
            await self._later(wanted, str(error) or type(error).__name__, wish)
        except Exception as error:  # noqa: BLE001 - a bug in one fetch must not end the others
            self._log.exception("attachment.crashed", instance=wanted.instance, attachment=wanted.id)
            await self._later(wanted, type(error).__name__)
        else:
            await self._database.run(
                lambda connection: attachments.stored(connection, wanted.id, size=size, sha256=sha256)
            )
            self._fetched(wanted.instance, "stored", size)
            self._log.info("attachment.stored", instance=wanted.instance, attachment=wanted.id, size=size)

    async def _store(self, wanted: Wanted) -> tuple[int, str]:
        channel = self._channels.get(InstanceId(wanted.instance))
        if channel is None:
            raise OSError("the channel it came by is not configured any more")
        if not isinstance(channel, Fetching):
            raise Permanent("the channel hands no files over", told="el canal no entrega archivos")
        envelope = await self._database.read(lambda connection: _envelope(connection, wanted.envelope_id))
        chunks = channel.fetch(wanted.attachment, envelope)
        try:
            size, sha256 = await files.store(self._folder, chunks, self._max_bytes)
        finally:
            if isinstance(chunks, AsyncGenerator):  # cut off in the middle: its connection is let go now
                await chunks.aclose()
        if wanted.attachment.sha256 not in {None, sha256}:
            if wanted.attempts >= MOST_WRONG:
                raise Permanent("the bytes are never the ones announced", told="llegó dañado")
            raise OSError("the bytes are not the ones announced (another hash)")
        return size, sha256

    async def _later(self, wanted: Wanted, reason: str, wish: timedelta | None = None) -> None:
        delay = backoff(self._policy, wanted.attempts, random.random())  # noqa: S311 - spreads retries
        delay = max(delay, wish or delay)
        expires = wanted.attachment.expires_at
        spent = expires is not None and expires < datetime.now(UTC)
        if spent or wanted.attempts >= 40:
            await self._give_up(wanted, "venció en el canal de origen" if spent else "no se pudo descargar")
            return
        await self._database.run(lambda connection: attachments.again(connection, wanted.id, delay, reason))
        self._fetched(wanted.instance, "postponed", 0)
        self._log.warning("attachment.postponed", instance=wanted.instance, attachment=wanted.id, reason=reason)

    async def _give_up(self, wanted: Wanted, reason: str) -> None:
        await self._database.run(lambda connection: attachments.failed(connection, wanted.id, reason))
        self._fetched(wanted.instance, "failed", 0)
        self._log.warning("attachment.failed", instance=wanted.instance, attachment=wanted.id, reason=reason)


def _told(error: Gone | Permanent) -> str:
    """Why a file can't be had, as its office reads it."""
    if isinstance(error, Gone):
        return "venció en el canal de origen" if error.reason == "expired" else "ya no está en el canal de origen"
    return error.told or "el canal no lo entregó"


def _envelope(connection: Connection, envelope_id: int) -> Envelope:
    found = envelopes.read(connection, envelope_id)
    if found is None:
        raise Permanent("its envelope is gone", told="el mensaje original ya no está")
    return found
