"""The command `hamrasan`: puts the commands together and turns what fails into a sentence and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from hamrasan.cli.checks import check_command
from hamrasan.cli.commands import Group, language_option
from hamrasan.cli.complaints import CommandFailed, about_settings, about_usage
from hamrasan.cli.demo.command import demo_command
from hamrasan.cli.keys import key_commands
from hamrasan.cli.reports import reports_command
from hamrasan.cli.serve import serve_command
from hamrasan.cli.texts import Texts, choose_language
from hamrasan.cli.tokens import token_commands
from hamrasan.cli.users import user_commands
from hamrasan.cli.version import version_command
from hamrasan.runtime.settings import SettingsError

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
"""128 and the number of the signal SIGINT, as shells report it."""


def build(texts: Texts) -> Group:
    """Return the whole command line in the language of `texts`."""
    return Group(
        "hamrasan",
        texts,
        texts("program.about"),
        [
            serve_command(texts),
            user_commands(texts),
            token_commands(texts),
            key_commands(texts),
            check_command(texts),
            reports_command(texts),
            demo_command(texts),
            version_command(texts),
        ],
        params=[language_option(texts)],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (else those of the process) name; return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    texts = Texts(choose_language(words, os.environ))
    try:
        status = build(texts).main(words, prog_name="hamrasan", standalone_mode=False)
    except click.UsageError as error:
        return _fail(about_usage(error, texts), EXIT_USAGE)
    except SettingsError as error:
        return _fail(about_settings(error, texts), EXIT_USAGE)
    except CommandFailed as error:
        return _fail(str(error), EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        return _fail(texts("error.interrupted"), EXIT_INTERRUPTED)
    return status if isinstance(status, int) else 0


def _fail(text: str, status: int) -> int:
    click.echo(text, err=True)
    return status
