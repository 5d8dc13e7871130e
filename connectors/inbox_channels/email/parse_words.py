"""Bytes and strings of a mail made into clean text: charsets that lie, control characters, encoded words."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Callable

from charset_normalizer import from_bytes

# What labels really mean in the mail of the last twenty years (WHATWG Encoding: latin-1 is read as windows-1252).
_LABELS = {
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "ansi_x3.4-1968": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "iso_8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
}
# Codecs that are no charsets of mail: they transform bytes, or let lone surrogates through.
_REFUSED = frozenset({"utf_7", "unicode_escape", "raw_unicode_escape", "idna", "punycode", "undefined", "palmos"})
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")
_GUESS_BYTES = 16 * 1024

_BODY_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ud800-\udfff]")
_LINE_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
# C0, C1, bidi marks, embeddings, overrides and isolates, zero-width characters (ZWJ stays: emoji need it), tags.
_LINE_CONTROLS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_SPACES = re.compile(r"\s+")


def clean_text(text: str) -> str:
    r"""A body without C0 and C1 controls (but `\n` and `\t`), surrogates and byte order marks; lines end in `\n`."""
    return _BODY_CONTROLS.sub("", _LINE_BREAKS.sub("\n", text))


def clean_line(text: str) -> str:
    """One line for people's eyes: newlines folded to a space; controls, bidi and invisible characters taken out."""
    text = _LINE_CONTROLS.sub("", _SPACES.sub(" ", text))
    return unicodedata.normalize("NFC", _SPACES.sub(" ", text).strip())


def codec_of(label: str | None) -> str | None:
    """The Python codec a charset label means, None when there is no such charset."""
    match = _LABEL.match((label or "").strip().strip("\"'").lower())
    if match is None:
        return None
    name = _LABELS.get(match[0], match[0])
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    if info.name.replace("-", "_") in _REFUSED or not getattr(info, "_is_text_encoding", True):
        return None
    return info.name


def decode(data: bytes, label: str | None) -> str:
    """Decode the bytes of a body or header word, believing them more than the label. Never raises, never cleans."""
    if data.isascii() and b"\x1b" not in data and b"~{" not in data and not _wide(label):
        return data.decode("ascii")
    codec = codec_of(label)
    if codec in (None, "utf-8", "cp1252") or (codec or "").startswith("iso8859"):
        return _decode_latin(data, codec)
    assert codec is not None
    attempts = [(codec, "strict"), ("utf-8", "strict"), (codec, "replace")]
    if data.isascii():  # the escape codes of ISO-2022 are ASCII, so as UTF-8 they would pass
        del attempts[1]
    for name, errors in attempts:
        try:
            return data.decode(name, errors)
        except (UnicodeError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def _wide(label: str | None) -> bool:
    return (
        (label or "").lower().lstrip("\"' ").startswith(("utf-16", "utf-32", "utf16", "utf32", "hz", "ebcdic", "cp037"))
    )


def _decode_latin(data: bytes, codec: str | None) -> str:
    """Western text: real UTF-8 wins over any label, then the label, then cp1252, then a guess."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    damaged = data.decode("utf-8", "replace")
    sound = sum(1 for char in damaged if char > "\x7f" and char != "\ufffd")
    if sound > 2 * damaged.count("\ufffd"):
        return damaged  # UTF-8 with a few broken bytes (a cut at a byte limit), whatever the label says
    if codec is not None and codec.startswith("iso8859"):
        text = data.decode(codec, "replace")
        if not any("\x80" <= char <= "\x9f" for char in text):
            return text
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        pass
    best = from_bytes(data[:_GUESS_BYTES]).best()
    if best is not None and codec_of(best.encoding) is not None:
        return data.decode(best.encoding, "replace")
    return data.decode("cp1252", "replace")


# ---------------------------------------------------------------- encoded words (RFC 2047)

# Tolerant: spaces inside a Q word, a language suffix (RFC 2231 §5), a missing end are all seen in the wild.
_WORD = re.compile(r"=\?([^?*\s]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?\r\n]{0,4000})\?=")
_GAP = re.compile(r"\s*")
_Q_CODE = re.compile(rb"=([0-9A-Fa-f]{2})")


def _word_bytes(encoding: str, payload: str) -> bytes:
    raw = payload.encode("utf-8", "surrogatepass")
    if encoding in "qQ":
        return _Q_CODE.sub(lambda match: binascii.unhexlify(match[1]), raw.replace(b"_", b" "))
    return lenient_base64(raw)


def decode_words(value: str) -> str:
    """Decode the encoded words of an unstructured header or a phrase.

    Neighbouring words of one charset are joined before decoding: many programs cut UTF-8 letters in two.
    """
    if "=?" not in value:
        return value
    out: list[str] = []
    label, pending, end = "", b"", 0

    def flush() -> None:
        nonlocal pending
        if pending:
            out.append(decode(pending, label))
            pending = b""

    for match in _WORD.finditer(value):
        between = value[end : match.start()]
        if not (pending and _GAP.fullmatch(between)):
            flush()
            out.append(between)
        elif match[1].lower() != label:
            flush()
        label = match[1].lower()
        pending += _word_bytes(match[2], match[3])
        end = match.end()
    flush()
    out.append(value[end:])
    return "".join(out)


# ---------------------------------------------------------------- transfer encodings

_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_WHITE = b" \t\r\n"


def lenient_base64(data: bytes) -> bytes:
    """Base64 with stray characters and missing padding; stops at the first padding."""
    symbols = data.translate(None, _NOT_BASE64).split(b"=", 1)[0]
    if len(symbols) % 4 == 1:
        symbols = symbols[:-1]
    return base64.b64decode(symbols + b"=" * (-len(symbols) % 4))


def _base64(data: bytes) -> bytes:
    dense = data.translate(None, _WHITE)
    strange = len(dense) - len(dense.translate(None, _NOT_BASE64))
    if strange * 20 > len(dense):
        return data  # called base64, but it is plain text
    return lenient_base64(dense)


def _uuencoded(data: bytes) -> bytes:
    out = []
    for line in data.splitlines():
        if line.startswith(b"begin ") or line.strip() in (b"", b"end", b"`"):
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3  # trailing garbage: the length byte says how much counts
            try:
                out.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                return data
    return b"".join(out)


_TRANSFER: dict[str, Callable[[bytes], bytes]] = {
    "base64": _base64,
    "quoted-printable": binascii.a2b_qp,
    "x-uuencode": _uuencoded,
    "uuencode": _uuencoded,
    "x-uue": _uuencoded,
}


def transfer_decode(data: bytes, encoding: str) -> bytes:
    """Undo a Content-Transfer-Encoding; an unknown or broken one leaves the bytes as they are."""
    decoder = _TRANSFER.get(encoding.strip().strip("\"'").lower())
    return data if decoder is None else decoder(data)
