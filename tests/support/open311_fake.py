"""An Open311 endpoint with mySociety's updates in memory, and the faults that real ones were seen to have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

STATUSES = frozenset(
    {
        "OPEN",
        "CLOSED",
        "FIXED",
        "IN_PROGRESS",
        "ACTION_SCHEDULED",
        "INVESTIGATING",
        "DUPLICATE",
        "NOT_COUNCILS_RESPONSIBILITY",
        "NO_FURTHER_ACTION",
        "INTERNAL_REFERRAL",
        "REOPEN",
        "FOR_TRIAGE",
    }
)


class Fault(StrEnum):
    """What an endpoint does that it should not, or that one has to know."""

    IGNORES_TIME = "lists everything, whatever start_date and end_date say"
    LISTS_NOTHING = "200 with an empty list"
    HIDES_DESCRIPTIONS = "requests come without a description"
    HIDES_OUR_UPDATES = "updates that came by the API are not listed"
    KEEPS_STATUS = "the status of an update is ignored"
    STRIPS_SYMBOLS = "symbols and blanks at the ends are dropped, line ends become CRLF"
    CUTS_TEXTS = "texts are cut at 300 signs"
    SAYS_NO_ID = "an update is taken, and its id is empty"
    ERROR_AS_200 = "status 200 with a list of errors"
    TOKENS = "a token instead of an id; the id comes with the first question"
    NEVER_AN_ID = "a token instead of an id, which never comes"
    WRAPPED = "lists stand inside an object"
    OTHER_REQUEST = "answers another request than the one asked for"
    DONE_AND_404 = "an update is taken and answered with 404"
    SLOWS_DOWN = "429"


@dataclass
class Request:
    number: int
    service: str
    description: str
    at: datetime
    status: str = "open"
    deleted: bool = False
    media_url: str = ""


@dataclass
class Update:
    number: int
    request: int
    description: str
    status: str
    at: datetime
    by_api: bool
    media_url: str = ""


class City:
    """Everything that it knows."""

    def __init__(self, services: tuple[str, ...] = ("atencion", "luminarias")) -> None:
        self.services = services
        self.requests: list[Request] = []
        self.updates: list[Update] = []
        self.faults: set[Fault] = set()
        self.most_rows = 1000

    def now(self) -> datetime:
        """The city's clock, which never stands still."""
        times = [one.at for one in self.requests] + [one.at for one in self.updates]
        last = max(times, default=datetime.min.replace(tzinfo=UTC))
        return max(datetime.now(UTC), last + timedelta(microseconds=1))

    def open(self, service: str, description: str) -> Request:
        made = Request(len(self.requests) + 638344, service, self._kept(description), self.now())
        self.requests.append(made)
        return made

    def update(self, request: Request, status: str, description: str, *, by_api: bool, media_url: str = "") -> Update:
        word = status.lower()
        if Fault.KEEPS_STATUS not in self.faults or not by_api:
            request.status = word
        text = self._kept(description) if by_api else description
        made = Update(len(self.updates) + 1, request.number, text, word, self.now(), by_api, media_url)
        self.updates.append(made)
        return made

    def request(self, number: str) -> Request | None:
        return next((one for one in self.requests if str(one.number) == number and not one.deleted), None)

    def _kept(self, text: str) -> str:
        if Fault.CUTS_TEXTS in self.faults:
            return text[:300]
        if Fault.STRIPS_SYMBOLS in self.faults:
            return re.sub(r"[^\w\s.,;:()\[\]|/#+-]", "", text).strip().replace("\n", "\r\n")
        return text

    # ------------------------------------------------------------ lists

    def listed(self, rows: list[Any], start: datetime | None, end: datetime | None) -> list[Any]:
        """Those of the time, the newest first, silently cut."""
        if Fault.LISTS_NOTHING in self.faults:
            return []
        if Fault.IGNORES_TIME not in self.faults:
            rows = [one for one in rows if (not start or one.at >= start) and (not end or one.at <= end)]
        return sorted(rows, key=lambda one: one.at, reverse=True)[: self.most_rows]

    def living(self) -> list[Request]:
        return [one for one in self.requests if not one.deleted]

    def told(self) -> list[Update]:
        """Updates; those of a deleted request go on being listed."""
        return [one for one in self.updates if not (one.by_api and Fault.HIDES_OUR_UPDATES in self.faults)]

    def request_json(self, one: Request) -> dict[str, Any]:
        hidden = Fault.HIDES_DESCRIPTIONS in self.faults
        return {
            "service_request_id": one.number,
            "status": one.status,
            "service_code": one.service,
            "service_name": one.service.capitalize(),
            "description": None if hidden else one.description,
            "requested_datetime": one.at.isoformat(),
            "updated_datetime": one.at.isoformat(),
            "address": "",
            "lat": -27.45,
            "long": -58.98,
            "media_url": None,
        }

    def update_json(self, one: Update) -> dict[str, Any]:
        return {
            "update_id": str(one.number),
            "service_request_id": str(one.request),
            "status": one.status,
            "updated_datetime": one.at.isoformat().replace("+00:00", "Z"),
            "description": one.description,
            "media_url": one.media_url,
        }
