"""Reading single things from Redmine, and what a journal means for a citizen."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from inbox_daemon.errors import Credentials, Gone, Permanent, Transient
from inbox_daemon.model import Attachment, EntryId, TicketId, TicketState, TicketUpdate
from inbox_daemon.plugins import Answer, Context
from inbox_ticketing.redmine import parse
from inbox_ticketing.redmine.quoting import own_words
from inbox_ticketing.redmine.rest import RestClient
from inbox_ticketing.redmine.settings import RedmineSettings

PER_PAGE = 100
"""The most that Redmine gives; it cuts a larger limit without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The configured project and tracker by their numbers."""

    project: int
    tracker: int
    is_public: bool
    is_active: bool
    fields: frozenset[int] | None
    """Numbers of the custom fields in use there; None where this Redmine does not tell."""


class Reader:
    """Reads one Redmine. Remembers only what an administrator changes: the account, the statuses, the place."""

    def __init__(self, settings: RedmineSettings, rest: RestClient, context: Context) -> None:
        self._settings = settings
        self._rest = rest
        self._context = context
        self._me: int | None = None
        self._statuses: tuple[parse.Status, ...] = ()
        self._place: Place | None = None

    # ------------------------------------------------------------ who and where

    async def log_in(self) -> int:
        """Ask who we are, and get our number. Lists answer a wrong key like Anonymous: 200, and nothing found."""
        user = (await self._rest.get("/users/current.json")).part("user")
        if not isinstance(user, dict) or not isinstance(user.get("id"), int):
            raise Transient(f"{self._context.instance}: Redmine did not say whose key this is")
        login = str(user.get("login") or "")
        if login.casefold() != self._settings.account.casefold():
            raise Credentials(
                f"{self._context.instance}: the key is not the one of account {self._settings.account!r}. "
                "Configure `account` as the login of the user that the key belongs to"
            )
        self._me = int(user["id"])
        return self._me

    async def me(self) -> int:
        """Our number; asked once."""
        return self._me if self._me is not None else await self.log_in()

    async def place(self, *, fresh: bool = False) -> Place:
        """The project and tracker. An unknown tracker would silently become another one, so it is looked up by name."""
        if self._place is None or fresh:
            self._place = await self._read_place()
        return self._place

    async def _read_place(self) -> Place:
        settings, instance = self._settings, self._context.instance
        params = {"include": "trackers,issue_custom_fields"}
        answer = await self._rest.get(f"/projects/{settings.project}.json", params, accept=(403, 404))
        project = answer.part("project")
        if answer.status != 200 or not isinstance(project, dict):
            raise Credentials(
                f"{instance}: there is no project {settings.project!r}, or {settings.account!r} may not see it. "
                "Configure `project` by its identifier (as in its address) and make the account a member"
            )
        trackers = {str(one.get("name")): one.get("id") for one in project.get("trackers") or ()}
        if settings.tracker not in trackers:
            raise Credentials(
                f"{instance}: project {settings.project!r} has no tracker {settings.tracker!r}, or the role of "
                f"{settings.account!r} may not use it. Configure `tracker` as one of: {', '.join(sorted(trackers))}"
            )
        fields = project.get("issue_custom_fields")
        return Place(
            project=int(project["id"]),
            tracker=int(trackers[settings.tracker] or 0),
            is_public=project.get("is_public") is not False,
            is_active=project.get("status", 1) == 1,
            fields=frozenset(int(one["id"]) for one in fields) if isinstance(fields, list) else None,
        )

    # ------------------------------------------------------------ statuses

    async def statuses(self, *, fresh: bool = False) -> tuple[parse.Status, ...]:
        """All statuses of this Redmine."""
        if not self._statuses or fresh:
            rows = (await self._rest.get("/issue_statuses.json")).part("issue_statuses")
            if not isinstance(rows, list):
                raise Transient(f"{self._context.instance}: Redmine's answer is no list of statuses")
            self._statuses = parse.read_statuses(rows)
        return self._statuses

    async def state_of(self, status: int) -> TicketState:
        """What a status means: as configured by its name, else by whether Redmine calls it closed."""
        known = {one.id: one for one in await self.statuses()}
        if status not in known:
            known = {one.id: one for one in await self.statuses(fresh=True)}
        found = known.get(status)
        if found is None:
            return TicketState.IN_PROGRESS
        meaning = self._settings.meaning_of(found.name)
        return meaning or (TicketState.CLOSED if found.is_closed else TicketState.IN_PROGRESS)

    async def status_id(self, name: str) -> int:
        """The number of a status. An unknown number would change nothing, and be answered like a success."""
        for fresh in (False, True):
            for one in await self.statuses(fresh=fresh):
                if one.name.casefold() == name.casefold():
                    return one.id
        names = ", ".join(one.name for one in self._statuses)
        raise Permanent(
            f"{self._context.instance}: Redmine has no status {name!r}. Configure `open_status` and `closed_status` as "
            f"two of: {names}"
        )

    # ------------------------------------------------------------ issues

    async def issue(self, number: str) -> parse.Issue:
        """The issue with its journals, files and relations. Raises `Gone`."""
        where = self._context.instance
        if not is_number(number):
            raise Gone(f"{where}: there is no issue {number[:20]!r}", reason="deleted")
        params = {"include": "journals,attachments,relations"}
        answer = await self._rest.get(f"/issues/{number}.json", params, accept=(403, 404))
        if answer.status == 404:
            raise Gone(f"{where}: issue {number} is not there", reason="deleted")
        if answer.status == 403:
            await self.place(fresh=True)  # raises where all of the project is out of sight, and not this issue alone
            raise Gone(f"{where}: issue {number} is in a project closed to us", reason="moved")
        return self.as_issue(answer.part("issue"))

    def as_issue(self, item: object) -> parse.Issue:
        """One issue of an answer."""
        try:
            return parse.read_issue(item, self._settings.reference_field)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Transient(f"{self._context.instance}: Redmine's answer is not an issue") from error

    async def tell(self, issue: parse.Issue, journal: parse.Journal, agents: frozenset[int], me: int) -> TicketUpdate:
        """What a journal means. Public is a note, beyond doubt not private, by a member of the issue's project.

        A file without a note stays inside: agents lay down working papers that way, and can't mark them private.
        """
        own = journal.user == me or parse.is_marked(journal.notes)
        shared: dict[str, Any] = {
            "ticket": TicketId(str(issue.id)),
            "entry": EntryId(str(journal.id)),
            "at": journal.at,
            "author": journal.user_name,
            "state": await self._turn(issue, journal),
        }
        text = own_words(journal.notes)
        if own or not text.strip() or journal.private is not False or journal.user not in agents:
            return TicketUpdate(**shared, own=own)
        files = tuple(issue.files[one] for one in journal.added_files if one in issue.files)
        return TicketUpdate(**shared, text=text, public=True, attachments=files)

    async def _turn(self, issue: parse.Issue, journal: parse.Journal) -> TicketState | None:
        if journal.status_id is None:
            return None
        state = await self.state_of(journal.status_id)
        return TicketState.DUPLICATE if state.ends and issue.is_duplicate else state

    async def agents(self, project: int) -> frozenset[int]:
        """Numbers of the members of a project, those by a group included."""
        found: set[int] = set()
        seen = 0
        while True:
            params = {"limit": str(PER_PAGE), "offset": str(seen)}
            answer = await self._rest.get(f"/projects/{project}/memberships.json", params, accept=(403, 404))
            if answer.status != 200:
                self._context.log.warning("redmine.members_unseen", project=project)
                return frozenset()  # nobody is an agent beyond doubt
            rows = rows_of(answer, "memberships")
            found.update(int(one["user"]["id"]) for one in rows if one.get("user") and self._counts(one))
            seen += len(rows)
            if seen >= int(answer.part("total_count") or 0) or not rows:
                return frozenset(found)

    def _counts(self, membership: dict[str, Any]) -> bool:
        wanted = {one.casefold() for one in self._settings.agent_roles}
        roles = {str(one.get("name", "")).casefold() for one in membership.get("roles") or ()}
        return not wanted or not wanted.isdisjoint(roles)

    # ------------------------------------------------------------ files

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        """Stream the bytes of a file. Raises `Gone`."""
        number, where = attachment.remote, self._context.instance
        gone = Gone(f"{where}: file {number[:20]!r} is not there any more", reason="no_file")
        if not is_number(number):
            raise gone
        answer = await self._rest.get(f"/attachments/{number}.json", accept=(403, 404))
        found = answer.part("attachment")
        if answer.status != 200 or not isinstance(found, dict):
            raise gone
        size, got = int(found.get("filesize") or 0), 0
        async with aclosing(self._rest.stream(f"/attachments/download/{number}", size)) as pieces:
            async for piece in pieces:
                got += len(piece)
                yield piece
        if got != size:
            raise Transient(f"{where}: Redmine gave {got} of {size} bytes of a file")


def rows_of(answer: Answer, name: str) -> list[dict[str, Any]]:
    """Rows of a list. Raises `Transient` for what is none."""
    rows = answer.part(name)
    if not isinstance(rows, list):
        raise Transient("Redmine's answer is not a list")
    return [row for row in rows if isinstance(row, dict)]


def is_number(text: str) -> bool:
    """Whether `text` can be one of Redmine's numbers."""
    return text.isascii() and text.isdigit() and len(text) < 19
