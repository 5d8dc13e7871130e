"""Log lines for what the public listener refuses: never content, and bounded however much is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

WINDOW_SECONDS = 60.0


class RefusalLog:
    """Logs the first refusal of each (instance, reason) at once, further ones of the same minute as one count.

    Instances are configured names or "unknown" and reasons are words of this program, so the memory is bounded.
    """

    def __init__(
        self,
        *,
        window_seconds: float = WINDOW_SECONDS,
        counted: Callable[[str, str], None] = lambda instance, reason: None,
    ) -> None:
        self._counted = counted
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger()
        self._window_seconds = window_seconds
        self._repeats: dict[tuple[str, str], int] = {}

    def refused(
        self,
        *,
        instance: str,
        status: int,
        reason: str,
        size: int | None,
        remote: str | None,
        error: Exception | None = None,
    ) -> None:
        """Note one refusal; `size` is what was declared or read of the body, None when unknown.

        `error` is a bug that stands behind it, told by its type and place.
        """
        self._counted(instance, reason)
        key = (instance, reason)
        if key in self._repeats:
            self._repeats[key] += 1
            return
        self._repeats[key] = 0
        details = {} if error is None else {"error": _place(error)}
        self._log.warning(
            "http.refused",
            instance=instance,
            status=status,
            reason=reason,
            size=size,
            remote=remote or "unknown",
            **details,
        )
        asyncio.get_running_loop().call_later(self._window_seconds, self._end_window, key, status)

    def failed(self, *, instance: str, error: BaseException | None, remote: str | None) -> None:
        """Note a bug of ours by its type and place; its text may hold content and is not logged."""
        self._log.error("http.failed", instance=instance, status=500, error=_place(error), remote=remote or "unknown")

    def _end_window(self, key: tuple[str, str], status: int) -> None:
        count = self._repeats.pop(key)
        if count:
            self._log.warning("http.refused_again", instance=key[0], status=status, reason=key[1], count=count)


def _place(error: BaseException | None) -> str:
    if error is None:
        return "unknown"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" at {trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}"
    return f"{type(error).__name__}{where}"
