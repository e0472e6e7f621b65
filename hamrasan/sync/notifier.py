"""Who waits for what: active users' rooms, and waking those whose rooms changed.

Nothing is written or kept per member: only users who have asked for `/sync` recently have a `UserStream`, and a change
in a room wakes those of its members that wait right now.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Coroutine, Iterable, Sequence
from functools import partial
from typing import Protocol

from hamrasan.accounts.accounts import user_locked
from hamrasan.accounts.tokens import unknown_token
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.decision import EventRedacted
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices, give_way
from hamrasan.storage.ports.accounts import AccountLocked
from hamrasan.storage.ports.cross_signing import SignaturesChanged
from hamrasan.storage.ports.devices import DeviceChanged, DeviceDeleted
from hamrasan.storage.ports.encryption import EncryptionReader, ToDeviceSent
from hamrasan.storage.ports.federated_rooms import StateFlipped
from hamrasan.storage.ports.invitations import InvitationChanged
from hamrasan.storage.ports.journal import Journal, Position
from hamrasan.storage.ports.rooms import (
    MembershipRow,
    RoomEvents,
    RoomForgotten,
    RoomReader,
    StoredEvent,
)
from hamrasan.storage.ports.sharing import SharingReader
from hamrasan.storage.ports.thread_subscriptions import ThreadSubscriptionChanged
from hamrasan.storage.ports.user_data import AccountDataChanged, ReceiptChanged
from hamrasan.sync.room_index import RoomIndex
from hamrasan.sync.unread import UnreadState

WAKE_SECONDS = 0.008
"""Of one turn of the loop, for waking: a hundred or two answers, so that a large room holds up nobody. With a few at a
time each would cost an eighth more: what they do in turn, the processor has forgotten when the next ones do it."""
WAKES_BETWEEN_LOOKS = 16
"""Waiters answered before the clock is looked at: half a millisecond."""
TURNS_BEFORE_WAKING = 2
"""Turns of the loop between a commit and its news. In the first, those who sent go on; at the end of the second, their
answers are written. So clients learn the id of their own event from the answer before they sync it, which is what
libraries are built for (matrix-js-sdk fails to send the first reply of a thread otherwise)."""
MAX_STREAMS = 50_000
"""Users whose rooms are kept in memory; those who asked longest ago are forgotten first, and loaded again."""
MAX_PRESENCE_WATCHERS = 50
"""Active members of a room up to which a change of presence wakes them: who is where matters among few."""
MAX_SENT_MEMBERS = 2_000
"""Members per device that are remembered as sent (lazy loading); beyond it some are sent again."""

COUNTING_TYPES = ("m.push_rules", "m.ignored_user_list")
"""Account data that changes what counts as unread."""


class Waiter(Protocol):
    """A parked request."""

    @property
    def device_id(self) -> str:
        """The device that waits."""

    def wake(self) -> None:
        """Something that may concern the waiter has changed. It has been unregistered."""

    def end(self, error: MatrixError) -> None:
        """Nothing more is for the waiter, and this is why. It has been unregistered."""


class RoomActivity:
    """What last changed in a room that an active user is in."""

    __slots__ = ("events", "latest", "number", "receipts", "room_id", "typing", "watchers")

    def __init__(self, room_id: str, number: int) -> None:
        self.room_id = room_id
        self.number = number
        self.events: Position = 0
        self.receipts: Position = 0
        self.typing = 0
        """Serial of the last typing change."""
        self.latest: Position = 0
        """The last position of anything in the room."""
        self.watchers: set[UserStream] = set()


class SentMembers:
    """The memberships that one device has (client-server API, "Lazy-loading room members").

    An answer may get lost on its way. So a membership counts as sent only for who comes back with a token that stands
    where that answer ended, or later.
    """

    __slots__ = ("_sent",)

    def __init__(self) -> None:
        self._sent: OrderedDict[tuple[str, str], tuple[str, Position]] = OrderedDict()

    def has(self, room_id: str, user_id: str, event_id: str, after: Position) -> bool:
        """Return whether a client at position `after` has this membership of a user."""
        known = self._sent.get((room_id, user_id))
        return known is not None and known[0] == event_id and known[1] <= after

    def note(self, room_id: str, user_id: str, event_id: str, upto: Position) -> None:
        """Take down that an answer that ends at `upto` holds a membership."""
        key = (room_id, user_id)
        known = self._sent.get(key)
        if known is None or known[0] != event_id:
            self._sent[key] = (event_id, upto)
            while len(self._sent) > MAX_SENT_MEMBERS:
                self._sent.popitem(last=False)
        self._sent.move_to_end(key)


class UserStream:
    """An active user: their rooms, their waiting devices, and what was computed for them."""

    __slots__ = (
        "devices",
        "joined",
        "latest",
        "loaded",
        "memberships",
        "presence",
        "sent_members",
        "to_device",
        "unread",
        "user_id",
        "waiters",
    )

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.loaded = False
        """Whether the rooms' last positions are known."""
        self.memberships: dict[str, MembershipRow] = {}
        self.joined: dict[str, RoomActivity] = {}
        self.waiters: set[Waiter] = set()
        self.latest: Position = 0
        """The last position of anything of the user's own: memberships, account data, subscriptions to threads."""
        self.presence = 0
        """The serial of the last change of presence that the user is woken for."""
        self.devices: Position = 0
        """The last position at which devices changed that the user is told of: own ones, and of who shares a room."""
        self.to_device: dict[str, tuple[Position, Position]] = {}
        """By device, the positions of the first and the last message that waits for it."""
        self.unread: dict[str, UnreadState] = {}
        self.sent_members: dict[str, SentMembers] = {}
        """What each device was sent of members (lazy loading)."""

    def has_messages(self, device_id: str, after: Position) -> bool:
        """Return whether messages wait for a device that has those up to `after`."""
        waiting = self.to_device.get(device_id)
        return waiting is not None and waiting[1] > after

    def note_message(self, device_id: str, first: Position, last: Position) -> None:
        """Take down that messages wait for a device."""
        known = self.to_device.get(device_id)
        self.to_device[device_id] = (
            (first, last) if known is None else (min(first, known[0]), max(last, known[1]))
        )

    def received_upto(self, device_id: str) -> Position:
        """Return up to where a device, for which something waits, has its messages; the store may still keep them."""
        return self.to_device[device_id][0] - 1

    def received(self, device_id: str, upto: Position) -> bool:
        """Take down that a device has its messages up to `upto`; return whether that is news."""
        waiting = self.to_device.get(device_id)
        if waiting is None or waiting[0] > upto:
            return False
        if waiting[1] <= upto:
            del self.to_device[device_id]
        else:
            self.to_device[device_id] = (upto + 1, waiting[1])
        return True

    def sent_to(self, device_id: str) -> SentMembers:
        """Return what a device has been sent of members."""
        sent = self.sent_members.get(device_id)
        if sent is None:
            sent = self.sent_members[device_id] = SentMembers()
        return sent


