"""Texts written into Redmine, and what its answers mean; pure.

Shapes and behaviour were observed on Redmine 5.0.4 (Debian 12), 2026-11-24.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from inbox_daemon.model import Attachment, Draft, Entry, MessageKey, StoredFile
from inbox_ticketing._writing import texts
from inbox_ticketing._writing.quotes import MARKER

MAX_SUBJECT_CHARS = 255
"""Redmine refuses a longer subject (422)."""

_PRE_LIKE = re.compile(r"<(?=/?(?:pre|code|kbd|notextile))", re.IGNORECASE)
_FENCE_LIKE = re.compile(r"~(?=~~)|`(?=``)")
_WRAPS = {"textile": ("<pre>", "</pre>"), "markdown": ("~~~", "~~~"), "common_mark": ("~~~", "~~~")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One row of `/issue_statuses.json`."""

    id: int
    name: str
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One change that a journal tells: `name` is the column, or the number of an attachment."""

    kind: str
    name: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One journal. `private` is None where Redmine did not say."""

    id: int
    user: int
    user_name: str
    notes: str = field(repr=False)
    private: bool | None
    at: datetime
    details: tuple[Detail, ...] = ()

    @property
    def status_id(self) -> int | None:
        """The status that it put the issue into."""
        news = [one.new for one in self.details if one.kind == "attr" and one.name == "status_id"]
        return int(news[-1]) if news and news[-1].isdigit() else None

    @property
    def added_files(self) -> tuple[str, ...]:
        """Numbers of the attachments that came with it."""
        return tuple(one.name for one in self.details if one.kind == "attachment" and one.new)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue; journals and files only where it was asked for alone."""

    id: int
    project: int
    status: int
    author: int
    updated: datetime
    description: str = field(default="", repr=False)
    references: tuple[str, ...] = ()
    journals: tuple[Journal, ...] = ()
    files: Mapping[str, Attachment] = field(default_factory=dict)
    is_duplicate: bool = False


# ---------------------------------------------------------------- what we write


def subject_of(draft: Draft) -> str:
    """The subject as Redmine takes it: one line of at most 255 characters, not empty."""
    return texts.one_line(draft.subject)[:MAX_SUBJECT_CHARS].rstrip() or texts.NO_SUBJECT


def wrap(text: str, text_format: str) -> str:
    """`text` as something that Redmine shows as it is: no markup, links, macros, mentions or pictures.

    Words of a citizen are untrusted markup: `{{include(Secreto)}}`, `@login`, `!https://…!` do something. Inside a
    preformatted block nothing does; what could end the block early gets a space.
    """
    if text_format not in _WRAPS:
        return text
    before, after = _WRAPS[text_format]
    if text_format == "textile":
        safe = _PRE_LIKE.sub("< ", text)
    else:
        safe = _FENCE_LIKE.sub(lambda found: f"{found[0]} ", text)
    return f"{before}\n{safe}\n{after}"


def text_of(entry: Entry, text_format: str, *, preface: str = "") -> str:
    """Heading, body and marker of one entry; the heading has a name that the citizen chose."""
    return wrap(texts.text_of(entry, preface=preface), text_format)


def file_text(entry: Entry, file: StoredFile, text_format: str) -> str:
    """Text of the entry that carries one file."""
    return wrap(texts.file_text(entry, file), text_format)


def file_name(file: StoredFile) -> str:
    """A name without signs that Redmine replaces."""
    return texts.file_name(file.filename, "\"\\/%?*:|'<>")


# ---------------------------------------------------------------- what Redmine answers


def read_issue(item: Any, reference_field: int) -> Issue:
    """One issue from a list or alone. Raises `KeyError`, `TypeError`, `ValueError` for what is none."""
    number = int(item["id"])
    relations = item.get("relations") or ()
    return Issue(
        id=number,
        project=int(item["project"]["id"]),
        status=int(item["status"]["id"]),
        author=int((item.get("author") or {}).get("id") or 0),
        updated=read_time(item["updated_on"]),
        description=str(item.get("description") or ""),
        references=tuple(_values(item.get("custom_fields") or (), reference_field)),
        journals=tuple(read_journal(one) for one in item.get("journals") or ()),
        files={str(one["id"]): read_file(one) for one in item.get("attachments") or ()},
        is_duplicate=any(one["relation_type"] == "duplicates" and int(one["issue_id"]) == number for one in relations),
    )


def _values(fields: Iterable[Any], number: int) -> Iterable[str]:
    for one in fields:
        if int(one["id"]) == number:
            value = one.get("value")
            yield from (str(part) for part in (value if isinstance(value, list) else [value]) if part)


def read_journal(item: Any) -> Journal:
    """One journal of an issue."""
    user = item.get("user") or {}
    private = item.get("private_notes")
    return Journal(
        id=int(item["id"]),
        user=int(user.get("id") or 0),
        user_name=str(user.get("name") or ""),
        notes=str(item.get("notes") or ""),
        private=private if isinstance(private, bool) else None,
        at=read_time(item["created_on"]),
        details=tuple(
            Detail(kind=str(one.get("property")), name=str(one.get("name")), new=str(one.get("new_value") or ""))
            for one in item.get("details") or ()
        ),
    )


def read_file(item: Any) -> Attachment:
    """One attachment; the type is empty where nobody knew it."""
    return Attachment(
        filename=str(item["filename"]),
        media_type=str(item.get("content_type") or "application/octet-stream"),
        remote=str(item["id"]),
        size=int(item["filesize"]),
    )


def read_statuses(items: Sequence[Any]) -> tuple[Status, ...]:
    """The rows of `/issue_statuses.json`."""
    return tuple(
        Status(id=int(one["id"]), name=str(one["name"]), is_closed=bool(one.get("is_closed"))) for one in items
    )


def read_time(text: str) -> datetime:
    """`2026-11-24T08:19:44Z`, aware."""
    return datetime.fromisoformat(text).astimezone(UTC)


def filter_time(at: datetime) -> str:
    """The one form of a time that Redmine's filters take: with an offset or a fraction it is 422."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def last_line(text: str) -> str:
    """The last line with words, inside the block that `wrap` makes."""
    lines = [line.strip() for line in texts.clean(text).splitlines() if line.strip()]
    if lines and lines[-1] in {"</pre>", "~~~"}:
        lines.pop()
    return lines[-1] if lines else ""


def is_marked(text: str) -> bool:
    """Whether `text` ends as only our entries do."""
    return MARKER.fullmatch(last_line(text)) is not None


def entry_of(issue: Issue, key: MessageKey, me: int) -> Journal | Issue | None:
    """What our account wrote into `issue` under exactly `key`: a journal, or the issue itself for its description.

    Our marker counts as the last line of our own text: a quotation of it in an agent's answer does not.
    """
    wanted = texts.marker(key)
    if issue.author == me and last_line(issue.description) == wanted:
        return issue
    return next((one for one in issue.journals if one.user == me and last_line(one.notes) == wanted), None)
