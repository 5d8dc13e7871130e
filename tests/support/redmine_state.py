"""What Redmine 5.0.4 does with issues, as observed on a real one (2026-11-24), in memory.

Its quirks are the point: a field, tracker or status that it does not know is passed over in silence, and every change
is answered alike. `redmine_fake` serves it.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

STATUSES = {1: ("New", False), 2: ("In Progress", False), 3: ("Resolved", False), 4: ("Feedback", False)}
STATUSES |= {5: ("Closed", True), 6: ("Rejected", True)}
TRACKERS = {1: "Bug", 2: "Feature", 3: "Support"}


class Invalid(Exception):
    """A 422; the sentences are Redmine's, none for a conflict."""

    def __init__(self, *errors: str) -> None:
        super().__init__(*errors)
        self.errors = list(errors)


def now() -> datetime:
    """Redmine keeps whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(kw_only=True)
class User:
    id: int
    login: str
    key: str = field(default_factory=lambda: secrets.token_hex(20))
    roles: dict[int, str] = field(default_factory=dict)
    """Project to role."""
    sees_private: bool = False
    sets_private: bool = True
    adds_notes: bool = True

    @property
    def name(self) -> str:
        return f"{self.login.capitalize()} Pruebas"


@dataclass(kw_only=True)
class File:
    id: int
    name: str
    content: bytes
    media_type: str = ""


@dataclass(kw_only=True)
class Journal:
    id: int
    user: User
    notes: str
    private: bool
    details: list[dict[str, Any]]
    created: datetime = field(default_factory=now)


@dataclass(kw_only=True)
class Issue:
    id: int
    project: int
    tracker: int
    subject: str
    description: str
    author: User
    status: int = 1
    fields: dict[int, str] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    duplicates: int | None = None
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)


@dataclass(kw_only=True)
class Project:
    id: int
    identifier: str
    fields: dict[int, str]
    status: int = 1
    is_public: bool = False


def _as_kept(text: object) -> str:
    """Redmine turns every line end into CR LF."""
    return str(text or "").replace("\r\n", "\n").replace("\n", "\r\n")


@dataclass(kw_only=True)
class RedmineState:
    """One Redmine: two projects, a field in each, a service account, an agent, and somebody with no role."""

    users: dict[str, User] = field(default_factory=dict)
    projects: dict[int, Project] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    uploads: dict[str, File] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    filterable: set[int] = field(default_factory=lambda: {1, 2})
    untracked: set[int] = field(default_factory=set)
    """Numbers of custom fields of projects that are not ticked for the tracker."""
    finds_nothing: bool = False
    denied_statuses: set[int] = field(default_factory=set)
    """What the workflow of every role leaves out."""
    required: tuple[str, ...] = ()
    """Names of custom fields that must have a value and get none."""
    cuts_emoji: bool = False
    """A database in MySQL's `utf8` without strict mode ends a text at its first sign outside of the basic plane."""
    conflicts: int = 0
    """How many of the next changes meet somebody else's."""
    busy: int = 0
    """How many of the next requests a proxy answers with 429."""
    max_file: int = 5 * 1024 * 1024
    strips_override: bool = False
    """A proxy before it takes X-HTTP-Method-Override away."""
    total_added: int = 0
    """How many rows more each list claims than it gives."""

    def by_key(self, key: str) -> User | None:
        return next((user for user in self.users.values() if key and user.key == key), None)

    def visible(self, user: User | None) -> list[Issue]:
        return [one for one in self.issues.values() if user is not None and one.project in user.roles]

    # ------------------------------------------------------------ changes

    def create(self, user: User, given: dict[str, Any]) -> Issue:
        project = self._project(given.get("project_id"))
        if project is None or project.id not in user.roles:
            raise Invalid("Project cannot be blank", "Tracker cannot be blank", "Status cannot be blank")
        subject = str(given.get("subject") or "")
        if not subject:
            raise Invalid("Subject cannot be blank")
        if len(subject) > 255:
            raise Invalid("Subject is too long (maximum is 255 characters)")
        if self.required:
            raise Invalid(*(f"{name} cannot be blank" for name in self.required))
        tracker = given.get("tracker_id")
        issue = Issue(
            id=len(self.issues) + 1,
            project=project.id,
            tracker=tracker if tracker in TRACKERS else 1,
            subject=subject,
            description=self._cut(_as_kept(given.get("description"))),
            author=user,
            fields={
                int(one["id"]): str(one["value"])
                for one in given.get("custom_fields") or ()
                if int(one["id"]) in project.fields and int(one["id"]) not in self.untracked
            },
        )
        self.issues[issue.id] = issue
        return issue

    def change(self, user: User, issue: Issue, given: dict[str, Any]) -> None:
        """All or nothing; what is unknown or not allowed is left out without a word."""
        if self.conflicts:
            self.conflicts -= 1
            raise Invalid
        tokens = [str(one["token"]) for one in given.get("uploads") or ()]
        if lost := sum(token not in self.uploads for token in tokens):
            raise Invalid(f"{lost} file(s) could not be saved.")
        details = [self._attach(issue, one) for one in given.get("uploads") or ()]
        status = given.get("status_id")
        if status in STATUSES and status != issue.status and status not in self.denied_statuses:
            old, issue.status = issue.status, int(status)
            details.append({"property": "attr", "name": "status_id", "old_value": str(old), "new_value": str(status)})
        notes = self._cut(_as_kept(given.get("notes"))) if user.adds_notes else ""
        private = bool(given.get("private_notes")) and user.sets_private and bool(notes)
        if private and details:  # the note alone stays hidden
            self._journal(issue, user, notes, private=True, details=[])
            notes, private = "", False
        if notes or details:
            self._journal(issue, user, notes, private=private, details=details)

    def _journal(self, issue: Issue, user: User, notes: str, *, private: bool, details: list[dict[str, Any]]) -> None:
        made = Journal(id=next(self.ids), user=user, notes=notes, private=private, details=details)
        issue.journals.append(made)
        issue.updated = now()

    def _attach(self, issue: Issue, given: dict[str, Any]) -> dict[str, Any]:
        file = self.uploads.pop(str(given["token"]))
        file.name = given.get("filename") or file.name
        file.media_type = given.get("content_type") or ""
        issue.files.append(file)
        return {"property": "attachment", "name": str(file.id), "old_value": None, "new_value": file.name}

    def upload(self, name: str, content: bytes) -> str:
        if len(content) > self.max_file:
            size = self.max_file
            raise Invalid(f"This file cannot be uploaded because it exceeds the maximum allowed file size ({size})")
        file = File(id=next(self.ids), name=name, content=content)
        token = f"{file.id}.{secrets.token_hex(16)}"
        self.uploads[token] = file
        return token

    def _project(self, given: object) -> Project | None:
        return next((one for one in self.projects.values() if given in {one.id, str(one.id), one.identifier}), None)

    def _cut(self, text: str) -> str:
        if not self.cuts_emoji:
            return text
        return "".join(itertools.takewhile(lambda sign: ord(sign) < 0x10000, text))

    def file(self, user: User | None, number: int) -> File | None:
        return next((file for one in self.visible(user) for file in one.files if file.id == number), None)


def seeded() -> RedmineState:
    """A Redmine like the one that `redmine-start.sh` seeds."""
    users = [
        User(id=5, login="inbox", roles={1: "Puente"}),
        User(id=6, login="agente", roles={1: "Agente", 2: "Agente"}, sees_private=True),
        User(id=7, login="vecina"),
    ]
    projects = [
        Project(id=1, identifier="atencion", fields={1: "InboxReference"}),
        Project(id=2, identifier="reservada", fields={2: "Suelto"}),
    ]
    return RedmineState(users={one.login: one for one in users}, projects={one.id: one for one in projects})
