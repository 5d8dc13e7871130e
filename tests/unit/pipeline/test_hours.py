"""Opening hours: by the office's clock in any zone, with holidays, calendars that lie, and days of one's own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox_daemon.errors import SettingsErrors
from inbox_daemon.pipeline.hours import ServiceHours
from inbox_daemon.settings.dialogue import Service
from inbox_daemon.settings.officedays import closed_days

CHACO = ZoneInfo("America/Argentina/Cordoba")
BERLIN = ZoneInfo("Europe/Berlin")
SANTIAGO = ZoneInfo("America/Santiago")
TODAY = date(2026, 11, 24)
HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n"


def hours(zone: ZoneInfo = CHACO, closed: tuple[date, ...] = (), **values: Any) -> ServiceHours:
    return ServiceHours.of(Service(**values), zone, closed)


def at(text: str, zone: ZoneInfo = CHACO) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def calendar(folder: Path, *events: str) -> Path:
    body = "".join(f"BEGIN:VEVENT\r\nUID:{number}\r\n{event}\r\nEND:VEVENT\r\n" for number, event in enumerate(events))
    (folder / "days.ics").write_text(f"{HEAD}{body}END:VCALENDAR\r\n")
    return Path("days.ics")


def closed(folder: Path, **values: Any) -> frozenset[date]:
    return closed_days(Service(**{"country": "", "province": "", **values}), folder=folder, zone=CHACO, today=TODAY)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24 06:29:59", False),
        ("2026-11-24 06:30", True),
        ("2026-11-24 17:59:59", True),
        ("2026-11-24 18:00", False),
        ("2026-11-28 10:00", False),  # Saturday
    ],
)
def test_hours_begin_and_end_to_the_minute(moment: str, *, is_open: bool) -> None:
    assert hours().is_open(at(moment)) is is_open
    assert hours().is_open(at(moment).astimezone(UTC)) is is_open


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-11-24 05:00", "2026-11-24 06:30"),
        ("2026-11-24 06:30", "2026-11-25 06:30"),
        ("2026-11-24 20:00", "2026-11-25 06:30"),
        ("2026-11-27 20:00", "2026-11-30 06:30"),  # over the weekend
        ("2026-12-31 20:00", "2027-01-04 06:30"),
    ],
)
def test_the_next_opening(moment: str, opening: str) -> None:
    found = hours(closed=(date(2027, 1, 1),)).next_opening(at(moment).astimezone(UTC))
    assert found == at(opening)
    assert found is not None
    assert found.tzinfo is CHACO


def test_midnight_is_an_end() -> None:
    night = hours(opens="18:00", closes="24:00", days=("tue",))
    assert night.is_open(at("2026-11-24 23:59:59"))
    assert not night.is_open(at("2026-11-25 00:00"))


def test_an_office_that_never_opens_has_no_opening() -> None:
    assert hours(days=()).next_opening(at("2026-11-24 10:00")) is None


def test_an_open_day_counts_on_any_weekday() -> None:
    saturday = hours(open_on=(date(2026, 11, 28),))
    assert saturday.is_open(at("2026-11-28 10:00"))
    assert saturday.next_opening(at("2026-11-27 20:00")) == at("2026-11-28 06:30")


def test_clocks_that_jump_make_no_opening_twice_and_none_in_the_past() -> None:
    sunday = hours(BERLIN, opens="02:30", closes="10:00", days=("sun",), country="", province="")
    forward = sunday.next_opening(at("2026-03-28 12:00", BERLIN))  # 02:30 does not exist on the 29th
    assert forward == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    back = sunday.next_opening(at("2026-10-24 12:00", BERLIN))
    assert back is not None
    assert back.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # equal, but not while it is ambiguous
    assert sunday.next_opening(back) == datetime(2026, 11, 1, 1, 30, tzinfo=UTC)


@given(
    st.integers(1_577_836_800, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from([CHACO, BERLIN, SANTIAGO]),
    st.integers(0, 23),
)
def test_at_the_next_opening_it_is_open_and_just_before_it_was_not_yet(at: datetime, zone: ZoneInfo, hour: int) -> None:
    office = hours(zone, opens=f"{hour:02}:15", closes="24:00", days=("mon", "sat"), country="", province="")
    opening = office.next_opening(at)
    assert opening is not None
    assert at < opening.astimezone(UTC) <= at + timedelta(days=8)
    assert office.is_open(opening)
    assert hour == 0 or not office.is_open(opening.astimezone(UTC) - timedelta(minutes=61))


@pytest.mark.parametrize(
    "day",
    [date(2026, 12, 25), date(2027, 1, 1), date(2027, 2, 8), date(2027, 3, 26), date(2026, 11, 23), date(2030, 7, 9)],
)
def test_national_holidays_are_kept_for_years(day: date, tmp_path: Path) -> None:
    days = closed(tmp_path, country="AR", province="H")
    assert day in days
    assert day not in closed(tmp_path, country="AR", province="H", open_on=(day,))
    assert not closed(tmp_path)


def test_a_province_has_days_of_its_own(tmp_path: Path) -> None:
    guemes = date(2027, 6, 17)  # Salta keeps it on the day itself; the nation moves it to a Monday
    assert guemes not in closed(tmp_path, country="AR", province="H")
    assert guemes in closed(tmp_path, country="AR", province="A")


@pytest.mark.parametrize(("country", "province", "key"), [("ZZ", "", "country"), ("AR", "9", "province")])
def test_a_country_or_province_that_is_none_is_told(country: str, province: str, key: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsErrors) as caught:
        closed(tmp_path, country=country, province=province)
    assert [(error.key, bool(error.remedy)) for error in caught.value.errors] == [(f"service.{key}", True)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("DTSTART;VALUE=DATE:20261230", ["2026-12-30"]),
        ("DTSTART;VALUE=DATE:20261230\r\nDTEND;VALUE=DATE:20261230", ["2026-12-30"]),
        ("DTSTART;VALUE=DATE:20261230\r\nDTEND;VALUE=DATE:20270102", ["2026-12-30", "2026-12-31", "2027-01-01"]),
        ("DTSTART;VALUE=DATE:20261230\r\nDURATION:P2D", ["2026-12-30", "2026-12-31"]),
        ("DTSTART;TZID=America/Argentina/Cordoba:20261230T000000\r\nDTEND:20261231T030000Z", ["2026-12-30"]),
        ("DTSTART:20261230T000000\r\nDTEND:20270101T000000", ["2026-12-30", "2026-12-31"]),
        ("DTSTART:20261230T090000\r\nDTEND:20261231T230000", []),  # no whole day
        ("DTSTART:20261230T090000", []),
        ("DTSTART;VALUE=DATE:20261230\r\nSTATUS:CANCELLED", []),
        ("DTSTART;VALUE=DATE:19990827\r\nRRULE:FREQ=YEARLY", [f"{year}-08-27" for year in range(2025, 2032)]),
        (
            "DTSTART;VALUE=DATE:20260827\r\nRRULE:FREQ=YEARLY;COUNT=3\r\nEXDATE;VALUE=DATE:20270827",
            ["2026-08-27", "2028-08-27"],
        ),
        ("DTSTART;VALUE=DATE:20240827\r\nRRULE:FREQ=YEARLY;UNTIL=20250101", []),
    ],
)
def test_whole_days_of_a_calendar(event: str, expected: list[str], tmp_path: Path) -> None:
    days = closed(tmp_path, calendar=calendar(tmp_path, event))
    assert sorted(day.isoformat() for day in days) == expected


def test_one_moved_day_of_a_repeated_event(tmp_path: Path) -> None:
    text = (
        f"{HEAD}BEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20260827\r\nRRULE:FREQ=YEARLY;COUNT=2\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:a\r\nRECURRENCE-ID;VALUE=DATE:20270827\r\nDTSTART;VALUE=DATE:20270830\r\nEND:VEVENT\r\n"
        "END:VCALENDAR\r\n"
    )
    (tmp_path / "days.ics").write_text(text)
    assert closed(tmp_path, calendar=Path("days.ics")) == {date(2026, 8, 27), date(2027, 8, 30)}


def test_an_event_without_end_closes_no_office_for_ever(tmp_path: Path) -> None:
    event = "DTSTART;VALUE=DATE:20260101\r\nDTEND;VALUE=DATE:29991231"
    assert len(closed(tmp_path, calendar=calendar(tmp_path, event))) == 400


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "no such file"),
        (b"", "no calendar"),
        (b"<html>Not found</html>", "no calendar"),
        (b"\xff\xfe\x00B\x00E", "no calendar"),
        (HEAD.encode() + b"BEGIN:VEVENT\r\nUID:a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "no calendar"),
        (HEAD.encode() + b"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:2026\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "no calendar"),
        (
            HEAD.encode() + b"BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261224\r\nRRULE:FREQ=WRONG\r\nEND:VEVENT\r\n"
            b"END:VCALENDAR\r\n",
            "no calendar",
        ),
        (b"BEGIN:VCALENDAR\r\n" + b"X:1\r\n" * 1_100_000, "larger"),
    ],
)
def test_a_calendar_that_is_none_is_told_and_its_content_is_not(
    data: bytes | None, problem: str, tmp_path: Path
) -> None:
    if data is not None:
        (tmp_path / "days.ics").write_bytes(data)
    with pytest.raises(SettingsErrors) as caught:
        closed(tmp_path, calendar=Path("days.ics"))
    (error,) = caught.value.errors
    assert error.key == "service.calendar"
    assert problem in error.problem
    assert error.remedy
    assert "Not found" not in str(error)


def test_a_folder_is_no_calendar(tmp_path: Path) -> None:
    with pytest.raises(SettingsErrors, match="folder"):
        closed(tmp_path, calendar=Path())


def test_hours_as_configured_are_loaded_with_everything_that_closes(tmp_path: Path) -> None:
    this_year = datetime.now(CHACO).year
    new_year, own, given = date(this_year + 1, 1, 1), date(this_year + 1, 5, 4), date(this_year + 1, 5, 5)
    file = calendar(tmp_path, f"DTSTART;VALUE=DATE:{own:%Y%m%d}")
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

    office = ServiceHours.load(Service(calendar=file, closed_on=(given,), days=week), CHACO, tmp_path)

    noon = [datetime(day.year, day.month, day.day, 12, tzinfo=CHACO) for day in (new_year, own, given)]
    assert [office.is_open(moment) for moment in noon] == [False, False, False]
    assert office.is_open(noon[2] + timedelta(days=1))
