"""What Meta's codes and subcodes mean on a page and on Instagram, beyond what all of its products share.

Source: developers.facebook.com/documentation/business-messaging/messenger-platform/error-codes (March and June 2026);
10900 and 10902 (a comment that was answered already, or can't be) as the edge for private replies gives them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from inbox_channels._graph.verdicts import Dialect, Outcome, Verdict

_OURS = "hay un problema con la cuenta de WhatsApp de esta oficina; ya se avisa a quien administra el sistema"

_TOKEN = Verdict(
    Outcome.LOCKED, "the page's access token is invalid or has expired: make a new one and renew page_token", _OURS
)
_RIGHT = Verdict(Outcome.LOCKED, "the page's access token lacks a permission: compare it with the README's list", _OURS)
_WINDOW = Verdict(
    Outcome.WINDOW,
    "the time for answers is over: nothing goes until the person writes",
    "pasó el plazo que da WhatsApp para responder; se enviará cuando la persona vuelva a escribir",
)
_AWAY = Verdict(
    Outcome.NEVER,
    "the person can't be written to (blocked the page, or is not available)",
    "la persona no recibe mensajes de esta página por WhatsApp; conviene usar otro medio",
)
_UNKNOWN_PERSON = Verdict(
    Outcome.NEVER,
    "Meta does not know this person's id on this page",
    "WhatsApp no reconoce a la persona en esta página; conviene usar otro medio",
)
_THREAD = Verdict(
    Outcome.NEVER,
    "another app has the conversation: give it to this one in the page's conversation routing",
    "otra aplicación tiene tomada esta conversación de WhatsApp; hay que liberarla allí",
)
_FILE = Verdict(
    Outcome.NEVER,
    "Meta does not take this file (kind, size, or it could not be read)",
    "WhatsApp no acepta el archivo adjunto, por su tipo o su tamaño",
)
_SLOWER = Verdict(
    Outcome.LATER,
    "Meta warns of too many messages outside of the 24 hours",
    "WhatsApp limita por ahora los mensajes de esta oficina",
    timedelta(hours=1),
)

BY_SUBCODE: Mapping[int, Verdict] = {
    33: Verdict(
        Outcome.NEVER,
        "what is answered does not exist at Meta (any more), or page_token may not see it",
        "el comentario o la publicación que se respondía ya no está en WhatsApp; conviene usar otro medio",
    ),
    **dict.fromkeys((2018278, 2018065, 2534022), _WINDOW),
    **dict.fromkeys((1545041, 2018108), _AWAY),
    **dict.fromkeys((2018001, 2534014), _UNKNOWN_PERSON),
    **dict.fromkeys((2018300, 2534037), _THREAD),
    **dict.fromkeys((2018008, 2018047, 2018109, 2018294), _FILE),
    2018338: _SLOWER,
    1893063: Verdict(
        Outcome.LOCKED, "Meta has restricted the page: see the page's quality and Business Support Home", _OURS
    ),
    2018028: Verdict(
        Outcome.LOCKED,
        "the app may write only to people with a role on it: ask for Advanced Access and switch it to Live",
        _OURS,
    ),
    2534041: Verdict(
        Outcome.LOCKED, "Instagram's setting 'Allow access to messages' is off: switch it on in the account", _OURS
    ),
}

BY_CODE: Mapping[int, Verdict] = {
    **dict.fromkeys((0, 190), _TOKEN),
    **dict.fromkeys((3, 10, *range(200, 300)), _RIGHT),
    551: _AWAY,
    2018300: _THREAD,
    9000001: Verdict(
        Outcome.NEVER, "the person's account does not exist any more", "la persona ya no tiene su cuenta de WhatsApp"
    ),
    10900: Verdict(
        Outcome.WINDOW,
        "this comment was answered in private already: nothing more goes until the person writes",
        "a este comentario ya se le respondió una vez por privado, y WhatsApp no admite más; se enviará cuando la "
        "persona escriba",
    ),
    10902: Verdict(
        Outcome.NEVER,
        "this comment can't be answered in private",
        "WhatsApp no permite responder por privado a este comentario; conviene usar otro medio",
    ),
}

DIALECTS: Mapping[str, Dialect] = {
    "page": Dialect(product="Facebook", by_subcode=BY_SUBCODE, by_code=BY_CODE),
    "instagram": Dialect(product="Instagram", by_subcode=BY_SUBCODE, by_code=BY_CODE),
}
"""By platform."""
