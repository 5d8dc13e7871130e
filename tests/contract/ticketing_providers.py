"""The ticketing systems that the shared contract suite (`test_ticketing*.py`) runs over.

To add one, write a module beside this file with an async context manager that yields an `AdapterUnderTest`, and name
it in `PROVIDERS`. Everything else follows from the plug-in's capability sheet: a scenario that needs what a product
cannot do (`ticketing_needs`) is not collected for it, and the table says what it lacks; nothing is skipped at run time.

    @asynccontextmanager
    async def mine(request: pytest.FixtureRequest) -> AsyncIterator[AdapterUnderTest]:
        async with lend_context() as context:
            yield AdapterUnderTest(adapter=plugin.build(settings, context), backstage=MyBackstage())
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from contract.glpi_provider import glpi_10, glpi_11
from contract.glpi_v2_provider import glpi_v2
from contract.mail_provider import to_an_office
from contract.memory_provider import MEMORY_CAPABILITIES, in_memory
from contract.open311_provider import to_a_city
from contract.osticket_provider import over_the_osticket_fake
from contract.redmine_provider import over_a_real_redmine, over_the_fake_redmine
from contract.request_tracker_provider import over_the_fake, over_the_real_one
from contract.ticketbook_provider import over_a_file
from contract.ticketing_model import Provider
from contract.ticketing_needs import Need
from contract.webhook_provider import to_a_receiver
from contract.zammad_provider import over_the_fake as over_a_fake_zammad
from contract.znuny_provider import over_the_fake as over_the_fake_znuny
from inbox_ticketing.glpi import plugin as glpi
from inbox_ticketing.mail import plugin as mail
from inbox_ticketing.open311 import plugin as open311
from inbox_ticketing.osticket import plugin as osticket
from inbox_ticketing.redmine import plugin as redmine
from inbox_ticketing.request_tracker import plugin as request_tracker
from inbox_ticketing.ticketbook import plugin as ticketbook
from inbox_ticketing.webhook import plugin as webhook
from inbox_ticketing.zammad import plugin as zammad
from inbox_ticketing.znuny import plugin as znuny

F = TypeVar("F", bound=Callable[..., Any])
_RT = request_tracker.capabilities
_REDMINE = redmine.capabilities
_SWALLOWING = replace(mail.capabilities, idempotency="message_id")
PROVIDERS = (
    Provider(name="request_tracker-fake", open=over_the_fake, capabilities=_RT, hints=True, lies=True),
    Provider(name="request_tracker-real", open=over_the_real_one, capabilities=_RT, hints=True, real=True),
    Provider(name="redmine-fake", open=over_the_fake_redmine, capabilities=_REDMINE, rich=False, hints=True, lies=True),
    Provider(name="redmine-real", open=over_a_real_redmine, capabilities=_REDMINE, rich=False, hints=True, real=True),
    Provider(name="webhook", open=to_a_receiver, capabilities=webhook.capabilities, hints=True, lies=True),
    Provider(
        name="znuny", open=over_the_fake_znuny, capabilities=znuny.capabilities, rich=False, hints=True, lies=True
    ),
    Provider(
        name="mail",
        open=to_an_office(),
        capabilities=mail.capabilities,
        network=False,
        by_mail=True,
        lies=True,
        closes=False,
    ),
    Provider(
        name="mail-swallowing",
        open=to_an_office(swallows_repeats=True),
        capabilities=_SWALLOWING,
        network=False,
        by_mail=True,
        lies=True,
        closes=False,
    ),
    Provider(name="zammad", open=over_a_fake_zammad, capabilities=zammad.capabilities, hints=True, lies=True),
    Provider(name="open311", open=to_a_city, capabilities=open311.capabilities, rich=False, lies=True),
    Provider(
        name="osticket",
        open=over_the_osticket_fake,
        capabilities=osticket.capabilities,
        by_mail=True,
        lies=True,
        closes=False,
    ),
    Provider(name="ticketbook", open=over_a_file, capabilities=ticketbook.capabilities, network=False, rich=False),
    Provider(name="glpi-10", open=glpi_10, capabilities=glpi.capabilities, hints=True, lies=True),
    Provider(name="glpi-11", open=glpi_11, capabilities=glpi.capabilities, hints=True, lies=True),
    Provider(name="glpi-v2", open=glpi_v2, capabilities=glpi.capabilities, hints=True, lies=True),
)
MEMORY = Provider(name="memory", open=in_memory, capabilities=MEMORY_CAPABILITIES, network=False, hints=True)
"""Answers from it are told to the pipeline under test, so that it has to keep the same contract about them."""


def scenario(*needs: Need, providers: Sequence[Provider] = PROVIDERS) -> Callable[[F], F]:
    """Play the test over every provider that has what it needs, as fixture `under_test`.

    Why the others are left out is kept on the function, as `not_asked`: {provider's name: the first lack}.
    """
    lacks = {one.name: [need.lack for need in needs if not need.met(one)] for one in providers}
    chosen = [
        pytest.param(provider, id=provider.name, marks=[pytest.mark.real] if provider.real else [])
        for provider in providers
        if not lacks[provider.name]
    ]

    def play(function: F) -> F:
        vars(function)["not_asked"] = {name: those[0] for name, those in lacks.items() if those}
        played: F = pytest.mark.parametrize("under_test", chosen, indirect=True)(function)
        return played

    return play


def answering(*needs: Need) -> Callable[[F], F]:
    """Play a scenario about what agents answer; also over the system in memory."""
    return scenario(*needs, providers=(*PROVIDERS, MEMORY))
