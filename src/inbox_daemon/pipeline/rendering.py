"""Pure: a message as an agent reads it in the ministry's own system, in the office's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

MAX_SUBJECT_CHARS = 90

CHANNELS = {
    "whatsapp": "WhatsApp",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "webchat": "Chat web",
    "phone": "Teléfono",
    "email": "Correo electrónico",
    "desk": "Mesa de entradas",
}

_ES = {
    "anonymous": "Sin nombre",
    "reserved": "Identidad reservada",
    "link_reserved": "[Lo que se escribió en público tiene un enlace, que no se muestra: lleva a quien lo escribió]",
    "subject": "Mensaje por {channel}",
    "image": "[Imagen]",
    "audio": "[Mensaje de voz o audio]",
    "video": "[Video]",
    "document": "[Documento]",
    "sticker": "[Sticker]",
    "location": "[Ubicación]",
    "contacts": "[Contacto compartido]",
    "interactive": "[Respuesta a un menú]",
    "order": "[Pedido]",
    "call": "[Llamada]",
    "voicemail": "[Mensaje de voz]",
    "unsupported": "[Mensaje de un tipo que el canal no entrega: conviene pedir que lo envíe de otra forma]",
    "edit": "[Corrige un mensaje anterior. Ahora dice:]",
    "revoke": "[Eliminó un mensaje anterior; lo que se recibió sigue más arriba]",
    "reaction": "[Reaccionó a un mensaje: {text}]",
    "reaction_removed": "[Quitó su reacción a un mensaje]",
    "auto_reply": "[Respuesta automática de su correo]",
    "system": "[Enviado por un sistema]",
    "list": "[Enviado por una lista de correo]",
    "late": "[Llegó con demora]",
    "file": "Archivo adjunto: {name}",
    "file_failed": "No se pudo obtener el archivo adjunto «{name}»: {reason}.",
    "file_refused": "El archivo adjunto «{name}» no se copió aquí: {reason}.",
    "file_link": "Puede descargarlo de aquí, hasta que el enlace venza: {url}",
    "follows": "Continúa el caso {number}, que ya no admite mensajes.",
}

_EN = {
    "anonymous": "No name",
    "reserved": "Identity withheld",
    "link_reserved": "[What was written in public has a link, which is not shown: it leads to who wrote it]",
    "subject": "Message by {channel}",
    "image": "[Image]",
    "audio": "[Voice message or audio]",
    "video": "[Video]",
    "document": "[Document]",
    "sticker": "[Sticker]",
    "location": "[Location]",
    "contacts": "[Shared contact]",
    "interactive": "[Menu answer]",
    "order": "[Order]",
    "call": "[Call]",
    "voicemail": "[Voicemail]",
    "unsupported": "[A kind of message the channel does not hand over: ask for it in another form]",
    "edit": "[Corrects an earlier message. It now reads:]",
    "revoke": "[Deleted an earlier message; what was received stays above]",
    "reaction": "[Reacted to a message: {text}]",
    "reaction_removed": "[Took back a reaction]",
    "auto_reply": "[Automatic answer of their mailbox]",
    "system": "[Sent by a system]",
    "list": "[Sent by a mailing list]",
    "late": "[Arrived late]",
    "file": "Attached file: {name}",
    "file_failed": "The attached file “{name}” could not be had: {reason}.",
    "file_refused": "The attached file “{name}” was not copied here: {reason}.",
    "file_link": "You can download it here until the link expires: {url}",
    "follows": "Follows case {number}, which takes no more messages.",
}

_LABELS_ES = {
    "action": "acción",
    "address": "dirección",
    "catalog": "catálogo",
    "choice": "opción",
    "catalog_id": "catálogo",
    "contact": "contacto",
    "description": "descripción",
    "diagnostic": "diagnóstico",
    "error": "error",
    "failed_recipient": "destinatario que falló",
    "file": "archivo",
    "form_address": "dirección que puso en el formulario",
    "forwarded": "reenviado",
    "id": "identificador",
    "interactive": "menú",
    "invitation": "invitación",
    "invitation_place": "lugar",
    "invitation_start": "comienzo",
    "invitation_end": "fin",
    "latitude": "latitud",
    "longitude": "longitud",
    "mentions_case": "menciona el caso",
    "name": "nombre",
    "origin": "origen",
    "product": "producto",
    "product_retailer_id": "producto",
    "reason": "motivo",
    "referral": "anuncio",
    "reply_to": "pide respuesta a",
    "shortened": "recortado",
    "status": "estado",
    "type": "tipo",
    "url": "enlace",
    "voice": "mensaje de voz",
}
LABELS: Mapping[str, Mapping[str, str]] = {"es-AR": _LABELS_ES}
"""Labels of details, as parsers write them in English, to the office's language."""

