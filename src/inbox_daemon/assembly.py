"""Builds the parts of a running daemon from its settings, and lets them go again. Starts nothing."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import structlog
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from inbox_daemon import citizens, workers
from inbox_daemon.counting import Counts
from inbox_daemon.errors import SettingsError
from inbox_daemon.mailing import Mailer
from inbox_daemon.model import InstanceId
from inbox_daemon.observability import Metrics
from inbox_daemon.outgoing import Sessions
from inbox_daemon.pipeline.fetching import Fetcher
from inbox_daemon.pipeline.firewall import LoopFirewall
from inbox_daemon.pipeline.following import Follower
from inbox_daemon.pipeline.inspecting import Inspector
from inbox_daemon.pipeline.intake import Intake, Taken
from inbox_daemon.pipeline.lane import Lane
from inbox_daemon.pipeline.notifying import Notifier
from inbox_daemon.pipeline.parsing import Parser
from inbox_daemon.pipeline.polling import Poller
from inbox_daemon.pipeline.receive import Journal, day_in
from inbox_daemon.pipeline.rendering import CHANNELS
from inbox_daemon.pipeline.telling import Telling
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import Channel, Context, TicketingAdapter
from inbox_daemon.registry import Instances
from inbox_daemon.settings import Settings, link_secret
from inbox_daemon.store import installation
from inbox_daemon.store.casebook import StoredCaseBook
from inbox_daemon.store.database import Database, StorageBroken, StorageFull
from inbox_daemon.store.fates import StoredFates
from inbox_daemon.store.migrate import migrate
from inbox_daemon.web.links import CaseLinks, FileLinks


def make_folder(folder: Path, key: str) -> None:
    """Make a folder that only we can read. Raises `SettingsError` naming `key` when it can't be had or written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SettingsError(
            f"{folder} is no folder that can be written: {error.strerror}",
            key=key,
            remedy="give it to the user that runs inbox-daemon, or name another folder",
        ) from None


def open_database(settings: Settings) -> Database:
    """The configured database; the folder of an embedded one is made when missing. Raises `SettingsError`."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        folder = Path(url.database or "").parent
        make_folder(folder, "daemon.state_dir" if folder == settings.state_dir else "database.url")
        return Database(url)
    password = settings.database.password
    url = url.set(drivername="postgresql+psycopg", password=password.reveal() if password else None)
    return Database(url, pool_size=settings.database.pool_size)


def prepare(database: Database) -> bool:
    """Bring the database to this program's schema; returns whether anything was done.

    Raises `SettingsError` for what is no database of ours, `OSError` for one that can't be reached or written now.
    """
    where = database.url.database if database.is_sqlite else database.url.render_as_string(hide_password=True)
    try:
        return migrate(database)
    except StorageFull:
        raise OSError(f"no room for the database {where}: make some on its disk") from None
    except (DBAPIError, StorageBroken) as error:
        words = " ".join(str(getattr(error, "orig", error)).split())
        if "not a database" in words or "malformed" in words or "unable to open" in words:
            remedy = "point it at another one, or bring back a backup; the present file is left as it is"
            raise SettingsError(f"{where} is no database that can be read", key="database.url", remedy=remedy) from None
        raise OSError(f"the database {where} can't be used: {words}") from None


def file_links(settings: Settings) -> FileLinks:
    """Signs and reads the addresses of files that a channel can't take, with the same key as `case_links`."""
    secret = link_secret(settings.public.link_secret, settings.state_dir)
    return FileLinks(secret, settings.public.base_url, settings.answers.link_days)


def case_links(settings: Settings) -> CaseLinks:
    """Signs and reads the addresses of case pages; makes the key on first use unless one is configured."""
    secret = link_secret(settings.public.link_secret, settings.state_dir)
    return CaseLinks(secret, settings.public.base_url, settings.public.link_days)


def node_name(settings: Settings) -> str:
    """Name of this node, the same after a restart: host and state folder, which one process at a time has locked."""
    folder = hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:8]
    return f"{quote(socket.gethostname())}-{folder}"


