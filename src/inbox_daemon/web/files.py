"""Files of agents' answers for the citizens they were sent to, where the channel could not bring the file itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from inbox_daemon.pipeline.files import path_of
from inbox_daemon.web.bodies import Bodies
from inbox_daemon.web.downloads import download
from inbox_daemon.web.guard import Guard, Missing
from inbox_daemon.web.links import FileLinks, LinkFault
from inbox_daemon.web.pages import Pages
from inbox_daemon.web.refusals import RefusalLog
from inbox_daemon.web.words import Words

_NAME: Final = "file"
"""Instance under which refusals of these links are logged."""


class Files:
    """The path `/file/{token}` (see `public.WebPages`): a file of `folder`, named by its content's hash alone.

    No page comes before the file: the link stands in a message, and a click must be enough. Previews of messengers
    and scanners of mail fetch it, too, so a link isn't used up by being followed. The stylesheet of the pages that
    say what is wrong is served by `case.Cases`.
    """

    def __init__(
        self, links: FileLinks, folder: Path, organization: str, zone: ZoneInfo, *, language: str = "es-AR"
    ) -> None:
        self._links = links
        self._folder = folder
        self._pages = Pages(Words.load(language, zone), organization)

    def routes(self, bodies: Bodies, refusals: RefusalLog) -> list[web.AbstractRouteDef]:
        """The one path with its handler; HEAD comes with GET."""
        days = self._links.life.days
        guard = Guard(self._pages, refusals, name=_NAME, days=days, expired="expired_file", missing="missing_file")

        async def serve(request: web.Request) -> web.StreamResponse:
            return self._serve(request, guard)

        return [web.get("/file/{token}", guard.around(serve))]

    def _serve(self, request: web.Request, guard: Guard) -> web.StreamResponse:
        file = self._links.read(request.match_info["token"])
        if isinstance(file, LinkFault):
            raise Missing(file)
        found = download(path_of(self._folder, file.sha256), file.filename, file.media_type)
        if found is None:
            guard.note(request, 404, "file_gone")
            return self._pages.message(404, "lost_file")
        return found
