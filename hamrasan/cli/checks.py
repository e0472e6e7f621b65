"""`hamrasan check`"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from hamrasan.cli.commands import Command
from hamrasan.cli.complaints import about_registrations
from hamrasan.cli.office import inspect_folder
from hamrasan.cli.plain import plain
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options
from hamrasan.cli.texts import Texts
from hamrasan.media.spool import is_marked
from hamrasan.media.verify import VerifiedFiles, verify_files
from hamrasan.policy.registration_files import RegistrationsUnusable, load_registrations
from hamrasan.rooms.verify import Verified, verify_rooms
from hamrasan.runtime.settings import Settings
from hamrasan.server.media import ARRIVING, FOLDER, open_blobs
from hamrasan.storage.sqlite.inspection import Inspection, Misplaced

EXIT_PROBLEMS = 1


class _Findings(NamedTuple):
    """What was looked at, and what was found wrong: with the database, with positions, rooms, files, registrations."""

    damages: list[str]
    misplaced: list[Misplaced]
    rooms: Verified
    files: VerifiedFiles
    registrations: RegistrationsUnusable | None


def check_command(texts: Texts) -> click.Command:
    """Return the command that looks at everything stored, and changes nothing."""

    def run(*, contents: bool, **options: Any) -> int:
        async def look(inspection: Inspection, settings: Settings) -> _Findings:
            return await _look(inspection, settings, contents)

        return _tell(inspect_folder(options, texts, look), texts)

    params = setting_options(texts, (*PLACE_SETTINGS, "media_store"))
    params.append(click.Option(["--contents"], is_flag=True, help=texts("check.contents")))
    return Command("check", texts, texts("check.about"), params=params, callback=run)


async def _look(inspection: Inspection, settings: Settings, contents: bool) -> _Findings:
    server_name = await inspection.server.name() or Settings().server_name
    return _Findings(
        inspection.damages(),
        inspection.misplaced(),
        await verify_rooms(inspection.rooms, inspection.events, inspection.state, inspection.federated_rooms),
        await _files(inspection, settings, contents),
        _registrations(settings.data_dir, server_name),
    )


async def _files(inspection: Inspection, settings: Settings, contents: bool) -> VerifiedFiles:
    folder = settings.data_dir / FOLDER
    blobs = open_blobs(settings.media_store, folder)
    marked = partial(is_marked, folder / ARRIVING)
    try:
        return await verify_files(inspection.media, inspection.media_now, blobs, marked, contents=contents)
    finally:
        blobs.close()


def _registrations(folder: Path, server_name: str) -> RegistrationsUnusable | None:
    try:
        load_registrations(folder, server_name)
    except RegistrationsUnusable as error:
        return error
    return None


def _tell(findings: _Findings, texts: Texts) -> int:
    problems = [texts("check.database", what=what) for what in findings.damages]
    problems += [texts("check.database", what=texts(what, **values)) for what, values in findings.misplaced]
    for found in findings.rooms.problems:
        place = found.room_id if found.event_id is None else f"{found.room_id} {found.event_id}"
        what = texts(found.what, **{name: plain(value) for name, value in found.values.items()})
        problems.append(texts("check.room", place=plain(place), what=what))
    for file in findings.files.problems:
        what = texts(file.what, **file.values)
        problems.append(texts("check.file", place=file.key, what=what) if file.key else what)
    if findings.registrations is not None:
        problems.append(about_registrations(findings.registrations, texts))
    for problem in problems:
        click.echo(problem)
    rooms = findings.rooms
    click.echo(texts("check.looked_at", rooms=rooms.rooms, events=rooms.events, files=findings.files.files))
    click.echo(texts("check.problems", count=len(problems)) if problems else texts("check.sound"))
    return EXIT_PROBLEMS if problems else 0
