"""The lines by which mail programs announce history: introductions, header blocks, separators, "sent from" lines.

Each function looks at cleaned-up lines (`plain`) and answers only with evidence, because citizens write sentences
that look alike ("El lunes 3 mi vecino escribió: …", "De: Resistencia a: Sáenz Peña").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_INTRODUCTION_LINES = 5
_MAX_INTRODUCTION_CHARS = 450
_MAX_HEADER_LINES = 16

_ODD_SPACES = re.compile("[\xa0\u2000-\u200a\u202f\u205f\u3000\t]")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def plain(line: str) -> str:
    """A line in the form the patterns expect: composed letters, ordinary spaces, nothing invisible, trimmed."""
    if line.isascii():
        return line.replace("\t", " ").strip()
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", _ODD_SPACES.sub(" ", line))).strip()


# ---------------------------------------------------------------- evidence

_MONTHS = (
    "ene|enero|feb|febrero|mar|marzo|abr|abril|may|mayo|jun|junio|jul|julio|ago|agosto|sept?|set|septiembre|setiembre|"
    "oct|octubre|nov|noviembre|dic|diciembre|jan|january|february|march|apr|april|june|july|aug|august|september|"
    "october|november|dec|december|janeiro|fev|fevereiro|março|maio|junho|julho|setembro|out|outubro|novembro|dez|"
    "dezembro"
)
_TIME = re.compile(
    r"\b\d{1,2}[:.]\d{2}(?::\d{2})?\b|\b\d{1,2}h\d{2}\b|\b\d{1,2} ?(?:hs|a\. ?m\.|p\. ?m\.|[AaPp][Mm])\b"
)
_DATE = re.compile(
    r"\b\d{1,4}[/.-]\d{1,2}[/.-]\d{2,4}\b|"
    rf"\b\d{{1,2}}(?:st|nd|rd|th|º|°)?\.?(?: de)?[ -](?:{_MONTHS})\b|\b(?:{_MONTHS})\.? \d{{1,2}}\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:]@[^\s<>()\[\],;:]")

# ---------------------------------------------------------------- introductions

_VERB_END = re.compile(
    r"(?:^|[\s>)\]*\"”»,:])(?:escribi(?:ó|o|Ã³|\ufffd|\?)|ha escrito|wrote|writes|escreveu|a écrit|ha scritto|schrieb)"
    r"(?: lo siguiente)?[\s*_]*[:：]?[\s*_-]*$",
    re.IGNORECASE,
)
_HINT = re.compile(r"escri|escre|wrote|writes|écrit|schrieb|cita|quoting|zitat|>:$|>>>$", re.IGNORECASE)
_STARTS = re.compile(
    r"[*_\"“\-\s]*(?:El|En|A las?|A la\(s\)|Con fecha|Hoy|Ayer|On|At|Em|No dia|Le|Am|Il|"
    r"lun|mar|mi[ée]|jue|vie|s[áa]b|dom|Mon|Tue|Wed|Thu|Fri|Sat|Sun|\d{1,4})\b",
    re.IGNORECASE,
)
_NAMED_ADDRESS = re.compile(r"^[^.!?¿¡:]{0,90}<[^<>\s]+@[^<>\s]+>[^.!?]{0,20}$")
# How somebody tells what another one wrote: "… y me escribió:", "mi vecino escribió:".
_TOLD = re.compile(
    r"\b(?:me|nos|le|les|te|lo|que|quien|mi|su|nuestr[oa]|un|una|ella|él|ellos|y|he|she|they|my|who|that|and|"
    r"ele|ela|meu|minha)(?: \S+){0,4}$",
    re.IGNORECASE,
)
_WHO = re.compile(r"[,>)]|\d{1,2}[:.]\d{2}(?::\d{2})?(?: ?hs)?")
_AFTER_TIME = re.compile(r"^(?:[ap]\. ?m\.|[ap]m|hs|ART|UTC|GMT\S*|[-+]\d{1,4})[.,]?\s*", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:el|la|los|las|un|una|mi|su|the|my|a|an|o|os|as|meu|minha)\b", re.IGNORECASE)
_OLD_GMAIL = re.compile(r"^\d{4}-\d\d-\d\d \d{1,2}:\d\d .{1,200}<[^<>\s]+@[^<>\s]+ ?>:$")
# FairEmail ("3 ago. 2026 10:15:22 X <x@y>:"), myMail ("lunes, 3 agosto 2026, 10:15 -0300 de X <x@y>:").
_STAMPED = re.compile(
    rf"^(?:\w{{3,9}}\.?,? )?(?:\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}|\d{{1,2}}(?: de)? (?:{_MONTHS})|"
    rf"(?:{_MONTHS})\.? \d{{1,2}})"
    r"\b.{0,30}\d{1,2}:\d\d.{1,120}<[^<>\s]+@[^<>\s]+ ?>:$",
    re.IGNORECASE,
)
# Notes and old Thunderbird: "X escribió el 03/08/2026 10:15:22:".
_VERB_FIRST = re.compile(
    r"^(?P<who>[^:!?]{2,160}?) (?:escribió|escribio|wrote|escreveu)(?: el| on| em)? (?P<when>.{6,60}):$", re.IGNORECASE
)
# GroupWise: ">>> X <x@y> 03/08/2026 10:15 >>>", and what it quotes is not marked.
_GROUPWISE = re.compile(r"^>>> ?[^>\s][^>]{1,160}(?:<[^<>\s]+@[^<>\s]+> ?)?[^<>]{6,40} >>>$")
_QUOTING = re.compile(r"^(?:Citando a|Mensaje citado por|Quoting|Zitat von|Citando) .{2,120}[:：]$", re.IGNORECASE)
_DASHED = re.compile(
    r"^-{3,} ?(?:(?:On|El|En|Em) .{10,300}(?:wrote|escribió|escreveu)|"
    r"[^-]{2,100} (?:wrote|escribió|escreveu):) ?-{3,}$",
    re.IGNORECASE,
)
_ADDRESS_END = re.compile(r"^>\)?,?\s?(?:escribió|escribio|wrote|escreveu)?:$", re.IGNORECASE)
# Yahoo's app for Android puts the quoted words behind the introduction, on the same line.
_RUN_ON = re.compile(
    r"^(?:El|On|Em) .{6,120}\d{1,2}[:.]\d{2}.{1,200}@[^\s<>]+> (?:escribió|wrote|escreveu): {2,}\S", re.IGNORECASE
)


def introduction(lines: Sequence[str], start: int, *, quoted_after: bool = False) -> int | None:
    """The index behind an introduction that begins at `start`, on one to five lines; None when there is none.

    `quoted_after` lowers the evidence: what follows is marked with `>` anyway.
    """
    first = lines[start]
    if not first or len(first) > _MAX_INTRODUCTION_CHARS:
        return None
    if not any(_HINT.search(line[-_MAX_INTRODUCTION_CHARS:]) for line in lines[start : start + MAX_INTRODUCTION_LINES]):
        return None
    if any(pattern.match(first) for pattern in (_OLD_GMAIL, _QUOTING, _DASHED, _RUN_ON)) or is_groupwise(first):
        return start + 1
    joined = ""
    for end in range(start, min(start + MAX_INTRODUCTION_LINES, len(lines))):
        line = lines[end]
        if not line:
            return None
        joined = f"{joined} {line}".strip()
        if len(joined) > _MAX_INTRODUCTION_CHARS:
            return None
        match = _VERB_END.search(joined)
        if match is not None:
            believed = _believable(joined, match.start(), end - start + 1, quoted_after=quoted_after)
            return end + 1 if believed else None
        if _OLD_GMAIL.match(joined) or _DASHED.match(joined) or (quoted_after and _STAMPED.match(joined)):
            return end + 1
        if _verb_first(joined, quoted_after=quoted_after):
            return end + 1
    return None


def _verb_first(joined: str, *, quoted_after: bool) -> bool:
    match = _VERB_FIRST.match(joined)
    if match is None or _DATE.search(match["when"]) is None or _TIME.search(match["when"]) is None:
        return False
    return _ADDRESS.search(match["who"]) is not None or (quoted_after and _TOLD.search(match["who"]) is None)


def is_groupwise(line: str) -> bool:
    """Whether GroupWise introduces unmarked history by a line, though it begins with `>`."""
    return _GROUPWISE.match(line) is not None and _DATE.search(line) is not None and _TIME.search(line) is not None


def is_address_end(line: str) -> bool:
    """Whether a line that begins with `>` is the end of an introduction wrapped inside an address."""
    return _ADDRESS_END.match(line) is not None


def _believable(joined: str, verb: int, count: int, *, quoted_after: bool) -> bool:
    before = joined[: verb + 1].strip()
    ends_with_colon = joined.rstrip(" *_-").endswith((":", "：")) or joined.endswith("-")
    if not ends_with_colon and not quoted_after:
        return False
    if _TOLD.search(_WHO.split(before)[-1]) is not None:
        return False
    address = _ADDRESS.search(before) is not None
    dated = _DATE.search(before) is not None
    timed = _TIME.search(before) is not None
    if address and _NAMED_ADDRESS.match(before) and count <= 2:
        return True
    if _STARTS.match(joined) is None:
        return quoted_after and count == 1 and len(joined) < 100
    if address and (dated or timed or _YEAR.search(before)):
        return True
    if dated and (timed or _YEAR.search(before)) and _is_name(before):
        return True
    return quoted_after and (dated or timed or address)


def _is_name(before: str) -> bool:
    """Whether a name stands between the date and the verb, and no subject of a sentence ("el intendente")."""
    name = _AFTER_TIME.sub("", _WHO.split(_YEAR.split(before)[-1])[-1].strip(" \"'“”*"))
    return name[:1].isupper() and _ARTICLE.match(name) is None


# ---------------------------------------------------------------- header blocks and separators

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
_BRACKETED = re.compile(r"[<\[][^<>\[\]\s]+@[^<>\[\]\s]+[>\]]")
_RULE = re.compile(r"^[_\-=*—–]{5,}$")
_ORIGINAL = re.compile(
    r"^[-_‐-―*\s>]{2,}(?:Mensaje original|Original Message|Mensagem original|Mensaje anterior|Original-Nachricht|"
    r"Message d'origine|Mensaje respondido)[-_‐-―*:\s]{0,}$",
    re.IGNORECASE,
)
_GLUED = re.compile(
    r"\n?(-{4,} ?(?:Mensaje original|Original message|Mensagem original) ?-{4,})[ \t]*(?=(?:De|From): ?\S)",
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
    has a time of day or its sender a bracketed address, which a citizen's formal letter ("De: … Para: …") has not.
    """
    first = _FIELD.match(lines[start])
    if first is None or first["name"].lower() not in _FIELD_KIND:
        return None
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
    if "from" not in values or len(values.keys() - {"other"}) < 3:
        return None
    if _begins_later(lines, start, end):
        return None
    date = values.get("date", "")
    stamped = _TIME.search(date) is not None or (_DATE.search(date) is not None and _BRACKETED.search(values["from"]))
    return end if announced or stamped else None


