"""`hamrasan serve`"""

from __future__ import annotations

from typing import Any

import click

from hamrasan.cli.commands import Command
from hamrasan.cli.complaints import CommandFailed
from hamrasan.cli.process import run_process
from hamrasan.cli.settings import setting_options, settings_loader
from hamrasan.cli.texts import Texts
from hamrasan.runtime.settings import Settings
from hamrasan.server import start_server
from hamrasan.storage.sqlite.store import StoreInUse


def serve_command(texts: Texts) -> click.Command:
    """Return the command that runs a server until a signal ends it."""

    def tell_where(settings: Settings) -> None:
        click.echo(texts("serve.ready", url=settings.base_url, name=settings.server_name))

    def run(**options: Any) -> None:
        load = settings_loader(options)
        try:
            run_process(start_server, load, tell_where)
        except StoreInUse:
            raise CommandFailed(texts("serve.in_use", folder=load().data_dir)) from None
        except OSError as error:
            raise CommandFailed(_about_start(error, load(), texts)) from error

    return Command("serve", texts, texts("serve.about"), params=setting_options(texts), callback=run)


def _about_start(error: OSError, settings: Settings, texts: Texts) -> str:
    """Say why a server could not start: its folder (then the error names a file) or the address."""
    reason = error.strerror or str(error)
    if error.filename is not None:
        return texts("serve.folder", folder=error.filename, reason=reason)
    return texts("serve.address", address=settings.listen, reason=reason)
