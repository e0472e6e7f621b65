"""`hamrasan version`"""

from __future__ import annotations

import platform

import click

from hamrasan import __version__
from hamrasan.cli.commands import Command
from hamrasan.cli.texts import Texts


def version_command(texts: Texts) -> click.Command:
    """Return the command that says which Hamrasan this is, as a report of a fault needs it."""

    def run() -> None:
        click.echo(texts("version.text", version=__version__, python=platform.python_version()))

    return Command("version", texts, texts("version.about"), callback=run)
