"""The handbook's page about the commands, made from their own help."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hamrasan.cli.main import build
from hamrasan.cli.texts import Texts
from hamrasan.runtime.settings import SETTINGS

_HEAD = """# Commands

Every command has `--help`, in English or Persian (`hamrasan --lang fa …`, or `HAMRASAN_LANG=fa`), and finds the data
folder by `--data-dir`, the variable `HAMRASAN_DATA_DIR`, or the file that `--config` names. Options that are
[settings](settings.md) are not repeated here. Exit status: 0 if all went well, 1 if something failed or is not as it
should be, 2 if the command line or the settings were wrong.
"""
_NOT_REPEATED = frozenset({"--config", *(row.option for row in SETTINGS)})


def commands_page() -> str:
    """Return all commands with their arguments and options as a page of the handbook."""
    return _HEAD + "".join(_sections("hamrasan", build(Texts("en"))))


def _sections(path: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _sections(f"{path} {name}", inner)
        return
    arguments = [str(item.metavar) for item in command.params if isinstance(item, click.Argument)]
    yield f"\n## `{' '.join([path, *arguments])}`\n\n{command.help}\n"
    options = [item for item in command.params if isinstance(item, click.Option)]
    own = [item for item in options if item.opts[0] not in _NOT_REPEATED]
    if own:
        yield "\n" + "".join(f"- `{item.opts[0]}`: {item.help}\n" for item in own)
