"""Commands whose help and complaints speak the reader's language.

Click's own words are English or come from compiled gettext catalogues; the classes here take them from `Texts`.
"""

from __future__ import annotations

from typing import Any

import click

from hamrasan.cli.texts import LANGUAGES, Texts


class UnexpectedArgument(click.UsageError):
    """The command line has one word more than the command takes."""

    def __init__(self, argument: str, context: click.Context) -> None:
        super().__init__(argument, context)
        self.argument = argument


class Command(click.Command):
    """One command. `about` is its help text, already in the reader's language."""

    def __init__(self, name: str, texts: Texts, about: str, **options: Any) -> None:
        self.texts = texts
        super().__init__(
            name,
            help=about,
            options_metavar=texts("help.options_metavar"),
            context_settings={"allow_extra_args": True},
            **options,
        )

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return `--help` with its own help translated."""
        return _translated_help(super().get_help_option(ctx), self.texts)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the line that shows how the command is called."""
        _write_usage(self, self.texts, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of options."""
        _write_options(self, self.texts, ctx, formatter)

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of arguments, if any of them has a help text."""
        arguments = [item for item in self.get_params(ctx) if isinstance(item, click.Argument) and item.help]
        if arguments:
            with formatter.section(self.texts("help.arguments")):
                formatter.write_dl([item.get_help_record(ctx) for item in arguments])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; raises `UnexpectedArgument` if words are left over."""
        if ctx.args:
            raise UnexpectedArgument(ctx.args[0], ctx)
        return super().invoke(ctx)


class Group(click.Group):
    """A command that has commands; called without one, it shows its help."""

    def __init__(
        self, name: str, texts: Texts, about: str, commands: list[click.Command], **options: Any
    ) -> None:
        self.texts = texts
        super().__init__(
            name,
            help=about,
            commands=commands,
            invoke_without_command=True,
            callback=_show_help_without_command,
            options_metavar=texts("help.options_metavar"),
            subcommand_metavar=texts("help.command_metavar"),
            **options,
        )

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return `--help` with its own help translated."""
        return _translated_help(super().get_help_option(ctx), self.texts)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the line that shows how the command is called."""
        _write_usage(self, self.texts, ctx, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the tables of options and of commands."""
        _write_options(self, self.texts, ctx, formatter)
        rows = [(name, command.get_short_help_str(limit=200)) for name, command in self.commands.items()]
        with formatter.section(self.texts("help.commands")):
            formatter.write_dl(rows)


def language_option(texts: Texts) -> click.Option:
    """Return `--lang`. What it says was acted on before parsing; here it is checked and explained."""
    return click.Option(
        ["--lang"],
        type=click.Choice(LANGUAGES),
        expose_value=False,
        help=texts("help.lang"),
        metavar="|".join(LANGUAGES),
    )


@click.pass_context
def _show_help_without_command(context: click.Context) -> None:
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _translated_help(option: click.Option | None, texts: Texts) -> click.Option | None:
    if option is not None:
        option.help = texts("help.help")
    return option


def _write_usage(
    command: click.Command, texts: Texts, context: click.Context, formatter: click.HelpFormatter
) -> None:
    pieces = " ".join(command.collect_usage_pieces(context))
    formatter.write_usage(context.command_path, pieces, prefix=texts("help.usage") + " ")


def _write_options(
    command: click.Command, texts: Texts, context: click.Context, formatter: click.HelpFormatter
) -> None:
    options = [item for item in command.get_params(context) if isinstance(item, click.Option)]
    records = [record for item in options if (record := item.get_help_record(context)) is not None]
    with formatter.section(texts("help.options")):
        formatter.write_dl(records)
