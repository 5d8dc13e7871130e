"""The page of one case under a signed link: an office without a ticketing system reads, answers, closes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from inbox_daemon.model import MessageKey
from inbox_daemon.plugins import Case, CaseBook
from inbox_daemon.web.bodies import Bodies, Refused
from inbox_daemon.web.downloads import download
from inbox_daemon.web.fates import AnswerState, AnswerStates, can_withdraw, fates
from inbox_daemon.web.forms import Forms, clean
from inbox_daemon.web.guard import Guard, Missing
from inbox_daemon.web.links import CaseLinks, LinkFault
from inbox_daemon.web.pages import MAX_ANSWER_CHARS, STYLESHEET_PATH, Attempt, Pages, View, see_other
from inbox_daemon.web.refusals import RefusalLog
from inbox_daemon.web.words import Words

MAX_FORM_BYTES = 13 * MAX_ANSWER_CHARS + 1000
"""A character outside the Basic Multilingual Plane is twelve bytes in a form."""

_ONCE = re.compile(r"[A-Za-z0-9_-]{8,40}")
_NAME: Final = "case"
"""Instance under which refusals of these pages are logged."""


class Cases:
    """The paths below `/case/` (see `public.WebPages`).

    `organization` and `offices` (destination → readable name) stand on the pages. `answers` knows what became of
    answers; without it nothing is said of that and none is taken back. `grace_seconds` is how long an answer waits
    before it goes, `graces` the same for offices that have a time of their own.
    """

    def __init__(
        self,
        casebook: CaseBook,
        links: CaseLinks,
        organization: str,
        zone: ZoneInfo,
        *,
        language: str = "es-AR",
        offices: Mapping[str, str] = MappingProxyType({}),
        answers: AnswerStates | None = None,
        grace_seconds: float = 20.0,
        graces: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._casebook = casebook
        self._links = links
        self._pages = Pages(Words.load(language, zone), organization, offices)
        self._answers = answers
        self._grace_seconds = grace_seconds
        self._graces = graces

    def routes(self, bodies: Bodies, refusals: RefusalLog) -> list[web.AbstractRouteDef]:
        """Paths with their handlers."""
        days = self._links.life.days
        guard = Guard(self._pages, refusals, name=_NAME, days=days, expired="expired", missing="missing")
        reader = _Reader(self._casebook, self._links, self._answers, self._pages.words, self._reply_status)
        desk = _Desk(self._casebook, reader, self._pages, Forms(bodies, self._links.host, MAX_FORM_BYTES), guard)
        return [
            web.get("/case/{token}", guard.around(desk.show)),
            web.get("/case/{token}/file/{entry}", guard.around(desk.download)),
            web.post("/case/{token}/answer", guard.around(desk.answer)),
            web.post("/case/{token}/withdraw", guard.around(desk.withdraw)),
            web.post("/case/{token}/close", guard.around(desk.close)),
            web.post("/case/{token}/reopen", guard.around(desk.reopen)),
            web.get(STYLESHEET_PATH, desk.stylesheet),
        ]

    def _reply_status(self, office: str) -> str:
        words = self._pages.words
        seconds = self._graces.get(office, self._grace_seconds)
        if seconds < 1:
            return words.say("answer", "goes_at_once")
        return words.say("answer", "goes_after", span=words.span(seconds))


class _Reader:
    """Reads a case as it stands, with what became of its answers."""

    def __init__(
        self,
        casebook: CaseBook,
        links: CaseLinks,
        answers: AnswerStates | None,
        words: Words,
        reply_status: Callable[[str], str],
    ) -> None:
        self._casebook = casebook
        self._links = links
        self._answers = answers
        self._words = words
        self._reply_status = reply_status

    async def case(self, request: web.Request) -> Case:
        """The case that the request's token opens. Raises `Missing`."""
        case_id = self._links.read(request.match_info["token"])
        if isinstance(case_id, LinkFault):
            raise Missing(case_id)
        case = await self._casebook.read(case_id)
        if case is None:
            raise Missing(LinkFault.FORGED)
        return case

    async def states(self, case: Case) -> Mapping[int, AnswerState] | None:
        """States of its answers; None where nothing sends them."""
        return None if self._answers is None else await self._answers.states(case.id)

    async def view(self, case: Case, path: str) -> View:
        """What the page shows of it."""
        told = fates(case.entries, await self.states(case), self._words, datetime.now(UTC))
        return View(case=case, path=path, fates=told, reply_status=self._reply_status(case.office))


