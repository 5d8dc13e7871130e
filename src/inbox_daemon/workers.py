"""Builds the workers of a running daemon: one for each destination, channel and kind of work. Starts nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from inbox_daemon.counting import Counts
from inbox_daemon.model import Handle, InstanceId, StoredFile
from inbox_daemon.pipeline.answering import Answering, Firewall
from inbox_daemon.pipeline.delivering import Delivering
from inbox_daemon.pipeline.detours import Detours, Ways
from inbox_daemon.pipeline.drafting import Drafting
from inbox_daemon.pipeline.fetching import Fetcher
from inbox_daemon.pipeline.following import Follower
from inbox_daemon.pipeline.inspecting import Inspector
from inbox_daemon.pipeline.lane import Lane
from inbox_daemon.pipeline.learning import Learning, Turns
from inbox_daemon.pipeline.notifying import Notifier
from inbox_daemon.pipeline.polling import Poller
from inbox_daemon.pipeline.receive import day_in
from inbox_daemon.pipeline.rendering import Wording, called
from inbox_daemon.pipeline.reporting import Reporting
from inbox_daemon.pipeline.rereading import Rereading
from inbox_daemon.pipeline.texts import Texts
from inbox_daemon.plugins import Channel, Inspecting, Notifying, Polled, Replying, TicketingAdapter
from inbox_daemon.registry import ChannelInstance, DestinationInstance, Instances
from inbox_daemon.retry import Policy
from inbox_daemon.settings import Settings
from inbox_daemon.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """What workers are made of. `gap` is awaited before each claim, so that receiving goes first."""

    settings: Settings
    instances: Instances
    database: Database
    node: str
    channels: Mapping[InstanceId, Channel]
    adapters: Mapping[InstanceId, TicketingAdapter]
    counts: Counts
    texts: Texts
    reporting: Reporting
    folder: Path
    gap: Callable[[], Awaitable[None]] = field(repr=False)

    @property
    def offices(self) -> dict[str, str]:
        """Names of destinations as people read them, where their settings give one."""
        return {name: getattr(one.settings, "office_name", name) for name, one in self.instances.destinations.items()}

    @property
    def attempt(self) -> timedelta:
        """Longest time of one try."""
        return timedelta(seconds=self.settings.delivery.attempt_seconds)

    @property
    def replying(self) -> dict[InstanceId, Replying]:
        """Channels by which citizens can be answered."""
        return {name: channel for name, channel in self.channels.items() if isinstance(channel, Replying)}

    def open_until(self, instance: str, handle: Handle, last_at: datetime) -> datetime | None:
        """Until when `handle`, who wrote last then, can be answered freely; None: no limit, or no answering."""
        channel = self.replying.get(InstanceId(instance))
        return None if channel is None else channel.window(handle, last_at).open_until

    def kind_of(self, instance: str) -> str:
        """What people call an instance's channel by; its name where it is not configured any more."""
        found = self.instances.channels.get(InstanceId(instance))
        return instance if found is None else shown_kind(found)


def shown_kind(channel: ChannelInstance) -> str:
    """What people call a channel by."""
    return called(channel.plugin.kind, channel.settings)


def policy_of(settings: Settings, index_lag_seconds: float = 0.0) -> Policy:
    """How retries go, for a destination whose look-ups lag by so much."""
    delivery = settings.delivery
    return Policy(
        first=timedelta(seconds=delivery.retry_first_seconds),
        most=timedelta(seconds=delivery.retry_max_seconds),
        give_up=timedelta(days=delivery.give_up_days),
        settle=timedelta(seconds=delivery.settle_seconds + index_lag_seconds),
    )


def reporting_of(settings: Settings) -> Reporting:
    """What tickets are told of answers, as configured."""
    own = {name: table.on_failed or settings.answers.on_failed for name, table in settings.destinations.items()}
    return Reporting(
        report=settings.answers.report,
        reopens=[name for name, what in own.items() if what == "reopen"],
        delay=timedelta(seconds=settings.answers.report_seconds),
    )


def drafting_for(shop: Shop, destination: DestinationInstance, installation: str) -> Drafting:
    """What words entries for one destination, whose settings may let it have citizens' addresses."""
    settings = shop.settings
    return Drafting(
        Wording(settings.daemon.language, settings.daemon.zone),
        {name: shown_kind(one) for name, one in shop.instances.channels.items()},
        installation,
        texts=shop.texts,
        offices=shop.offices,
        share_address=getattr(destination.settings, "share_address", False),
        open_until=shop.open_until if settings.answers.show_window else lambda instance, handle, at: None,
    )


