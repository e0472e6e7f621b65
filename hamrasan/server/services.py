"""The services of a server, put together by hand in the order of dependency; nothing else knows every part.

Each function here fills one group of `hamrasan.http.services`.
"""

from __future__ import annotations

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_view import AccountDataView
from hamrasan.accounts.filters import Filters
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.accounts.invite_permission import InvitePermission
from hamrasan.accounts.passwords import COST, PasswordCost
from hamrasan.accounts.presence import Presence
from hamrasan.accounts.profiles import Profiles
from hamrasan.accounts.push_rules import PushRules
from hamrasan.accounts.sealing import Sealing
from hamrasan.accounts.tags import Tags
from hamrasan.accounts.two_step import TwoStep
from hamrasan.accounts.upstream.openid_connect import OpenIdConnect
from hamrasan.appservices.client import ServiceClient
from hamrasan.appservices.queries import ServiceQueries
from hamrasan.encryption.cross_signing import CrossSigning
from hamrasan.encryption.key_backups import KeyBackups
from hamrasan.encryption.key_counts import KeyCountCache
from hamrasan.encryption.key_query import KeyQuery
from hamrasan.encryption.key_signatures import KeySignatures
from hamrasan.encryption.keys import Keys
from hamrasan.encryption.to_device import ToDevice
from hamrasan.federation.names import Names
from hamrasan.flows.act_for_service import ActForService
from hamrasan.flows.carry_over_settings import CarryOverSettings
from hamrasan.flows.change_profile import ChangeProfile
from hamrasan.flows.create_room import CreateRoom
from hamrasan.flows.deactivate_account import Departure
from hamrasan.flows.dehydrate_device import DehydrateDevice
from hamrasan.flows.delayed_events import DelayedEvents
from hamrasan.flows.identity import Hooks, Identity, IdentityStore, assemble_identity
from hamrasan.flows.invite_elsewhere import InviteElsewhere
from hamrasan.flows.join_room import JoinRoom
from hamrasan.flows.leave_all_rooms import LeaveAllRooms
from hamrasan.flows.publish_signing_keys import PublishSigningKeys
from hamrasan.flows.see_presence import SeePresence
from hamrasan.flows.server_notices import ServerNotices
from hamrasan.flows.set_state import SetState
from hamrasan.flows.sign_in_upstream import SignInUpstream
from hamrasan.flows.signing_in import SigningIn, assemble_signing_in
from hamrasan.flows.upgrade_room import UpgradeRoom
from hamrasan.http.services import (
    ElsewhereServices,
    EncryptionServices,
    FederationServices,
    Ground,
    IdentityServices,
    PersonalServices,
    RoomServices,
    Services,
    StoryServices,
    join,
)
from hamrasan.media.repository import MediaRepository
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.aliases import Aliases
from hamrasan.rooms.directory import Directory
from hamrasan.rooms.discovery import Discovery
from hamrasan.rooms.erasure import Erasure
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.followers import EventFeed
from hamrasan.rooms.history import History
from hamrasan.rooms.invitations import Invitations
from hamrasan.rooms.membership import Membership
from hamrasan.rooms.messages import Messages
from hamrasan.rooms.network_directories import NetworkDirectories
from hamrasan.rooms.new_rooms import NewRooms
from hamrasan.rooms.receipts import Receipts
from hamrasan.rooms.reception import Reception
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.relations import Relations
from hamrasan.rooms.rendering import Renderer
from hamrasan.rooms.reports import Reports
from hamrasan.rooms.retention import Limits, Retention
from hamrasan.rooms.server_acls import ServerAcls
from hamrasan.rooms.thread_subscriptions import ThreadSubscriptions
from hamrasan.rooms.timeline import Timeline
from hamrasan.rooms.typing import Typing
from hamrasan.rooms.watched import WatchedRooms
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.server.appservices import build_appservices
from hamrasan.server.elsewhere import build_elsewhere, build_inviting
from hamrasan.server.exchange import build_exchange
from hamrasan.server.federation import build_federation
from hamrasan.server.media import build_media
from hamrasan.server.push import build_push
from hamrasan.server.searching import build_search
from hamrasan.server.serving import build_serving
from hamrasan.server.syncing import build_syncing
from hamrasan.storage.ports.accounts import AccountDeactivated, AccountRow
from hamrasan.storage.ports.federated_rooms import StateFlipped
from hamrasan.storage.ports.journal import Position
from hamrasan.storage.ports.rooms import RoomEvents
from hamrasan.storage.sqlite.store import Store


