"""`hamrasan check`"""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import click

from hamrasan.cli.commands import Command
from hamrasan.cli.complaints import CommandFailed, about_registrations
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options, settings_loader
from hamrasan.cli.texts import Texts
from hamrasan.policy.registration_files import RegistrationsUnusable, load_registrations
from hamrasan.rooms.verify import Verified, verify_rooms
from hamrasan.runtime.settings import Settings
from hamrasan.storage.sqlite.database import StoreNewer
from hamrasan.storage.sqlite.inspection import Inspection
from hamrasan.storage.sqlite.store import StoreMissing, StoreOutdated

EXIT_PROBLEMS = 1


class _Findings(NamedTuple):
    """What was looked at, and what was found wrong with the file, with positions, rooms and registrations."""

    damages: list[str]
    misplaced: list[str]
    rooms: Verified
    registrations: RegistrationsUnusable | None


def check_command(texts: Texts) -> click.Command:
    """Return the command that looks at everything stored, and changes nothing."""

    def run(**options: Any) -> int:
        folder = settings_loader(options)().data_dir
        try:
            findings = asyncio.run(_inspect(folder))
        except StoreMissing:
            raise CommandFailed(texts("office.missing", folder=folder)) from None
        except (StoreOutdated, StoreNewer):
            raise CommandFailed(texts("office.version", folder=folder)) from None
        except (OSError, sqlite3.Error) as error:
            raise CommandFailed(texts("office.unusable", folder=folder, reason=error)) from error
        return _tell(findings, texts)

    params = setting_options(texts, PLACE_SETTINGS)
    return Command("check", texts, texts("check.about"), params=params, callback=run)


async def _inspect(folder: Path) -> _Findings:
    inspection = Inspection(folder)
    try:
        damages = inspection.damages()
        misplaced = inspection.misplaced()
        rooms = await verify_rooms(inspection.rooms, inspection.events, inspection.state)
        registrations = _registrations(folder, await inspection.server.name() or Settings().server_name)
    finally:
        inspection.close()
    return _Findings(damages, misplaced, rooms, registrations)


def _registrations(folder: Path, server_name: str) -> RegistrationsUnusable | None:
    try:
        load_registrations(folder, server_name)
    except RegistrationsUnusable as error:
        return error
    return None


def _tell(findings: _Findings, texts: Texts) -> int:
    damages, misplaced, rooms, registrations = findings
    problems = [texts("check.database", what=what) for what in (*damages, *misplaced)]
    for found in rooms.problems:
        place = found.room_id if found.event_id is None else f"{found.room_id} {found.event_id}"
        problems.append(texts("check.room", place=place, what=found.what))
    if registrations is not None:
        problems.append(about_registrations(registrations, texts))
    for problem in problems:
        click.echo(problem)
    click.echo(texts("check.looked_at", rooms=rooms.rooms, events=rooms.events))
    click.echo(texts("check.problems", count=len(problems)) if problems else texts("check.sound"))
    return EXIT_PROBLEMS if problems else 0
