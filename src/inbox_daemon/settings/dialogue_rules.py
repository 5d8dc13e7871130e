"""What has to hold in the tables about what is said to citizens: hours, texts, the menu, and who refers to whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.settings import officedays, wording
from inbox_daemon.settings.places import KeyPath
from inbox_daemon.settings.source import Source
from inbox_daemon.settings.whole import Settings

LEAST_OPTIONS = 2


def check(settings: Settings) -> Iterator[SettingsError]:
    """Every broken rule but those about names of destinations, which `rules` knows."""
    source = settings.source
    yield from _service(settings, source)
    yield from _triage(settings, source)
    for text in wording.wrong_texts(settings.daemon.language, settings.notices.texts):
        yield source.error(("notices", "texts", text.key), text.problem, text.remedy)


def named_destinations(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Where these tables name a destination, and which."""
    for position, option in enumerate(settings.triage.options):
        yield ("triage", "options", position, "destination"), option.destination
    for name, table in settings.destinations.items():
        if table.refer_to:
            yield ("destinations", name, "refer_to"), table.refer_to


def warnings(settings: Settings) -> Iterator[str]:
    """Cases that would be handed round in a circle, each circle once."""
    following = {name: table.refer_to or settings.routing.default for name, table in settings.destinations.items()}
    done: set[str] = set()
    for first in following:
        way: list[str] = []
        name = first
        while name in following and name not in done and name not in way:
            way.append(name)
            name = following[name]
        circle = way[way.index(name) :] if name in way else []
        if len(circle) > 1:
            shown = " → ".join([*circle, circle[0]])
            yield f"refer_to goes round in a circle: {shown}, and nobody keeps a case that none of them takes"
        done.update(way)


def _service(settings: Settings, source: Source) -> Iterator[SettingsError]:
    service = settings.service
    given = source.data.get("service", {})
    if service.closes_minute <= service.opens_minute:
        key = "closes" if "closes" in given else "opens"
        yield source.error(
            ("service", key), "the office closes before it opens", 'Make closes later; the end of the day is "24:00".'
        )
    if not service.days and not service.open_on:
        yield source.error(("service", "days"), "the office never opens", 'Name a day, for example ["mon"].')
    for day in sorted(set(service.closed_on) & set(service.open_on)):
        yield source.error(
            ("service", "open_on"), f"{day} is also in closed_on", "Take the day out of one of the two lists."
        )
    if {"country", "province", "calendar"} & given.keys():  # else it is known to be right, and costs a start nothing
        yield from _closed_days(settings, source)


def _closed_days(settings: Settings, source: Source) -> Iterator[SettingsError]:
    zone = settings.daemon.zone
    try:
        officedays.closed_days(settings.service, folder=source.file.parent, zone=zone, today=datetime.now(zone).date())
    except SettingsErrors as found:
        for error in found.errors:
            yield source.error(tuple(error.key.split(".")), error.problem, error.remedy)


def _triage(settings: Settings, source: Source) -> Iterator[SettingsError]:
    triage = settings.triage
    if triage.enabled and len(triage.options) < LEAST_OPTIONS:
        key = "options" if "options" in source.data.get("triage", {}) else "enabled"
        yield source.error(
            ("triage", key), "a menu needs at least two lines", "Add tables [[triage.options]], or set enabled = false."
        )
    seen: dict[str, KeyPath] = {}
    for position, option in enumerate(triage.options):
        at: KeyPath = ("triage", "options", position)
        words = [("title", option.title, (*at, "title"))]
        words += [("keyword", word, (*at, "keywords", item)) for item, word in enumerate(option.keywords)]
        for kind, word, place in words:
            earlier = seen.setdefault(f"{kind} {' '.join(word.casefold().split())}", at)
            if earlier != at:
                yield source.error(
                    place, f"the line at {source.place(earlier)} has the same {kind}", f"Give each line its own {kind}."
                )
