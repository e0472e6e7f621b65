"""`hamrasan serve`"""

from __future__ import annotations

import sqlite3
from typing import Any

import click

from hamrasan.accounts.upstream.providers import ProvidersUnusable
from hamrasan.cli.commands import Command
from hamrasan.cli.complaints import CommandFailed, about_registrations
from hamrasan.cli.process import run_process
from hamrasan.cli.settings import setting_options, settings_loader
from hamrasan.cli.texts import Texts
from hamrasan.policy.registration_files import RegistrationsUnusable
from hamrasan.runtime.settings import Settings
from hamrasan.server import (
    CannotListen,
    CertificateUnusable,
    SigningKeyDamaged,
    WrongServerName,
    start_server,
)
from hamrasan.storage.sqlite.database import StoreNewer
from hamrasan.storage.sqlite.store import StoreInUse


def serve_command(texts: Texts) -> click.Command:
    """Return the command that runs a server until a signal ends it."""

    def tell_where(settings: Settings, url: str) -> None:
        click.echo(texts("serve.ready", url=url, name=settings.server_name))

    def run(**options: Any) -> None:
        load = settings_loader(options)
        try:
            run_process(start_server, load, tell_where)
        except (
            StoreInUse,
            StoreNewer,
            WrongServerName,
            SigningKeyDamaged,
            CannotListen,
            CertificateUnusable,
            RegistrationsUnusable,
            ProvidersUnusable,
            OSError,
            sqlite3.Error,
        ) as error:
            raise CommandFailed(_about_start(error, load(), texts)) from error

    return Command("serve", texts, texts("serve.about"), params=setting_options(texts), callback=run)


def _about_start(error: Exception, settings: Settings, texts: Texts) -> str:
    """Say why a server could not start, and what helps."""
    folder = settings.data_dir
    match error:
        case StoreInUse():
            return texts("serve.in_use", folder=folder)
        case StoreNewer():
            return texts("serve.newer", folder=folder)
        case WrongServerName(owner=owner):
            return texts("serve.other_name", folder=folder, owner=owner, name=settings.server_name)
        case SigningKeyDamaged(path=path):
            return texts("serve.key", file=path)
        case CannotListen(address=address, reason=reason):
            return texts("serve.address", address=address, reason=reason)
        case CertificateUnusable(path=path, reason=reason):
            return texts("serve.certificate", file=path, reason=reason)
        case RegistrationsUnusable():
            return about_registrations(error, texts)
        case ProvidersUnusable(path=path, line=line):
            return texts("serve.provider", file=path, line=line)
        case OSError(filename=name, strerror=reason):
            return texts("serve.folder", folder=name or folder, reason=reason or error)
        case _:
            return texts("serve.database", folder=folder, reason=error)