TEXTS: Mapping[str, Mapping[str, str]] = {"es-AR": _ES, "en": _EN}


def called(kind: str, settings: object) -> str:
    """The key of `CHANNELS` for a channel: its kind, or the platform in its settings that has a name of its own."""
    platform = getattr(settings, "platform", "")
    return platform if platform in CHANNELS else kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What an entry is made of: one message, and who wrote it as far as the destination may know."""

    channel: str
    type: str
    content: str
    text: str = field(repr=False)
    details: Mapping[str, str] = field(repr=False)
    sent_at: datetime
    name: str = field(repr=False)
    handle: str = field(repr=False)
    automatic: str | None = None
    reserved: bool = False


class Wording:
    """Texts of one language with the office's time zone."""

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self._texts = TEXTS[language]
        self._labels = LABELS.get(language, {})
        self._zone = zone

    def say(self, key: str, **values: str) -> str:
        """The text `key` with its values filled in."""
        return self._texts[key].format(**values)

    def moment(self, at: datetime) -> str:
        """Local date and time as people write it here: 23/11/2026 09:30."""
        return at.astimezone(self._zone).strftime("%d/%m/%Y %H:%M")

    def heading(self, shown: Shown) -> str:
        """One line: channel, who, handle, when."""
        if shown.reserved:
            who = [self.say("reserved")]
        else:
            name = " ".join(shown.name.split())
            who = [part for part in (name, shown.handle) if part] or [self.say("anonymous")]
        channel = CHANNELS.get(shown.channel, shown.channel)
        return " · ".join([channel, *who, self.moment(shown.sent_at)])

    def body(self, shown: Shown) -> str:
        """The message in plain text: a placeholder line for what isn't text, the words, then the details."""
        lines: list[str] = []
        if shown.automatic in self._texts:
            lines.append(self._texts[shown.automatic or ""])
        if shown.type == "reaction":
            return (
                "\n".join([*lines, self.say("reaction", text=shown.text)])
                if shown.text
                else self.say("reaction_removed")
            )
        if shown.type in {"edit", "revoke"}:
            lines.append(self.say(shown.type))
        if shown.content != "text" and shown.type != "revoke":
            lines.append(self.say(shown.content))
        if shown.text:
            lines.append(shown.text)
        return "\n".join([*lines, *self._details(shown)]) or "—"

    def _details(self, shown: Shown) -> list[str]:
        """The details, line by line; the address of something public names its author, so a reserved one goes without.

        What was written in public says so under `origin`, as parsers write it.
        """
        details = dict(shown.details)
        if shown.reserved and "origin" in details:
            details = {label: value for label, value in details.items() if label.partition(" ")[0] != "url"}
        lines = [f"{self._label(label)}: {value}" for label, value in details.items()]
        return lines if len(details) == len(shown.details) else [*lines, self.say("link_reserved")]

    def _label(self, label: str) -> str:
        """A detail's label in the office's language: its first word is ours, a number or a foreign word may follow."""
        first, _, rest = label.partition(" ")
        return " ".join(part for part in (self._labels.get(first, first), rest) if part)

    def subject(self, *, channel: str, subject: str, text: str) -> str:
        """A ticket's subject: the mail's own, else the first words, else the channel's name."""
        line = " ".join(subject.split()) or next(
            (" ".join(part.split()) for part in text.splitlines() if part.strip()), ""
        )
        if not line:
            return self.say("subject", channel=CHANNELS.get(channel, channel))
        if len(line) <= MAX_SUBJECT_CHARS:
            return line
        cut = line[: MAX_SUBJECT_CHARS - 1]
        return (cut.rsplit(" ", 1)[0] if " " in cut[40:] else cut).rstrip(" ,;:.") + "…"
