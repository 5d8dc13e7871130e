"""Blocks of headers ("De: … Enviado: … Para: … Asunto: …") and the separators above them, as mail programs write them.

Citizens write forms that look alike ("De: Resistencia a: Sáenz Peña"), so a block needs evidence as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inbox_channels.email.parse_reply_evidence import BRACKETED, DATE, TIME, YEAR

_MAX_HEADER_LINES = 16

_FIELD = re.compile(
    r"^[*_\s]{0,4}(?P<name>De|From|Remitente|Von|"
    r"Enviado(?: el)?|Enviados|Enviada(?: em| el)?|Fecha(?: y hora)?|Sent|Date|Data|"
    r"Para|To|A|Cc|CC|Cco|Bcc|Con copia(?: a)?|Asunto|Subject|Assunto|Tema|Importancia|Importance|Prioridad|Prioridade|"
    r"Datos adjuntos|Adjuntos|Attachments|Anexos|Responder a|Reply-To|Responder para|Organización|Organization)"
    r"[*_]{0,2}\s?:[*_\s]{0,4}(?P<value>.*)$",
    re.IGNORECASE,
)
_FIELD_KIND = {
    **dict.fromkeys(("de", "from", "remitente", "von"), "from"),
    **dict.fromkeys(("enviado", "enviado el", "enviados", "enviada", "enviada em", "enviada el"), "date"),
    **dict.fromkeys(("fecha", "fecha y hora", "sent", "date", "data"), "date"),
    **dict.fromkeys(("para", "to", "a"), "to"),
    **dict.fromkeys(("asunto", "subject", "assunto", "tema"), "subject"),
}
_SENT_FIELD = re.compile(
    r"^[*_\s]{0,4}(?:(?:Enviad[oa]s?|Sent)\b|(?:De|From)[*_]{0,2}\s?:[*_\s]{0,4}\S{1,80}@\S{1,80}$)", re.IGNORECASE
)
_RULE = re.compile(r"^[_\-=*‐-―]{5,}$")
_ORIGINAL = re.compile(
    r"^[-_‐-―*\s>]{2,}(?:Mensaje original|Original Message|Mensagem original|Mensaje anterior|Original-Nachricht|"
    r"Message d'origine|Mensaje respondido)[-_‐-―*:\s]{0,}$",
    re.IGNORECASE,
)
_GLUED = re.compile(
    r"\n?(?<!-)(-{4,40} ?(?:Mensaje original|Original message|Mensagem original) ?-{4,40})[ \t]{0,9}"
    r"(?=(?:De|From): ?\S)",
    re.IGNORECASE,
)
_ORIGINAL_PHRASE = re.compile(r"^(?:Mensaje original|Original Message)\s?:?$", re.IGNORECASE)
_FORWARD = re.compile(
    r"^(?:[-_‐-―*\s>]{2,}(?:Forwarded message|Mensaje reenviado|Mensagem encaminhada|Forwarded by .{1,80}|"
    r"Mensaje enviado|Reenviado por .{1,80})[-_‐-―*:\s]*|"
    r"(?:(?:Inicio|Comienzo) del mensaje reenviado|Begin forwarded message|Início da mensagem encaminhada|"
    r"Mensaje reenviado|Forwarded message)\s?:?)$",
    re.IGNORECASE,
)


def unglued(text: str) -> str:
    """A text in which "---- Mensaje original ----" has a line of its own; Samsung's program runs the lines together."""
    return _GLUED.sub(r"\n\1\n", text) if "----" in text else text


def is_rule(line: str) -> bool:
    """Whether a line is drawn ("________")."""
    return _RULE.match(line) is not None


def is_original_marker(line: str) -> bool:
    """Whether a line says that the original message follows."""
    return _ORIGINAL.match(line) is not None


def is_original_phrase(line: str) -> bool:
    """Whether a line is "Original Message" without dashes, which means something only above a block of headers."""
    return _ORIGINAL_PHRASE.match(line) is not None


def is_forward_marker(line: str) -> bool:
    """Whether a line says that a forwarded message follows."""
    return len(line) < 160 and _FORWARD.match(line) is not None


def header_block(lines: Sequence[str], start: int, *, announced: bool = False) -> int | None:
    """The index behind a block "De: … Enviado: … Para: … Asunto: …" that begins at `start`; None when there is none.

    It names a sender and at least two of date, recipient and subject; unless `announced` by a separator, its date
    is whole and has a time of day or its sender a bracketed address; a citizen's formal letter ("De: … Para: …")
    has neither.
    """
    end, values = _fields(lines, start)
    if not _is_whole(values) or _begins_later(lines, start, end):
        return None
    date = values.get("date", "")
    dated = DATE.search(date) is not None or YEAR.search(date) is not None
    stamped = dated and (TIME.search(date) is not None or BRACKETED.search(values["from"]) is not None)
    return end if announced or stamped else None


def _fields(lines: Sequence[str], start: int) -> tuple[int, dict[str, str]]:
    """Where a block that begins at `start` ends, and its values by kind; none when no block begins there."""
    first = _FIELD.match(lines[start])
    if first is None or first["name"].lower() not in _FIELD_KIND:
        return start, {}
    values: dict[str, str] = {}
    end, kind, loose = start, "other", 0
    for index in range(start, min(start + _MAX_HEADER_LINES, len(lines))):
        line = lines[index]
        match = _FIELD.match(line)
        if match is not None:
            kind = _FIELD_KIND.get(match["name"].lower(), "other")
            values[kind] = f"{values.get(kind, '')} {match['value']}"
            end, loose = index + 1, 0
            continue
        loose += 1
        beyond = bool(line) and index > start and not lines[index - 1]  # a paragraph of its own
        if beyond or loose > 3 or {"from", "date", "to", "subject"} <= values.keys():
            break
        values[kind] += f" {line}"
    return end, values


def _is_whole(values: dict[str, str]) -> bool:
    return "from" in values and len(values.keys() - {"other"}) >= 3


def is_programs_block(block: Sequence[str]) -> bool:
    """Whether a block of headers has what people don't write above a report of their own ("Fecha: 3/8 a las 10:15")."""
    return any(BRACKETED.search(line) or _SENT_FIELD.match(line) for line in block)


def _begins_later(lines: Sequence[str], start: int, end: int) -> bool:
    """Whether a whole block begins a paragraph below `start`, so that the line at `start` is the citizen's own."""
    return any(
        not lines[index] and lines[index + 1] and _is_whole(_fields(lines, index + 1)[1])
        for index in range(start + 1, end - 1)
    )