def _begins_later(lines: Sequence[str], start: int, end: int) -> bool:
    """Whether a whole block begins a paragraph below `start`, so that the line at `start` is the citizen's own."""
    return any(
        not lines[index] and lines[index + 1] and header_block(lines, index + 1, announced=True) is not None
        for index in range(start + 1, end - 1)
    )


# ---------------------------------------------------------------- signatures

_DEVICE = (
    r"iPhone|iPad|iPod|Mac|Apple Watch|Android|Samsung|Galaxy|Motorola|Moto|Huawei|Xiaomi|Redmi|POCO|LG|Sony|Xperia|"
    r"Nokia|Lumia|BlackBerry|Windows Phone|celular|m[óo]vil|mobile|tel[ée]fono|smartphone|tablet|dispositivo|device|"
    r"phone|TCL|Alcatel|Nexus|Pixel|ZTE|OPPO|Honor|Realme|Tecno|Infinix|Claro|Personal|Movistar|Tuenti"
)
_PROGRAM = (
    r"Outlook|Yahoo|Correo|Mail|Gmail|Proton|Hotmail|AOL|myMail|K-9|Thunderbird|BlueMail|Spark|Windows|Zoho|Spike|"
    r"Email|E-mail|Aqua|Typeapp|FairEmail|Workspace"
)
_SENT_FROM = re.compile(
    rf"^[*_\s(\[]*(?:(?:Enviado|Mandado|Escrito) (?:desde|con|por|mediante|a trav[ée]s de) (?:mi |el |la |un |una )?"
    rf"(?:\S+ ){{0,3}}?(?:{_DEVICE}|{_PROGRAM})\b[^.!?]{{0,60}}|"
    rf"Sent (?:from|via|with|by|using) (?:my |a |the )?(?:\S+ ){{0,3}}?(?:{_DEVICE}|{_PROGRAM})\b[^!?]{{0,60}}|"
    rf"Enviad[oa] (?:do|pelo|via|a partir do) (?:meu )?(?:\S+ ){{0,2}}?(?:{_DEVICE}|{_PROGRAM})\b[^.!?]{{0,60}}|"
    r"(?:Obtener|Obtenga|Descargar|Get|Obter o|Baixar o) (?:el )?(?:Outlook|BlueMail|Spark|\S+ ?Mail) (?:para|for) "
    r"(?:iOS|Android|Mac|Windows)\b.{0,60})"
    r"[.\s*_)\]]*$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(  # what no program writes behind "Enviado desde"
    r".\b(?:no|que|los|las|y|pero|por|porque|cuando|casa|oficina|lunes|martes|mi[ée]rcoles|jueves|viernes|hoy|ayer|and|was|"
    r"but|it|on (?:mon|tues|wednes|thurs|fri|satur|sun)day|shop|office)\b",
    re.IGNORECASE,
)
_LINK = re.compile(r"\s*(?:<[^<>]{0,300}>|\(https?://[^()\s]{0,300}\)|\[https?://[^\]\s]{0,300}\]|https?://\S{1,300})")
_CONTACT = re.compile(r"\S@\S|\bwww\.|https?://|\b(?:tel|cel|m\.? ?p|int|fax|phone)\b|\d{3}[- ]?\d{3}", re.IGNORECASE)
_SOME_DEVICE = re.compile(r"^Enviado desde mi (?=.*[A-Z0-9])[\w+-]{1,15}(?: [\w()+-]{1,10}){0,3}\.?$")
_ANSWERED_INSIDE = re.compile(
    r"\b(?:respond|respuest|respond[ií]|contest|comentari|aclar|answer|repl[iy]|respost|coment)\w*\b.{0,60}\b(?:abajo|debajo|"
    r"entre l[ií]neas|a continuaci[oó]n|m[áa]s abajo|en (?:rojo|azul|verde|may[úu]sculas|negritas?|otro color|color)|"
    r"(?:en|sobre|dentro de) (?:tu|su|el|vuestro) (?:mismo )?(?:correo|mail|e-mail|mensaje|texto)|below|inline|in line|"
    r"in (?:red|blue|green|bold|caps|capitals)|em vermelho)\b",
    re.IGNORECASE,
)
_STRICT_POSTSCRIPT = re.compile(r"^(?:P\.? ?[DS]\b\.?|Pos(?:t ?)?data)\s*[:.\-]", re.IGNORECASE)
_POSTSCRIPT = re.compile(r"^(?:P\.? ?[DS]\.?|Posdata|Post ?data|Nota|Adjunto|PD)\b", re.IGNORECASE)


def is_sent_from(line: str) -> bool:
    """Whether a whole line is what a telephone or mail program adds ("Enviado desde mi iPhone")."""
    if len(line) > 400:
        return False
    bare = _LINK.sub("", line).strip()
    program = _SENT_FROM.match(bare) or _SOME_DEVICE.match(bare)
    return len(bare) <= 110 and program is not None and _SENTENCE.search(bare) is None


def is_signature_mark(line: str, following: Sequence[str]) -> bool:
    """Whether a line, as sent, begins a signature: `-- `; or without the blank, when an address or number follows."""
    if line == "-- ":
        return True
    return line.rstrip() == "--" and len(following) <= 8 and _CONTACT.search("\n".join(following)) is not None


def is_postscript(line: str, *, strictly: bool = False) -> bool:
    """Whether a line begins a postscript ("PD: …"), which is the writer's own wherever it stands."""
    return (_STRICT_POSTSCRIPT if strictly else _POSTSCRIPT).match(line) is not None


def answers_inside(written: str) -> bool:
    """Whether a short text says that the answers stand inside the history ("le contesto abajo en rojo")."""
    return len(written) < 400 and _ANSWERED_INSIDE.search(written) is not None
