"""What went wrong on the command line or in the settings, said so that a person can put it right."""

from __future__ import annotations

import click

from hamrasan.cli.commands import UnexpectedArgument
from hamrasan.cli.texts import Texts
from hamrasan.policy.registration_files import RegistrationProblem, RegistrationsUnusable
from hamrasan.runtime.settings import Problem, SettingsError


class CommandFailed(Exception):
    """A command could not do what it was asked; the text, in the reader's language, says why."""


def about_usage(error: click.UsageError, texts: Texts) -> str:
    """Return what is wrong with the command line, and how to see what would be right."""
    command = error.ctx.command_path if error.ctx is not None else "hamrasan"
    return _complaint(error, texts) + "\n" + texts("error.try_help", command=f"{command} --help")


def about_settings(error: SettingsError, texts: Texts) -> str:
    """Return every problem with the settings, one a paragraph: where, what, and what would be right."""
    return "\n".join([texts("error.settings"), *(_problem(item, texts) for item in error.problems)])


def about_registrations(error: RegistrationsUnusable, texts: Texts) -> str:
    """Return every problem with the files of application services, one a paragraph, as `about_settings` does."""
    return "\n".join([texts("registrations.unusable"), *(_problem(item, texts) for item in error.problems)])


def _problem(problem: Problem | RegistrationProblem, texts: Texts) -> str:
    lines = [f"  {problem.where}: {texts(problem.message, **problem.values)}"]
    if problem.expected is not None:
        lines.append("    " + texts("error.expected", expected=texts(problem.expected)))
    return "\n".join(lines)


def _complaint(error: click.UsageError, texts: Texts) -> str:
    match error:
        case click.exceptions.NoSuchOption():
            return _unknown(texts("error.unknown_option", name=error.option_name), error.possibilities, texts)
        case click.exceptions.NoSuchCommand():
            return _unknown(
                texts("error.unknown_command", name=error.command_name), error.possibilities, texts
            )
        case click.exceptions.MissingParameter(param=click.Argument() as argument):
            return texts("error.missing_argument", name=argument.human_readable_name)
        case click.exceptions.MissingParameter(param=click.Parameter() as option):
            return texts("error.missing_option", name=option.opts[0])
        case click.exceptions.BadOptionUsage():
            return texts("error.missing_value", name=error.option_name)
        case UnexpectedArgument():
            return texts("error.unexpected_argument", name=error.argument)
        case click.exceptions.BadParameter(param=click.Option(type=click.Choice() as choice) as option):
            return texts("error.bad_value", name=option.opts[0], choices=" | ".join(map(str, choice.choices)))
        case _:
            return texts("error.usage", reason=error.format_message())


def _unknown(complaint: str, possibilities: list[str] | None, texts: Texts) -> str:
    if not possibilities:
        return complaint
    return f"{complaint} {texts('error.similar', name=possibilities[0])}"
