"""Tells what a raw identifier is (phone, BSUID, e-mail address), and gives its identity form and its matching form.

Two handles are the same when kind, `value` and scope are equal. Equal `match_key`s are only worth a suggestion: they
leave out what people leave out (the Argentine 9 and 15, a mail address's `+tag`). An invalid handle has no match key,
so it can never meet another one.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field

from inbox_daemon.identity.addresses import address_match_key, read_address
from inbox_daemon.identity.phones import area_code, grouped, phone_match_key, read_phone
from inbox_daemon.model import Handle, Sender

_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}", re.ASCII)  # Meta, business-scoped user ids, 2026-05
SCOPED = {"psid": "Messenger", "igsid": "Instagram", "fb_user": "Facebook"}
"""Kinds of handle that mean somebody only together with the page or account that Meta gave them to (their scope), and
how people call the place. The same digits in another scope, or of another of these kinds, are not known to be the same
person: nothing joins or suggests them but the channel's own word."""
COMMENTER = "fb_user"
"""Kind of handle of somebody who wrote in public. They take one private message, which is kept for the office's answer:
no question or notice of ours reaches them."""
_SCOPED = re.compile(rf"({'|'.join(SCOPED)}):(\d{{1,32}})", re.ASCII)
_CHAT_IDS = re.compile(r"\S+@(?:lid|c\.us|s\.whatsapp\.net|g\.us|newsletter|broadcast)\.?")  # WhatsApp's, not mail


def wrote_in_public(sender: Sender) -> bool:
    """Whether it was a comment or a post of theirs."""
    return any(one.kind == COMMENTER for one in sender.handles)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizedHandle:
    """One raw identifier as read; `kind` is phone, bsuid, psid, igsid, fb_user, email or unknown.

    `ambiguous` is True exactly when an Argentine number came without 9 and without 15: a mobile or a landline.
    `valid` says whether it may stand for a person. `extension` was cut off the number; it is no part of the identity.
    """

    raw: str = field(repr=False)
    kind: str
    value: str = field(repr=False)
    match_key: str = field(repr=False)
    ambiguous: bool = False
    valid: bool = False
    extension: str = field(default="", repr=False)


def normalize(raw: str, *, default_area: str | None = None, country: str = "AR") -> NormalizedHandle:
    """Read `raw`, whatever it is. Never raises. An id of Meta's is only digits: it is read as `psid:24987654321`.

    `default_area` completes numbers written without area code (`362`); without it those are invalid. `country` is
    the one whose habits numbers without a country code follow.
    """
    text = raw.strip()
    if _BSUID.fullmatch(text):
        return NormalizedHandle(raw=raw, kind="bsuid", value=text, match_key=text, valid=True)
    if scoped := _SCOPED.fullmatch(text):
        return NormalizedHandle(raw=raw, kind=scoped[1], value=scoped[2], match_key="", valid=True)
    phone = read_phone(text, default_area=default_area, country=country)
    if phone is not None:
        return NormalizedHandle(
            raw=raw,
            kind="phone",
            value=phone.value,
            match_key=phone.match_key,
            ambiguous=phone.ambiguous,
            valid=phone.valid,
            extension=phone.extension,
        )
    if "@" not in text and text[:7].lower() != "mailto:":
        return NormalizedHandle(raw=raw, kind="unknown", value=text, match_key="")
    if _CHAT_IDS.fullmatch(text.lower()):
        return NormalizedHandle(raw=raw, kind="unknown", value=text, match_key="")
    address = read_address(text)
    if address is None:
        return NormalizedHandle(raw=raw, kind="email", value=text, match_key="")
    return NormalizedHandle(raw=raw, kind="email", value=address, match_key=address_match_key(address), valid=True)


def canonical(handle: Handle, *, default_area: str | None = None, country: str = "AR") -> Handle:
    """`handle` with its value in identity form; unchanged where it is none or can't be read.

    Idempotent. Digits that a channel gave in E.164 stay as they are: no 9 is ever added or taken away.
    """
    if handle.kind not in {"phone", "email"}:
        return handle
    read = normalize(handle.value, default_area=default_area, country=country)
    if not read.valid or read.kind != handle.kind:
        return handle
    return dataclasses.replace(handle, value=read.value)


def match_key(kind: str, value: str) -> str:
    """What an identity form is compared by when looking for suggestions; empty means "compare with nothing"."""
    if kind == "phone":
        return phone_match_key(value)
    if kind == "email":
        return address_match_key(value)
    return "" if kind in SCOPED else value


def readable(handle: Handle) -> str:
    """The handle as an agent reads it: `+54 9 362 412-3456`, `Messenger 24987654321`.

    A punycode domain stays punycode: it must be seen.
    """
    if handle.kind in SCOPED:
        return f"{SCOPED[handle.kind]} {handle.value}"
    return grouped(handle.value) if handle.kind == "phone" else handle.value


def masked(handle: Handle) -> str:
    """The handle as logs may show it: `+54 9 362 …56`, `a…@dominio.test`, `AR.…56`."""
    value = handle.value
    if handle.kind == "email":
        local, _, domain = value.rpartition("@")
        return f"{local.lstrip(chr(34))[:1]}…@{domain}" if local else "…"
    if handle.kind == "phone":
        if home := re.fullmatch(r"\+54(9?)(\d{10})", value, re.ASCII):
            nine, national = home.groups()
            return f"+54 {'9 ' if nine else ''}{area_code(national)} …{national[-2:]}".replace("  ", " ")
        country = grouped(value).partition(" ")[0] if value.startswith("+") else ""
        return f"{country} …{value[-2:]}".strip() if len(country) <= 4 and len(value) > 6 else "…"
    prefix = value[:3] if handle.kind == "bsuid" else ""
    return f"{prefix}…{value[-2:]}" if len(value) > 6 else "…"
