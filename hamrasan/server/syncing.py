"""The services that tell clients of news, put together in the order of dependency."""

from __future__ import annotations

from dataclasses import dataclass

from hamrasan.accounts.direct_chats import DirectChats
from hamrasan.accounts.invite_permission import HiddenInvites
from hamrasan.accounts.tagged_rooms import TaggedRooms
from hamrasan.http.services import EncryptionServices, Ground, PersonalServices, RoomServices, SyncServices
from hamrasan.storage.sqlite.store import Store
from hamrasan.sync.badges import BadgeCounter
from hamrasan.sync.companions import CompanionFinder
from hamrasan.sync.composer import SyncComposer
from hamrasan.sync.device_lists import DeviceLists
from hamrasan.sync.notifier import Notifier
from hamrasan.sync.presence_news import PresenceNews
from hamrasan.sync.room_index import RoomIndex
from hamrasan.sync.room_sections import RoomSections
from hamrasan.sync.shared_chunks import SharedChunks
from hamrasan.sync.sliding.bump_stamps import BumpStamps
from hamrasan.sync.sliding.composer import SlidingSync
from hamrasan.sync.sliding.connection_registry import Connections
from hamrasan.sync.sliding.extensions import SlidingExtensions
from hamrasan.sync.sliding.lists import RoomLists
from hamrasan.sync.sliding.room_state import RequiredStates
from hamrasan.sync.sliding.rooms import SlidingRooms
from hamrasan.sync.stripped_state import StrippedStates
from hamrasan.sync.unread import UnreadCounter

EPOCH_LETTERS = 8
"""Letters that name a run of the server in sync tokens."""


@dataclass(frozen=True)
class _Parts:
    """What both kinds of sync are built from."""

    store: Store
    ground: Ground
    encryption: EncryptionServices
    personal: PersonalServices
    rooms: RoomServices
    index: RoomIndex
    notifier: Notifier
    unread: UnreadCounter
    companions: CompanionFinder
    device_lists: DeviceLists
    stripped: StrippedStates


def build_syncing(
    store: Store,
    ground: Ground,
    encryption: EncryptionServices,
    personal: PersonalServices,
    rooms: RoomServices,
) -> SyncServices:
    """Put the services for `/sync` and for sliding sync together."""
    index = RoomIndex(store.journal, store.room_index)
    notifier = Notifier(
        store.journal, store.rooms, index, store.sharing, store.encryption, rooms.typing, ground.clock
    )
    personal.presence.on_change(lambda state: notifier.presence_changed(state.user_id, state.serial))
    parts = _Parts(
        store,
        ground,
        encryption,
        personal,
        rooms,
        index,
        notifier,
        UnreadCounter(
            store.events,
            store.state,
            store.receipts,
            personal.push_rules,
            personal.ignored,
            rooms.receipts,
            rooms.thread_subscriptions,
            ground.clock,
        ),
        CompanionFinder(rooms.registry, store.state, ground.clock),
        DeviceLists(notifier, store.sharing),
        StrippedStates(rooms.registry, store.events, store.invitations),
    )
    return SyncServices(
        notifier=notifier,
        sync=_sync(parts),
        sliding_sync=_sliding_sync(parts),
        room_index=index,
        badges=BadgeCounter(notifier, rooms.registry, store.receipts, parts.unread, ground.clock),
    )


def _sync(parts: _Parts) -> SyncComposer:
    store, ground, rooms, personal = parts.store, parts.ground, parts.rooms, parts.personal
    sections = RoomSections(
        store.events,
        store.state,
        store.receipts,
        personal.account_data_view,
        rooms.renderer,
        rooms.history,
        rooms.typing,
        parts.unread,
        personal.ignored,
        SharedChunks(rooms.renderer, ground.clock),
        ground.clock,
    )
    return SyncComposer(
        store.journal,
        parts.notifier,
        rooms.registry,
        sections,
        parts.stripped,
        personal.account_data_view,
        rooms.typing,
        personal.presence,
        PresenceNews(personal.presence, parts.notifier, rooms.registry, ground.clock),
        parts.companions,
        parts.device_lists,
        parts.encryption.key_counts,
        parts.encryption.to_device,
        HiddenInvites(personal.invite_permission, personal.ignored),
        ground.clock,
        ground.entropy.id(EPOCH_LETTERS),
    )


def _sliding_sync(parts: _Parts) -> SlidingSync:
    store, ground, rooms, personal = parts.store, parts.ground, parts.rooms, parts.personal
    lists = RoomLists(
        parts.index,
        rooms.registry,
        store.state,
        DirectChats(personal.account_data),
        TaggedRooms(personal.account_data, store.account_data),
        HiddenInvites(personal.invite_permission, personal.ignored),
        ground.clock,
    )
    sliding_rooms = SlidingRooms(
        rooms.registry,
        store.events,
        store.receipts,
        rooms.history,
        rooms.renderer,
        RequiredStates(store.events, store.state, rooms.renderer, ground.clock),
        parts.stripped,
        parts.unread,
        BumpStamps(store.journal, store.events),
        personal.ignored,
        HiddenInvites(personal.invite_permission, personal.ignored),
        ground.clock,
    )
    extensions = SlidingExtensions(
        personal.account_data_view,
        store.receipts,
        rooms.typing,
        parts.companions,
        parts.device_lists,
        parts.encryption.key_counts,
        parts.encryption.to_device,
        rooms.thread_subscriptions,
    )
    return SlidingSync(
        parts.notifier,
        Connections(store.journal, store.sliding_connections, ground.clock, ground.entropy),
        lists,
        sliding_rooms,
        extensions,
        rooms.typing,
        parts.encryption.to_device,
        ground.clock,
    )
