"""What the daemon tells its operators: log lines without people in them, metrics, and changes of state.

Events of the log are named `noun.verb_in_the_past`, in lower case with underscores, and never hold data:
`envelope.received`, `envelope.parked`, `dispatch.done`, `poll.failed`, `instance.went_down`, `clock.stepped`.
What happened to which thing goes into keys: `log.info("dispatch.done", destination="salud", step=17)`. Units stand in
names (`took_seconds`, `body_bytes`). A log line names things by our own ids, never by what people said or are called.
"""

from __future__ import annotations

from inbox_daemon.observability.logs import configure_logging
from inbox_daemon.observability.metrics import Metrics
from inbox_daemon.observability.redaction import redact, redact_event
from inbox_daemon.observability.statelog import StateLog

__all__ = ["Metrics", "StateLog", "configure_logging", "redact", "redact_event"]
