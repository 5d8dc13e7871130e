"""Serves `znuny_fake` as the web service of our `InboxDaemon.yml`, with the product's answers; see there."""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from support.znuny_fake import (
    CHANNELS,
    PRIORITIES,
    QUEUES,
    STATES,
    ZONE,
    Article,
    File,
    Ticket,
    User,
    ZnunyState,
    seeded,
)

STATE = web.AppKey("state", ZnunyState)
PLACE = "/{product}/nph-genericinterface.pl/Webservice/{service}/{operation}"
KINDS = ("PhoneCallCustomer", "AddNote", "SendAnswer")


class Refused(Exception):
    """An application error: status 200 and an object."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(kind)
        self.kind, self.words = kind, words


class Broken(Exception):
    """The interface's own failure: status 500 and a text, whatever was written before."""


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"


def _stripped(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}


# ---------------------------------------------------------------- who asks


def session_create(state: ZnunyState, body: dict[str, Any], _: User | None) -> dict[str, Any]:
    user = state.users.get(str(body.get("UserLogin")))
    if user is None or user.password != body.get("Password"):
        raise Refused("AuthFail", "SessionCreate: Authorization failing!")
    session = secrets.token_hex(16)
    state.sessions[session] = user
    return {"SessionID": session}


def session_get(state: ZnunyState, body: dict[str, Any], user: User | None) -> dict[str, Any]:
    if user is None:
        raise Refused("SessionInvalid", "SessionGet: SessionID is Invalid!")
    values = {"UserID": str(user.id), "UserLogin": user.login, "UserSessionStart": "1793801801"}
    return {"SessionData": [{"Key": key, "Value": value} for key, value in values.items()]}


def _known(user: User | None) -> User:
    if user is None:
        raise Refused("AuthFail", "Authorization failing!")
    return user


# ---------------------------------------------------------------- searching


def ticket_search(state: ZnunyState, body: dict[str, Any], user: User | None) -> dict[str, Any]:
    found = [one for one in state.visible_to(_known(user)) if all(test(one) for test in _tests(state, body))]
    if body.get("SortBy") == "Changed":
        found.sort(key=lambda one: one.changed)
    limit = int(body.get("Limit") or state.default_limit)
    numbers = [str(one.id) for one in found[:limit]]
    return {"TicketID": numbers} if numbers and not state.finds_nothing else {}


def _tests(state: ZnunyState, body: dict[str, Any]) -> list[Callable[[Ticket], bool]]:
    """A field that is not there, or given as anything but an object, filters nothing."""
    tests: list[Callable[[Ticket], bool]] = []
    for key, given in body.items():
        found = re.fullmatch(r"DynamicField_([A-Za-z0-9]+)", key)
        if found and found[1] in state.ticket_fields and isinstance(given, dict) and given:
            tests.append(_field_test(found[1], given))
    if "TicketLastChangeTimeNewerDate" in body:
        tests.append(_newer_test(str(body["TicketLastChangeTimeNewerDate"])))
    if numbers := body.get("TicketID"):
        tests.append(lambda one: str(one.id) in numbers)
    if "StateType" in body:
        types = [body["StateType"]] if isinstance(body["StateType"], str) else body["StateType"]
        tests.append(lambda one: one.state_type in types)
    return tests


def _field_test(name: str, given: dict[str, Any]) -> Callable[[Ticket], bool]:
    if "Equals" in given:
        return lambda one: one.fields.get(name, "").lower() == str(given["Equals"]).lower()
    if "Empty" in given:
        return lambda one: (not one.fields.get(name)) == (str(given["Empty"]) == "1")
    return lambda one: False  # an operator that does not exist


def _newer_test(text: str) -> Callable[[Ticket], bool]:
    try:
        since = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
    except ValueError:
        return lambda one: False
    return lambda one: one.changed >= since


# ---------------------------------------------------------------- reading


def _seen(state: ZnunyState, user: User, given: object) -> list[Ticket]:
    numbers = [one.strip() for one in str(given or "").split(",")]
    if not all(re.fullmatch(r"[1-9]\d*", one) for one in numbers):
        raise Refused("WrongStructure", "Invalid ticket ID parameter(s) found!")
    found = [state.tickets.get(int(one)) for one in numbers]
    if any(one is None or one.queue not in user.queues for one in found):
        raise Refused("AccessDenied", "User does not have access to the ticket!")
    return [one for one in found if one is not None]


def ticket_get(state: ZnunyState, body: dict[str, Any], user: User | None) -> dict[str, Any]:
    rows = []
    for ticket in _seen(state, _known(user), body.get("TicketID")):
        row = _ticket_json(state, ticket)
        if body.get("AllArticles") and (articles := _chosen(state, ticket, body)):
            row["Article"] = [_article_json(state, one, body) for one in articles]
        rows.append(row)
    return {"Ticket": rows}


def _chosen(state: ZnunyState, ticket: Ticket, body: dict[str, Any]) -> list[Article]:
    found = state.articles_of(ticket.id)
    if wanted := body.get("ArticleSenderType"):
        found = [one for one in found if one.sender in wanted]
    if limit := int(body.get("ArticleLimit") or 0):
        if body.get("ArticleOrder") == "DESC":
            found.reverse()
        found = found[:limit]
    return found