def build_services(
    ground: Ground, store: Store, tasks: TaskSupervisor, names: Names, cost: PasswordCost = COST
) -> tuple[Services, Identity]:
    """Put the services of one server together over an open store; return them, and those that have a life to end."""
    client = ServiceClient(ground.outbound)
    queries = ServiceQueries(ground.application_services, client)
    personal = _personal(store, ground.clock, queries)
    federation = build_federation(store, ground, names)
    rooms = _rooms(store, ground, personal, queries, federation)
    readers = IdentityStore(store.journal, store.accounts, store.tokens, store.devices)
    encryption, media = _encryption(store, ground), build_media(store, ground)
    elsewhere = build_elsewhere(store, ground, federation, encryption, media, rooms)
    sealing = Sealing(ground.secrets_key, ground.clock)
    two_step = TwoStep(store.journal, store.two_step, sealing, ground.clock, ground.entropy)
    hooks = Hooks(
        is_exclusive=ground.application_services.reserve_user,
        is_key_id=encryption.cross_signing.is_key_id,
        has_two_steps=two_step.is_on,
        is_known_elsewhere=store.upstream.is_linked,
    )
    identity = assemble_identity(readers, ground.settings, ground.clock, ground.entropy, tasks, hooks, cost)
    departures = identity.deactivate_account.on_departure
    departures(LeaveAllRooms(elsewhere.leave_room, store.rooms).leave)
    departures(lambda account: encryption.key_backups.forget(account.user_id))
    departures(lambda account: encryption.cross_signing.forget(account.user_id))
    departures(_forget_files(media.media))
    syncing = build_syncing(store, ground, encryption, personal, rooms)
    feed = EventFeed(store.journal, store.events)
    push = build_push(store, ground, feed, personal, rooms, syncing, tasks)
    departures(lambda account: push.pushers.forget(account.user_id))
    signing_in = assemble_signing_in(
        store.journal, store.oauth, identity, two_step, sealing, ground.clock, ground.entropy
    )
    services = join(
        ground,
        _identity(identity, ground),
        signing_in,
        encryption,
        media,
        personal,
        rooms,
        syncing,
        push,
        build_appservices(store, ground, client, feed, personal, rooms, tasks),
        _stories(store, ground, identity, signing_in, encryption, personal, rooms, elsewhere, tasks),
        build_search(store, ground, feed, personal, rooms),
        federation,
        build_exchange(store, ground, feed, encryption, personal, rooms, federation, tasks),
        elsewhere,
        build_serving(store, ground, encryption, rooms, federation, elsewhere),
    )
    return services, identity


def _forget_files(media: MediaRepository) -> Departure:
    """Return what deletes the files of people who want to be erased; others leave them to those they sent them to."""

    async def forget(account: AccountRow) -> None:
        if account.erased:
            await media.forget(account.user_id)

    return forget


def _identity(identity: Identity, ground: Ground) -> IdentityServices:
    return IdentityServices(
        accounts=identity.accounts,
        authenticator=identity.authenticator,
        devices=identity.devices,
        tokens=identity.tokens,
        login_tokens=identity.login_tokens,
        openid_tokens=identity.openid_tokens,
        registration_tokens=identity.registration_tokens,
        interactive=identity.interactive,
        reauthentication=identity.reauthentication,
        open_session=identity.open_session,
        end_sessions=identity.end_sessions,
        register=identity.register,
        register_with_secret=identity.register_with_secret,
        login=identity.login,
        change_password=identity.change_password,
        deactivate_account=identity.deactivate_account,
        moderate_accounts=identity.moderate_accounts,
        act_for_service=ActForService(
            ground.application_services,
            identity.authenticator,
            identity.accounts,
            identity.devices,
            identity.open_session,
        ),
    )


