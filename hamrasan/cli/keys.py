"""`hamrasan key`"""

from __future__ import annotations

from typing import Any

import click

from hamrasan.cli.commands import Command, Group
from hamrasan.cli.complaints import CommandFailed
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options, settings_loader
from hamrasan.cli.texts import Texts
from hamrasan.runtime.clock import SystemClock
from hamrasan.runtime.entropy import SystemEntropy
from hamrasan.server import SigningKeyDamaged, replace_signing_key
from hamrasan.storage.sqlite.store import StoreInUse, StoreMissing, undisturbed


def key_commands(texts: Texts) -> click.Command:
    """Return the commands about the key that the server signs with."""
    return Group("key", texts, texts("key.about"), [_replace(texts)])


def _replace(texts: Texts) -> click.Command:
    def run(**options: Any) -> None:
        folder = settings_loader(options)().data_dir
        try:
            with undisturbed(folder):
                key = replace_signing_key(folder, SystemEntropy(), SystemClock())
        except StoreMissing:
            raise CommandFailed(texts("office.missing", folder=folder)) from None
        except StoreInUse:
            raise CommandFailed(texts("key.in_use", folder=folder)) from None
        except SigningKeyDamaged as error:
            raise CommandFailed(texts("serve.key", file=error.path)) from None
        except OSError as error:
            raise CommandFailed(texts("office.unusable", folder=folder, reason=str(error))) from error
        click.echo(texts("key.replaced", key_id=key.key_id))

    params = setting_options(texts, PLACE_SETTINGS)
    return Command("replace", texts, texts("key.replace"), params=params, callback=run)
