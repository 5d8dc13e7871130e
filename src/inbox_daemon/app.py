"""The running daemon: starts the parts in order, watches over them, and stops them within a time limit."""

from __future__ import annotations

import asyncio
import fcntl
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO

import structlog
from aiohttp import web
from sqlalchemy import Connection

from inbox_daemon.assembly import (
    Parts,
    attachments_dir,
    build,
    build_instances,
    make_folder,
    open_database,
    prepare,
)
from inbox_daemon.errors import InboxError, SettingsError
from inbox_daemon.health import DaemonHealth
from inbox_daemon.observability import configure_logging
from inbox_daemon.pipeline import files
from inbox_daemon.pipeline.inspecting import about
from inbox_daemon.pipeline.lane import Lane
from inbox_daemon.plugins import Channel, Inspecting, Proving, Pushed, Secret, TicketingAdapter
from inbox_daemon.registry import Instances, resolve
from inbox_daemon.scheduling import Scheduler
from inbox_daemon.service_manager import ServiceManager
from inbox_daemon.settings import Settings
from inbox_daemon.store import attachments, envelopes, notices, outbox
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database, StorageBroken, StorageFull
from inbox_daemon.web.case import Cases
from inbox_daemon.web.files import Files
from inbox_daemon.web.links import CaseLinks, FileLinks
from inbox_daemon.web.operations import operations_app
from inbox_daemon.web.public import Limits, listen, public_app
from inbox_daemon.workers import policy_of

LOOK_SECONDS = 5.0
BALANCE_SECONDS = 300.0
TELL_SECONDS = 60.0
LONGEST_RESTART_SECONDS = 30.0
ROOM_SECONDS = 2.0
"""How often a worker looks whether there is room on the disk again."""
CHECK_SECONDS = 60.0
STEPS_SHARE, LISTENER_SHARE = 0.7, 0.1
"""Of the time for an orderly stop: what running steps get, then requests in work on each listener."""
_log = structlog.get_logger(__name__)


async def run(settings: Settings, instances: Instances) -> int:
    """Run until SIGTERM or SIGINT; the exit code is 70 when the disk failed. Raises `SettingsError`, `OSError`."""
    configure_logging(settings.daemon.log_format, settings.daemon.log_level)
    manager = ServiceManager()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        stack.enter_context(_only_one(settings.state_dir))
        database = open_database(settings)
        stack.callback(database.close)
        await asyncio.to_thread(prepare, database)
        parts = await build(settings, instances, database, stack)
        await _recover(parts)
        health = DaemonHealth(parts)
        await _serve(parts, health, stack)
        workers = await stack.enter_async_context(_working(parts, health))
        health.phase = "running"
        await health.look()
        watchdog = asyncio.create_task(manager.watch(health.alive), name="service manager")
        stack.callback(watchdog.cancel)
        manager.ready("receiving")
        _log.info("daemon.started", channels=len(parts.channels), destinations=len(parts.adapters), node=parts.node)
        await _first(stop, parts.disk_failed)
        health.phase = "stopping"
        manager.stopping()
        _log.info("daemon.stopping", workers=len(workers))
    _log.info("daemon.stopped")
    return 70 if health.fatal else 0


