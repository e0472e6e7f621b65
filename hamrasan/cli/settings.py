"""The settings as options of commands."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hamrasan.cli.texts import Texts
from hamrasan.runtime.settings import CONFIG_ENV, SETTINGS, Setting, Settings, load_settings

PLACE_SETTINGS = ("server_name", "data_dir")
"""What a command needs to find the server's data; the others only matter to a server that runs."""


def setting_options(texts: Texts, names: tuple[str, ...] | None = None) -> list[click.Parameter]:
    """Return `--config` and the options of the settings `names` (all, if not given)."""
    rows = [row for row in SETTINGS if names is None or row.name in names]
    metavar = texts("help.value_metavar")
    config = click.Option(["--config"], metavar=metavar, help=f"{texts('help.config')} [{CONFIG_ENV}]")
    return [config, *(click.Option([row.option], metavar=metavar, help=_help(row, texts)) for row in rows)]


def _help(row: Setting, texts: Texts) -> str:
    possible = texts(row.kind.expected)
    if row.default is not None:
        shown = str(row.default).lower() if isinstance(row.default, bool) else str(row.default)
        possible += texts("help.default", value=shown)
    return f"{texts.about_setting(row)} ({possible}) [{row.env}]"


def settings_loader(options: dict[str, Any]) -> Callable[[], Settings]:
    """Return a function that reads the settings anew, as a reload does.

    It raises `SettingsError` when they cannot be used.
    """
    config = Path(options["config"]) if options.get("config") else None
    arguments = {row.name: options.get(row.name) for row in SETTINGS}
    return lambda: load_settings(arguments, os.environ, config)
