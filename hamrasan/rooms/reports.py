"""Reports of users to the server's administrators (client-server API, "Reporting Content")."""

from __future__ import annotations

from hamrasan.protocol.errors import not_found, too_large
from hamrasan.protocol.identifiers import check_user_id, server_name_of
from hamrasan.rooms.access import RoomAccess
from hamrasan.runtime.clock import Clock
from hamrasan.storage.ports.accounts import AccountReader
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.rooms import NewReport, RoomReader

MAX_REASON_CHARS = 2_000
"""A page of text: reports are kept for good, and read by people."""


class Reports:
    """Keeps reports for the administrators."""

    def __init__(
        self,
        journal: Journal,
        access: RoomAccess,
        rooms: RoomReader,
        accounts: AccountReader,
        clock: Clock,
        server_name: str,
    ) -> None:
        self._journal = journal
        self._access = access
        self._rooms = rooms
        self._accounts = accounts
        self._clock = clock
        self._server_name = server_name

    async def report_event(
        self, reporter: str, room_id: str, event_id: str, reason: str, score: int | None
    ) -> None:
        """Report an event of a room that the reporter is in; raise `M_NOT_FOUND` for any other.

        `score` (-100 to 0) is what clients before version 1.18 of the specification send.
        """
        readable, event = await self._access.visible_event(room_id, event_id, reporter)
        if not readable.joined:
            raise not_found("There is no such event in a room that you are in.")
        await self._keep(reporter, room_id, event_id, event.stored.sender, reason, score)

    async def report_room(self, reporter: str, room_id: str, reason: str) -> None:
        """Report a room, whether the reporter is in it or not; raise `M_NOT_FOUND` if this server does not know it."""
        if not await self._rooms.rooms([room_id]):
            raise not_found("This room is not known here.")
        await self._keep(reporter, room_id, None, None, reason, None)

    async def report_user(self, reporter: str, user_id: str, reason: str) -> None:
        """Report a user of any server. Does not tell whether an account exists here; reports about none are dropped.

        Raises `M_INVALID_PARAM` for what is no user id.
        """
        check_user_id(user_id)
        _check_reason(reason)
        if server_name_of(user_id) == self._server_name and await self._accounts.account(user_id) is None:
            return
        await self._keep(reporter, None, None, user_id, reason, None)

    async def _keep(
        self,
        reporter: str,
        room_id: str | None,
        event_id: str | None,
        user_id: str | None,
        reason: str,
        score: int | None,
    ) -> None:
        _check_reason(reason)
        report = NewReport(self._clock.now_ms(), reporter, room_id, event_id, user_id, reason, score)
        await self._journal.submit(Batch([report]))


def _check_reason(reason: str) -> None:
    if len(reason) > MAX_REASON_CHARS:
        raise too_large(f"The reason of a report has at most {MAX_REASON_CHARS} characters.")
