"""What an error of the Graph API means: Meta's table of codes as data, and headers that say how long to wait.

Source: pywa's errors.py (August 2026) and Meta's pages on limits; branch on `code`, never on HTTP status or text.
Only a code that proves that nothing was done may become `Transient` for a call that does something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import orjson

from inbox_channels._graph.reading import Json, child, children, word
from inbox_daemon.errors import Credentials, EdgeError, Permanent, Transient, Uncertain, WindowClosed


class Outcome(StrEnum):
    """What follows from an error."""

    LATER = "later"
    """Refused for now: nothing was done."""
    PERSON = "person"
    """Refused for now, and only for this person."""
    UNKNOWN = "unknown"
    """Meta doesn't know itself."""
    NEVER = "never"
    """This item can't work."""
    WINDOW = "window"
    """Only a template would go to this person now."""
    LOCKED = "locked"
    """Nothing of this instance can work until somebody mends it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, why in a few words with the remedy, and how long to wait where Meta doesn't say it itself.

    `words` are for who runs the daemon. `told` is for the agent whose answer it was, in the ticket: why the citizen
    did not get it, and what the agent can do.
    """

    outcome: Outcome
    words: str
    told: str
    wait: timedelta | None = None


_OURS = "hay un problema con la cuenta de WhatsApp de esta oficina; ya se avisa a quien administra el sistema"
_BUSY = "WhatsApp no da abasto con los mensajes de esta oficina"
_FAULT = "WhatsApp tuvo una falla propia"
_NOT_OURS = "WhatsApp no aceptó la forma del mensaje"

_TOKEN = Verdict(
    Outcome.LOCKED, "the access token is invalid or has expired: make a new one and renew access_token", _OURS
)
_RIGHT = Verdict(
    Outcome.LOCKED, "the access token lacks a right: give its system user whatsapp_business_messaging", _OURS
)
_SHAKY = Verdict(Outcome.UNKNOWN, "Meta reports a fault of its own", _FAULT)
_CALLS = Verdict(Outcome.LATER, "the limit of calls is reached", _BUSY, timedelta(minutes=5))
_SPAM = Verdict(
    Outcome.LATER,
    "Meta holds this number back for quality: see WhatsApp Manager",
    "WhatsApp limita por ahora los mensajes de esta oficina",
    timedelta(hours=4),
)
_UPKEEP = Verdict(Outcome.LATER, "the number is under maintenance at Meta", _FAULT, timedelta(minutes=5))
_ADMIN = Verdict(
    Outcome.LOCKED, "Meta asks for something in WhatsApp Manager (display name, payment, certificate)", _OURS
)
_POLICY = Verdict(Outcome.LOCKED, "Meta has blocked or locked the account: see Business Support Home", _OURS)
_TEMPLATE = Verdict(
    Outcome.NEVER,
    "the template is missing, paused or used wrongly: see WhatsApp Manager",
    "el aviso aprobado por WhatsApp falta o está mal armado; lo tiene que ver quien administra el sistema",
)
_FORM = Verdict(Outcome.NEVER, "Meta refuses the request's form", _NOT_OURS)
_MARKETING = Verdict(
    Outcome.NEVER,
    "Meta does not deliver this kind of message to this person now",
    "WhatsApp no le entrega por ahora este tipo de mensajes a la persona",
)

_TOKEN_REFUSED = 190
"""What HTTP 401 without a code of Meta's is taken for."""

