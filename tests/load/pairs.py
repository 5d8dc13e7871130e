"""Sends of one WhatsApp number to a Graph API on loopback: what one person's limit (131056) costs everybody else.

Two rounds in turns, with the same sends: nobody held; and one person held, to whom every fifth send goes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from inbox_channels.whatsapp.channel import WhatsAppChannel
from inbox_channels.whatsapp.settings import WhatsAppSettings
from inbox_daemon.errors import Transient
from inbox_daemon.model import CaseNumber, Handle, Reply
from inbox_daemon.outgoing import Sessions
from inbox_daemon.plugins import Secret
from support.contexts import lend_context
from support.graph_fake import TOKEN, Fault, GraphFake, run_graph
from support.graph_fake_citizens import PHONE_NUMBER_ID

AT_ONCE = 8
HELD = "5493624009999"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Sends a second to those who are not held, and how often Meta was asked for the one who is."""

    others_per_second: float
    asked_for_held: int


def _refuses_held(call: str, message: Mapping[str, Any]) -> Fault | None:
    held = call == "send" and str(message.get("to", "")).removeprefix("+") == HELD
    return Fault(code=131056) if held else None


async def rounds(times: int, sends: int) -> list[tuple[Round, Round]]:
    """(nobody held, one held) as often as asked for."""
    return [(await _round(sends, held=False), await _round(sends, held=True)) for _ in range(times)]


async def _round(sends: int, *, held: bool) -> Round:
    sessions = Sessions("bench")
    async with (
        run_graph(GraphFake(running=True, app_secret="of-the-bench")) as graph,
        lend_context("whatsapp-bench") as lent,
    ):
        if held:
            graph.trouble = _refuses_held
        settings = WhatsAppSettings.model_validate(
            {
                "phone_number_id": PHONE_NUMBER_ID,
                "app_secret": Secret("of-the-bench"),
                "verify_token": Secret("of-the-bench"),
                "access_token": Secret(TOKEN),
                "graph_url": graph.url,
                "per_second": 1000.0,
            }
        )
        channel = WhatsAppChannel(settings, replace(lent, session=sessions.make, now=lambda: graph.now))
        queue = list(range(sends))

        async def work() -> None:
            while queue:
                number = queue.pop()
                to = HELD if number % 5 == 0 else f"549362400{number % 97:04}"
                try:
                    await channel.send(_reply(number, to))
                except Transient as error:
                    if not error.only_this:
                        raise

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        took = time.perf_counter() - began
        await channel.aclose()
    await sessions.close()
    asked = [one for one in graph.seen if str(one.body.get("to", "")).endswith(HELD)]
    others = [one for one in graph.accepted if one.to != HELD]
    return Round(others_per_second=len(others) / took, asked_for_held=len(asked))


def _reply(number: int, to: str) -> Reply:
    handle = Handle(kind="phone", value=f"+{to}")
    return Reply(tag=f"4F7K2-8.r{number}.1", to=handle, case_number=CaseNumber("4F7K2-8"), text=f"Respuesta {number}")
