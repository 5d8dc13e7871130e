"""How an account, its number, its token and its templates stand at the fake Graph API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from support.graph_fake_citizens import WABA_ID
from support.graph_fake_faults import Fault, befall, error_answer

APP_ID = "100000000000007"


@dataclass
class Account:
    """What is asked for by `inspect`; tests change it. Without more, all is well."""

    account_id: str = WABA_ID
    number: dict[str, Any] = field(
        default_factory=lambda: {
            "verified_name": "Centro de Gestión",
            "display_phone_number": "+54 362 400-0000",
            "quality_rating": "GREEN",
            "status": "CONNECTED",
            "name_status": "APPROVED",
            "whatsapp_business_manager_messaging_limit": "TIER_2K",
            "health_status": {"can_send_message": "AVAILABLE", "entities": []},
        }
    )
    """Fields of the number's node; one that is not in it is an error of the whole question, as at Meta."""
    token: dict[str, Any] = field(
        default_factory=lambda: {
            "app_id": APP_ID,
            "type": "SYSTEM_USER",
            "is_valid": True,
            "expires_at": 0,
            "data_access_expires_at": 0,
            "scopes": ["whatsapp_business_management", "whatsapp_business_messaging", "public_profile"],
        }
    )
    apps: list[str] = field(default_factory=lambda: [APP_ID])
    """Ids of the apps that the account's events go to."""
    templates: list[dict[str, Any]] = field(default_factory=list)
    """name, language, status and category of each."""

    def fields(self, wanted: str, node: str) -> dict[str, Any] | None:
        """The asked fields of the number; None where one of them does not exist."""
        names = [name for name in wanted.split(",") if name and name != "id"]
        if any(name not in self.number for name in names):
            return None
        return {"id": node, **{name: self.number[name] for name in names}}

    def edge(self, account: str, name: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """What is at /{account}/{name}; None where there is no such account."""
        if account != self.account_id:
            return None
        if name == "subscribed_apps":
            apps = [{"whatsapp_business_api_data": {"id": app, "name": "invented", "link": ""}} for app in self.apps]
            return {"data": apps}
        given = [one for one in self.templates if one["name"].startswith(query.get("name", ""))]
        return {"data": given, "paging": {"cursors": {"before": "a", "after": "b"}}}


def serve_account(
    app: web.Application,
    account: Account,
    note: Callable[[Literal["token", "account"], web.Request], Fault],
    token: Callable[[], str],
) -> None:
    """Add what is asked about a token and an account; `note` writes each request down and says what befalls it."""

    async def ask_token(request: web.Request) -> web.StreamResponse:
        if (answer := await befall(request, note("token", request))) is not None:
            return answer
        known = request.query.get("input_token") == token()
        return web.json_response({"data": account.token if known else {"is_valid": False}})

    async def ask_edge(request: web.Request) -> web.StreamResponse:
        if (answer := await befall(request, note("account", request))) is not None:
            return answer
        found = account.edge(request.match_info["account"], request.match_info["edge"], request.query)
        return error_answer(100, subcode=33) if found is None else web.json_response(found)

    app.router.add_get("/{version}/debug_token", ask_token)
    app.router.add_get("/{version}/{account}/{edge:subscribed_apps|message_templates}", ask_edge)
