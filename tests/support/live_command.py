"""`make live` as a process, over a configuration of its own, with an agent who answers when asked to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = "probada"
_ASKED = re.compile(r"Answer ticket (\S+) now, in public")
_CONFIG = """\
[daemon]
state_dir = "{folder}/state"

[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "100000000000001"
app_secret = { file = "channel" }
verify_token = { file = "channel" }
access_token = { file = "channel" }

[routing]
default = "probada"

[destinations.probada]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it ended, and everything that it printed."""

    code: int
    text: str

    def part(self, title: str) -> list[str]:
        """The lines below a title."""
        found = re.search(rf"^{re.escape(title)}[^\n]*:[^\n]*\n((?:  - [^\n]*\n)*)", self.text, re.MULTILINE)
        assert found is not None, self.text
        return [line.removeprefix("  - ") for line in found[1].splitlines()]


def configured(folder: Path, table: str, secrets: Mapping[str, str]) -> Path:
    """A configuration with one destination; `secrets` are files beside it, by name."""
    for name, secret in {"channel": "secreto-inventado-0123456789", **secrets}.items():
        (folder / name).write_text(secret, "utf-8")
        (folder / name).chmod(0o600)
    path = folder / "inbox.toml"
    path.write_text(_CONFIG.replace("{folder}", str(folder)) + table, "utf-8")
    return path


async def make_live(config: Path, agent: Callable[[str], Awaitable[object]] | None = None, **options: str) -> Ended:
    """Run it; `agent` gets the number of the ticket that an agent is asked to answer."""
    words = [f"{name.upper()}={value}" for name, value in options.items()]
    process = await asyncio.create_subprocess_exec(
        *("make", "-s", "-C", str(ROOT), "-o", ".venv/.ready", "live", f"DEST={NAME}", f"CONFIG={config}", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = []
    async for raw in process.stdout:
        said.append(raw.decode("utf-8", "replace"))
        asked = _ASKED.match(said[-1])
        if asked is not None and agent is not None:
            await agent(asked[1])
    return Ended(code=await process.wait(), text="".join(said))