def attachments_dir(settings: Settings) -> Path:
    """Where attachments are kept."""
    return settings.state_dir / "attachments"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything built. `channels` and `adapters` are the live objects of the configured instances.

    `offices` are the names of destinations as people read them, where their settings give one. `disk_failed` is set
    when what is on disk is unknown: the process has to end then, and to start anew on what is there.
    """

    settings: Settings
    database: Database
    node: str
    metrics: Metrics
    links: CaseLinks
    file_links: FileLinks
    casebook: StoredCaseBook
    fates: StoredFates
    channels: Mapping[InstanceId, Channel]
    adapters: Mapping[InstanceId, TicketingAdapter]
    offices: Mapping[str, str]
    counts: Counts
    disk_failed: asyncio.Event
    parser: Parser
    journal: Journal
    intake: Intake
    fetcher: Fetcher
    dispatchers: Mapping[InstanceId, Lane]
    answerers: Mapping[InstanceId, Lane]
    notifiers: Mapping[InstanceId, Notifier]
    followers: Mapping[InstanceId, Follower]
    pollers: Mapping[InstanceId, Poller]
    inspectors: Mapping[InstanceId, Inspector]
    telling: Telling


async def build(settings: Settings, instances: Instances, database: Database, stack: AsyncExitStack) -> Parts:
    """Build all parts; what must be closed is left to `stack`. Raises `SettingsError` from a plug-in's `build`."""
    links, files = case_links(settings), file_links(settings)
    casebook = StoredCaseBook(database)
    channels, adapters = build_instances(settings, instances, casebook, (links, files), stack)
    metrics = Metrics.create()
    node = node_name(settings)
    arrived = asyncio.Event()
    counts = Counts(metrics, list(instances.channels), list(instances.destinations))
    disk_failed = asyncio.Event()
    journal = Journal(database, day_in(settings.daemon.zone), arrived, counts.received, disk_failed.set)
    parser = Parser()
    stack.callback(parser.close)
    shop = workers.Shop(
        settings=settings,
        instances=instances,
        database=database,
        node=node,
        channels=channels,
        adapters=adapters,
        counts=counts,
        texts=Texts.load(settings.daemon.language, settings.notices.texts, settings.daemon.zone),
        reporting=workers.reporting_of(settings),
        folder=attachments_dir(settings),
        gap=journal.gap,
    )
    firewall, telling = LoopFirewall(settings.loops, shop.texts), citizens.telling_of(shop)
    dispatchers = workers.dispatchers(shop, await database.run(installation.tag), files.address)
    answerers = workers.answerers(shop, firewall, citizens.link_line(shop, files.address))
    wake = _waker([*dispatchers.values(), *answerers.values()])

    def fetched(instance: str, outcome: str, size: int) -> None:
        counts.fetched(instance, outcome, size)
        wake()

    fetcher = workers.fetcher(shop, fetched)

    def taken_in(instance: str, taken: Taken, seconds: float) -> None:
        counts.taken_in(instance, taken, seconds)
        if taken.events:
            wake()
            fetcher.wake.set()

    return Parts(
        settings=settings,
        database=database,
        node=node,
        metrics=metrics,
        links=links,
        file_links=files,
        casebook=casebook,
        fates=StoredFates(database, lambda instance: CHANNELS.get(shop.kind_of(instance), instance)),
        channels=channels,
        adapters=adapters,
        offices=shop.offices,
        counts=counts,
        disk_failed=disk_failed,
        parser=parser,
        journal=journal,
        intake=Intake(
            database=database,
            channels=instances.channels,
            filing=citizens.filing_of(shop, telling, firewall),
            parser=parser,
            node=node,
            arrived=arrived,
            gap=journal.gap,
            taken_in=taken_in,
            heard=shop.reporting.heard,
        ),
        fetcher=fetcher,
        dispatchers=dispatchers,
        answerers=answerers,
        notifiers=workers.notifiers(shop),
        followers=workers.followers(shop, citizens.turns_of(shop, telling), wake),
        pollers=workers.pollers(shop, arrived),
        inspectors=workers.inspectors(shop),
        telling=telling,
    )


def _waker(lanes: Sequence[Lane]) -> Callable[[], None]:
    def wake() -> None:
        for lane in lanes:
            lane.wake.set()

    return wake


def build_instances(
    settings: Settings,
    instances: Instances,
    casebook: StoredCaseBook,
    links: tuple[CaseLinks, FileLinks],
    stack: AsyncExitStack,
) -> tuple[dict[InstanceId, Channel], dict[InstanceId, TicketingAdapter]]:
    """Build every channel and adapter; nothing is connected yet."""
    sessions = Sessions(f"inbox-daemon/{version('inbox-daemon')}")
    stack.push_async_callback(sessions.close)
    mail = Mailer(settings.smtp) if settings.smtp else None
    cases, files = links

    def lend(name: InstanceId) -> Context:
        return Context(
            instance=name,
            session=sessions.make,
            log=structlog.get_logger("plugin").bind(instance=name),
            now=lambda: datetime.now(UTC),
            zone=settings.daemon.zone,
            public_url=settings.public.base_url,
            casebook=casebook,
            case_link=cases.address,
            file_link=files.address,
            mail=mail,
        )

    channels = {name: one.plugin.build(one.settings, lend(name)) for name, one in instances.channels.items()}
    adapters = {name: one.plugin.build(one.settings, lend(name)) for name, one in instances.destinations.items()}
    for built in (*channels.values(), *adapters.values()):
        stack.push_async_callback(built.aclose)
    return channels, adapters
