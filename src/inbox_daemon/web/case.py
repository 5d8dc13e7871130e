"""The page of one case under a signed link: an office without a ticketing system reads, answers, closes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit
from zoneinfo import ZoneInfo

from aiohttp import web

from inbox_daemon.errors import Gone
from inbox_daemon.model import MessageKey, StoredFile
from inbox_daemon.plugins import Case, CaseBook
from inbox_daemon.store.database import StorageBroken, StorageFull
from inbox_daemon.web.answers import PLAIN_HEADERS, plain
from inbox_daemon.web.bodies import Bodies, Refused
from inbox_daemon.web.links import CaseLinks, LinkFault
from inbox_daemon.web.pages import MAX_ANSWER_CHARS, STYLESHEET_PATH, Attempt, Pages, see_other
from inbox_daemon.web.refusals import RefusalLog
from inbox_daemon.web.words import Words

MAX_FORM_BYTES = 13 * MAX_ANSWER_CHARS + 1000
"""A character outside the Basic Multilingual Plane is twelve bytes in a form."""

_ONCE = re.compile(r"[A-Za-z0-9_-]{8,40}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNFIT_FOR_A_NAME = re.compile(r'[\x00-\x1f\x7f/\\:"<>|*?\u202a-\u202e\u2066-\u2069]')
_NAME: Final = "case"
"""Instance under which refusals of these pages are logged."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Cases:
    """The paths below `/case/` (see `public.CasePages`).

    `organization` and `offices` (destination → readable name) stand on the pages. `reply_status` is one or two
    sentences that say what happens with an answer; empty: the language's own, for a release that only records it.
    """

    def __init__(
        self,
        casebook: CaseBook,
        links: CaseLinks,
        organization: str,
        zone: ZoneInfo,
        *,
        language: str = "es-AR",
        offices: Mapping[str, str] | None = None,
        reply_status: str = "",
    ) -> None:
        self._casebook = casebook
        self._links = links
        self._pages = Pages(Words.load(language, zone), organization, offices or {}, reply_status)

    def routes(self, bodies: Bodies, refusals: RefusalLog) -> list[web.AbstractRouteDef]:
        """Paths with their handlers."""
        desk = _Desk(self._casebook, self._links, self._pages, bodies, refusals)
        return [
            web.get("/case/{token}", desk.guarded(desk.show)),
            web.get("/case/{token}/file/{entry}", desk.guarded(desk.download)),
            web.post("/case/{token}/answer", desk.guarded(desk.answer)),
            web.post("/case/{token}/close", desk.guarded(desk.close)),
            web.post("/case/{token}/reopen", desk.guarded(desk.reopen)),
            web.get(STYLESHEET_PATH, desk.stylesheet),
        ]


