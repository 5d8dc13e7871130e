"""Pure but for reading its file once: what citizens are told, and notes to agents, in one language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from inbox_daemon.errors import SettingsError, SettingsErrors
from inbox_daemon.model import TicketState
from inbox_daemon.settings import wording
from inbox_daemon.settings.wording import Language


class Texts:
    """Texts of one language, an office's own among them, with times by the office's clock."""

    def __init__(self, language: Language, overrides: Mapping[str, str], zone: ZoneInfo) -> None:
        self._language = language
        self._texts = {**language.texts, **overrides}
        self._zone = zone

    @classmethod
    def load(cls, language: str, overrides: Mapping[str, str], zone: ZoneInfo) -> Texts:
        """Texts of `language`; `overrides` are `[notices.texts]`. Raises `SettingsErrors` for wrong ones."""
        wrong = [
            SettingsError(text.problem, key=f"notices.texts.{text.key}", remedy=text.remedy)
            for text in wording.wrong_texts(language, overrides)
        ]
        if wrong:
            raise SettingsErrors(wrong)
        return cls(wording.language(language), overrides, zone)

    def say(self, key: str, **values: object) -> str:
        """The text `key` with its places filled in. Raises `KeyError` for an unknown key or a place without value."""
        return self._texts[key].format_map({name: str(value) for name, value in values.items()})

    def state(self, state: TicketState) -> str:
        """A ticket's state as a citizen reads it."""
        return self.say(f"state_{state.value}")

    def moment(self, at: datetime, *, now: datetime | None = None) -> str:
        """Weekday, day and time by the office's clock (`martes 24/11 09:30`); with the year if `now` is in another."""
        local = at.astimezone(self._zone)
        other_year = now is not None and now.astimezone(self._zone).year != local.year
        form = self._language.moment_with_year if other_year else self._language.moment
        return form.format(weekday=self._language.weekdays[local.weekday()], at=local)
