"""What agents typed on the office's phone, and old chats, through the whole process: a note, and silence."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from e2e.world import ANA, HOOK, case_of, deliver, now, office
from support.daemon import Daemon, eventually
from support.graph_fake_citizens import PHONE_NUMBER_ID, SECRET, WABA_ID, sign

OFFICE = "543624000000"


def _post(daemon: Daemon, field: str, **value: Any) -> int:
    """One signed delivery of a field that is not `messages`."""
    about = {"display_phone_number": OFFICE, "phone_number_id": PHONE_NUMBER_ID}
    change = {"field": field, "value": {"messaging_product": "whatsapp", "metadata": about, **value}}
    content = json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"id": WABA_ID, "changes": [change]}]}
    ).encode()
    return daemon.post(HOOK, content, sign(content, SECRET))


def _typed(words: str, number: int, to: str = ANA.number or "") -> dict[str, Any]:
    """A message from the office's phone to a citizen."""
    at = str(int(now().timestamp()))
    return {
        "from": OFFICE,
        "to": to,
        "id": f"wamid.TYPED{number}",
        "timestamp": at,
        "type": "text",
        "text": {"body": words},
    }


def _echo(daemon: Daemon, *messages: dict[str, Any]) -> int:
    return _post(daemon, "smb_message_echoes", message_echoes=list(messages))


def test_a_word_from_the_office_s_phone_is_one_note_in_the_case_also_after_a_kill(tmp_path: Path) -> None:
    with office(tmp_path) as daemon:
        assert deliver(daemon, ANA.text("Perdí mi turno", at=now() - timedelta(minutes=1))) == 200
        case_of(daemon, ANA)
        assert _echo(daemon, _typed("Le dimos otro para el lunes", 1), _typed("Hola", 2, to="5493624999999")) == 200
        daemon.kill()
        daemon.start()
        assert _echo(daemon, _typed("Le dimos otro para el lunes", 1)) == 200  # delivered again
        _, shown = case_of(daemon, ANA, entries=2)
        assert (
            shown.entries()[1]
            == "Respondido por WhatsApp desde el teléfono de la oficina:\nLe dimos otro para el lunes"
        )
        eventually(lambda: daemon.sql("SELECT count(*) FROM envelope WHERE state = 'done'") == [(3,)])
        assert daemon.sql("SELECT type, count(*) FROM message GROUP BY type ORDER BY type") == [
            ("echo", 1),
            ("message", 1),
        ]
        assert daemon.sql("SELECT count(*) FROM citizen") == [(1,)]
        assert daemon.sql("SELECT count(*) FROM reply") == [(0,)]
        [line] = daemon.status()["ledger"]
        assert (line["balance"], line["ignored"]) == (0, {"echo": 1, "echo_to_nobody": 1, "repeat": 1})


def test_old_chats_open_nothing_and_whose_they_are_is_known(tmp_path: Path) -> None:
    old = {
        "from": ANA.number,
        "from_user_id": ANA.bsuid,
        "id": "wamid.OLD1",
        "timestamp": str(int((now() - timedelta(days=80)).timestamp())),
        "type": "text",
        "text": {"body": "¿A qué hora atienden?"},
        "history_context": {"status": "READ"},
    }
    thread = {"id": ANA.number, "context": {"wa_id": ANA.number, "user_id": ANA.bsuid}, "messages": [old]}
    chunk = {"metadata": {"phase": 0, "chunk_order": 1, "progress": 55}, "threads": [thread]}
    with office(tmp_path) as daemon:
        assert _post(daemon, "history", history=[chunk]) == 200
        assert _post(daemon, "history", history=[chunk]) == 200
        assert deliver(daemon, ANA.text("Necesito un turno", at=now())) == 200
        _, shown = case_of(daemon, ANA)
        assert "Necesito un turno" in shown.entries()[0]
        assert "¿A qué hora atienden?" not in shown.html
        assert daemon.sql("SELECT type FROM message ORDER BY id") == [("history",), ("message",)]
        assert daemon.sql("SELECT count(*) FROM citizen") == [(1,)]
        notices = daemon.status()["channels"]["whatsapp-centro"]["notices"]
        assert ("history", False) in [(one["topic"], one["grave"]) for one in notices]
        assert [line["balance"] for line in daemon.status()["ledger"]] == [0]