VERDICTS: Mapping[int, Verdict] = {
    0: _TOKEN,
    190: _TOKEN,
    3: _RIGHT,
    10: _RIGHT,
    **dict.fromkeys(range(200, 300), _RIGHT),
    131005: _RIGHT,
    1: _SHAKY,
    2: _SHAKY,
    131000: _SHAKY,
    131016: _SHAKY,
    4: _CALLS,
    17: _CALLS,
    32: _CALLS,
    613: _CALLS,
    80007: _CALLS,
    130429: Verdict(Outcome.LATER, "the number's throughput is reached", _BUSY, timedelta(seconds=2)),
    131056: Verdict(
        Outcome.PERSON,
        "too many messages to one person in a short time",
        "fueron demasiados mensajes a la misma persona en poco tiempo",
        timedelta(seconds=6),
    ),
    131048: _SPAM,
    131064: _SPAM,
    131057: _UPKEEP,
    133016: _UPKEEP,
    133010: Verdict(Outcome.LOCKED, "the number is not registered with the Cloud API: register it", _OURS),
    368: _POLICY,
    131031: _POLICY,
    130497: Verdict(
        Outcome.NEVER,
        "Meta does not let this account write to this country",
        "WhatsApp no deja que esta oficina escriba al país de ese número",
    ),
    131047: Verdict(
        Outcome.WINDOW,
        "the 24-hour window is closed: only a template can be sent",
        "pasaron más de 24 horas desde el último mensaje de la persona, y WhatsApp ya no deja responder libremente",
    ),
    131026: Verdict(
        Outcome.NEVER,
        "cannot be delivered (no WhatsApp, blocked, or an old app): use another channel",
        "el número no tiene WhatsApp o no puede recibir mensajes de esta oficina; conviene usar otro medio",
    ),
    131021: Verdict(Outcome.NEVER, "sender and recipient are the same number", "el número es el de esta misma oficina"),
    131030: Verdict(
        Outcome.NEVER,
        "not in the test number's list of recipients: add it there, or set drop_mobile_9",
        "el número de prueba de esta oficina solo puede escribir a los números de su lista",
    ),
    131008: _FORM,
    131009: _FORM,
    100: _FORM,
    33: Verdict(
        Outcome.NEVER,
        "what is asked for does not exist at Meta (any more), or the token may not see it",
        "WhatsApp ya no conoce a quién o qué se quiso enviar",
    ),
    131037: _ADMIN,
    131042: _ADMIN,
    131045: _ADMIN,
    131049: _MARKETING,
    130472: _MARKETING,
    131050: _MARKETING,
    131063: _MARKETING,
    131051: Verdict(Outcome.NEVER, "this type of message is not supported", "WhatsApp no admite este tipo de mensaje"),
    131052: Verdict(
        Outcome.NEVER,
        "Meta could not fetch the citizen's file: ask for it again",
        "WhatsApp no pudo tomar el archivo de la persona; conviene pedir que lo envíe de nuevo",
    ),
    131053: Verdict(
        Outcome.NEVER,
        "Meta does not take this file (kind or size)",
        "WhatsApp no acepta el archivo adjunto, por su tipo o su tamaño",
    ),
    131060: Verdict(
        Outcome.NEVER, "the message is not available at Meta", "WhatsApp ya no tiene el mensaje disponible"
    ),
    131062: Verdict(
        Outcome.NEVER,
        "this message can't go to a person without a visible number",
        "la persona oculta su número y WhatsApp no le entrega este tipo de mensaje",
    ),
    **dict.fromkeys((132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016), _TEMPLATE),
    137000: Verdict(
        Outcome.NEVER,
        "the person's identity key has changed: confirm who it is",
        "cambió la identidad de la persona en WhatsApp; hay que confirmar quién es",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What is peculiar to one of Meta's products: its name for agents, and what its codes and subcodes mean there.

    A subcode says more than its code, and either goes before the table that all products share.
    """

    product: str = "WhatsApp"
    by_subcode: Mapping[int, Verdict] = field(default_factory=dict)
    by_code: Mapping[int, Verdict] = field(default_factory=dict)

    def verdict(self, fault: GraphFault) -> Verdict:
        """What `fault` means."""
        own = self.by_subcode.get(fault.subcode) or self.by_code.get(fault.code) if fault.named else None
        if not fault.named and fault.status == 401:
            own = self.by_code.get(_TOKEN_REFUSED)
        return own or _verdict(fault)

    def told(self, verdict: Verdict) -> str:
        """The words for agents; those of the shared table are written for WhatsApp."""
        return verdict.told.replace("WhatsApp", self.product)


WHATSAPP = Dialect()


def _known(code: str) -> Verdict | None:
    return VERDICTS.get(int(code)) if code.isascii() and code.isdigit() and len(code) < 10 else None


def closes_window(code: str) -> bool:
    """Whether something was not delivered only because the time for free answers was over."""
    known = _known(code)
    return known is not None and known.outcome is Outcome.WINDOW


def told(code: str, words: str) -> str:
    """Why something was not delivered, for the agent, in es-AR. `words` are Meta's own, for a code that is new."""
    known = _known(code)
    if known is not None:
        return known.told
    return f"WhatsApp no lo entregó e informa: {words}" if words else "WhatsApp no lo entregó y no dice por qué"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFault:
    """An answer of the Graph API that is no success. `code` and `subcode` are Meta's, 0 where it named none."""

    status: int
    named: bool = False
    code: int = 0
    subcode: int = 0
    transient: bool = False
    wait: timedelta | None = None

    @property
    def missing(self) -> bool:
        """Whether Meta itself says that what was asked for isn't there, or isn't this token's to see.

        A bare 404 says nothing of the kind: a proxy or a wrong graph_url gives it too.
        """
        return self.code == 33 or (self.code == 100 and self.subcode == 33)

    @property
    def doubtful(self) -> bool:
        """Whether it may be the app that is refused: a wrong `appsecret_proof` is code 100 too, without a subcode."""
        return self.code == 100 and self.subcode == 0


def read_fault(status: int, headers: Mapping[str, str], body: bytes) -> GraphFault:
    """The fault in an answer; a body that isn't Meta's leaves only the status. Never raises."""
    wait = wait_hint(headers)
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    error = child(answer, "error") if isinstance(answer, dict) else {}
    code = _number(error, "code")
    if code is None:
        return GraphFault(status=status, wait=wait)
    return GraphFault(
        status=status,
        named=True,
        code=code,
        subcode=_number(error, "error_subcode") or 0,
        transient=error.get("is_transient") is True,
        wait=wait,
    )


def to_error(fault: GraphFault, *, doing: str, harmless: bool, dialect: Dialect = WHATSAPP) -> EdgeError:
    """The error to raise for `fault`. `harmless` marks calls that may be repeated freely (reads, uploads)."""
    verdict = dialect.verdict(fault)
    name = f"code {fault.code}" if fault.named else f"HTTP {fault.status}"
    if fault.subcode:
        name = f"{name}/{fault.subcode}"
    message = f"{doing}: {verdict.words} ({name})"
    match verdict.outcome:
        case Outcome.LATER:
            return Transient(message, retry_after=verdict.wait if fault.wait is None else fault.wait)
        case Outcome.PERSON:
            return Transient(message, retry_after=verdict.wait if fault.wait is None else fault.wait, only_this=True)
        case Outcome.UNKNOWN:
            return Transient(message, retry_after=fault.wait) if harmless else Uncertain(message)
        case Outcome.NEVER:
            return Permanent(message, told=dialect.told(verdict))
        case Outcome.WINDOW:
            return WindowClosed(message, told=dialect.told(verdict))
        case Outcome.LOCKED:
            return Credentials(message)


def _verdict(fault: GraphFault) -> Verdict:
    known = VERDICTS.get(33 if fault.missing else fault.code) if fault.named else None
    if known is not None:
        return known
    if fault.status == 429 or 80000 <= fault.code < 80100:
        return _CALLS
    if fault.status == 401:
        return VERDICTS[_TOKEN_REFUSED]
    if fault.transient or fault.status >= 500 or fault.status < 300:
        return _SHAKY
    if fault.status < 400:
        return Verdict(Outcome.NEVER, "answers with a redirection, which is not followed: check graph_url", _FAULT)
    return Verdict(Outcome.NEVER, "Meta refuses it", _NOT_OURS)


def _number(parent: Json, key: str) -> int | None:
    value = word(parent, key)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def wait_hint(headers: Mapping[str, str]) -> timedelta | None:
    """How long Meta asks us to wait: Retry-After in seconds, or the longest of the usage header's minutes."""
    seconds = headers.get("Retry-After", "").strip()
    if seconds.isascii() and seconds.isdigit() and len(seconds) < 7:
        return timedelta(seconds=int(seconds))
    try:
        usage = orjson.loads(headers.get("X-Business-Use-Case-Usage", ""))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(usage, dict):
        return None
    rows = [row for key in usage for row in children(usage, key)]
    minutes = max((_number(row, "estimated_time_to_regain_access") or 0 for row in rows), default=0)
    return timedelta(minutes=minutes) if minutes else None
