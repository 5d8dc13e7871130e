"""A right configuration of real plug-ins, to be broken by each test in its own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

SECRET = "s3cr3t-that-no-output-shows"

RIGHT = """\
[public]
url = "https://mensajes.gobierno.test"

[channels.whatsapp-centro]
kind = "whatsapp"
phone_number_id = "100000000000002"
app_secret = { env = "TEST_SECRET" }
verify_token = { env = "TEST_SECRET" }
access_token = { env = "TEST_SECRET" }

[destinations.salud-rt]
kind = "request_tracker"
url = "https://rt.salud.test"
token = { env = "TEST_TOKEN" }
account = "inbox"
queue = "Atencion"

[routing]
default = "salud-rt"

[[routes]]
name = "salud"
destination = "salud-rt"
keywords = ["hospital"]
"""

Write = Callable[..., Path]