async def _first(*events: asyncio.Event) -> None:
    """Return when one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _only_one(folder: Path) -> IO[str]:
    """Hold the state folder for this process. Raises `SettingsError` when another one has it."""
    make_folder(folder, "daemon.state_dir")
    lock = (folder / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise SettingsError(
            f"another inbox-daemon runs on {folder}",
            key="daemon.state_dir",
            remedy="stop it first, or give this one a state_dir of its own",
        ) from None
    return lock


async def _recover(parts: Parts) -> None:
    """Take up what an earlier life of this node left in the middle; envelopes and attachments: see `_anew`."""
    files.sweep(attachments_dir(parts.settings))
    for name in (*parts.dispatchers, *parts.answerers):
        adapter = parts.adapters.get(name)
        lag = 0.0 if adapter is None else adapter.capabilities.index_lag_seconds
        settle = policy_of(parts.settings, lag).settle
        cut = await parts.database.run(partial(outbox.recover, holder=parts.node, destination=name, settle=settle))
        if cut:
            _log.warning("steps.recovered", lane=name, steps=cut)
    for name in parts.adapters.keys() - parts.notifiers.keys():
        await parts.database.run(partial(notices.drop, destination=name))


async def _serve(parts: Parts, health: DaemonHealth, stack: AsyncExitStack) -> None:
    """Open both listeners; the operations one first, so that health can be asked while starting."""
    settings = parts.settings
    stop_seconds = settings.daemon.stop_seconds * LISTENER_SHARE
    limits = Limits(
        max_body_bytes=settings.public.max_body_bytes,
        body_seconds=settings.public.body_seconds,
        max_connections=settings.public.max_connections,
        stop_seconds=stop_seconds,
    )
    operations = operations_app(health=health, metrics=parts.metrics)
    runner = await _listen(
        "operations.listen", operations, settings.operations.address, Limits(stop_seconds=stop_seconds)
    )
    stack.push_async_callback(runner.cleanup)
    public = public_app(
        hooks={name: channel for name, channel in parts.channels.items() if isinstance(channel, Pushed)},
        journal=parts.journal,
        cases=Cases(
            parts.casebook,
            parts.links,
            settings.daemon.name,
            settings.daemon.zone,
            language=settings.daemon.language,
            offices=parts.offices,
            answers=parts.fates if parts.answerers else None,
            grace_seconds=settings.answers.grace_seconds,
            graces={
                name: table.grace_seconds
                for name, table in settings.destinations.items()
                if table.grace_seconds is not None
            },
        ),
        files=Files(
            parts.file_links,
            attachments_dir(settings),
            settings.daemon.name,
            settings.daemon.zone,
            language=settings.daemon.language,
        ),
        hints={str(name): adapter for name, adapter in parts.adapters.items()},
        hinted=lambda name, hint: parts.followers[name].hint(hint),
        limits=limits,
        accepting=health.accepting,
        refused=parts.counts.refused,
    )
    runner = await _listen("public.listen", public, settings.public.address, limits)
    stack.push_async_callback(runner.cleanup)


async def _listen(key: str, app: web.Application, address: tuple[str, int], limits: Limits) -> web.AppRunner:
    """`listen`, with an `OSError` that says which setting asked for what."""
    host, port = address
    try:
        return await listen(app, host, port, limits)
    except OSError as error:
        code = error.errno or 0  # negative: the name has no address
        reason = os.strerror(code) if code > 0 else error.strerror
        raise OSError(f"{key}: no listening on {host}:{port}: {reason}") from None


@asynccontextmanager
async def _working(parts: Parts, health: DaemonHealth) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run all workers; at the end stop them in order: nothing new is begun, what runs gets its time."""
    jobs: dict[str, Callable[[], Awaitable[None]]] = {
        "intake": lambda: _anew(parts, envelopes.recover, parts.intake.run),
        "fetcher": lambda: _anew(parts, attachments.recover, parts.fetcher.run),
    }
    jobs |= {f"dispatch {name}": one.run for name, one in parts.dispatchers.items()}
    jobs |= {f"answer {name}": one.run for name, one in parts.answerers.items()}
    jobs |= {f"notify {name}": one.run for name, one in parts.notifiers.items()}
    jobs |= {f"follow {name}": one.run for name, one in parts.followers.items()}
    jobs |= {f"poll {name}": one.run for name, one in parts.pollers.items()}
    jobs |= {f"inspect {name}": one.run for name, one in parts.inspectors.items()}
    tasks = [asyncio.create_task(_supervise(name, job, parts.disk_failed), name=name) for name, job in jobs.items()]
    scheduler = Scheduler(
        parts.settings.daemon.zone,
        outcome=lambda job, word: parts.metrics.jobs.labels(job, word).inc(),
        clock_stepped=parts.metrics.clock_steps.inc,
    )
    scheduler.every("look", LOOK_SECONDS, health.look)
    scheduler.every("balance", BALANCE_SECONDS, health.balance, at_once=True)
    for name, lane in parts.dispatchers.items():
        scheduler.every(f"tell {name}", TELL_SECONDS, partial(_tell_of_outage, parts, name, lane))
    scheduler.start()
    try:
        yield tasks
    finally:
        await scheduler.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        seconds = parts.settings.daemon.stop_seconds * STEPS_SHARE
        drains = [one.drain(seconds) for one in parts.dispatchers.values()]
        drains += [one.drain(seconds) for one in parts.answerers.values()]
        drains += [one.drain(seconds) for one in parts.notifiers.values()]
        await asyncio.gather(*drains)
        releases = [one.stop() for one in parts.pollers.values()] + [one.stop() for one in parts.inspectors.values()]
        await asyncio.gather(*releases, return_exceptions=True)


