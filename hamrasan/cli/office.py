"""Where commands about accounts do their work: on the data folder, beside a server or without one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.passwords import Passwords
from hamrasan.accounts.registration_tokens import RegistrationTokens
from hamrasan.accounts.throttle import LoginThrottle
from hamrasan.cli.complaints import CommandFailed
from hamrasan.cli.settings import settings_loader
from hamrasan.cli.texts import OwnKey, Texts
from hamrasan.flows.administer_accounts import AdministerAccounts
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import SystemClock
from hamrasan.runtime.entropy import SystemEntropy
from hamrasan.runtime.settings import Settings
from hamrasan.storage.sqlite.database import StoreNewer
from hamrasan.storage.sqlite.store import Store, StoreMissing, StoreOutdated, open_beside


class Office(NamedTuple):
    """The operator's services."""

    accounts: AdministerAccounts
    tokens: RegistrationTokens


Work = Callable[[Office], Awaitable[None]]
Refusals = Mapping[str, OwnKey]
"""What to say for each errcode that the work may end with."""


def work_in_office(options: dict[str, Any], texts: Texts, work: Work, refusals: Refusals) -> None:
    """Do `work` on the data that the options name; raises `CommandFailed` with the reason if it cannot be done."""
    settings = settings_loader(options)()
    folder = settings.data_dir
    try:
        asyncio.run(_open_and_work(settings, work))
    except StoreMissing:
        raise CommandFailed(texts("office.missing", folder=folder)) from None
    except (StoreOutdated, StoreNewer):
        raise CommandFailed(texts("office.version", folder=folder)) from None
    except (OSError, sqlite3.Error) as error:
        raise CommandFailed(texts("office.unusable", folder=folder, reason=str(error))) from error
    except MatrixError as refusal:
        key = refusals.get(refusal.errcode)
        reason = refusal.message if key is None else texts(key)
        raise CommandFailed(reason) from None


async def _open_and_work(settings: Settings, work: Work) -> None:
    store = open_beside(settings.data_dir)
    passwords = Passwords()
    try:
        await work(await _furnish(store, passwords, settings))
    finally:
        passwords.close()
        await store.close()


async def _furnish(store: Store, passwords: Passwords, settings: Settings) -> Office:
    clock = SystemClock()
    name = await store.server.name() or settings.server_name
    throttle = LoginThrottle(clock, enabled=False)
    accounts = Accounts(store.journal, store.accounts, passwords, throttle, clock, name)
    return Office(
        AdministerAccounts(store.journal, accounts),
        RegistrationTokens(store.journal, store.tokens, clock, SystemEntropy()),
    )
