"""A mail that came in: whose it is, which case it belongs to, what it says, whether it may go to a citizen; pure.

Of Python's `email` only the old parser (`compat32`) is used, and headers are read as raw text: the new one raises on
headers that real programs write.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.utils import unquote

from inbox_ticketing._by_mail.content import File, decoded, files_of, words_of

MAX_HEADER_CHARS = 20_000
MAX_NESTED = 10
_CASE = "[a-z2-7]{16}"
_ADDR = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,100}@[A-Za-z0-9.-]{1,200}"
_BRACKETS = re.compile(rf"(?P<name>[^<>]*)<\s*(?P<address>{_ADDR})\s*>\s*")
_BARE = re.compile(rf"\s*(?P<address>{_ADDR})\s*")
_ID = re.compile(r"<([^<>\s\"\\]{1,400})>")
_COMMENT = re.compile(r"\([^()]*\)")
_AUTOMATIC = ("x-autoreply", "x-autorespond", "list-id", "x-failed-recipients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a mail is measured by. `agents` are addresses, and domains with a leading `@`; no `authserv`: not asked."""

    address: str
    plus: bool
    agents: frozenset[str] = field(repr=False)
    authserv: str
    bulk_is_automatic: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What is asked of a mail. `tokens` are the cases that it is addressed to, or else answers; the nearest first."""

    message_id: str
    digest: str
    tokens: tuple[str, ...]
    sender: str = field(repr=False)
    name: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: bool = False
    public: bool = False
    automatic: bool = False
    returned: bool = False
    ours: bool = False
    files: tuple[File, ...] = field(default=(), repr=False)


def read(raw: bytes, policy: Policy) -> Mail:
    """Any bytes make a mail: what can't be read is not public."""
    message = message_from_bytes(raw)
    sender, name = sender_of(message)
    automatic, returned = is_automatic(message, policy), is_returned(message)
    agents = is_agent(sender, policy)
    text, html = words_of(message) if agents else ("", False)  # what strangers write is nobody's business
    files = tuple(files_of(message)) if agents else ()
    tokens = case_tokens(message, policy)
    public = (
        not automatic
        and not returned
        and bool(text or files)
        and agents
        and is_proven(message, sender, policy)
        and len(_addressed(message, ("to",), policy)) == 1
    )
    return Mail(
        message_id=_own_id(message),
        digest=_digest(message, sender, text),
        tokens=tokens,
        sender=sender,
        name=name or sender.partition("@")[0],
        subject=header_text(message, "subject"),
        text=text,
        html=html,
        public=public,
        automatic=automatic or returned,
        returned=returned,
        ours=_is_ours(sender, policy),
        files=files,
    )


# ---------------------------------------------------------------- headers


def _raw(message: Message, name: str) -> list[str]:
    values = message.get_all(name) or []
    return [re.sub(r"[\r\n]+[ \t]*", " ", str(value))[:MAX_HEADER_CHARS] for value in values]


def header_text(message: Message, name: str) -> str:
    """The first header of that name, decoded, in one line."""
    values = _raw(message, name)
    return decoded(values[0]) if values else ""


def sender_of(message: Message) -> tuple[str, str]:
    """Address and name of the one author; no address where there may be several, or something else is odd."""
    values = _raw(message, "from")
    if len(values) != 1 or len(values[0]) > 2000:
        return "", ""
    bracketed = _BRACKETS.fullmatch(values[0])
    if bracketed is not None:
        name = bracketed["name"].strip()
        # A comma or another address outside of quotation marks would be a second author to some programs.
        if re.search(r"[,;@]", re.sub(r'"(?:[^"\\]|\\.)*"', "", name)):
            return "", ""
        return bracketed["address"].lower(), decoded(unquote(name))
    bare = _BARE.fullmatch(_COMMENT.sub("", values[0]))
    return (bare["address"].lower(), "") if bare else ("", "")


def _own_id(message: Message) -> str:
    """The Message-ID without brackets, when there is one that can be searched for."""
    values = _raw(message, "message-id")
    found = _ID.search(values[0]) if values else None
    return found[1] if found and found[1].isascii() and found[1].isprintable() else ""


def message_id(message: Message) -> str:
    """The same with brackets, or nothing."""
    own = _own_id(message)
    return f"<{own}>" if own else ""


