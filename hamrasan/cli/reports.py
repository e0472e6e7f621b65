"""`hamrasan reports`"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from hamrasan.cli.commands import Command
from hamrasan.cli.office import inspect_folder
from hamrasan.cli.plain import plain, plain_lines
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options
from hamrasan.cli.texts import OwnKey, Texts
from hamrasan.runtime.settings import Settings
from hamrasan.storage.ports.rooms import NewReport
from hamrasan.storage.sqlite.inspection import Inspection

SHOWN = 20
"""Reports that are shown if nothing else is asked: what fits on a screen."""
MOST = 10_000
"""Reports that are shown at most."""


def reports_command(texts: Texts) -> click.Command:
    """Return the command that shows what users have reported."""

    def run(*, limit: int, **options: Any) -> None:
        async def read(inspection: Inspection, _settings: Settings) -> list[NewReport]:
            return await inspection.reports.latest(limit)

        found = inspect_folder(options, texts, read)
        for report in reversed(found):  # the latest stands last, where a terminal shows it
            for line in _lines(report, texts):
                click.echo(line)
        if not found:
            click.echo(texts("reports.none"))

    how_many = click.Option(
        ["--limit"],
        type=click.IntRange(1, MOST),
        default=SHOWN,
        metavar=texts("help.value_metavar"),
        help=texts("reports.limit", count=SHOWN),
    )
    params = [how_many, *setting_options(texts, PLACE_SETTINGS)]
    return Command("reports", texts, texts("reports.about"), params=params, callback=run)


def _lines(report: NewReport, texts: Texts) -> Iterator[str]:
    about: OwnKey = "reports.user"
    if report.event_id is not None:
        about = "reports.message"
    elif report.room_id is not None:
        about = "reports.room"
    yield texts(
        about,
        when=f"{datetime.fromtimestamp(report.created_ts / 1000).astimezone():%Y-%m-%d %H:%M}",
        reporter=plain(report.reporter),
        user_id=plain(report.user_id),
        room_id=plain(report.room_id),
        event_id=plain(report.event_id),
    )
    yield from plain_lines(report.reason, "    ")
