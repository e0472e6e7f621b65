"""The settings as options of commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hamrasan.cli.texts import Texts
from hamrasan.runtime.settings import CONFIG_ENV, SETTINGS, Setting, Settings, load_settings

PLACE_SETTINGS = ("data_dir",)
"""What a command needs to find the server's data, which know the server's name; others only matter to a server."""


def setting_options(texts: Texts, names: tuple[str, ...] | None = None) -> list[click.Parameter]:
    """Return `--config` and the options of the settings `names` (all, if not given)."""
    rows = [row for row in SETTINGS if names is None or row.name in names]
    config = click.Option(
        ["--config"], metavar=texts("help.value_metavar"), help=f"{texts('help.config')} [{CONFIG_ENV}]"
    )
    return [config, *(_option(row, texts) for row in rows)]


def _option(row: Setting, texts: Texts) -> click.Option:
    if row.is_flag:
        about = f"{texts.about_setting(row)} [{row.env}]"
        return click.Option([row.option], is_flag=True, flag_value="true", default=None, help=about)
    return click.Option([row.option], metavar=texts("help.value_metavar"), help=_help(row, texts))


def _help(row: Setting, texts: Texts) -> str:
    possible = texts(row.kind.expected)
    if row.written_default is not None:
        possible += texts("help.default", value=row.written_default)
    return f"{texts.about_setting(row)} ({possible}) [{row.env}]"


def settings_loader(options: dict[str, Any]) -> Callable[[], Settings]:
    """Return a function that reads the settings anew, as a reload does.

    It raises `SettingsError` when they cannot be used.
    """
    config = Path(options["config"]) if options.get("config") else None
    arguments = {row.name: options.get(row.name) for row in SETTINGS}
    return lambda: load_settings(arguments, os.environ, config)
