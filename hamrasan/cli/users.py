"""`hamrasan user`"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from hamrasan.cli.commands import Command, Group
from hamrasan.cli.complaints import CommandFailed
from hamrasan.cli.office import Office, Refusals, work_in_office
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options
from hamrasan.cli.texts import OwnKey, Texts
from hamrasan.storage.ports.accounts import AccountRow

REFUSALS: Refusals = {
    "M_USER_IN_USE": "user.in_use",
    "M_INVALID_USERNAME": "user.invalid_name",
    "M_NOT_FOUND": "user.unknown",
    "M_WEAK_PASSWORD": "password.weak",
    "M_INVALID_PARAM": "password.endless",
}


def user_commands(texts: Texts) -> click.Command:
    """Return the commands about accounts."""
    commands = [_add(texts), _list(texts), _set_password(texts), _make_admin(texts), _deactivate(texts)]
    return Group("user", texts, texts("user.about"), commands)


def _add(texts: Texts) -> click.Command:
    def run(name: str, admin: bool, password_stdin: bool, **options: Any) -> None:
        password = _new_password(password_stdin, texts)

        async def work(office: Office) -> None:
            user_id = await office.accounts.add(name, password, is_admin=admin)
            click.echo(texts("user.added", user_id=user_id))

        work_in_office(options, texts, work, REFUSALS)

    flags = [_flag("--admin", "user.admin", texts), _flag("--password-stdin", "password.stdin", texts)]
    params = [_name(texts), *flags, *setting_options(texts, PLACE_SETTINGS)]
    return Command("add", texts, texts("user.add"), params=params, callback=run)


def _list(texts: Texts) -> click.Command:
    def run(**options: Any) -> None:
        async def work(office: Office) -> None:
            async for account in office.accounts.all():
                click.echo("\t".join(_cells(account, texts)))

        work_in_office(options, texts, work, REFUSALS)

    params = setting_options(texts, PLACE_SETTINGS)
    return Command("list", texts, texts("user.list"), params=params, callback=run)


def _cells(account: AccountRow, texts: Texts) -> Iterator[str]:
    made = datetime.fromtimestamp(account.created_ts / 1000, UTC)
    marks: list[tuple[bool, OwnKey]] = [
        (account.is_admin, "user.mark_admin"),
        (account.deactivated, "user.mark_deactivated"),
        (account.locked, "user.mark_locked"),
        (account.suspended, "user.mark_suspended"),
    ]
    yield account.user_id
    yield f"{made:%Y-%m-%d}"
    yield " ".join(texts(key) for holds, key in marks if holds)


def _set_password(texts: Texts) -> click.Command:
    def run(name: str, keep_sessions: bool, password_stdin: bool, **options: Any) -> None:
        password = _new_password(password_stdin, texts)

        async def work(office: Office) -> None:
            user_id = await office.accounts.set_password(name, password, logout_devices=not keep_sessions)
            click.echo(texts("user.password_set", user_id=user_id))

        work_in_office(options, texts, work, REFUSALS)

    flags = [
        _flag("--keep-sessions", "user.keep_sessions", texts),
        _flag("--password-stdin", "password.stdin", texts),
    ]
    params = [_name(texts), *flags, *setting_options(texts, PLACE_SETTINGS)]
    return Command("set-password", texts, texts("user.set_password"), params=params, callback=run)


def _make_admin(texts: Texts) -> click.Command:
    def run(name: str, undo: bool, **options: Any) -> None:
        async def work(office: Office) -> None:
            user_id = await office.accounts.set_admin(name, not undo)
            click.echo(texts("user.no_admin" if undo else "user.admin_made", user_id=user_id))

        work_in_office(options, texts, work, REFUSALS)

    params = [_name(texts), _flag("--undo", "user.undo", texts), *setting_options(texts, PLACE_SETTINGS)]
    return Command("make-admin", texts, texts("user.make_admin"), params=params, callback=run)


def _deactivate(texts: Texts) -> click.Command:
    def run(name: str, erase: bool, yes: bool, **options: Any) -> None:
        async def work(office: Office) -> None:
            account = await office.accounts.find(name)
            question = texts("user.confirm", user_id=account.user_id)
            if not yes and not click.confirm(question, prompt_suffix=" "):
                raise click.Abort
            user_id = await office.accounts.deactivate(name, erase=erase)
            click.echo(texts("user.deactivated", user_id=user_id))

        work_in_office(options, texts, work, REFUSALS)

    flags = [_flag("--erase", "user.erase", texts), _flag("--yes", "user.yes", texts)]
    params = [_name(texts), *flags, *setting_options(texts, PLACE_SETTINGS)]
    return Command("deactivate", texts, texts("user.deactivate"), params=params, callback=run)


def _name(texts: Texts) -> click.Argument:
    return click.Argument(["name"], metavar=texts("user.name_metavar"), help=texts("user.name"))


def _flag(option: str, about: OwnKey, texts: Texts) -> click.Option:
    return click.Option([option], is_flag=True, help=texts(about))


def _new_password(from_stdin: bool, texts: Texts) -> str:
    """Ask twice on a terminal; otherwise take the first line of the input, as scripts write it."""
    if from_stdin or not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise CommandFailed(texts("password.missing"))
        return password
    password = click.prompt(texts("password.ask"), hide_input=True)
    if click.prompt(texts("password.again"), hide_input=True) != password:
        raise CommandFailed(texts("password.differ"))
    return str(password)
