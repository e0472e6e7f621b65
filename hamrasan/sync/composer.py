"""The answer to `/sync` (client-server API, "Syncing"): what changed for one device since its token.

Everything a waiting client usually gets is in memory, so composing usually ends without waiting for anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hamrasan.accounts.invite_permission import HiddenInvites
from hamrasan.accounts.presence import Presence
from hamrasan.encryption.key_counts import KeyCountCache
from hamrasan.encryption.to_device import ToDevice
from hamrasan.protocol.canonical_json import json_string
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.tokens import SyncToken, page_token
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.invitations import NO_ROOM
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import MembershipRow
from hamrasan.storage.ports.user_data import GLOBAL, AccountDataReader, AccountDataRow
from hamrasan.sync.changed_rooms import ChangedRooms, changed_rooms
from hamrasan.sync.companions import CompanionFinder, Companions
from hamrasan.sync.device_lists import DeviceLists
from hamrasan.sync.notifier import Notifier, UserStream
from hamrasan.sync.presence_news import PresenceNews
from hamrasan.sync.request import SyncRequest
from hamrasan.sync.room_sections import RoomSections
from hamrasan.sync.stripped_state import StrippedStates


class SyncComposer:
    """Composes answers."""

    def __init__(
        self,
        journal: Journal,
        notifier: Notifier,
        registry: RoomRegistry,
        sections: RoomSections,
        stripped: StrippedStates,
        account_data: AccountDataReader,
        typing: Typing,
        presence: Presence,
        presence_news: PresenceNews,
        companions: CompanionFinder,
        device_lists: DeviceLists,
        key_counts: KeyCountCache,
        to_device: ToDevice,
        invites: HiddenInvites,
        clock: Clock,
        epoch: str,
    ) -> None:
        self._journal = journal
        self._notifier = notifier
        self._registry = registry
        self._sections = sections
        self._stripped = stripped
        self._account_data = account_data
        self._typing = typing
        self._presence = presence
        self._presence_news = presence_news
        self._companions = companions
        self._device_lists = device_lists
        self._key_counts = key_counts
        self._to_device = to_device
        self._invites = invites
        self._clock = clock
        self._epoch = epoch
        # Those who are woken together get the same token.
        self._now = SyncToken(-1, -1, -1, epoch)
        self._written_token: tuple[SyncToken | None, bytes] = (None, b"")

    def token(self) -> SyncToken:
        """Return a token for now."""
        known = self._now  # asked for with every answer, so nothing here is behind a property
        position, typing, presence = self._journal.durable, self._typing.serial, self._presence.serial
        if known[0] != position or known[1] != typing or known[2] != presence:
            known = self._now = SyncToken(position, typing, presence, self._epoch)
        return known

    def current_token(self, token: SyncToken) -> SyncToken:
        """Return a client's token as it is to be read now.

        Serials of another run of the server mean nothing. A position that is still to come was given before the data
        folder was set back to an older copy: the client goes on from where the server stands, or it would miss what
        happens until that position is reached.
        """
        if token.epoch == self._epoch:
            return token
        return SyncToken(min(token.position, self._journal.durable), 0, 0, self._epoch, token.handed_over)

    def quick(self, request: SyncRequest, stream: UserStream) -> bytes | None:
        """Return the answer if it holds nothing but new messages that are in memory; None leaves it to `compose`.

        This is what nearly every wake-up of a waiting client is about, so it goes without a coroutine.
        """
        after, typing = request.after, request.typing
        if not request.is_plain or stream.latest > after or stream.presence > request.presence:
            return None
        if self._device_lists.concern(stream, after):
            return None
        reader = request.reader
        counts = self._key_counts.part_now(reader.user_id, reader.device_id)
        if counts is None or stream.has_messages(reader.device_id, request.handed_over):
            return None
        written = []
        upto = self._journal.durable
        for room_id, activity in stream.joined.items():
            if activity.latest > after or activity.typing > typing:
                room = self._registry.loaded(room_id)
                section = None if room is None else self._sections.quick(request, stream, room, upto)
                if section is None:
                    return None
                written.append(b"%b:%b" % (json_string(room_id), section))
        if not written:
            return None
        # Presence of those in large rooms only is left to an answer that has something else to tell.
        now = self.token()
        if now[2] != request.presence:
            now = now._replace(presence=request.presence)
        return self._body(now, [b'"rooms":{"join":{%b}}' % b",".join(written), counts])

    async def compose(self, request: SyncRequest, stream: UserStream) -> bytes | None:
        """Return the body of the answer, None if nothing has changed for this client."""
        if not self.concerns(request, stream):
            return None
        now = self.token()
        changed = changed_rooms(request, stream)
        parts: list[bytes] = []
        rooms = await self._rooms(request, stream, changed.chosen(request.filter.room), now.position)
        if rooms:
            parts.append(b'"rooms":{%b}' % b",".join(rooms))
        account_data = await self._global_account_data(request, stream, now.position)
        if account_data:
            parts.append(b'"account_data":{"events":[%b]}' % b",".join(account_data))
        companions = Companions()
        if request.since is not None:
            companions = await self._companions.find(changed, request.after, now.position)
            lists = await self._device_lists.part(stream, companions, request.after, now.position)
            if lists is not None:
                parts.append(lists)
        presence = self._presence_news.events(request, stream, companions.met)
        if presence:
            parts.append(b'"presence":{"events":[%b]}' % b",".join(presence))
        messages, handed_over = await self._messages(request, stream, now.position)
        if messages:
            parts.append(b'"to_device":{"events":[%b]}' % b",".join(messages))
        if handed_over < now.position:
            now = now._replace(handed_over=handed_over)
        if not parts and not request.wants_everything:
            return None
        parts.append(await self._key_counts.part(request.reader.user_id, request.reader.device_id))
        return self._body(now, parts)

    async def _messages(
        self, request: SyncRequest, stream: UserStream, upto: Position
    ) -> tuple[list[bytes], Position]:
        """Return the messages for the device, and the position up to which it has all with them."""
        device_id = request.reader.device_id
        if not stream.has_messages(device_id, request.handed_over):
            return [], upto
        after = max(request.handed_over, stream.received_upto(device_id))
        return await self._to_device.waiting(stream.user_id, device_id, after, upto)

    def presence(self, request: SyncRequest, stream: UserStream) -> list[bytes]:
        """Return the presence events of an answer."""
        return self._presence_news.events(request, stream, ())

    def take_receipt(self, request: SyncRequest, stream: UserStream) -> None:
        """Forget the messages that the device has received, by the token that it comes back with."""
        device_id = request.reader.device_id
        if request.since is not None and stream.received(device_id, request.handed_over):
            self._to_device.acknowledge(stream.user_id, device_id, request.handed_over)

    async def device_changes(
        self, request: SyncRequest, stream: UserStream, upto: Position
    ) -> tuple[list[str], list[str]]:
        """Return whose devices changed in (the client's token, `upto`], and whom it does not share a room with now."""
        changed = changed_rooms(request, stream)
        companions = await self._companions.find(changed, request.after, upto)
        return await self._device_lists.changes(stream, companions, request.after, upto)

    def concerns(self, request: SyncRequest, stream: UserStream) -> bool:
        """Return whether there may be something to tell the client: a look at some integers per room."""
        after, typing = request.after, request.typing
        if request.wants_everything:
            return True
        if stream.latest > after or stream.presence > request.presence:
            return True
        if self._device_lists.concern(stream, after):
            return True
        if stream.has_messages(request.reader.device_id, request.handed_over):
            return True
        for room in stream.joined.values():  # noqa: SIM110 - a generator would cost more than the look
            if room.latest > after or room.typing > typing:
                return True
        return False

    def is_prepared(self, request: SyncRequest) -> bool:
        """Return whether `nothing_new` will not have to wait."""
        return self._key_counts.part_now(request.reader.user_id, request.reader.device_id) is not None

    async def prepare(self, request: SyncRequest) -> None:
        """Make ready what `nothing_new` will need without waiting."""
        await self._key_counts.part(request.reader.user_id, request.reader.device_id)

    def nothing_new(self, request: SyncRequest, upto: SyncToken) -> bytes:
        """Return the answer to a client for which there is nothing up to a token.

        Presence is left to an answer that has something else to tell: nobody is woken for that of all in large rooms.
        """
        counts = self._key_counts.part_now(request.reader.user_id, request.reader.device_id)
        return self._body(upto._replace(presence=request.presence), [] if counts is None else [counts])

    def _body(self, token: SyncToken, parts: Sequence[bytes]) -> bytes:
        if token != self._written_token[0]:
            self._written_token = (token, b'"next_batch":"%b"' % str(token).encode())
        return b"{%b}" % b",".join([self._written_token[1], *parts])

    # Rooms.

    async def _rooms(
        self, request: SyncRequest, stream: UserStream, changed: ChangedRooms, upto: Position
    ) -> list[bytes]:
        data = await self._room_account_data(request, stream, upto)
        join = await self._joined_rooms(request, stream, changed, data, upto)
        parts = [b'"join":{%b}' % b",".join(join)] if join else []
        if changed.others:
            parts += await self._other_rooms(request, stream, changed.others, data)
        return parts

    async def _joined_rooms(
        self,
        request: SyncRequest,
        stream: UserStream,
        changed: ChangedRooms,
        data: Mapping[str, list[AccountDataRow]],
        upto: Position,
    ) -> list[bytes]:
        rooms = list(changed.joined)
        known = {row.room_id for _, row in rooms}
        for room_id in data.keys() - known:
            activity, own = stream.joined.get(room_id), stream.memberships.get(room_id)
            if activity is None or own is None or own.position > upto:
                continue
            if request.filter.room.matches_room(room_id):
                rooms.append((activity, own))
        written = []
        slices = Slices(self._clock)
        for activity, own in rooms:
            await slices.pause()
            room_id = own.room_id
            room = self._registry.loaded(room_id) or await self._registry.get(room_id)
            section = await self._sections.joined(
                request, stream, room, own, activity, data.get(room_id, ()), upto
            )
            if section is not None:
                written.append(b"%b:%b" % (json_string(room_id), section))
        return written

    async def _other_rooms(
        self,
        request: SyncRequest,
        stream: UserStream,
        rows: Sequence[MembershipRow],
        data: Mapping[str, list[AccountDataRow]],
    ) -> list[bytes]:
        invited, knocked, left = [], [], []
        hidden = await self._invites.hidden_from(stream.user_id)
        slices = Slices(self._clock)
        for row in rows:
            await slices.pause()
            room_id = row.room_id
            is_new = row.position > request.after or request.full_state
            if row.membership == "invite" and not hidden(row.sender) and is_new:
                events = await self._stripped.of(row)
                invited.append(b'%b:{"invite_state":{"events":[%b]}}' % (json_string(room_id), events))
            elif row.membership == "knock" and is_new:
                events = await self._stripped.of(row)
                knocked.append(b'%b:{"knock_state":{"events":[%b]}}' % (json_string(room_id), events))
            elif row.membership in ("leave", "ban") and _tells_of_leaving(request, row, room_id in data):
                if row.room == NO_ROOM:
                    left += await self._left_outside(row)
                    continue
                room = await self._registry.get(room_id)
                section = await self._sections.left(request, stream, room, row, data.get(room_id, ()))
                left.append(b"%b:%b" % (json_string(room_id), section))
        parts = []
        for name, rooms in ((b"invite", invited), (b"knock", knocked), (b"leave", left)):
            if rooms:
                parts.append(b'"%b":{%b}' % (name, b",".join(rooms)))
        return parts

    async def _left_outside(self, row: MembershipRow) -> list[bytes]:
        """Return the part of a room whose invite was turned down, or whose knock was taken back, from outside."""
        event = await self._stripped.ended(row)
        if event is None:
            return []
        timeline = b'{"events":[%b],"limited":false,"prev_batch":"%b"}' % (
            event,
            page_token(row.position).encode(),
        )
        return [b'%b:{"timeline":%b}' % (json_string(row.room_id), timeline)]

    # What is the user's own.

    async def _room_account_data(
        self, request: SyncRequest, stream: UserStream, upto: Position
    ) -> dict[str, list[AccountDataRow]]:
        rows = await self._changed_account_data(request, stream, upto)
        by_room: dict[str, list[AccountDataRow]] = {}
        for row in rows:
            if row.room_id != GLOBAL:
                by_room.setdefault(row.room_id, []).append(row)
        return by_room

    async def _global_account_data(
        self, request: SyncRequest, stream: UserStream, upto: Position
    ) -> list[bytes]:
        wanted = request.filter.account_data
        return [
            b'{"type":%b,"content":%b}' % (json_string(row.type), row.content)
            for row in await self._changed_account_data(request, stream, upto)
            if row.room_id == GLOBAL and wanted.matches(row.type, None)
        ]

    async def _changed_account_data(
        self, request: SyncRequest, stream: UserStream, upto: Position
    ) -> Sequence[AccountDataRow]:
        if request.since is None:
            return await self._account_data.all_of(stream.user_id)
        if stream.latest <= request.after:
            return ()
        return await self._account_data.changed_since(stream.user_id, request.after, upto)


def _tells_of_leaving(request: SyncRequest, row: MembershipRow, has_data: bool) -> bool:
    """Return whether a room that the user left belongs into the answer.

    Leaving is told to every device that does not know of it, also if the room was forgotten since; what was left
    before, only if the client wants such rooms.
    """
    if request.since is not None and row.position > request.after:
        return True
    wanted = request.filter.room.include_leave and not row.forgotten
    return wanted and (request.wants_everything or has_data)