def _encryption(store: Store, ground: Ground) -> EncryptionServices:
    journal, clock, name = store.journal, ground.clock, ground.settings.server_name
    counts, locks = KeyCountCache(journal, store.encryption), KeyedLocks()
    return EncryptionServices(
        keys=Keys(journal, store.encryption, store.devices, counts, locks, clock, name),
        key_query=KeyQuery(store.encryption, store.cross_signing, clock, name),
        cross_signing=CrossSigning(journal, store.cross_signing, store.encryption, store.devices, locks),
        key_signatures=KeySignatures(journal, store.cross_signing, store.encryption, locks, clock),
        key_counts=counts,
        key_backups=KeyBackups(journal, store.key_backups, clock),
        to_device=ToDevice(journal, store.encryption, store.devices, clock, ground.entropy, name),
    )


def _personal(store: Store, clock: Clock, queries: ServiceQueries) -> PersonalServices:
    journal, locks = store.journal, KeyedLocks()
    account_data = AccountData(journal, store.account_data)
    presence = Presence(clock)
    journal.listen(AccountDeactivated, lambda item: presence.forget(item.user_id))
    return PersonalServices(
        account_data=account_data,
        account_data_view=AccountDataView(store.account_data),
        profiles=Profiles(journal, store.profiles, store.accounts, locks, queries.make_user),
        tags=Tags(account_data, locks),
        filters=Filters(journal, store.filters),
        push_rules=PushRules(account_data, locks),
        ignored=IgnoredUsers(account_data),
        invite_permission=InvitePermission(account_data),
        presence=presence,
    )


def _rooms(
    store: Store,
    ground: Ground,
    personal: PersonalServices,
    queries: ServiceQueries,
    federation: FederationServices,
) -> RoomServices:
    journal, clock, name = store.journal, ground.clock, ground.settings.server_name
    registry = RoomRegistry(journal, clock, store.events, store.state, store.rooms, store.federated_rooms)
    reception = Reception(registry)
    federated_events = FederatedEvents(registry, name, ground.signing_key)
    floors: dict[int, Position] = {}
    history = History(store.state, floors)
    erasure = Erasure(store.accounts, history)
    renderer = Renderer(store.events, store.relations, store.state, erasure, clock)
    access = RoomAccess(registry, store.rooms, history)
    discovery = Discovery(registry, store.rooms, store.state, store.serving, name)
    typing = Typing(clock)
    journal.listen(RoomEvents, typing.committed)
    journal.listen(StateFlipped, typing.committed)
    watched = WatchedRooms()
    journal.listen(RoomEvents, watched.committed)
    receipts = Receipts(journal, access, store.events, store.receipts, personal.account_data, clock)
    return RoomServices(
        registry=registry,
        reception=reception,
        federated_events=federated_events,
        invitations=Invitations(journal, store.invitations),
        access=access,
        new_rooms=NewRooms(registry, ground.entropy, name),
        messages=Messages(registry, store.relations),
        membership=_membership(
            store,
            personal,
            queries,
            access,
            build_inviting(federation, registry, federated_events, reception),
        ),
        aliases=Aliases(registry, access, store.rooms, ground.application_services, queries.make_alias, name),
        directory=Directory(registry, store.rooms, store.state),
        network_directories=NetworkDirectories(
            registry, access, store.rooms, store.state, store.application_services
        ),
        discovery=discovery,
        erasure=erasure,
        history=history,
        renderer=renderer,
        timeline=Timeline(store.events, store.state, history, personal.ignored),
        relations=Relations(store.events, store.relations, renderer),
        receipts=receipts,
        thread_subscriptions=ThreadSubscriptions(
            journal, store.thread_subscriptions, access, receipts, personal.push_rules
        ),
        reports=Reports(journal, access, store.rooms, store.accounts, clock, name),
        typing=typing,
        watched=watched,
        retention=_retention(store, ground, floors),
        server_acls=ServerAcls(),
    )


