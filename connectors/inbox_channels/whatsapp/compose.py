"""One portion of an answer into the one body that the messages endpoint takes. Pure.

Nothing is cut or left out here: the core cuts by the channel's rules, and a portion outside of them is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from inbox_channels._graph.verdicts import told
from inbox_channels.whatsapp import rules
from inbox_daemon.errors import Permanent
from inbox_daemon.model import Choice, Handle, Reply, StoredFile

_MEDIA_TYPE = re.compile(r"[a-z0-9][\w.+-]*/[a-z0-9][\w.+-]*", re.ASCII)
_ARGENTINE_MOBILE = re.compile(r"\+549(\d{10})")

Body = dict[str, Any]


class Manner(Protocol):
    """The settings that a body depends on."""

    @property
    def template_language(self) -> str:
        """Language of templates, as Meta writes it."""

    @property
    def menu_button(self) -> str:
        """What opens a list."""

    @property
    def drop_mobile_9(self) -> bool:
        """Whether Argentine mobiles are written to without their 9."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file of the answer under the id that Meta gave it."""

    file: StoredFile
    media_id: str


def media_type(file: StoredFile) -> str:
    """The file's type as Meta compares it: bare and in small letters; empty when it is no type at all."""
    bare = file.media_type.partition(";")[0].strip().lower()
    return bare if _MEDIA_TYPE.fullmatch(bare) else ""


def media_kind(file: StoredFile) -> str:
    """As what `file` is sent. Raises `Permanent` for what only goes as a link."""
    for kind, rule in rules.FILES.items():
        if rule.takes(media_type(file), file.size):
            return kind
    known = [rule for rule in rules.FILES.values() if media_type(file) in rule.media_types]
    if not known:
        raise Permanent("sending a file: WhatsApp takes no file of this type", told=told("131053", ""))
    limit, size = known[0].max_bytes / rules.MEGABYTE, file.size / rules.MEGABYTE
    raise Permanent(
        f"sending a file: {size:.1f} MB is too large for WhatsApp, which takes {limit:.0f} of this type",
        told=told("131053", ""),
    )


def check(reply: Reply) -> None:
    """Raise `Permanent` where the portion is none that one message can carry."""
    recipient(reply.to, drop_mobile_9=False)
    contents = [bool(reply.template), bool(reply.attachments), bool(reply.choices)]
    for wrong, words in (
        (len(reply.tag) > rules.TAG_CHARS, "its tag is longer than WhatsApp echoes"),
        (sum(contents) > 1, "a template, a file and a menu can't go together"),
        (not any(contents) and not reply.text.strip(), "it is empty"),
        (len(reply.attachments) > 1, "two files can't go together"),
    ):
        if wrong:
            raise Permanent(f"sending an answer: {words}")
    if reply.template:
        _check_parameters(reply.parameters)
    elif reply.choices:
        _check_menu(reply.text, reply.choices)
    else:
        limit = rules.CAPTION_CHARS if reply.attachments else rules.TEXT_CHARS
        _check_length(reply.text, limit, "the text beside a file" if reply.attachments else "the text")
        for file in reply.attachments:
            if media_kind(file) == "audio" and reply.text.strip():
                raise Permanent("sending an answer: WhatsApp shows no text beside a voice file")


def _check_length(text: str, limit: int, name: str) -> None:
    if len(text) > limit:
        raise Permanent(f"sending an answer: {name} has {len(text)} signs, and WhatsApp takes {limit}")


def _check_parameters(parameters: Sequence[str]) -> None:
    if not all(value.strip() for value in parameters):
        raise Permanent("sending a template: one of its parameters is empty")


def _check_menu(text: str, choices: Sequence[Choice]) -> None:
    if not text.strip():
        raise Permanent("sending a menu: it has no text")
    _check_length(text, rules.MENU_CHARS, "the text of a menu")
    if len(choices) > rules.ROWS:
        raise Permanent(f"sending a menu: it has {len(choices)} lines, and WhatsApp takes {rules.ROWS}")
    for name, limit, values in (
        ("title", rules.ROW_CHARS, [choice.title for choice in choices]),
        ("id", rules.CHOICE_ID_CHARS, [choice.id for choice in choices]),
    ):
        if len(set(values)) < len(values) or not all(value.strip() for value in values):
            raise Permanent(f"sending a menu: each line needs its own {name}")
        for value in values:
            _check_length(value, limit, f"the {name} of a line")
    for choice in choices:
        _check_length(choice.description, rules.DESCRIPTION_CHARS, "the description of a line")


