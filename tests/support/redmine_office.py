"""The in-memory Redmine as tests of its plug-in hold it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from contract.redmine_backstage import RedmineBackstage
from inbox_daemon.plugins import Context, Secret
from inbox_ticketing.redmine import plugin
from support.redmine_state import RedmineState


@dataclass(kw_only=True)
class Redmine:
    url: str
    state: RedmineState
    context: Context
    agents: RedmineBackstage

    def adapter(self, **changes: Any) -> Any:
        settings = {
            "url": self.url,
            "key": Secret(self.state.users["inbox"].key),
            "account": "inbox",
            "project": "atencion",
            "tracker": "Support",
            "reference_field": 1,
        }
        return plugin.build(plugin.settings.model_validate(settings | changes), self.context)
