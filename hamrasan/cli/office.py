"""Where commands about accounts do their work: on the data folder, beside a server or without one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

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
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.store import Store, StoreMissing, StoreOutdated, open_beside


class Office(NamedTuple):
    """The operator's services."""

    accounts: AdministerAccounts
    tokens: RegistrationTokens


Work = Callable[[Office], Awaitable[None]]
Refusals = Mapping[str, OwnKey]
"""What to say for each errcode that the work may end with."""


T = TypeVar("T")
Look = Callable[[Inspection, Settings], Awaitable[T]]


def inspect_folder(options: dict[str, Any], texts: Texts, look: Look[T]) -> T:
    """Return what `look` finds in the data folder that the options name, which it must not change.

    Raises `CommandFailed` with the reason if the folder cannot be read.
    """
    settings = settings_loader(options)()
    return _said_why(settings.data_dir, texts, lambda: asyncio.run(_inspect(settings, look)))


async def _inspect(settings: Settings, look: Look[T]) -> T:
    inspection = Inspection(settings.data_dir)
    try:
        return await look(inspection, settings)
    finally:
        inspection.close()


def _said_why(folder: Path, texts: Texts, work: Callable[[], T]) -> T:
    """Do `work` on a data folder; raises `CommandFailed` with the reason if the folder cannot be used."""
    try:
        return work()
    except StoreMissing:
        raise CommandFailed(texts("office.missing", folder=folder)) from None
    except (StoreOutdated, StoreNewer):
        raise CommandFailed(texts("office.version", folder=folder)) from None
    except (OSError, sqlite3.Error) as error:
        raise CommandFailed(texts("office.unusable", folder=folder, reason=error)) from error


def work_in_office(options: dict[str, Any], texts: Texts, work: Work, refusals: Refusals) -> None:
    """Do `work` on the data that the options name; raises `CommandFailed` with the reason if it cannot be done."""
    settings = settings_loader(options)()
    try:
        _said_why(settings.data_dir, texts, lambda: asyncio.run(_open_and_work(settings, work)))
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