async def _tell_of_outage(parts: Parts, name: str, lane: Lane) -> None:
    """Citizens whose messages wait for a destination that is down learn of it, when that takes long."""
    if lane.state.state != "up":
        since = lane.state.since
        if await parts.database.run(lambda connection: parts.telling.down(connection, name, since)):
            for one in parts.answerers.values():
                one.wake.set()


async def _anew(
    parts: Parts, recover: Callable[[Connection, str], object], worker: Callable[[], Awaitable[None]]
) -> None:
    """Run a worker that is this node's only one: what an earlier run had claimed is free again at once."""
    await parts.database.run(lambda connection: recover(connection, parts.node))
    await worker()


async def _supervise(name: str, job: Callable[[], Awaitable[None]], disk_failed: asyncio.Event) -> None:
    """Start a worker again whatever ends it; a broken disk ends the process, which starts anew on what is there."""
    pause = 0.5
    told_full_at = -math.inf
    while True:
        began = time.monotonic()
        try:
            await job()
        except StorageBroken:
            _log.critical("storage.broken", worker=name)
            disk_failed.set()
            return
        except StorageFull:
            if began - told_full_at > LONGEST_RESTART_SECONDS:
                told_full_at = began
                _log.error("storage.full", worker=name)
            await asyncio.sleep(ROOM_SECONDS)
            continue
        except Exception:  # noqa: BLE001 - one worker's end must not be everyone's
            _log.exception("worker.crashed", worker=name, again_in_seconds=pause)
        if time.monotonic() - began > LONGEST_RESTART_SECONDS:
            pause = 0.5  # it did its work: this is a new trouble
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_RESTART_SECONDS)


async def check_online(settings: Settings) -> list[tuple[str, str | None]]:
    """Log in to everything configured, and look how it stands: (instance, None or what is wrong and what to do)."""
    instances = resolve(settings)
    async with AsyncExitStack() as stack:
        database = open_database(settings)
        stack.callback(database.close)
        await asyncio.to_thread(prepare, database)  # a casebook is asked before the first run, too
        secret, base_url = settings.public.link_secret or Secret("only checking"), settings.public.base_url
        links = (
            CaseLinks(secret, base_url, settings.public.link_days),
            FileLinks(secret, base_url, settings.answers.link_days),
        )
        channels, adapters = build_instances(settings, instances, StoredCaseBook(database), links, stack)
        found = await asyncio.gather(*(_ask(name, one) for name, one in {**channels, **adapters}.items()))
        return [finding for findings in found for finding in findings]


async def _ask(name: str, instance: Channel | TicketingAdapter) -> list[tuple[str, str | None]]:
    """What one instance's check, and then its own look at its standing, find."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await (instance.prove() if isinstance(instance, Proving) else instance.check())
            notices = await instance.inspect() if isinstance(instance, Inspecting) else ()
    except InboxError as error:
        return [(name, str(error))]
    except TimeoutError:
        return [(name, f"no answer within {CHECK_SECONDS:g} s")]
    grave = [(name, f"{about(notice)}: {notice.words}") for notice in notices if notice.grave]
    return [*grave] or [(name, None)]


def with_database(settings: Settings) -> Database:
    """The migrated database, for commands that work beside the daemon."""
    database = open_database(settings)
    prepare(database)
    return database