class Notifier:
    """Keeps the streams up to date with the journal, and wakes."""

    def __init__(
        self,
        journal: Journal,
        rooms: RoomReader,
        index: RoomIndex,
        sharing: SharingReader,
        encryption: EncryptionReader,
        typing: Typing,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._sharing = sharing
        self._encryption = encryption
        self._journal = journal
        self._rooms = rooms
        self._index = index
        self._typing = typing
        self._streams: OrderedDict[str, UserStream] = OrderedDict()
        self._activity: dict[str, RoomActivity] = {}
        self._loading: dict[str, asyncio.Task[UserStream]] = {}
        self._ready: deque[Waiter] = deque()
        self._draining = False
        self._lookups: set[asyncio.Task[None]] = set()
        self._device_lookups = 0
        journal.listen(RoomEvents, self._room_events)
        journal.listen(StateFlipped, self._state_flipped)
        journal.listen(ReceiptChanged, self._receipt_changed)
        journal.listen(AccountDataChanged, self._account_data_changed)
        journal.listen(ThreadSubscriptionChanged, self._subscription_changed)
        journal.listen(EventRedacted, self._event_redacted)
        journal.listen(RoomForgotten, self._forgotten)
        journal.listen(DeviceChanged, self._devices_changed)
        journal.listen(SignaturesChanged, self._signatures_changed)
        journal.listen(DeviceDeleted, self._device_deleted)
        journal.listen(AccountLocked, self._account_locked)
        journal.listen(ToDeviceSent, self._message_sent)
        journal.listen(InvitationChanged, self._invitation_changed)
        typing.on_change(self._typing_changed)

    @property
    def durable(self) -> Position:
        """Everything up to this position may be shown."""
        return self._journal.durable

    def active(self, user_id: str) -> UserStream | None:
        """Return the stream of a user who has one, and keep it for a while longer."""
        stream = self._streams.get(user_id)
        if stream is None or not stream.loaded:
            return None
        self._streams.move_to_end(user_id)
        return stream

    async def stream(self, user_id: str) -> UserStream:
        """Return the user's stream, loading it if there is none."""
        if (stream := self.active(user_id)) is not None:
            return stream
        loading = self._loading.get(user_id)
        if loading is None:
            loading = self._loading[user_id] = asyncio.ensure_future(self._load(user_id))
            loading.add_done_callback(lambda _: self._loading.pop(user_id, None))
        return await asyncio.shield(loading)

    async def _load(self, user_id: str) -> UserStream:
        await give_way()  # after a restart everybody comes back at once
        slices = Slices(self._clock)
        await self._index.load()
        while True:
            upto = self._journal.durable
            memberships = await self._rooms.memberships(user_id)
            if upto == self._journal.durable:
                break
        # From here on the stream hears of every change, but nobody is given it before its rooms are known.
        stream = UserStream(user_id)
        stream.latest = stream.devices = upto
        self._streams[user_id] = stream
        for device_id, (first, last) in (await self._encryption.devices_waited_for(user_id)).items():
            stream.note_message(device_id, first, last)
        for row in memberships:
            if row.room_id not in stream.memberships:  # else it has changed since
                stream.memberships[row.room_id] = row
                if row.membership == "join":
                    self._watch(stream, row.room_id, row.room)
            await slices.pause()
        stream.loaded = True
        self._forget_old_streams()
        return stream

    def park(self, stream: UserStream, waiter: Waiter) -> None:
        """Wake `waiter` at the next change that may concern the user."""
        stream.waiters.add(waiter)

    def unpark(self, stream: UserStream, waiter: Waiter) -> None:
        """Forget a waiter."""
        stream.waiters.discard(waiter)

    def wake(self, user_id: str) -> None:
        """Wake the waiters of a user."""
        stream = self._streams.get(user_id)
        if stream is not None and stream.waiters:
            self._wake([stream])

    def wake_room(self, room_id: str) -> None:
        """Wake the waiters of everybody in a room."""
        activity = self._activity.get(room_id)
        if activity is not None:
            self._wake(activity.watchers)

    def presence_changed(self, user_id: str, serial: int) -> None:
        """Wake those who share a small room with a user; everybody else hears of it with some later answer."""
        stream = self._streams.get(user_id)
        if stream is not None and stream.loaded:
            self._tell_presence(stream.joined.values(), serial)
        else:
            self._look_up(self._presence_of_other(user_id, serial))

    async def _presence_of_other(self, user_id: str, serial: int) -> None:
        """Tell the presence of somebody whose rooms are not in memory."""
        rows = await self._rooms.memberships(user_id)
        rooms = (self._activity.get(row.room_id) for row in rows if row.membership == "join")
        self._tell_presence([activity for activity in rooms if activity is not None], serial)

    def _tell_presence(self, rooms: Iterable[RoomActivity], serial: int) -> None:
        for activity in rooms:
            if len(activity.watchers) <= MAX_PRESENCE_WATCHERS:
                for watcher in activity.watchers:
                    watcher.presence = serial
                self._wake(activity.watchers)

    def known(self, user_id: str) -> UserStream | None:
        """Return the stream of a user whose rooms are in memory, without keeping it there."""
        return self._streams.get(user_id)

    def _watch(self, stream: UserStream, room_id: str, number: int) -> RoomActivity:
        activity = self._activity.get(room_id)
        if activity is None:
            activity = self._activity[room_id] = RoomActivity(room_id, number)
            activity.events = self._index.events(number)
            activity.receipts = self._index.receipts(number)
            activity.latest = max(activity.events, activity.receipts)
            activity.typing = self._typing.last_change(room_id)
        activity.watchers.add(stream)
        stream.joined[room_id] = activity
        return activity

    def _unwatch(self, stream: UserStream, room_id: str) -> None:
        activity = stream.joined.pop(room_id, None)
        if activity is not None:
            activity.watchers.discard(stream)
            if not activity.watchers:
                del self._activity[room_id]

    def _forget_old_streams(self) -> None:
        while len(self._streams) > MAX_STREAMS:
            _, oldest = next(iter(self._streams.items()))
            if oldest.waiters:
                self._streams.move_to_end(oldest.user_id)
                return
            del self._streams[oldest.user_id]
            for room_id in list(oldest.joined):
                self._unwatch(oldest, room_id)

    # What the journal says.

    def _room_events(self, item: RoomEvents) -> None:
        position = item.events[-1].position
        activity = self._activity.get(item.room_id)
        if activity is not None:
            activity.events = activity.latest = position
        for stored in item.events:
            if stored.type == "m.room.member" and stored.state_key is not None:
                self._membership_changed(item.room_id, stored)
        activity = self._activity.get(item.room_id)
        if activity is not None:
            self._wake(activity.watchers)

    def _state_flipped(self, item: StateFlipped) -> None:
        """Take note of memberships that a fork brought back or took away; its last event has come before this."""
        for stored in item.events:
            if stored.type == "m.room.member":
                self._membership_changed(item.room_id, stored._replace(position=item.position))
        for event_type, user_id in item.gone:
            stream = self._streams.get(user_id) if event_type == "m.room.member" else None
            if stream is not None:
                stream.memberships.pop(item.room_id, None)
                self._unwatch(stream, item.room_id)

    def _membership_changed(self, room_id: str, stored: StoredEvent) -> None:
        user_id = stored.state_key or ""
        stream = self._streams.get(user_id)
        if stream is None:
            return
        membership = parse_json(stored.content)["membership"]
        stream.memberships[room_id] = MembershipRow(
            stored.room, room_id, user_id, membership, stored.position, stored.event_id, stored.sender, False
        )
        stream.latest = stored.position
        if membership == "join":
            activity = self._watch(stream, room_id, stored.room)
            activity.events = activity.latest = max(activity.latest, stored.position)
        else:
            self._unwatch(stream, room_id)
        # Whoever joins begins anew, and a new name is one that push rules may ask for.
        stream.unread.pop(room_id, None)
        self._wake([stream])

    def _invitation_changed(self, item: InvitationChanged) -> None:
        own = item.row.own
        stream = self._streams.get(own.user_id)
        if stream is not None:
            stream.memberships[own.room_id] = own
            stream.latest = own.position
            self._unwatch(stream, own.room_id)
            self._wake([stream])

    def _receipt_changed(self, item: ReceiptChanged) -> None:
        stream = self._streams.get(item.user_id)
        if stream is not None:
            stream.unread.pop(item.room_id, None)
        activity = self._activity.get(item.room_id)
        if activity is None:
            return
        activity.receipts = activity.latest = item.position
        if item.type == "m.read":
            self._wake(activity.watchers)
        elif stream is not None:
            self._wake([stream])

    def _account_data_changed(self, item: AccountDataChanged) -> None:
        stream = self._streams.get(item.user_id)
        if stream is None:
            return
        stream.latest = item.position
        if item.type in COUNTING_TYPES:
            stream.unread.clear()
        self._wake([stream])

    def _subscription_changed(self, item: ThreadSubscriptionChanged) -> None:
        stream = self._streams.get(item.user_id)
        if stream is not None:
            stream.latest = item.position
            stream.unread.pop(item.room_id, None)
            self._wake([stream])

    def _event_redacted(self, item: EventRedacted) -> None:
        activity = self._activity.get(item.room_id)
        for stream in activity.watchers if activity is not None else ():
            stream.unread.pop(item.room_id, None)

    def _forgotten(self, item: RoomForgotten) -> None:
        stream = self._streams.get(item.user_id)
        row = None if stream is None else stream.memberships.get(item.room_id)
        if stream is not None and row is not None:
            stream.memberships[item.room_id] = row._replace(forgotten=True)

    def _typing_changed(self, room_id: str, serial: int) -> None:
        activity = self._activity.get(room_id)
        if activity is not None:
            activity.typing = serial
            self._wake(activity.watchers)

    def _device_deleted(self, item: DeviceDeleted) -> None:
        """Send away those who wait on a device that was logged out: nothing more is for them."""
        stream = self._streams.get(item.user_id)
        if stream is None:
            return
        stream.sent_members.pop(item.device_id, None)
        stream.to_device.pop(item.device_id, None)
        logged_out = [waiter for waiter in stream.waiters if waiter.device_id == item.device_id]
        self._end(stream, logged_out, unknown_token("This device has been logged out."))

    def _account_locked(self, item: AccountLocked) -> None:
        stream = self._streams.get(item.user_id)
        if stream is not None:
            self._end(stream, list(stream.waiters), user_locked())

    @staticmethod
    def _end(stream: UserStream, waiters: Iterable[Waiter], error: MatrixError) -> None:
        for waiter in waiters:
            stream.waiters.discard(waiter)
            asyncio.get_running_loop().call_soon(waiter.end, error)

    def _message_sent(self, item: ToDeviceSent) -> None:
        stream = self._streams.get(item.user_id)
        if stream is not None:
            stream.note_message(item.device_id, item.position, item.position)
            self._wake([stream])

    @property
    def devices_unsettled(self) -> bool:
        """Whether somebody's devices have changed and it is not known yet whom that concerns."""
        return self._device_lookups > 0

    def _devices_changed(self, item: DeviceChanged) -> None:
        self._device_lookups += 1
        lookup = self._look_up(self._tell_devices(item))
        lookup.add_done_callback(partial(self._devices_told, item.position))

    async def _tell_devices(self, item: DeviceChanged) -> None:
        concerned = {stream} if (stream := self._streams.get(item.user_id)) is not None else set()
        for room_id in await self._sharing.encrypted_rooms(item.user_id):
            if (activity := self._activity.get(room_id)) is not None:
                concerned |= activity.watchers
        for stream in concerned:
            stream.devices = max(stream.devices, item.position)
        self._wake(concerned)

    def _devices_told(self, position: Position, lookup: asyncio.Task[None]) -> None:
        self._device_lookups -= 1
        if lookup.cancelled() or lookup.exception() is not None:
            # It may concern anybody: each of them finds out with the next answer.
            for stream in self._streams.values():
                stream.devices = max(stream.devices, position)

    def _signatures_changed(self, item: SignaturesChanged) -> None:
        stream = self._streams.get(item.user_id)
        if stream is not None:
            stream.devices = max(stream.devices, item.position)
            self._wake([stream])

    def _look_up(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin what has to ask the store, and keep it until it ends."""
        lookup = asyncio.get_running_loop().create_task(work)
        self._lookups.add(lookup)
        lookup.add_done_callback(self._lookups.discard)
        return lookup

    # Waking.

    def _wake(self, streams: Sequence[UserStream] | set[UserStream]) -> None:
        for stream in streams:
            if stream.waiters:
                self._ready.extend(stream.waiters)
                stream.waiters.clear()
        if self._ready and not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self._drain_after, TURNS_BEFORE_WAKING)

    def _drain_after(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._drain_after, turns - 1)
        else:
            self._drain()

    def _drain(self) -> None:
        ready, now = self._ready, self._clock.monotonic
        end = now() + WAKE_SECONDS
        try:
            while ready:
                for _ in range(min(WAKES_BETWEEN_LOOKS, len(ready))):
                    ready.popleft().wake()
                if now() >= end:
                    break
        finally:  # whatever is wrong with one waiter, the others are woken
            if ready:
                asyncio.get_running_loop().call_soon(self._drain)
            else:
                self._draining = False
