"""The life of a server process: start, signals, reload, and a shutdown that lets answers finish.

SIGTERM and SIGINT end the server: it takes no new connections, answers what it has begun, and stops after at most
`DRAIN_S`. A second one stops it at once. SIGHUP reads the settings anew and applies those that can change while the
server runs; settings that cannot be used are complained about, and the old ones stay.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Protocol

import uvloop

from hamrasan.runtime.descriptors import raise_descriptor_limit
from hamrasan.runtime.log import configure, get_logger
from hamrasan.runtime.settings import SETTINGS, Settings, SettingsError

_log = get_logger(__name__)

DRAIN_S = 5.0
"""How long answers that were begun may take after SIGTERM. Supervisors commonly kill after ten seconds; the rest of
that is for closing the store."""


class Server(Protocol):
    """A server that has started."""

    @property
    def url(self) -> str:
        """Where people open it."""
        ...

    def reload(self, settings: Settings) -> None:
        """Apply those of `settings` that can change while the server runs."""
        ...

    async def close(self, drain_s: float) -> None:
        """Stop accepting, let begun answers finish for up to `drain_s` seconds, and close the store."""
        ...


class Process:
    """Runs one server until a signal ends it."""

    def __init__(
        self,
        start: Callable[[Settings], Awaitable[Server]],
        load: Callable[[], Settings],
        ready: Callable[[Settings, str], None],
    ) -> None:
        """`start` returns once the server accepts connections; `ready` then tells a person its URL."""
        self._start = start
        self._load = load
        self._ready = ready
        self._asked_to_stop = asyncio.Event()
        self._settings = load()

    async def run(self) -> None:
        """Start the server and return after it has closed. Whatever `start` raises is passed on."""
        configure(self._settings.log_level, self._settings.log_format)
        raise_descriptor_limit()
        server = await self._start(self._settings)
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload, server)
        self._ready(self._settings, server.url)
        await self._asked_to_stop.wait()
        _log.info("closing", drain_s=DRAIN_S)
        await server.close(DRAIN_S)

    def _stop(self) -> None:
        self._asked_to_stop.set()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(
                name
            )  # the next one finds the system's default, which ends the process

    def _reload(self, server: Server) -> None:
        try:
            settings = self._load()
        except SettingsError as error:
            _log.error("the settings were not reloaded", reason=str(error))
            return
        fixed = [
            row.name
            for row in SETTINGS
            if not (row.reloadable or row.is_flag) and self._changed(row.name, settings)
        ]
        if fixed:
            _log.warning("these settings change only with a restart", settings=fixed)
        configure(settings.log_level, settings.log_format)
        server.reload(settings)
        _log.info("the settings were reloaded")

    def _changed(self, name: str, settings: Settings) -> bool:
        return bool(getattr(settings, name) != getattr(self._settings, name))


def run_process(
    start: Callable[[Settings], Awaitable[Server]],
    load: Callable[[], Settings],
    ready: Callable[[Settings, str], None],
) -> None:
    """Run a server on an event loop of its own until a signal ends it; see `Process`.

    Raises `SettingsError` if the settings cannot be used, and what `start` raises.
    """

    async def live() -> None:
        await Process(start, load, ready).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
