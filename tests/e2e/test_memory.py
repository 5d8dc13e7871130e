"""A flood of garbage neither fills the memory nor holds up those who ask how the process is."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from e2e.world import ANA, HOOK, case_of, deliver, envelopes, now, office
from support.graph_fake_citizens import sign

PIECE = b"basura " * 428_571
"""Just under three megabytes."""
FLOOD_BYTES = 300_000_000
MOST_GROWTH_BYTES = 64 * 1024 * 1024
SENDERS = 4


def test_three_hundred_megabytes_of_garbage(tmp_path: Path) -> None:
    with office(tmp_path) as daemon:
        assert deliver(daemon, ANA.text("Antes", at=now())) == 200
        daemon.settled(seconds=10, messages=1)
        before = daemon.rss_bytes()
        answers: list[int] = []
        wrong = sign(b"other")

        def flood(share: int) -> None:
            answers.extend(daemon.ask("POST", HOOK, PIECE, wrong).status for _ in range(share))

        total = FLOOD_BYTES // len(PIECE)
        senders = [threading.Thread(target=flood, args=(total // SENDERS,)) for _ in range(SENDERS)]
        for sender in senders:
            sender.start()
        waits, most = [], before
        while any(sender.is_alive() for sender in senders):
            began = time.monotonic()
            assert daemon.get("/healthz") == b"ok\n"
            waits.append(time.monotonic() - began)
            most = max(most, daemon.rss_bytes())
            time.sleep(0.02)
        assert set(answers) == {401}
        assert len(answers) * len(PIECE) > 0.98 * FLOOD_BYTES
        assert max(waits) < 1, "others wait for the flood"
        assert most - before < MOST_GROWTH_BYTES
        assert envelopes(daemon) == 1
        assert deliver(daemon, ANA.text("Después", at=now())) == 200
        daemon.settled(seconds=10, messages=2)
        assert case_of(daemon, ANA, entries=2)[1].entries() == ["Antes", "Después"]
