"""What the outcome of a call to GLPI means: what was provably not done, and what may have been."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from inbox_daemon import plugins
from inbox_daemon.errors import Credentials, Permanent
from inbox_daemon.plugins import raise_if_failing, unclear
from inbox_ticketing.glpi import parse

NOT_LET_IN = frozenset(
    {
        "ERROR_APP_TOKEN_PARAMETERS_MISSING",
        "ERROR_WRONG_APP_TOKEN_PARAMETER",
        "ERROR_NOT_ALLOWED_IP",
        "ERROR_GLPI_LOGIN",
        "ERROR_GLPI_LOGIN_USER_TOKEN",
        "ERROR_SESSION_TOKEN_INVALID",
        "ERROR_SESSION_TOKEN_MISSING",
    }
)
"""Some of them come with status 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer as GLPI means it; `json` is None unless the body was JSON, perhaps behind warnings.

    `code` and `words` are those of a refusal (`["ERROR_…", "…"]`), else empty.
    """

    heard: plugins.Answer = field(repr=False)
    json: Any = field(repr=False)
    code: str = ""
    words: str = field(default="", repr=False)

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.heard.status

    @property
    def total(self) -> int | None:
        """Rows there are in all, from `Content-Range: 0-99/250`."""
        end = self.heard.headers.get("Content-Range", "").rpartition("/")[2]
        return int(end) if end.isascii() and end.isdigit() else None


def understood(heard: plugins.Answer) -> Answer:
    """What was heard, as GLPI means it."""
    body = heard.json if heard.is_json else parse.read_json(heard.text)
    code, words = parse.error_of(body)
    return Answer(heard=heard, json=body, code=code, words=words)


def without(answer: Answer, private: str) -> Answer:
    """`answer`, without GLPI's words where one of the longer ones stands in `private`, too."""
    sent = set(re.findall(r"\w{5,}", private.lower()))
    if sent.isdisjoint(re.findall(r"\w{5,}", answer.words.lower())):
        return answer
    return replace(answer, words="MySQL" if _is_of_database(answer) else "")


def raise_for(answer: Answer, where: str, *, write: bool) -> None:
    """Raise what an answer that is no success means.

    Only GLPI's own refusals (an array with a code) prove that nothing was done: a proxy's may follow after the work,
    and GLPI itself was seen to answer 404 after having stored a followup (its issue 24506), and a refusal that told of
    MySQL after having stored an item whose plug-in failed then.
    """
    if 200 <= answer.status < 300 and answer.status != 207 and not answer.code:
        return
    _raise_for_entry(answer, where)
    if answer.status == 413:
        raise Permanent(f"{where} takes no request of this size (413)", told="es demasiado grande para GLPI")
    raise_if_failing(answer.heard, where, write=write)
    if answer.status == 207 or not answer.code or _is_of_database(answer):
        raise unclear(f"{where} failed with status {answer.status}", write=write, retry_after=answer.heard.retry_after)
    said = f": {answer.words}" if answer.words else ""
    raise Permanent(f"{where} refuses the request ({answer.status} {answer.code}){said}", told="GLPI no lo acepta")


def _is_of_database(answer: Answer) -> bool:
    """Whether GLPI hit an error of MySQL: then what a plug-in was to add is missing, and the rest may stand."""
    return answer.code == "ERROR_SQL" or "sql" in answer.words.lower()


def _raise_for_entry(answer: Answer, where: str) -> None:
    status, code = answer.status, answer.code
    if code == "ERROR":  # "API disabled" has no code of its own
        raise Credentials(f"{where} takes no such request ({answer.words}). See that Setup > General > API enables it")
    if code == "ERROR_RIGHT_MISSING":
        raise Credentials(f"{where} denies a right. Compare the profile of the service account with README")
    if "APP_TOKEN" in code:
        raise Credentials(f"{where} refuses the application token. Compare `app_token` with Setup > General > API")
    if code == "ERROR_LOGIN_PARAMETERS_MISSING":
        raise Credentials(f"{where} did not get the token. Have its web server pass Authorization on (CGIPassAuth On)")
    if code == "ERROR_NOT_ALLOWED_IP":
        raise Credentials(f"{where} does not let this machine's address in. Widen the range of the API client")
    if code in NOT_LET_IN or status == 401:
        raise Credentials(f"{where} refuses the user token ({status}). Make a new API token and configure it")
    if status == 403:
        raise Credentials(f"{where} keeps us out (403). Look for a proxy or a web server's rule before it")
    if 300 <= status < 400:
        raise Credentials(f"{where} redirects (status {status}). Configure `url` as the final address of GLPI itself")
