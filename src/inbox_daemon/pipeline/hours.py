"""Pure: when the office is open, by its own clock; the days on which it is closed are given."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final, get_args
from zoneinfo import ZoneInfo

from inbox_daemon.settings.dialogue import Day, Service
from inbox_daemon.settings.officedays import closed_days

_DAYS: Final = get_args(Day)
_LOOK_AHEAD_DAYS = 400
"""An office that opens on no day of this long a time never opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHours:
    """Opening hours. `weekdays` count from 0, Monday; minutes count from midnight, 1440 is its end.

    `closed` are days without service, and `opened` are days with it whatever their weekday.
    """

    weekdays: frozenset[int]
    opens: int
    closes: int
    zone: ZoneInfo
    closed: Collection[date] = frozenset()
    opened: Collection[date] = frozenset()

    @classmethod
    def load(cls, service: Service, zone: ZoneInfo, folder: Path) -> ServiceHours:
        """Hours as configured; reads `service.calendar`, which lies in `folder` (the configuration's) if relative.

        Raises `SettingsErrors`.
        """
        today = datetime.now(zone).date()
        return cls.of(service, zone, closed_days(service, folder=folder, zone=zone, today=today))

    @classmethod
    def of(cls, service: Service, zone: ZoneInfo, closed: Iterable[date]) -> ServiceHours:
        """Hours as configured, with days of closure that were read elsewhere."""
        return cls(
            weekdays=frozenset(_DAYS.index(day) for day in service.days),
            opens=service.opens_minute,
            closes=service.closes_minute,
            zone=zone,
            closed=frozenset(closed),
            opened=frozenset(service.open_on),
        )

    def is_open(self, at: datetime) -> bool:
        """Whether somebody is there at this moment."""
        local = at.astimezone(self.zone)
        return self.opens <= local.hour * 60 + local.minute < self.closes and self._serves(local.date())

    def next_opening(self, at: datetime) -> datetime | None:
        """The first opening after `at`, in the office's zone; None when there is none within a year."""
        first = at.astimezone(self.zone).date()
        for number in range(_LOOK_AHEAD_DAYS):
            day = first + timedelta(days=number)
            if self._serves(day) and (opening := self._opening(day)) > at.astimezone(UTC):
                return opening.astimezone(self.zone)
        return None

    def _serves(self, day: date) -> bool:
        return day in self.opened or (day.weekday() in self.weekdays and day not in self.closed)

    def _opening(self, day: date) -> datetime:
        """The moment in UTC; where clocks are put forward over it, as much later as they jump."""
        wall = datetime.combine(day, time(self.opens // 60, self.opens % 60), tzinfo=self.zone)
        return wall.astimezone(UTC)