class _Desk:
    """Handlers of the pages."""

    def __init__(self, casebook: CaseBook, reader: _Reader, pages: Pages, forms: Forms, guard: Guard) -> None:
        self._casebook = casebook
        self._reader = reader
        self._pages = pages
        self._forms = forms
        self._guard = guard

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The conversation and what can be done."""
        view = await self._reader.view(await self._reader.case(request), _path(request))
        return self._pages.case(view, show_all="all" in request.query, done=request.query.get("done", ""))

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file of the case."""
        case = await self._reader.case(request)
        wanted = request.match_info["entry"]
        found = [file for entry in case.entries if str(entry.id) == wanted for file in entry.files]
        if not found:
            raise Missing(LinkFault.FORGED)
        [file] = found
        answer = download(Path(file.path), file.filename)
        if answer is None:
            self._guard.note(request, 404, "file_gone")
            return self._pages.message(404, "gone_file")
        return answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Write an answer into the case, once however often the form is sent."""
        case = await self._reader.case(request)
        form = await self._forms.read(request)
        text = clean(form.get("text", ""))
        once = form.get("once", "")
        problem = self._problem(text, once)
        if problem:
            return self._pages.case(await self._reader.view(case, _path(request)), attempt=problem)
        key = MessageKey(f"page.{once}.{hashlib.sha256(text.encode()).hexdigest()[:16]}")  # a corrected text is another
        heading = self._pages.words.say("answer", "heading")
        await self._casebook.add_entry(case.id, key=key, direction="agent", heading=heading, body=text)
        return see_other(f"{_path(request)}?done=answer")

    async def withdraw(self, request: web.Request) -> web.StreamResponse:
        """Take an answer back that still waits, once however often the form is sent.

        The sender reads an entry again just before it goes, so whichever comes first wins. One that meets its
        sending in that moment is withdrawn in the book and yet sent, and the page says so from then on.
        """
        case = await self._reader.case(request)
        form = await self._forms.read(request)
        found = [entry for entry in case.entries if str(entry.id) == form.get("entry")]
        if not found or found[0].direction not in {"agent", "withdrawn"}:
            raise Refused(400, "form_entry")
        [entry] = found
        if entry.direction == "agent":
            states = await self._reader.states(case)
            waits = states is not None and can_withdraw(entry, states.get(entry.id), datetime.now(UTC))
            if not waits or not await self._casebook.withdraw(case.id, entry.id):
                return self._pages.message(409, "too_late", back=_path(request))
        return see_other(f"{_path(request)}?done=withdrawn")

    async def close(self, request: web.Request) -> web.StreamResponse:
        """Close the case."""
        return await self._set_open(request, is_open=False)

    async def reopen(self, request: web.Request) -> web.StreamResponse:
        """Open the case again."""
        return await self._set_open(request, is_open=True)

    async def stylesheet(self, request: web.Request) -> web.Response:
        """The pages' one stylesheet."""
        return self._pages.stylesheet(request.query.get("v", ""))

    async def _set_open(self, request: web.Request, *, is_open: bool) -> web.StreamResponse:
        case = await self._reader.case(request)
        await self._forms.read(request)
        by = self._pages.words.say("state", "by_office")
        await self._casebook.set_open(case.id, is_open=is_open, by=by)
        return see_other(f"{_path(request)}?done={'opened' if is_open else 'closed'}")

    def _problem(self, text: str, once: str) -> Attempt | None:
        words = self._pages.words
        if not text:
            return Attempt(text=text, problem=words.say("error", "empty"))
        if len(text) > MAX_ANSWER_CHARS:
            return Attempt(text=text, problem=words.say("error", "long", count=len(text), limit=MAX_ANSWER_CHARS))
        if not _ONCE.fullmatch(once):
            return Attempt(text=text, problem=words.say("error", "repeat"), repeated=True)
        return None


def _path(request: web.Request) -> str:
    """The case's own address; the token was read, so it is one of ours and needs no quoting."""
    return f"/case/{request.match_info['token']}"
