"""What the channel itself writes into mails and reports, in Spanish and English."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["es-AR", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """`case` is the word in the subject's tag; `wrote` introduces the quoted mail; `failures` explain status codes.

    `failures` are by subject and detail of the enhanced status code (RFC 3463, the `1.1` of `5.1.1`), or by its
    subject alone. They stand inside a sentence ("Motivo: …"), so they begin small and end without a period.
    """

    case: str
    no_subject: str
    wrote: str
    wrote_sometime: str
    shortened: str
    failures: Mapping[str, str]
    refused: str
    unexplained: str
    unsent: Mapping[str, str]
    """Why a mail was not even sent, by a short name."""

    def failure(self, code: str) -> str:
        """Why a mail did not arrive, by its status code (`5.1.1`, or the bare `550` of old servers)."""
        if not code:
            return self.unexplained
        _, _, detail = code.partition(".")
        return self.failures.get(detail) or self.failures.get(detail.partition(".")[0]) or self.refused


_SPANISH = Wording(
    case="Caso",
    no_subject="Su mensaje",
    wrote="El {:%d/%m/%Y %H:%M} escribió:",
    wrote_sometime="Usted escribió:",
    shortened="[…]",
    failures={
        "1": "la dirección de correo no sirve",
        "1.1": "la dirección de correo no existe",
        "1.2": "el dominio de la dirección de correo no existe",
        "1.3": "la dirección de correo está mal escrita",
        "1.6": "la dirección de correo se dio de baja",
        "1.10": "la dirección de correo no recibe mensajes",
        "2": "la casilla de correo no recibe mensajes",
        "2.1": "la casilla de correo está deshabilitada",
        "2.2": "la casilla de correo está llena",
        "2.3": "el correo es demasiado grande para esa casilla",
        "3": "el servidor de correo del destinatario tiene un problema",
        "3.4": "el correo es demasiado grande para el servidor del destinatario",
        "4": "no se pudo llegar al servidor de correo del destinatario",
        "4.4": "el dominio de la dirección de correo no existe o no recibe mensajes",
        "4.6": "el correo del destinatario se reenvía en círculo",
        "4.7": "el servidor de correo del destinatario no respondió a tiempo",
        "6": "el servidor de correo del destinatario no acepta el formato del mensaje",
        "7": "el servidor de correo del destinatario rechazó el mensaje por sus reglas (por ejemplo, contra el spam)",
    },
    refused="el servidor de correo del destinatario rechazó el mensaje",
    unexplained="el correo fue devuelto sin un motivo claro",
    unsent={
        "no_address": "no hay una dirección de correo a la que responder",
        "odd_address": "la dirección de correo tiene letras o signos que los servidores no aceptan",
        "not_answered": "desde esta casilla no se responde a esa dirección de correo",
        "empty": "la respuesta no tiene texto ni archivos",
        "too_large": "los archivos adjuntos son demasiado grandes para un solo correo",
        "file_gone": "el archivo adjunto ya no está guardado",
        "file_damaged": "el archivo adjunto está dañado",
        "refused": "el servidor de correo rechazó el mensaje o la dirección",
    },
)
_ENGLISH = Wording(
    case="Case",
    no_subject="Your message",
    wrote="On {:%d/%m/%Y %H:%M} you wrote:",
    wrote_sometime="You wrote:",
    shortened="[…]",
    failures={
        "1": "the mail address can't be used",
        "1.1": "the mail address does not exist",
        "1.2": "the domain of the mail address does not exist",
        "1.3": "the mail address is misspelt",
        "1.6": "the mail address was given up",
        "1.10": "the mail address takes no messages",
        "2": "the mailbox takes no messages",
        "2.1": "the mailbox is disabled",
        "2.2": "the mailbox is full",
        "2.3": "the mail is too large for that mailbox",
        "3": "the recipient's mail server has a problem",
        "3.4": "the mail is too large for the recipient's server",
        "4": "the recipient's mail server could not be reached",
        "4.4": "the domain of the mail address does not exist or takes no messages",
        "4.6": "the recipient's mail is forwarded in a circle",
        "4.7": "the recipient's mail server did not answer in time",
        "6": "the recipient's mail server does not take this form of mail",
        "7": "the recipient's mail server refused the message by its rules (against spam, for example)",
    },
    refused="the recipient's mail server refused the message",
    unexplained="the mail came back without a clear reason",
    unsent={
        "no_address": "there is no mail address to answer to",
        "odd_address": "the mail address has letters or signs that servers do not take",
        "not_answered": "this mailbox does not answer that mail address",
        "empty": "the answer has neither text nor files",
        "too_large": "the attached files are too large for one mail",
        "file_gone": "the attached file is no longer stored",
        "file_damaged": "the attached file is damaged",
        "refused": "the mail server refused the message or the address",
    },
)
WORDINGS: Mapping[Language, Wording] = {"es-AR": _SPANISH, "en": _ENGLISH}

CASE_TAG = re.compile(r"\[\s*(?:Caso|Case)\s+[A-Z0-9]{2,12}-[A-Z0-9]{1,3}\s*\]\s*", re.IGNORECASE)
"""The tag of any case in a subject, in whatever language it was written."""