def _ticket_json(state: ZnunyState, ticket: Ticket) -> dict[str, Any]:
    return {
        "TicketID": ticket.id,  # a number here, a string in the answer of a creation
        "TicketNumber": ticket.number,
        "Title": ticket.title,
        "State": ticket.state,
        "StateType": ticket.state_type,
        "Queue": ticket.queue,
        "CustomerUserID": ticket.customer,
        "Created": _time(ticket.created),
        "Changed": _time(ticket.changed),
        "DynamicField": [{"Name": name, "Value": ticket.fields.get(name)} for name in sorted(state.ticket_fields)],
    }


def _article_json(state: ZnunyState, one: Article, body: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ArticleID": str(one.id),
        "SenderType": one.sender,
        "IsVisibleForCustomer": int(one.visible),
        "CommunicationChannel": one.channel,
        "CreateBy": one.created_by,
        "CreateTime": _time(one.created),
        "ChangeBy": str(one.changed_by),
        "ChangeTime": _time(one.changed),
        "From": one.sent_by,
        "Subject": one.subject,
        "Body": one.body,
        "ContentType": "text/plain; charset=utf-8",
        "DynamicField": [{"Name": name, "Value": one.fields.get(name)} for name in sorted(state.article_fields)],
    }
    if body.get("Attachments") and one.files:
        with_content = str(body.get("GetAttachmentContents", "1")) == "1"
        row["Attachment"] = [_file_json(file, number, with_content) for number, file in enumerate(one.files, start=1)]
    return row


def _file_json(file: File, number: int, with_content: bool) -> dict[str, Any]:
    return {
        "FileID": number,
        "Filename": file.name,
        "ContentType": file.media_type,
        "FilesizeRaw": str(len(file.content)),
        "Disposition": "attachment",
        "Content": base64.b64encode(file.content).decode() if with_content else "",
    }


def ticket_history_get(state: ZnunyState, body: dict[str, Any], user: User | None) -> dict[str, Any]:
    return {
        "TicketHistory": [
            {
                "TicketID": str(ticket.id),
                "History": [
                    {
                        "TicketID": ticket.id,
                        "ArticleID": line.article or None,
                        "Name": line.name,
                        "HistoryType": line.kind,
                        "CreateBy": line.by,
                        "CreateTime": _time(line.at),
                    }
                    for line in state.history
                    if line.ticket == ticket.id
                ],
            }
            for ticket in _seen(state, _known(user), body.get("TicketID"))
        ]
    }


# ---------------------------------------------------------------- writing


def ticket_create(state: ZnunyState, body: dict[str, Any], user: User | None) -> dict[str, Any]:
    who = _known(user)
    ticket, article = _stripped(body.get("Ticket") or {}), _stripped(body.get("Article") or {})
    for needed in ("Title", "CustomerUser", "Queue", "State", "Priority"):
        if not ticket.get(needed):
            raise Refused("MissingParameter", f"Ticket->{needed} parameter is missing!")
    if not _address_is_taken(str(ticket["CustomerUser"])):
        raise Refused("InvalidParameter", "Ticket->CustomerUser parameter is invalid!")
    _check_ticket(ticket)
    if ticket["Queue"] not in who.queues:
        raise Refused("AccessDenied", "Can not create tickets in given Queue or QueueID!")
    _check_article(article)
    fields = _fields(state, body, state.ticket_fields | state.article_fields)
    files = _files(body)
    made = state.open(
        title=ticket["Title"],
        queue=ticket["Queue"],
        state=ticket["State"],
        customer=ticket["CustomerUser"],
        fields={name: value for name, value in fields.items() if name in state.ticket_fields},
        by=who.id,
    )
    written = _write(state, made, article, fields, files, who)
    return {"TicketID": str(made.id), "TicketNumber": made.number, "ArticleID": str(written.id)}


def ticket_update(state: ZnunyState, body: dict[str, Any], user: User | None) -> dict[str, Any]:
    who = _known(user)
    [one] = _seen(state, who, body.get("TicketID"))
    ticket, article = _stripped(body.get("Ticket") or {}), _stripped(body.get("Article") or {})
    _check_ticket(ticket)
    if article:
        _check_article(article)
    fields = _fields(state, body, state.article_fields if article else state.ticket_fields)
    files = _files(body)
    if "State" in ticket:
        state.set_state(one.id, ticket["State"], who.id)
    one.queue = ticket.get("Queue", one.queue)
    answer = {"TicketID": str(one.id), "TicketNumber": one.number}
    if article:
        answer["ArticleID"] = str(_write(state, one, article, fields, files, who).id)
    return answer