def body(reply: Reply, uploaded: UploadedFile | None, manner: Manner) -> Body:
    """The message of a portion that `check` has passed; `uploaded` is its file."""
    return _addressed(reply, _content(reply, uploaded, manner), drop_mobile_9=manner.drop_mobile_9)


def _addressed(reply: Reply, content: Body, *, drop_mobile_9: bool) -> Body:
    made: Body = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **recipient(reply.to, drop_mobile_9=drop_mobile_9),
        **content,
        "biz_opaque_callback_data": reply.tag,
    }
    if reply.in_reply_to:
        made["context"] = {"message_id": reply.in_reply_to}
    return made


def may_ask(reply: Reply) -> bool:
    """Whether this portion can ask a person who hides their number to share it: an automatic notice of words only."""
    plain = not (reply.template or reply.attachments or reply.choices)
    return reply.automatic and reply.to.kind == "bsuid" and plain and len(reply.text) <= rules.MENU_CHARS


def asking(reply: Reply) -> Body:
    """The notice with a button below by which the person shares their number (`contact_request`).

    Source: whatsapp/business-scoped-user-ids (May 2026).
    """
    request = {
        "type": "contact_request",
        "body": {"text": reply.text},
        "action": {"name": "request_contact_info"},
    }
    return _addressed(reply, {"type": "interactive", "interactive": request}, drop_mobile_9=False)


def recipient(to: Handle, *, drop_mobile_9: bool) -> Mapping[str, str]:
    """How the API is told whom to write to. Always with `+`: without it Meta puts *our* country code before it."""
    if to.kind == "bsuid":
        return {"recipient": to.value}
    if to.kind != "phone":
        raise Permanent(f"sending an answer: a handle of kind {to.kind} can't be written to by WhatsApp")
    number = f"+{to.value.removeprefix('+')}"
    return {"to": _ARGENTINE_MOBILE.sub(r"+54\1", number) if drop_mobile_9 else number}


def _content(reply: Reply, uploaded: UploadedFile | None, manner: Manner) -> Body:
    if reply.template:
        return _template(reply, manner.template_language)
    if uploaded is not None:
        return _media(uploaded, reply.text)
    if reply.choices:
        return {"type": "interactive", "interactive": _menu(reply, manner.menu_button)}
    return {"type": "text", "text": {"body": reply.text, "preview_url": False}}


def _template(reply: Reply, language: str) -> Body:
    template: Body = {"name": reply.template, "language": {"code": language}}
    if reply.parameters:
        # A template's parameter may hold no line break, no tab and no run of spaces.
        values = [{"type": "text", "text": " ".join(value.split())} for value in reply.parameters]
        template["components"] = [{"type": "body", "parameters": values}]
    return {"type": "template", "template": template}


def _media(uploaded: UploadedFile, caption: str) -> Body:
    kind = media_kind(uploaded.file)
    media: Body = {"id": uploaded.media_id}
    if kind == "document":
        media["filename"] = uploaded.file.filename
    if caption.strip():
        media["caption"] = caption
    return {"type": kind, kind: media}


def _menu(reply: Reply, button: str) -> Body:
    """Buttons where all of the choices fit on some, else a list that opens from `button`."""
    text = {"text": reply.text}
    if len(reply.choices) <= rules.BUTTONS and all(len(one.title) <= rules.BUTTON_CHARS for one in reply.choices):
        buttons = [{"type": "reply", "reply": {"id": one.id, "title": one.title}} for one in reply.choices]
        return {"type": "button", "body": text, "action": {"buttons": buttons}}
    rows = [
        {"id": one.id, "title": one.title, **({"description": one.description} if one.description else {})}
        for one in reply.choices
    ]
    return {"type": "list", "body": text, "action": {"button": button, "sections": [{"rows": rows}]}}
