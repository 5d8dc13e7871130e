"""One HTTP call to Redmine, and what its outcome means for the outbox."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping

from inbox_daemon.errors import Credentials, Permanent, Transient
from inbox_daemon.plugins import Answer, Caller, Context, no_json, raise_if_failing
from inbox_ticketing.redmine.settings import RedmineSettings

ALONE = {"Connection": "close"}
"""A write over a connection that was kept and is dead by now would look like one whose answer is lost."""
AS_PUT = {"X-HTTP-Method-Override": "PUT"}
"""aiohttp sends a PUT a second time by itself when the connection ends before the answer (3.14, 2026-11-24), and a note
would stand twice; a POST never. Rails takes this header for the method."""


class RestClient:
    """Calls one Redmine. Every call is one attempt; a read that ends unclear has done nothing and may be repeated.

    Redmine gives all journals of an issue in one answer, whatever their number.
    """

    def __init__(self, settings: RedmineSettings, context: Context) -> None:
        self._url = settings.url
        self._caller = Caller(
            context,
            settings.url,
            "Redmine",
            seconds=settings.timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
        )
        self._headers = {"Accept": "application/json", "X-Redmine-API-Key": settings.key.reveal(), **ALONE}

    async def aclose(self) -> None:
        """Close the session; safe twice."""
        await self._caller.aclose()

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: Collection[int] = ()) -> Answer:
        """Read `path`, which must answer JSON. A status in `accept` is returned like a success."""
        answer = await self._caller.call("GET", self._url + path, write=False, headers=self._headers, params=params)
        return self._judged(answer, accept, write=False, good=isinstance(answer.json, dict))

    async def create(self, path: str, body: Mapping[str, object], *, accept: Collection[int] = ()) -> Answer:
        """Make something, which answers with what it made."""
        answer = await self._caller.call("POST", self._url + path, write=True, headers=self._headers, json=body)
        return self._judged(answer, accept, write=True, good=isinstance(answer.json, dict))

    async def change(self, path: str, body: Mapping[str, object], *, accept: Collection[int] = ()) -> Answer:
        """Change something, which answers 204 without a body (an empty 200 in old versions), whatever was changed."""
        headers = {**self._headers, **AS_PUT}
        answer = await self._caller.call("POST", self._url + path, write=True, headers=headers, json=body)
        return self._judged(answer, accept, write=True, good=answer.empty)

    async def upload(self, name: str, content: bytes) -> str:
        """Hand over a file and get its token. A token that nobody uses is cleared away by Redmine: nothing was done."""
        answer = await self._caller.call(
            "POST",
            f"{self._url}/uploads.json",
            write=False,
            params={"filename": name},
            data=content,
            headers={**self._headers, "Content-Type": "application/octet-stream"},  # else: 406, or 400 for JSON
            size=len(content),
        )
        if answer.status == 422:
            raise Permanent(
                f"{self._caller.where} does not take a file: {'; '.join(errors_of(answer))}. Compare "
                "`max_attachment_bytes` with Administration, Settings, Files",
                told="el sistema no admite el archivo (tamaño o extensión)",
            )
        upload = answer.part("upload")
        token = upload.get("token") if isinstance(upload, dict) else None
        self._judged(answer, (), write=False, good=bool(token))
        return str(token)

    def stream(self, path: str, size: int) -> AsyncGenerator[bytes, None]:
        """The body of `path` as it comes in, of about `size` bytes; nothing is kept."""
        return self._caller.stream(
            self._url + path, size=size, headers=self._headers, refuse=lambda answer: self._refuse(answer, write=False)
        )

    def _judged(self, answer: Answer, accept: Collection[int], *, write: bool, good: bool) -> Answer:
        """`answer`, if it is a success that is `good`, or has a status in `accept`."""
        if 200 <= answer.status < 300:
            if not good:
                raise no_json(answer, self._caller.where, write=write)
        elif answer.status not in accept:
            self._refuse(answer, write=write)
        return answer

    def _refuse(self, answer: Answer, *, write: bool) -> None:
        """Raise what a status other than success means."""
        status, where = answer.status, self._caller.where
        if status == 401:
            raise Credentials(
                f"{where} refuses the key (401). Enable the REST web service under Administration, Settings, API, and "
                "configure `key` as the API access key of the service account"
            )
        if status == 403:
            raise Credentials(f"{where} denies a right (403). Compare the role of the service account with README")
        if 300 <= status < 400:
            raise Credentials(f"{where} redirects (status {status}). Configure `url` as the final address of Redmine")
        raise_if_failing(answer, where, write=write)
        errors = errors_of(answer)
        if status in {409, 422} and write and not errors and isinstance(answer.json, dict):
            # somebody saved the issue in the same moment (optimistic locking): all of ours is rolled back
            raise Transient(f"{where} says that the issue was changed meanwhile (status {status})")
        said = f": {'; '.join(errors)}" if errors else ""
        raise Permanent(f"{where} refuses the request (status {status}){said}", told="el sistema lo rechazó")


def errors_of(answer: Answer) -> list[str]:
    """Redmine's own sentences about a 422; they name fields, never what stood in them."""
    said = answer.part("errors")
    return [str(one)[:200] for one in said[:5]] if isinstance(said, list) else []
