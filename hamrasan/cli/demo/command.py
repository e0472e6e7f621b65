"""The command `hamrasan demo`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from hamrasan.cli.commands import Command
from hamrasan.cli.complaints import CommandFailed
from hamrasan.cli.demo.people import PASSWORD, Person, RequestFailed
from hamrasan.cli.demo.providers import LABELS, Provider, ProviderFailed, make_providers
from hamrasan.cli.demo.scenes import be_away, gather_in_room, talk
from hamrasan.cli.texts import Texts
from hamrasan.runtime.log import configure
from hamrasan.runtime.outbound import Outbound

FOLDER = Path("hamrasan-demo")
FIRST_PORT = 8471
LAST_FIRST_PORT = 65535 - 2 * len(LABELS) + 1
PEOPLE = ("narges", "babak", "shirin")


def demo_command(texts: Texts) -> click.Command:
    """Return the command that shows three providers whose people talk with each other."""

    def run(data_dir: str, first_port: int, once: bool) -> None:
        configure("warning", "auto")
        try:
            asyncio.run(_run(Path(data_dir).resolve(), first_port, once, texts))
        except ProviderFailed as error:
            raise CommandFailed(
                texts("demo.not_started", provider=error.label, reason=error.reason)
            ) from None
        except (RequestFailed, OSError) as error:
            raise CommandFailed(texts("demo.failed", reason=error)) from None

    metavar = texts("help.value_metavar")
    ports: Any = click.IntRange(1024, LAST_FIRST_PORT)
    params: list[click.Parameter] = [
        click.Option(["--data-dir"], default=str(FOLDER), metavar=metavar, help=texts("demo.data_dir")),
        click.Option(
            ["--first-port"], type=ports, default=FIRST_PORT, metavar=metavar, help=texts("demo.first_port")
        ),
        click.Option(["--once"], is_flag=True, help=texts("demo.once")),
    ]
    return Command("demo", texts, texts("demo.about"), params=params, callback=run)


async def _run(folder: Path, first_port: int, once: bool, texts: Texts) -> None:
    """Show the scenes, then go on until somebody interrupts, unless it is for `once`."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    outbound = Outbound()
    providers: Sequence[Provider] = ()
    try:
        providers = make_providers(folder, first_port, outbound)
        await _show(providers, outbound, texts)
        if not once:
            click.echo(texts("demo.goes_on"))
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        click.echo(texts("demo.ends"))
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(provider.stop() for provider in providers))
        await outbound.close()


async def _show(providers: Sequence[Provider], outbound: Outbound, texts: Texts) -> None:
    click.echo(texts("demo.starting"))
    await asyncio.gather(*(provider.start() for provider in providers))
    names = (texts("demo.narges"), texts("demo.babak"), texts("demo.shirin"))
    people = [
        Person(provider, localpart, name, outbound)
        for provider, localpart, name in zip(providers, PEOPLE, names, strict=True)
    ]
    room_id = await gather_in_room(people, texts)
    for person in people:
        click.echo(
            texts(
                "demo.person",
                name=person.name,
                user_id=person.user_id,
                url=person.provider.url,
                password=PASSWORD,
            )
        )
    await talk(people, room_id, texts, click.echo)
    await be_away(people, room_id, texts, click.echo)
