"""What the long polls of clients have in common: `/sync`, sliding sync, and the old `/events`."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any

from hamrasan.http.eager import Finished, start
from hamrasan.http.errors import response_to
from hamrasan.http.response import Connection, Parked, Response, json_bytes
from hamrasan.http.services import Services
from hamrasan.protocol.errors import MatrixError


class WaitingClient(Parked):
    """A client that waits for news. The object itself is the waiter that the notifier wakes.

    It waits until there is an answer; `_park` is called to wait on where an answer would have held nothing, `_leave`
    to forget the waiter wherever it is known.
    """

    __slots__ = ("_connection", "_operation", "_services")

    def __init__(self, services: Services, operation: str, timeout: float) -> None:
        super().__init__(timeout)
        self._services = services
        self._operation = operation
        self._connection: Connection | None = None

    @property
    @abstractmethod
    def device_id(self) -> str:
        """The device that waits."""

    @abstractmethod
    def _park(self) -> None:
        """Wait to be woken, unless something has changed since an answer was last composed."""

    @abstractmethod
    def _leave(self) -> None:
        """Wait no more."""

    @abstractmethod
    def _nothing(self) -> bytes:
        """Return the answer that holds nothing."""

    def start(self, connection: Connection) -> None:
        """Wait for changes; one may have come since the answer was composed."""
        self._connection = connection
        self._park()

    def end(self, error: MatrixError) -> None:
        """The device has been logged out meanwhile, or its user's account locked."""
        self._fail(error)

    def cancelled(self) -> None:
        """The client has gone."""
        self._stop()

    def expired(self) -> Response:
        """Nothing has happened in time."""
        self._stop()
        return json_bytes(self._nothing())

    def _compose(self, work: Coroutine[Any, Any, bytes | None]) -> None:
        """Answer with what `work` returns; it usually ends without waiting, else it is a task."""
        try:
            step = start(work, self._services.loop)
        except Exception as error:
            self._fail(error)
            return
        if isinstance(step, Finished):
            self._answer(step.value)
        else:
            step.add_done_callback(self._composed)

    def _composed(self, task: asyncio.Task[bytes | None]) -> None:
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._fail(error)
        else:
            self._answer(task.result())

    def _answer(self, body: bytes | None) -> None:
        """Answer, or wait on if there is nothing to tell."""
        if self._connection is None:
            return
        if body is None:
            self._park()
        else:
            self._respond(json_bytes(body))

    def _fail(self, error: BaseException) -> None:
        if self._connection is not None:
            self._respond(response_to(error, self._operation))

    def _respond(self, response: Response) -> None:
        connection = self._stop()
        if connection is not None:
            connection.respond(response)

    def _stop(self) -> Connection | None:
        """Leave; return the connection if there is somebody who has not been answered."""
        connection, self._connection = self._connection, None
        self._leave()
        return connection
