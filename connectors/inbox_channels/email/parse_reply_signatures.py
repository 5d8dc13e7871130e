"""The lines of a mail that end or follow the words: signatures, "Enviado desde …", postscripts, "contesto abajo"."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
