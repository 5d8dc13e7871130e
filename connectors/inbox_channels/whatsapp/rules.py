"""What WhatsApp takes, as data.

Sources: developers.facebook.com/documentation/business-messaging/whatsapp, pages messages/document-messages,
interactive-reply-buttons-messages and interactive-list-messages (May 2026), business-phone-numbers/media (April 2026),
about-the-platform (December 2025: one message in 6 seconds to one person), webhooks/reference/messages/status (May
2026: `biz_opaque_callback_data` comes back in every status).
"""

from __future__ import annotations

from collections.abc import Mapping

from inbox_daemon.plugins import FileRule, SendingRules

TEXT_CHARS = 4096
CAPTION_CHARS = 1024
TAG_CHARS = 512

MENU_CHARS = 1024
"""Text above buttons; above a list more would go, but a menu is short."""
BUTTONS = 3
BUTTON_CHARS = 20
ROWS = 10
ROW_CHARS = 24
DESCRIPTION_CHARS = 72
CHOICE_ID_CHARS = 200
"""Of a row's id; a button's may be longer."""

MEGABYTE = 1024 * 1024
_OFFICE = "application/vnd.openxmlformats-officedocument"

FILES: Mapping[str, FileRule] = {
    "image": FileRule(media_types=frozenset({"image/jpeg", "image/png"}), max_bytes=5 * MEGABYTE),
    "video": FileRule(media_types=frozenset({"video/mp4", "video/3gpp"}), max_bytes=16 * MEGABYTE),
    "audio": FileRule(
        media_types=frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
        max_bytes=16 * MEGABYTE,
    ),
    "document": FileRule(
        media_types=frozenset(
            {
                "text/plain",
                "application/pdf",
                "application/msword",
                "application/vnd.ms-excel",
                "application/vnd.ms-powerpoint",
                f"{_OFFICE}.wordprocessingml.document",
                f"{_OFFICE}.spreadsheetml.sheet",
                f"{_OFFICE}.presentationml.presentation",
            }
        ),
        max_bytes=100 * MEGABYTE,
    ),
}
"""Kinds of media by what goes as them. Everything else goes as a link: Meta refuses to take a file of another type in
(code 100, "must be a file with one of the following types")."""


def sending_rules(pair_seconds: float) -> SendingRules:
    """The rules of a number that waits so long between two messages to one person."""
    return SendingRules(
        max_chars=TEXT_CHARS,
        max_caption_chars=CAPTION_CHARS,
        files=tuple(FILES.values()),
        markup="whatsapp",
        pair_seconds=pair_seconds,
        max_buttons=BUTTONS,
        max_rows=ROWS,
        costs=True,  # every message since 2026-10-01, also within the 24 hours (ycloud.com/blog, 2026-07-02)
    )