def _write(
    state: ZnunyState, ticket: Ticket, article: dict[str, Any], fields: dict[str, str], files: list[File], who: User
) -> Article:
    if state.breaks_articles:
        raise Broken("Article could not be created, please contact the system administrator")
    made = state.write(
        ticket.id,
        by=who.id,
        sender=article.get("SenderType", "agent"),
        visible=bool(article.get("IsVisibleForCustomer", 1)),
        body=article["Body"],
        subject=article["Subject"],
        kind=article["HistoryType"],
        channel=article.get("CommunicationChannel", "Internal"),
        sent_by=article.get("From") or f'"{who.name}" <{who.login}@znuny.test>',
        fields={name: value for name, value in fields.items() if name in state.article_fields},
    )
    if files and state.breaks_files:
        raise Broken("Attachment could not be created, please contact the system administrator")
    made.files += files
    return made


def _check_ticket(ticket: dict[str, Any]) -> None:
    for name, known in (("Queue", QUEUES), ("State", STATES), ("Priority", PRIORITIES)):
        if name in ticket and ticket[name] not in known:
            raise Refused("InvalidParameter", f"Ticket->{name}ID or Ticket->{name} parameter is invalid!")


def _check_article(article: dict[str, Any]) -> None:
    for needed in ("Subject", "Body"):
        if not article.get(needed):
            raise Refused("MissingParameter", f"Article->{needed} parameter is missing!")
    if article.get("CommunicationChannel", "Internal") not in CHANNELS:
        raise Refused("InvalidParameter", "Article->CommunicationChannel parameter is invalid or not supported!")
    sender = article.get("From")
    if sender and not _address_is_taken(sender.rpartition("<")[2].rstrip(">")):
        raise Refused("InvalidParameter", "Article->From parameter is invalid!")
    if not article.get("ContentType"):
        raise Refused("MissingParameter", "Article->ContentType or Ticket->MimeType parameters are required!")
    if article.get("HistoryType") not in KINDS:
        raise Refused("InvalidParameter", "Article->HistoryType parameter is invalid!")


def _address_is_taken(value: str) -> bool:
    """`CheckEmailInvalidAddress` refuses example domains; an existing login is taken as well."""
    return value == "juana" or bool(re.fullmatch(r"[^@\s]+@(?!example\.\w+$)[\w.-]+\.\w+", value))


def _fields(state: ZnunyState, body: dict[str, Any], known: set[str]) -> dict[str, str]:
    given = body.get("DynamicField")
    if given is None:
        return {}
    if not given:
        raise Refused("MissingParameter", "DynamicField parameter is missing or not valid!")
    for one in given:
        if one["Name"] not in state.ticket_fields | state.article_fields:
            raise Refused("InvalidParameter", "DynamicField->Name parameter is invalid!")
        if one["Name"] not in known:
            raise Refused("MissingParameter", "To create an article DynamicField an article is required!")
    return {one["Name"]: str(one["Value"]).strip() for one in given}


def _files(body: dict[str, Any]) -> list[File]:
    made = []
    for one in body.get("Attachment") or ():
        if not (one.get("Content") and one.get("Filename") and re.match(r"\w+/\w+", one.get("ContentType") or "")):
            raise Refused("MissingParameter", "Attachment->Content parameter is missing!")
        content = base64.b64decode(one["Content"])
        made.append(File(name=one["Filename"], media_type=one["ContentType"].lower(), content=content))
    return made


OPERATIONS: dict[str, Callable[[ZnunyState, dict[str, Any], User | None], dict[str, Any]]] = {
    "SessionCreate": session_create,
    "SessionGet": session_get,
    "TicketSearch": ticket_search,
    "TicketGet": ticket_get,
    "TicketHistoryGet": ticket_history_get,
    "TicketCreate": ticket_create,
    "TicketUpdate": ticket_update,
}


async def _answer(request: web.Request) -> web.Response:
    state, place = request.app[STATE], request.match_info
    headers = {"Date": f"{datetime.now(UTC) + state.skew:%a, %d %b %Y %H:%M:%S GMT}"}
    operation = OPERATIONS.get(place["operation"])
    if (request.content_length or 0) > state.largest_request:
        return web.Response(status=413, text="Request too large")
    if state.asks_to_slow_down:
        return web.Response(status=429, headers={"Retry-After": "9"})
    if operation is None or place["service"] != "InboxDaemon" or place["product"] not in {"znuny", "otobo"}:
        return web.Response(status=500)
    try:
        body = json.loads(await request.read())
        assert isinstance(body, dict)
        answer = operation(state, body, state.sessions.get(str(body.get("SessionID"))))
    except (ValueError, AssertionError):
        return web.Response(status=500, text="Error while decoding request content.")
    except Broken as error:
        return web.Response(status=500, text=str(error))
    except Refused as error:
        code = f"{place['operation']}.{error.kind}"
        answer = {"Error": {"ErrorCode": code, "ErrorMessage": f"{place['operation']}: {error.words}"}}
    response = web.json_response(answer, headers=headers)
    response.force_close()  # as with `KeepAlive` empty in the web service
    return response


@asynccontextmanager
async def serve_fake_znuny() -> AsyncIterator[tuple[int, ZnunyState]]:
    """Yield the port of a fresh fake on loopback, and its state."""
    app = web.Application(client_max_size=64 * 2**20)
    app[STATE] = seeded()
    app.router.add_post(PLACE, _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], app[STATE]
    finally:
        await runner.cleanup()