def _addressed(message: Message, names: Sequence[str], policy: Policy) -> list[str]:
    """The cases at whose addresses the mail is aimed; without such addresses those that it answers."""
    text = " ".join(value for name in names for value in _raw(message, name)).lower()
    local, _, domain = policy.address.partition("@")
    if policy.plus:
        found = re.findall(rf"(?<![\w.+-]){re.escape(local)}\+({_CASE})@{re.escape(domain)}(?![\w.-])", text)
        return list(dict.fromkeys(found))
    if re.search(rf"(?<![\w.+-]){re.escape(policy.address)}(?![\w.-])", text):
        return _answered(message, policy)[:1]
    return []


def _answered(message: Message, policy: Policy) -> list[str]:
    """The cases whose mails this one answers, the nearest first."""
    domain = re.escape(policy.address.partition("@")[2])
    text = " ".join([*_raw(message, "references"), *_raw(message, "in-reply-to")]).lower()
    found = re.findall(rf"<({_CASE})\.{_CASE}@{domain}>", text)
    return list(dict.fromkeys(reversed(found)))


def case_tokens(message: Message, policy: Policy) -> tuple[str, ...]:
    """Every case that the mail may belong to, the likeliest first."""
    names = ("to", "cc", "delivered-to", "x-original-to", "envelope-to")
    found = [*_addressed(message, ("to",), policy), *_addressed(message, names, policy), *_answered(message, policy)]
    return tuple(dict.fromkeys(found))


def _is_ours(sender: str, policy: Policy) -> bool:
    local, _, domain = policy.address.partition("@")
    own, _, where = sender.partition("@")
    return where == domain and own.partition("+")[0] == local


# ---------------------------------------------------------------- who, and whether it is true


def is_agent(sender: str, policy: Policy) -> bool:
    """Whether the address, or its whole domain, is one of the configured ones."""
    return bool(sender) and (sender in policy.agents or f"@{sender.rpartition('@')[2]}" in policy.agents)


def is_proven(message: Message, sender: str, policy: Policy) -> bool:
    """Whether our mail server says that the sender's domain stands behind this mail (RFC 8601, RFC 7489).

    Only the topmost group of its own headers counts, down to the next Received: what stands below came with the mail.
    """
    if not policy.authserv:
        return True
    verdicts: list[bool] = []
    begun = False
    for name, value in message.items():
        if name.lower() == "received" and begun:
            break
        if name.lower() == "authentication-results":
            judged = _verdicts(str(value), sender.rpartition("@")[2], policy.authserv)
            if judged is None and not begun:
                return False  # another server's word stands on top: nothing below it is ours
            begun = True
            verdicts += judged or []
    return bool(verdicts) and all(verdicts)


def _verdicts(value: str, domain: str, authserv: str) -> list[bool] | None:
    """What this header says of DMARC; None when another server wrote it."""
    plain = re.sub(r"\s+", " ", value[:MAX_HEADER_CHARS])
    for _ in range(MAX_NESTED):
        plain = _COMMENT.sub(" ", plain)
    if "(" in plain:
        return [False]
    server, *results = plain.lower().split(";")
    if server.split()[:1] != [authserv.lower()]:
        return None
    return [_proves(result, domain) for result in results if re.match(r"\s*dmarc\s*=", result)]


def _proves(result: str, domain: str) -> bool:
    passed = re.match(r"\s*dmarc\s*=\s*pass\b", result)
    return bool(passed) and re.findall(r"\bheader\.from\s*=\s*\"?([a-z0-9.-]+)", result) == [domain]


def is_returned(message: Message) -> bool:
    """Whether it is a mail of ours that could not be delivered."""
    path = _raw(message, "return-path")
    return message.get_content_type() == "multipart/report" or (bool(path) and path[0].strip() == "<>")


def is_automatic(message: Message, policy: Policy) -> bool:
    """Whether a program wrote it: confirmations, notes of absence, lists."""
    submitted = (_raw(message, "auto-submitted") or ["no"])[0].partition(";")[0].strip().lower()
    if submitted not in {"", "no"} or any(name in message for name in _AUTOMATIC):
        return True
    precedence = (_raw(message, "precedence") or [""])[0].strip().lower()
    return precedence in {"auto_reply", "junk"} or (policy.bulk_is_automatic and precedence in {"bulk", "list"})


def _digest(message: Message, sender: str, text: str) -> str:
    """Tells two mails apart that bear one Message-ID, and is the same for two copies of one."""
    words = "\0".join((sender, header_text(message, "date"), header_text(message, "subject"), text))
    return hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest()[:16]
