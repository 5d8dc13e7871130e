"""One portion of an answer into the body that the messages endpoint takes. Pure.

Nothing is cut or left out: the core cuts by the channel's rules, and a portion outside of them is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inbox_channels.facebook import rules
from inbox_daemon.errors import Permanent, WindowClosed
from inbox_daemon.model import Choice, Handle, Reply, StoredFile

Body = dict[str, Any]

PERSON = {"page": "psid", "instagram": "igsid"}
"""Kind of the handle of somebody who writes in private, by platform."""
COMMENTER = "fb_user"

_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[a-z0-9][\w.+-]*", re.ASCII)
_COMMENT = re.compile(r"[0-9]+(_[0-9]+)?")


def media_type(file: StoredFile) -> str:
    """The file's type, bare and in small letters; what is none goes as bytes of any kind."""
    bare = file.media_type.partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.fullmatch(bare) else "application/octet-stream"


def media_kind(file: StoredFile, platform: str) -> str:
    """As what `file` is sent. Raises `Permanent` for what only goes as a link."""
    for kind, rule in rules.FILES[platform].items():
        if rule.takes(media_type(file), file.size):
            return kind
    raise Permanent(
        "sending a file: Meta takes no file of this type and size here",
        told="el canal no acepta el archivo adjunto, por su tipo o su tamaño",
    )


def check(reply: Reply, platform: str) -> None:
    """Raise where the portion is none that one message can carry, or goes to nobody of this platform."""
    if reply.to.kind not in (PERSON[platform], COMMENTER):
        raise Permanent(f"sending an answer: a handle of kind {reply.to.kind} can't be written to here")
    limits = rules.RULES[platform]
    text = shown_text(reply)
    size = len(text.encode("utf-8", "replace"))
    for wrong, words in (
        (len(reply.tag) > rules.TAG_CHARS, "its tag is longer than Meta echoes"),
        (bool(reply.template), "Meta has no approved templates here"),
        (not reply.attachments and not reply.text.strip(), "it is empty"),
        (len(reply.attachments) > 1, "two files can't go together"),
        (bool(reply.attachments and reply.text.strip()), "a text and a file can't go together"),
        (bool(reply.attachments and reply.choices), "a file and a menu can't go together"),
        (len(text) > (limits.max_chars or 0), f"the text has more than {limits.max_chars} signs"),
        (size > (limits.max_bytes or size), f"the text has more than {limits.max_bytes} bytes"),
    ):
        if wrong:
            raise Permanent(f"sending an answer: {words}")
    _check_menu(reply.choices)
    for file in reply.attachments:
        media_kind(file, platform)


def _check_menu(choices: Sequence[Choice]) -> None:
    ids = [choice.id for choice in choices]
    for wrong, words in (
        (len(choices) > rules.QUICK_REPLIES, f"Meta shows at most {rules.QUICK_REPLIES} of its lines"),
        (len(set(ids)) < len(ids) or not all(ids), "each line needs its own id"),
        (any(len(one) > rules.PAYLOAD_CHARS for one in ids), "the id of a line is too long"),
        (not all(choice.title.strip() for choice in choices), "each line needs a title"),
    ):
        if wrong:
            raise Permanent(f"sending a menu: {words}")


def comment_of(reply: Reply) -> str:
    """The comment or post of a visitor that a portion answers in private.

    Only the first portion names it, and Meta takes only one: raises `WindowClosed` for the others.
    """
    if reply.automatic:
        raise Permanent(
            "sending a notice: a comment can be answered in private only once, and that is kept for the answer",
            told="los avisos automáticos no se envían a quien comentó: Meta admite una sola respuesta privada",
        )
    comment = (reply.in_reply_to or "").partition("|")[0]  # an edited one is known by more than its id
    if not _COMMENT.fullmatch(comment):
        raise WindowClosed(
            "sending an answer: a comment takes one private message, the rest waits until the person writes",
            told="Meta admite un solo mensaje privado por comentario; lo demás se enviará cuando la persona escriba",
        )
    return comment


def private_recipient(comment: str, page_id: str) -> Mapping[str, str]:
    """How the API is told which comment, or post of a visitor on the page, is answered."""
    of_page = comment.startswith(f"{page_id}_")
    return {"post_id" if of_page else "comment_id": comment}


def to_person(to: Handle) -> Mapping[str, str]:
    """How the API is told whom to write to."""
    return {"id": to.value}


def message(reply: Reply, attachment: Body | None) -> Body:
    """The message itself; `attachment` is the portion's file as Meta knows it by now."""
    if attachment is not None:
        return {"attachment": attachment, "metadata": reply.tag}
    made: Body = {"text": shown_text(reply), "metadata": reply.tag}
    if reply.choices:
        made["quick_replies"] = _quick_replies(reply.choices)
    return made


def shown_text(reply: Reply) -> str:
    """The text as it goes: lines of a menu whose titles are too long for Meta stand below it, numbered."""
    if _titles_fit(reply.choices):
        return reply.text
    return "\n".join([reply.text, "", *(f"{n}. {choice.title}" for n, choice in enumerate(reply.choices, 1))])


def _titles_fit(choices: Sequence[Choice]) -> bool:
    titles = [choice.title for choice in choices]
    return all(len(title) <= rules.TITLE_CHARS for title in titles) and len(set(titles)) == len(titles)


def _quick_replies(choices: Sequence[Choice]) -> list[Body]:
    named = _titles_fit(choices)
    return [
        {"content_type": "text", "title": choice.title if named else str(n), "payload": choice.id}
        for n, choice in enumerate(choices, 1)
    ]


def body(recipient: Mapping[str, str], content: Body, *, reply_to: str = "", tagged: bool = False) -> Body:
    """The whole request. `tagged` claims that a person wrote it (HUMAN_AGENT), for the time after 24 hours."""
    made: Body = {"recipient": dict(recipient), "message": content}
    if "id" in recipient:
        made |= {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"} if tagged else {"messaging_type": "RESPONSE"}
    if reply_to:
        made["reply_to"] = {"mid": reply_to}
    return made