class _Missing(Exception):
    """The token opens nothing."""

    def __init__(self, fault: LinkFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class _Desk:
    """Handlers of the pages."""

    def __init__(
        self, casebook: CaseBook, links: CaseLinks, pages: Pages, bodies: Bodies, refusals: RefusalLog
    ) -> None:
        self._casebook = casebook
        self._links = links
        self._pages = pages
        self._bodies = bodies
        self._refusals = refusals

    def guarded(self, handler: _Handler) -> _Handler:
        """`handler` with every trouble answered by a page in plain words and noted without content."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except _Missing as missing:
                expired = missing.fault is LinkFault.EXPIRED
                self._note(request, 410 if expired else 404, f"{missing.fault.value}_link")
                if expired:
                    return self._pages.message(410, "expired", days=self._links.life.days)
                return self._pages.message(404, "missing")
            except Gone:
                return self._pages.message(404, "missing")
            except Refused as refused:
                self._note(request, refused.status, refused.reason, refused.size)
                if refused.status == 403:
                    return self._pages.message(403, "refused")
                return plain(refused.status)
            except (StorageFull, StorageBroken):
                self._note(request, 503, "storage")
                return self._pages.message(503, "trouble")
            except Exception as error:  # noqa: BLE001 - told by type and place
                self._refusals.failed(instance=_NAME, error=error, remote=request.remote)
                return plain(500)

        return handle

    async def show(self, request: web.Request) -> web.StreamResponse:
        """The conversation and what can be done."""
        case = await self._case(request)
        query = request.query
        return self._pages.case(case, _path(request), show_all="all" in query, done=query.get("done", ""), attempt=None)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """A file of the case, as a download that no browser opens by itself."""
        case = await self._case(request)
        wanted = request.match_info["entry"]
        found = [file for entry in case.entries if str(entry.id) == wanted for file in entry.files]
        if not found:
            raise _Missing(LinkFault.FORGED)
        [file] = found
        if not Path(file.path).is_file():  # noqa: ASYNC240 - one stat of a local disk
            self._note(request, 404, "file_gone")
            return self._pages.message(404, "gone_file")
        return web.FileResponse(file.path, headers=_download_headers(file))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Write an answer into the case, once however often the form is sent."""
        case = await self._case(request)
        form = await self._form(request)
        text = _clean(form.get("text", ""))
        once = form.get("once", "")
        problem = self._problem(text, once)
        if problem:
            return self._pages.case(case, _path(request), show_all=False, done="", attempt=problem)
        key = MessageKey(f"page.{once}.{hashlib.sha256(text.encode()).hexdigest()[:16]}")  # a corrected text is another
        heading = self._pages.words.say("answer", "heading")
        await self._casebook.add_entry(case.id, key=key, direction="agent", heading=heading, body=text)
        return see_other(f"{_path(request)}?done=answer")

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
        case = await self._case(request)
        await self._form(request)
        by = self._pages.words.say("state", "by_office")
        await self._casebook.set_open(case.id, is_open=is_open, by=by)
        return see_other(f"{_path(request)}?done={'opened' if is_open else 'closed'}")

    async def _case(self, request: web.Request) -> Case:
        case_id = self._links.read(request.match_info["token"])
        if isinstance(case_id, LinkFault):
            raise _Missing(case_id)
        case = await self._casebook.read(case_id)
        if case is None:
            raise _Missing(LinkFault.FORGED)
        return case

    async def _form(self, request: web.Request) -> dict[str, str]:
        """The first value of each field. Raises `Refused` for what did not come from our own page."""
        if not self._is_ours(request):
            raise Refused(403, "foreign_form")
        if request.content_type != "application/x-www-form-urlencoded":
            raise Refused(400, "form_type")
        body = await self._bodies.take(request, MAX_FORM_BYTES)
        try:
            fields = parse_qs(body.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=10)
        except ValueError:
            raise Refused(400, "form_fields", len(body)) from None
        finally:
            self._bodies.give_back(body)
        return {name: values[0] for name, values in fields.items()}

    def _is_ours(self, request: web.Request) -> bool:
        """Browsers say where a form came from; a client that says nothing holds the link, which is enough."""
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None:
            return site == "same-origin"
        origin = request.headers.get("Origin")
        return origin is None or urlsplit(origin).netloc in {request.host, self._links.host}

    def _problem(self, text: str, once: str) -> Attempt | None:
        words = self._pages.words
        if not text:
            return Attempt(text=text, problem=words.say("error", "empty"))
        if len(text) > MAX_ANSWER_CHARS:
            return Attempt(text=text, problem=words.say("error", "long", count=len(text), limit=MAX_ANSWER_CHARS))
        if not _ONCE.fullmatch(once):
            return Attempt(text=text, problem=words.say("error", "repeat"), repeated=True)
        return None

    def _note(self, request: web.Request, status: int, reason: str, size: int | None = None) -> None:
        self._refusals.refused(instance=_NAME, status=status, reason=reason, size=size, remote=request.remote)


def _path(request: web.Request) -> str:
    """The case's own address; the token was read, so it is one of ours and needs no quoting."""
    return f"/case/{request.match_info['token']}"


def _clean(text: str) -> str:
    """What a browser's text field gives, with our line ends and without what no database keeps."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _download_headers(file: StoredFile) -> dict[str, str]:
    name = _UNFIT_FOR_A_NAME.sub("_", file.filename).strip(". ")[-150:] or "archivo"
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_")
    return {
        **PLAIN_HEADERS,
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
        "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Type": "application/octet-stream",  # the sender's word about the type is not worth a browser's trust
        "X-Robots-Tag": "noindex, nofollow, noarchive",
    }
