"""`hamrasan token`"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from hamrasan.cli.commands import Command, Group
from hamrasan.cli.office import Office, Refusals, work_in_office
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options
from hamrasan.cli.texts import Texts
from hamrasan.storage.ports.tokens import RegistrationTokenRow

DAY_MS = 24 * 60 * 60 * 1000
MAX_DAYS = 36_500
"""A hundred years: whoever wants longer means for ever, and leaves the option out."""
MAX_USES = 10**9

REFUSALS: Refusals = {"M_NOT_FOUND": "token.unknown", "M_INVALID_PARAM": "token.invalid"}


def token_commands(texts: Texts) -> click.Command:
    """Return the commands about registration tokens."""
    return Group("token", texts, texts("token.about"), [_create(texts), _list(texts), _revoke(texts)])


def _create(texts: Texts) -> click.Command:
    def run(word: str | None, uses: int | None, days: int | None, **options: Any) -> None:
        expires_ts = None if days is None else time.time_ns() // 1_000_000 + days * DAY_MS

        async def work(office: Office) -> None:
            click.echo((await office.tokens.create(word, uses, expires_ts)).token)

        work_in_office(options, texts, work, REFUSALS)

    metavar = texts("help.value_metavar")
    uses, days = click.IntRange(1, MAX_USES), click.IntRange(1, MAX_DAYS)
    params = [
        click.Option(["--word"], metavar=metavar, help=texts("token.word")),
        click.Option(["--uses"], type=uses, metavar=metavar, help=texts("token.uses")),
        click.Option(["--days"], type=days, metavar=metavar, help=texts("token.days")),
        *setting_options(texts, PLACE_SETTINGS),
    ]
    return Command("create", texts, texts("token.create"), params=params, callback=run)


def _list(texts: Texts) -> click.Command:
    def run(**options: Any) -> None:
        async def work(office: Office) -> None:
            for row in await office.tokens.all():
                click.echo("\t".join(_cells(row, texts)))

        work_in_office(options, texts, work, REFUSALS)

    params = setting_options(texts, PLACE_SETTINGS)
    return Command("list", texts, texts("token.list"), params=params, callback=run)


def _cells(row: RegistrationTokenRow, texts: Texts) -> Iterator[str]:
    yield row.token
    if row.uses_allowed is None:
        yield texts("token.used", used=row.completed)
    else:
        yield texts("token.used_of", used=row.completed, allowed=row.uses_allowed)
    if row.expires_ts is not None:
        yield texts(
            "token.until", date=f"{datetime.fromtimestamp(row.expires_ts / 1000, UTC):%Y-%m-%d %H:%M} UTC"
        )


def _revoke(texts: Texts) -> click.Command:
    def run(token: str, **options: Any) -> None:
        async def work(office: Office) -> None:
            await office.tokens.delete(token)
            click.echo(texts("token.revoked", token=token))

        work_in_office(options, texts, work, REFUSALS)

    argument = click.Argument(["token"], metavar=texts("token.metavar"), help=texts("token.argument"))
    params = [argument, *setting_options(texts, PLACE_SETTINGS)]
    return Command("revoke", texts, texts("token.revoke"), params=params, callback=run)
