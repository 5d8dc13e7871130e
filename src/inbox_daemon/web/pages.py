"""Renders the case pages from templates, with the headers that keep a page harmless: no script, no frame, no cache."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from inbox_daemon.plugins import Case
from inbox_daemon.web.answers import PLAIN_HEADERS, RETRY_AFTER_SECONDS
from inbox_daemon.web.fates import Fate
from inbox_daemon.web.words import Words

STYLESHEET_PATH = "/assets/case.css"
MAX_ANSWER_CHARS = 10_000
SHOWN_ENTRIES = 100
"""Older ones are one click away: a page with thousands is of no use on a telephone."""

_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
_PAGE_HEADERS: Final[Mapping[str, str]] = {
    **PLAIN_HEADERS,
    "Content-Security-Policy": _POLICY,
    "Content-Type": "text/html; charset=utf-8",
    "Referrer-Policy": "same-origin",  # with no-referrer browsers send "Origin: null", and there is nothing to check
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An answer that was not saved, shown again with what is wrong. `repeated`: nothing is wrong with the text."""

    text: str = field(repr=False)
    problem: str
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One case as it stands now: `path` is its address, `fates` say what became of its answers (see `fates`), and
    `reply_status` is what happens with the next one."""

    case: Case
    path: str = field(repr=False)
    fates: Mapping[int, Fate] = field(repr=False)
    reply_status: str


class Pages:
    """Templates, words and stylesheet of one installation. `offices` gives the readable names of destinations."""

    def __init__(self, words: Words, organization: str, offices: Mapping[str, str] = MappingProxyType({})) -> None:
        self.words = words
        self._offices = offices
        style = files("inbox_daemon.web").joinpath("templates", "case.css").read_bytes()
        self._style = style
        self._style_tag = hashlib.sha256(style).hexdigest()[:16]
        self._templates = Environment(
            loader=PackageLoader("inbox_daemon.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"clock": words.clock, "size": words.size}
        self._templates.globals |= {
            "words": words.texts,
            "organization": organization,
            "stylesheet": f"{STYLESHEET_PATH}?v={self._style_tag}",
            "limit": MAX_ANSWER_CHARS,
            "limit_words": f"{MAX_ANSWER_CHARS:,}".replace(",", "."),
        }

    def case(
        self, view: View, *, show_all: bool = False, done: str = "", attempt: Attempt | None = None
    ) -> web.Response:
        """The page of a case; `done` is a word of the texts' table `done`."""
        case = view.case
        hidden = 0 if show_all else max(0, len(case.entries) - SHOWN_ENTRIES)
        texts = self.words.texts["done"]
        html = self._templates.get_template("case.html").render(
            title=self.words.say("page", "case", number=case.number),
            case=case,
            office=self._offices.get(case.office, case.office),
            entries=case.entries[hidden:],
            fates=view.fates,
            hidden=hidden,
            has_files=any(entry.files for entry in case.entries[hidden:]),
            path=view.path,
            reply_status=view.reply_status,
            once=secrets.token_urlsafe(12),
            done=self.words.say("done", done, reply_status=view.reply_status) if done in texts else "",
            error=attempt.problem if attempt else "",
            repeated=attempt.repeated if attempt else False,
            draft=attempt.text if attempt else "",
        )
        return _page(422 if attempt else 200, html)

    def message(self, status: int, table: str, *, back: str = "", **values: object) -> web.Response:
        """A page that only says something: title, lines and steps of the texts' table `table`, and a way `back`."""
        texts = self.words.texts[table]
        html = self._templates.get_template("message.html").render(
            title=texts["title"],
            lines=[line.format(**values) for line in texts["text"]],
            steps=texts.get("steps", []),
            back=back,
        )
        return _page(status, html)

    def stylesheet(self, version: str) -> web.Response:
        """The stylesheet; kept by browsers for good under the address that names this very content."""
        lasting = "public, max-age=31536000, immutable" if version == self._style_tag else "no-cache"
        headers = {**PLAIN_HEADERS, "Cache-Control": lasting, "Content-Type": "text/css; charset=utf-8"}
        return web.Response(body=self._style, headers=headers)


def _page(status: int, html: str) -> web.Response:
    headers = dict(_PAGE_HEADERS)
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return web.Response(status=status, body=html.encode("utf-8", "replace"), headers=headers)


def see_other(path: str) -> web.Response:
    """Send the browser from a form to the page it belongs to, so that reloading repeats nothing."""
    headers = {**PLAIN_HEADERS, "Location": path, "Referrer-Policy": "same-origin"}
    return web.Response(status=303, headers=headers)