def dispatchers(shop: Shop, installation: str, link: Callable[[StoredFile], str]) -> dict[InstanceId, Lane]:
    """The lane of each destination; `installation` is the tag of this database, `link` the address of a file."""

    def one(name: InstanceId) -> Lane:
        destination = shop.instances.destinations[name]
        return Lane(
            name=name,
            carrier=Delivering(
                name=name,
                adapter=shop.adapters[name],
                database=shop.database,
                drafting=drafting_for(shop, destination, installation),
                reporting=shop.reporting,
                attempt=shop.attempt,
                on_unknown=destination.on_unknown,
                attachments=shop.folder,
                link=link,
            ),
            database=shop.database,
            node=shop.node,
            policy=policy_of(shop.settings, shop.adapters[name].capabilities.index_lag_seconds),
            attempt=shop.attempt,
            parallel=destination.parallel,
            observe=shop.counts.dispatched,
            gap=shop.gap,
            check=shop.adapters[name].check,
        )

    return {name: one(name) for name in shop.instances.destinations}


def answerers(shop: Shop, firewall: Firewall, link: Callable[[StoredFile], str]) -> dict[InstanceId, Lane]:
    """The lane of each channel by which citizens can be answered."""
    answers = shop.settings.answers
    ways = Ways(
        on_unknown=answers.on_unknown,
        other_handles=answers.other_handles,
        call_task=answers.call_task,
        replying=sorted(shop.replying),
    )
    rereading = Rereading(
        adapters=shop.adapters,
        database=shop.database,
        folder=shop.folder,
        max_bytes=shop.settings.attachments.max_bytes,
    )
    policy = policy_of(shop.settings)

    def one(name: InstanceId, channel: Replying) -> Lane:
        return Lane(
            name=name,
            carrier=Answering(
                name=name,
                channel=channel,
                database=shop.database,
                rereading=rereading,
                reporting=shop.reporting,
                firewall=firewall,
                texts=shop.texts,
                ways=ways,
                detours=Detours(name=name, ways=ways, texts=shop.texts, reporting=shop.reporting, kind_of=shop.kind_of),
                link=link,
                policy=policy,
                attempt=shop.attempt,
            ),
            database=shop.database,
            node=shop.node,
            policy=policy,
            attempt=shop.attempt,
            parallel=shop.settings.delivery.parallel,
            observe=shop.counts.answered,
            gap=shop.gap,
        )

    return {name: one(name, channel) for name, channel in shop.replying.items()}


def notifiers(shop: Shop) -> dict[InstanceId, Notifier]:
    """Who tells offices of what came in, for the destinations that want it."""
    return {
        name: Notifier(
            name=name,
            adapter=adapter,
            database=shop.database,
            node=shop.node,
            policy=policy_of(shop.settings),
            attempt=shop.attempt,
        )
        for name, adapter in shop.adapters.items()
        if isinstance(adapter, Notifying) and adapter.notifies
    }


def followers(shop: Shop, turns: list[Turns], changed: Callable[[], None]) -> dict[InstanceId, Follower]:
    """Who follows the tickets of each destination; `turns` are those who have to do with its tickets' states."""

    def one(name: InstanceId, adapter: TicketingAdapter) -> Follower:
        own = shop.settings.destinations[name].grace_seconds
        grace = shop.settings.answers.grace_seconds if own is None else own
        return Follower(
            name=name,
            adapter=adapter,
            learning=Learning(
                destination=name,
                replying=list(shop.replying),
                grace=timedelta(seconds=grace),
                reporting=shop.reporting,
                texts=shop.texts,
                turns=turns,
            ),
            database=shop.database,
            node=shop.node,
            policy=policy_of(shop.settings),
            every=timedelta(seconds=shop.settings.delivery.follow_seconds),
            changed=changed,
        )

    return {name: one(name, adapter) for name, adapter in shop.adapters.items()}


def fetcher(shop: Shop, fetched: Callable[[str, str, int], None]) -> Fetcher:
    """Who fetches the files of messages."""
    return Fetcher(
        channels=shop.channels,
        database=shop.database,
        node=shop.node,
        folder=shop.folder,
        max_bytes=shop.settings.attachments.max_bytes,
        policy=policy_of(shop.settings),
        fetched=fetched,
    )


def inspectors(shop: Shop) -> dict[InstanceId, Inspector]:
    """Who looks how each channel stands with its provider, where it can tell."""
    return {
        name: Inspector(name=name, channel=channel, database=shop.database, node=shop.node)
        for name, channel in shop.channels.items()
        if isinstance(channel, Inspecting)
    }


def pollers(shop: Shop, arrived: asyncio.Event) -> dict[InstanceId, Poller]:
    """Who polls each channel that has to be asked."""
    return {
        name: Poller(
            name=name,
            channel=channel,
            database=shop.database,
            node=shop.node,
            day=day_in(shop.settings.daemon.zone),
            policy=policy_of(shop.settings),
            arrived=arrived,
            polled=partial(shop.counts.polled, name),
        )
        for name, channel in shop.channels.items()
        if isinstance(channel, Polled)
    }