def _membership(
    store: Store,
    personal: PersonalServices,
    queries: ServiceQueries,
    access: RoomAccess,
    inviting: InviteElsewhere,
) -> Membership:
    return Membership(
        inviting.registry,
        access,
        store.rooms,
        store.accounts,
        personal.profiles,
        personal.invite_permission,
        queries.make_user,
        inviting.invite,
        inviting.server_name,
    )


def _retention(store: Store, ground: Ground, floors: dict[int, Position]) -> Retention:
    settings = ground.settings
    limits = Limits(int(settings.shortest_message_lifetime), int(settings.longest_message_lifetime or 0))
    return Retention(
        store.journal,
        store.retention,
        store.rooms,
        store.events,
        store.state,
        floors,
        limits,
        ground.clock,
    )


def _upstream(
    store: Store, ground: Ground, identity: Identity, change_profile: ChangeProfile
) -> SignInUpstream:
    return SignInUpstream(
        ground.providers,
        OpenIdConnect(ground.outbound, ground.clock),
        store.upstream,
        identity.accounts,
        change_profile,
        ground.clock,
    )


def _delayed_events(
    store: Store, ground: Ground, identity: Identity, rooms: RoomServices, set_state: SetState
) -> DelayedEvents:
    delayed_events = DelayedEvents(
        store.journal,
        store.delayed_events,
        rooms.registry,
        rooms.access,
        rooms.messages,
        set_state,
        identity.accounts,
        ground.clock,
        ground.entropy,
    )
    identity.deactivate_account.on_departure(lambda account: delayed_events.forget(account.user_id))
    return delayed_events


def _join_room(
    ground: Ground, rooms: RoomServices, elsewhere: ElsewhereServices, carry_over: CarryOverSettings
) -> JoinRoom:
    return JoinRoom(
        rooms.membership,
        rooms.registry,
        rooms.invitations,
        elsewhere.join_over_federation,
        carry_over,
        ground.settings.server_name,
    )


def _stories(
    store: Store,
    ground: Ground,
    identity: Identity,
    signing_in: SigningIn,
    encryption: EncryptionServices,
    personal: PersonalServices,
    rooms: RoomServices,
    elsewhere: ElsewhereServices,
    tasks: TaskSupervisor,
) -> StoryServices:
    change_profile = ChangeProfile(personal.profiles, rooms.registry, store.rooms, tasks)
    carry_over = CarryOverSettings(rooms.registry, personal.account_data, personal.tags, personal.push_rules)
    create_room = CreateRoom(rooms.registry, rooms.new_rooms, rooms.aliases, rooms.membership)
    set_state = SetState(rooms.registry, rooms.access, rooms.membership, rooms.aliases)
    delayed_events = _delayed_events(store, ground, identity, rooms, set_state)
    return StoryServices(
        set_state=set_state,
        delayed_events=delayed_events,
        server_notices=ServerNotices(
            identity.accounts,
            store.server_notices,
            create_room,
            rooms.membership,
            rooms.registry,
            personal.tags,
            ground.settings.server_name,
        ),
        change_profile=change_profile,
        create_room=create_room,
        join_room=_join_room(ground, rooms, elsewhere, carry_over),
        upgrade_room=UpgradeRoom(
            rooms.registry,
            rooms.access,
            rooms.new_rooms,
            rooms.aliases,
            rooms.membership,
            carry_over,
            store.rooms,
        ),
        see_presence=SeePresence(personal.presence, store.rooms),
        publish_signing_keys=PublishSigningKeys(
            encryption.cross_signing, identity.reauthentication, signing_in.oauth_tokens
        ),
        sign_in_upstream=_upstream(store, ground, identity, change_profile),
        dehydrate_device=DehydrateDevice(
            store.journal,
            store.dehydrated_devices,
            identity.devices,
            identity.end_sessions,
            encryption.keys,
            encryption.cross_signing,
            encryption.to_device,
        ),
    )
