"""The mail that tells an office of a case: number, office and link, and nothing about the citizen. Pure."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from inbox_daemon.model import MessageKey
from inbox_daemon.plugins import Case
from inbox_ticketing.ticketbook.settings import TicketbookSettings

_OPENED = """\
Hay un caso nuevo para {office}.

Número de caso: {number}

Para leerlo, responderlo o cerrarlo:
{link}
"""

_CONTINUED = """\
Hay un mensaje nuevo en el caso {number} de {office}.

Para leerlo, responderlo o cerrarlo:
{link}
"""

_CAUTION = """
El enlace es para uso de la oficina y vence; cada aviso trae uno nuevo.
No lo reenvíe fuera de la oficina: quien lo tiene puede leer el caso.
Este aviso es automático. No responda a este correo: nadie lo lee.
"""


def compose(
    settings: TicketbookSettings,
    case: Case,
    key: MessageKey,
    *,
    from_address: str,
    link: str,
    at: datetime,
    opened: bool,
) -> EmailMessage:
    """The notice of the entry `key`. The same entry gives the same Message-ID, so that a repeat can be known."""
    domain = from_address.rpartition("@")[2]
    opening = _message_id(f"{case.office}\x1f{case.number}", domain)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = from_address
    mail["To"] = ", ".join(settings.mail_to)
    mail["Subject"] = settings.mail_subject.format(number=case.number, office=settings.office_name)
    mail["Date"] = format_datetime(at)
    if opened:
        mail["Message-ID"] = opening
    else:
        mail["Message-ID"] = _message_id(f"{case.office}\x1f{case.number}\x1f{key}", domain)
        mail["In-Reply-To"] = opening
        mail["References"] = opening
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    text = _OPENED if opened else _CONTINUED
    mail.set_content(text.format(office=settings.office_name, number=case.number, link=link) + _CAUTION)
    return mail


def _message_id(name: str, domain: str) -> str:
    return f"<{hashlib.sha256(name.encode()).hexdigest()[:32]}@{domain}>"
