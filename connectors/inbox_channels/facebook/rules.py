"""What Messenger and Instagram take, as data.

Sources: developers.facebook.com/documentation/business-messaging, pages messenger-platform/send-messages (text under
2000 characters, files up to 25 MB, 13 quick replies with titles of 20), private-replies (April 2026) and
instagram-messaging/features/attachment-upload (types and sizes; 2026). Instagram counts 1000 bytes of UTF-8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from inbox_daemon.plugins import FileRule, SendingRules

WINDOW = timedelta(hours=24)
HUMAN_WINDOW = timedelta(days=7)
"""With the tag HUMAN_AGENT."""
PRIVATE_REPLY_WINDOW = timedelta(days=7)

TAG_CHARS = 999
"""Of `metadata`, which comes back in the echo."""
QUICK_REPLIES = 13
TITLE_CHARS = 20
PAYLOAD_CHARS = 1000

MEGABYTE = 1024 * 1024
_MOST = 25 * MEGABYTE
_AUDIO = frozenset({"audio/aac", "audio/mp4", "audio/x-m4a", "audio/wav", "audio/x-wav"})

PAGE_FILES: Mapping[str, FileRule] = {
    "image": FileRule(media_types=frozenset({"image/jpeg", "image/png", "image/gif"}), max_bytes=_MOST),
    "video": FileRule(media_types=frozenset({"video/mp4"}), max_bytes=_MOST),
    "audio": FileRule(media_types=_AUDIO | {"audio/mpeg", "audio/ogg"}, max_bytes=_MOST),
    "file": FileRule(max_bytes=_MOST),
}
"""By what they are sent as; what no other takes goes as a file."""

INSTAGRAM_FILES: Mapping[str, FileRule] = {
    "image": FileRule(media_types=frozenset({"image/jpeg", "image/png", "image/gif"}), max_bytes=8 * MEGABYTE),
    "video": FileRule(
        media_types=frozenset({"video/mp4", "video/ogg", "video/x-msvideo", "video/quicktime", "video/webm"}),
        max_bytes=_MOST,
    ),
    "audio": FileRule(media_types=_AUDIO, max_bytes=_MOST),
    "file": FileRule(media_types=frozenset({"application/pdf"}), max_bytes=_MOST),
}

FILES: Mapping[str, Mapping[str, FileRule]] = {"page": PAGE_FILES, "instagram": INSTAGRAM_FILES}

RULES: Mapping[str, SendingRules] = {
    "page": SendingRules(max_chars=1999, files=tuple(PAGE_FILES.values()), max_buttons=QUICK_REPLIES),
    "instagram": SendingRules(
        max_chars=1000, max_bytes=1000, files=tuple(INSTAGRAM_FILES.values()), max_buttons=QUICK_REPLIES
    ),
}
