"""What the outcome of a call to the high-level API means: what was provably not done, and what may have been."""

from __future__ import annotations

import re

from inbox_daemon.errors import Credentials, Permanent, Transient
from inbox_daemon.plugins import Answer, no_json, raise_if_failing, unclear
from inbox_ticketing._writing.texts import one_line

_TAG = re.compile(r"<[^>]*>")
_WORD = re.compile(r"\w{5,}")
_DATABASE = re.compile(r"\b(?:my)?sql", re.IGNORECASE)
"""Words about an error of the database; the filters' RSQL is none."""
NOT_FOUND = "ERROR_ITEM_NOT_FOUND"
NO_RIGHT = "ERROR_RIGHT_MISSING"
_LOGIN = {
    "invalid_client": "the OAuth client. Compare `client_id` and `client_secret` with Setup > OAuth clients",
    "invalid_grant": "the service account. Compare `username` and `password`",
    "invalid_credentials": "the service account. Compare `username` and `password`",
    "unauthorized_client": 'the way to log in. Allow the grant "Password" in Setup > OAuth clients',
    "unsupported_grant_type": 'the way to log in. Allow the grant "Password" in Setup > OAuth clients',
    "invalid_scope": "a scope. Give the OAuth client the scopes api, user and graphql",
}
"""Codes of the OAuth server in GLPI (league/oauth2-server)."""


def code_of(answer: Answer) -> str:
    """GLPI's code of a refusal (`AbstractController::getErrorResponseBody`); empty where the answer is none of its."""
    code = answer.part("status")
    return code if isinstance(code, str) and code.startswith("ERROR") else ""


def is_over(answer: Answer) -> bool:
    """Whether the token is refused: before anything else is looked at (`Router::handleRequest`), so nothing was done.

    An expired one is answered with 400 "Invalid OAuth token" by some versions, with 401 by others.
    """
    return answer.status == 401 or (answer.status == 400 and str(answer.part("title")) == "Invalid OAuth token")


def words_of(answer: Answer, private: str) -> str:
    """What GLPI says of a refusal, on one line; nothing where one of the longer words was sent by us in `private`."""
    said = [str(answer.part("title") or ""), _flat(answer.part("detail"))]
    more = answer.part("additional_messages")
    said += [str(one.get("message") or "") for one in more if isinstance(one, dict)] if isinstance(more, list) else []
    words = one_line(_TAG.sub(" ", ". ".join(one for one in said if one)))[:300]
    if set(_WORD.findall(private.lower())).isdisjoint(_WORD.findall(words.lower())):
        return words
    return "MySQL" if _DATABASE.search(words) else ""


def _flat(detail: object) -> str:
    if isinstance(detail, dict):
        return ", ".join(f"{key}: {value}" for key, value in detail.items())
    return detail if isinstance(detail, str) else ""


def raise_for_login(answer: Answer, where: str) -> None:
    """Raise what a refused log-in means; nothing that was sent is repeated."""
    if answer.status == 200 and isinstance(answer.part("access_token"), str):
        return
    error = answer.part("error")
    if 400 <= answer.status < 500 and isinstance(error, str) and answer.status != 429:
        raise Credentials(f"{where} refuses {_LOGIN.get(error, f'to log in ({one_line(error)[:60]})')}")
    raise_for(answer, where, write=False)
    raise no_json(answer, where, write=False)


def raise_for(answer: Answer, where: str, *, write: bool, private: str = "") -> None:
    """Raise what an answer that is no success means.

    Only GLPI's own refusals prove that nothing was done. It was seen to answer 404 to a followup that it had stored
    (its issue 24506), so that a 404 proves nothing about a write. A 500 "Failed to create item(s)" is how it
    refuses what a template or a rule forbids (`AbstractController::getCRUDErrorResponse`, when `add` inserted nothing).
    """
    if 200 <= answer.status < 300 and answer.status != 207:
        return
    code, words = code_of(answer), words_of(answer, private)
    _raise_for_entry(answer, code, where)
    if code and _is_refusal(answer, words):
        said = f": {words}" if words else ""
        raise Permanent(f"{where} refuses the request ({answer.status} {code}){said}", told="GLPI no lo acepta")
    if answer.status == 413:
        raise Permanent(f"{where} takes no request of this size (413)", told="es demasiado grande para GLPI")
    raise_if_failing(answer, where, write=write)
    if answer.status == 404 and code and not write:
        raise Permanent(f"{where} has nothing there (404)")
    raise unclear(f"{where} failed with status {answer.status}", write=write)


def _is_refusal(answer: Answer, words: str) -> bool:
    if _DATABASE.search(words):  # what a plug-in was to add is missing, and the rest may stand
        return False
    return answer.status == 400 or (answer.status == 500 and str(answer.part("title")).startswith("Failed to "))


def _raise_for_entry(answer: Answer, code: str, where: str) -> None:
    if answer.status == 401 or is_over(answer):
        raise Credentials(f"{where} refuses the token that it has just given. Look at its clock and its OAuth keys")
    if code == NO_RIGHT and "disabled" in str(answer.part("detail")):
        raise Credentials(f"{where} has its API disabled. Enable it in Setup > General > API")
    if code == NO_RIGHT:
        raise Credentials(
            f"{where} denies a right. Compare the profile of the service account, and the scopes of the OAuth client, "
            "with README"
        )
    if answer.status == 403:
        raise Credentials(f"{where} keeps us out (403). Look for a proxy or a web server's rule before it")
    if 300 <= answer.status < 400:
        raise Credentials(
            f"{where} redirects (status {answer.status}). Configure `url` as the final address of GLPI itself"
        )


def raise_for_question(answer: Answer, type_name: str, where: str) -> None:
    """Raise what GraphQL's own errors mean: they come with status 200, and a failure of the whole as `[]`."""
    errors = answer.part("errors")
    if not errors and isinstance(answer.part("data"), dict):
        return
    words = str(errors)
    if "Cannot query field" in words:
        raise Credentials(f"{where} does not know {type_name} by all its fields. Its API has to be 2.2 or later")
    if NO_RIGHT in words:
        raise Credentials(f"{where} denies {type_name} to the service account. Compare its profile with README")
    raise Transient(f"{where} did not answer a question about {type_name}")
