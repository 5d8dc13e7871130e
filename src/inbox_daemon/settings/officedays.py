"""Days on which the office is closed, read from where they are known: the holidays of a country, an iCalendar file.

Both libraries are imported when they are needed (0.1 s and 20 MB for the first, 0.06 s and 10 MB for the second,
measured 2026-11), and let go of: what stays is a set of dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.settings.dialogue import Service

YEARS_AHEAD = 5
"""How many years are known after this one; a daemon is started anew more often."""
MAX_CALENDAR_BYTES = 5_000_000
_LONGEST_EVENT_DAYS = 400
_WRITE_CALENDAR = "Export it again as iCalendar (.ics), or list the days in closed_on."


def closed_days(service: Service, *, folder: Path, zone: ZoneInfo, today: date) -> frozenset[date]:
    """Days that holidays, the calendar and `closed_on` close and `open_on` doesn't open.

    A relative `calendar` lies in `folder`. Raises `SettingsErrors` with the keys of [service].
    """
    years = range(today.year - 1, today.year + YEARS_AHEAD + 1)
    closed: set[date] = set(service.closed_on)
    errors = []
    for days in (_holidays(service, years), _calendar(service, folder, zone, years)):
        try:
            closed.update(days)
        except SettingsError as error:
            errors.append(error)
    if errors:
        raise SettingsErrors(errors)
    return frozenset(closed - set(service.open_on))


def _holidays(service: Service, years: Iterable[int]) -> Iterator[date]:
    """Public holidays of country and province (`holidays` knows all provinces, and of Chaco no day of its own)."""
    if not service.country:
        return
    import holidays

    def days(province: str | None) -> Iterable[date]:
        return holidays.country_holidays(service.country, subdiv=province, years=years)

    try:
        found = days(None)
    except NotImplementedError:  # how the library says that it has no such country, and below no such province
        raise SettingsError(
            "the holidays of this country are not known",
            key="service.country",
            remedy='Write two capital letters (ISO 3166-1), or country = "" and the days in calendar or closed_on.',
        ) from None
    if service.province and (service.country == "AR" or "province" in service.model_fields_set):  # "H" is for AR only
        try:
            found = days(service.province)
        except NotImplementedError:
            raise SettingsError(
                "the country has no such province",
                key="service.province",
                remedy='Write the code after the dash in ISO 3166-2 ("H" is Chaco), or province = "".',
            ) from None
    yield from found


def _calendar(service: Service, folder: Path, zone: ZoneInfo, years: range) -> Iterator[date]:
    """Whole days of the calendar's events, repeated ones among them."""
    if service.calendar is None:
        return
    import icalendar
    import recurring_ical_events

    data = _calendar_bytes(folder / service.calendar)
    try:
        calendar = icalendar.Calendar.from_ical(data)
        events = recurring_ical_events.of(calendar).between(date(years[0], 1, 1), date(years[-1] + 1, 1, 1))
        days = [day for event in events for day in _whole_days(event, zone)]
    except Exception as error:  # noqa: BLE001 - what is no calendar makes the libraries raise whatever they meet
        problem = f"the file is no calendar that can be read ({type(error).__name__})"
        raise SettingsError(problem, key="service.calendar", remedy=_WRITE_CALENDAR) from None
    yield from days


def _calendar_bytes(path: Path) -> bytes:
    def wrong(problem: str, remedy: str) -> SettingsError:
        return SettingsError(problem, key="service.calendar", remedy=remedy)

    try:
        with path.open("rb") as file:
            data = file.read(MAX_CALENDAR_BYTES + 1)
    except FileNotFoundError:
        raise wrong("there is no such file", "Put the calendar there, or take the key out.") from None
    except IsADirectoryError:
        raise wrong("this is a folder", "Name the .ics file in it.") from None
    except PermissionError:
        raise wrong("this account may not read the file", "Let the service's user or group read it.") from None
    except (OSError, ValueError) as error:
        raise wrong(f"the file can't be read ({type(error).__name__})", "Name a readable file.") from None
    if len(data) > MAX_CALENDAR_BYTES:
        raise wrong(f"the file is larger than {MAX_CALENDAR_BYTES} bytes", "Export only the days of closure.")
    return data


def _whole_days(event: Any, zone: ZoneInfo) -> Iterator[date]:
    """Days of one event from their midnight to the next, but of none that was cancelled or is endless."""
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    begin, end = event.start, event.end
    if not isinstance(begin, datetime):
        last = end if end > begin else begin + timedelta(days=1)
        days = min((last - begin).days, _LONGEST_EVENT_DAYS)
        yield from (begin + timedelta(days=number) for number in range(days))
        return
    begin, end = _local(begin, zone), _local(end, zone)
    day = begin.date() if begin.time() == time() else begin.date() + timedelta(days=1)
    for number in range(min((end.date() - day).days, _LONGEST_EVENT_DAYS)):
        yield day + timedelta(days=number)


def _local(at: datetime, zone: ZoneInfo) -> datetime:
    """By the office's clock; a time without zone is meant so."""
    return at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)
