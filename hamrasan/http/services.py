"""What endpoints may use: the services of one server, put together by `hamrasan.server`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_view import AccountDataView
from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.authenticator import Authenticator
from hamrasan.accounts.filters import Filters
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.accounts.invite_permission import InvitePermission
from hamrasan.accounts.login_tokens import LoginTokens
from hamrasan.accounts.openid import OpenIdTokens
from hamrasan.accounts.presence import Presence
from hamrasan.accounts.profiles import Profiles
from hamrasan.accounts.push_rules import PushRules
from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.registration_tokens import RegistrationTokens
from hamrasan.accounts.tags import Tags
from hamrasan.accounts.tokens import Tokens
from hamrasan.accounts.upstream.providers import Provider
from hamrasan.accounts.user_interactive import UserInteractive
from hamrasan.appservices.dispatcher import Dispatcher
from hamrasan.appservices.ping import Ping
from hamrasan.appservices.third_party import ThirdPartyNetworks
from hamrasan.devices.devices import Devices
from hamrasan.encryption.cross_signing import CrossSigning
from hamrasan.encryption.key_backups import KeyBackups
from hamrasan.encryption.key_counts import KeyCountCache
from hamrasan.encryption.key_query import KeyQuery
from hamrasan.encryption.key_signatures import KeySignatures
from hamrasan.encryption.keys import Keys
from hamrasan.encryption.served_devices import ServedDevices
from hamrasan.encryption.to_device import ToDevice
from hamrasan.federation.client import FederationClient
from hamrasan.federation.inbound import Inbound
from hamrasan.federation.key_ring import KeyRing
from hamrasan.federation.news import FederationNews
from hamrasan.federation.notary import Notary
from hamrasan.federation.own_keys import OldKey, OwnKeys
from hamrasan.federation.pdu_checks import PduChecks
from hamrasan.federation.queries import RemoteQueries
from hamrasan.federation.remote_keys import RemoteKeys
from hamrasan.federation.request_check import RequestCheck
from hamrasan.federation.sender import Sender
from hamrasan.federation.server_names import AllowedServers
from hamrasan.flows.act_for_service import ActForService
from hamrasan.flows.ask_for_keys import AskForKeys
from hamrasan.flows.backfill import Backfill
from hamrasan.flows.change_password import ChangePassword
from hamrasan.flows.change_profile import ChangeProfile
from hamrasan.flows.create_room import CreateRoom
from hamrasan.flows.deactivate_account import DeactivateAccount
from hamrasan.flows.dehydrate_device import DehydrateDevice
from hamrasan.flows.delayed_events import DelayedEvents
from hamrasan.flows.end_sessions import EndSessions
from hamrasan.flows.exchange_invite import ExchangeInvite
from hamrasan.flows.fetch_media import FetchMedia
from hamrasan.flows.find_elsewhere import FindElsewhere
from hamrasan.flows.find_room import FindRoom
from hamrasan.flows.join_over_federation import JoinOverFederation
from hamrasan.flows.join_room import JoinRoom
from hamrasan.flows.knock_on_room import KnockOnRoom
from hamrasan.flows.leave_room import LeaveRoom
from hamrasan.flows.login import Login
from hamrasan.flows.moderate_accounts import ModerateAccounts
from hamrasan.flows.open_session import OpenSession
from hamrasan.flows.publish_signing_keys import PublishSigningKeys
from hamrasan.flows.register import Register
from hamrasan.flows.register_with_secret import RegisterWithSecret
from hamrasan.flows.see_presence import SeePresence
from hamrasan.flows.serve_handshakes import ServeHandshakes
from hamrasan.flows.serve_join import ServeJoin
from hamrasan.flows.server_notices import ServerNotices
from hamrasan.flows.set_state import SetState
from hamrasan.flows.sign_in_upstream import SignInUpstream
from hamrasan.flows.signing_in import SigningIn
from hamrasan.flows.take_invite import TakeInvite
from hamrasan.flows.upgrade_room import UpgradeRoom
from hamrasan.media.previews import UrlPreviews
from hamrasan.media.repository import MediaRepository
from hamrasan.media.thumbnails import Thumbnails
from hamrasan.media.workers import Workers
from hamrasan.policy.application_services import ApplicationServices
from hamrasan.protocol.signing import SigningKey
from hamrasan.push.activation import Activations
from hamrasan.push.delivery import Delivery
from hamrasan.push.digests import Digests
from hamrasan.push.history import NotificationHistory
from hamrasan.push.pushers import Pushers
from hamrasan.push.reactor import PushReactor
from hamrasan.push.web_push import Vapid
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.aliases import Aliases
from hamrasan.rooms.directory import Directory
from hamrasan.rooms.discovery import Discovery
from hamrasan.rooms.erasure import Erasure
from hamrasan.rooms.federated_events import FederatedEvents
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
from hamrasan.rooms.retention import Retention
from hamrasan.rooms.served_events import ServedEvents
from hamrasan.rooms.server_access import ServerAccess
from hamrasan.rooms.server_acls import ServerAcls
from hamrasan.rooms.server_spaces import ServerSpaces
from hamrasan.rooms.spaces import Spaces
from hamrasan.rooms.thread_subscriptions import ThreadSubscriptions
from hamrasan.rooms.timeline import Timeline
from hamrasan.rooms.typing import Typing
from hamrasan.rooms.watched import WatchedRooms
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.metrics import Metrics
from hamrasan.runtime.outbound import Outbound
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.turns import Turns
from hamrasan.search.indexer import Indexer
from hamrasan.search.messages import MessageSearch
from hamrasan.search.people import PeopleSearch
from hamrasan.storage.health import JournalHealth
from hamrasan.sync.badges import BadgeCounter
from hamrasan.sync.composer import SyncComposer
from hamrasan.sync.notifier import Notifier
from hamrasan.sync.room_index import RoomIndex
from hamrasan.sync.sliding.composer import SlidingSync


@dataclass(frozen=True)
class Ground:
    """What everything else stands on."""

    loop: asyncio.AbstractEventLoop
    settings: Settings
    clock: Clock
    entropy: Entropy
    metrics: Metrics
    signing_key: SigningKey
    old_keys: tuple[OldKey, ...]
    """With which this server signed before."""
    providers: dict[str, Provider]
    """With which people may sign in, by id."""
    secrets_key: bytes
    """What seals secrets in the database."""
    application_services: ApplicationServices
    health: JournalHealth
    outbound: Outbound
    vapid_key: EllipticCurvePrivateKey


@dataclass(frozen=True)
class IdentityServices:
    """Who somebody is, and the stories around that."""

    accounts: Accounts
    authenticator: Authenticator
    devices: Devices
    tokens: Tokens
    login_tokens: LoginTokens
    openid_tokens: OpenIdTokens
    registration_tokens: RegistrationTokens
    interactive: UserInteractive
    reauthentication: Reauthentication
    open_session: OpenSession
    end_sessions: EndSessions
    register: Register
    register_with_secret: RegisterWithSecret
    login: Login
    change_password: ChangePassword
    deactivate_account: DeactivateAccount
    moderate_accounts: ModerateAccounts
    act_for_service: ActForService


@dataclass(frozen=True)
class EncryptionServices:
    """What is kept and handed on for end-to-end encryption."""

    keys: Keys
    key_query: KeyQuery
    cross_signing: CrossSigning
    key_signatures: KeySignatures
    key_counts: KeyCountCache
    key_backups: KeyBackups
    to_device: ToDevice


@dataclass(frozen=True)
class MediaServices:
    """Files."""

    media: MediaRepository
    thumbnails: Thumbnails
    url_previews: UrlPreviews
    workers: Workers


@dataclass(frozen=True)
class PersonalServices:
    """What belongs to one user."""

    account_data: AccountData
    account_data_view: AccountDataView
    profiles: Profiles
    tags: Tags
    filters: Filters
    push_rules: PushRules
    ignored: IgnoredUsers
    invite_permission: InvitePermission
    presence: Presence


@dataclass(frozen=True)
class RoomServices:
    """Rooms: what may be done in them and what may be seen of them."""

    registry: RoomRegistry
    reception: Reception
    federated_events: FederatedEvents
    invitations: Invitations
    access: RoomAccess
    new_rooms: NewRooms
    messages: Messages
    membership: Membership
    aliases: Aliases
    directory: Directory
    network_directories: NetworkDirectories
    erasure: Erasure
    discovery: Discovery
    history: History
    renderer: Renderer
    timeline: Timeline
    relations: Relations
    receipts: Receipts
    thread_subscriptions: ThreadSubscriptions
    reports: Reports
    typing: Typing
    watched: WatchedRooms
    retention: Retention
    server_acls: ServerAcls


@dataclass(frozen=True)
class SyncServices:
    """What tells clients of news."""

    notifier: Notifier
    sync: SyncComposer
    badges: BadgeCounter
    sliding_sync: SlidingSync
    room_index: RoomIndex


@dataclass(frozen=True)
class SearchServices:
    """What finds messages and people."""

    indexer: Indexer
    message_search: MessageSearch
    people_search: PeopleSearch


@dataclass(frozen=True)
class PushServices:
    """What tells devices of news that do not ask."""

    pushers: Pushers
    push_activations: Activations
    vapid: Vapid
    push_reactor: PushReactor
    push_delivery: Delivery
    notification_history: NotificationHistory
    digests: Digests | None
    """None: this server sends no mail."""


@dataclass(frozen=True)
class ApplicationServiceServices:
    """What tells and asks bridges and bots."""

    service_dispatcher: Dispatcher
    service_ping: Ping
    third_party_networks: ThirdPartyNetworks


@dataclass(frozen=True)
class FederationServices:
    """What reaches other servers and knows them."""

    own_keys: OwnKeys
    allowed_servers: AllowedServers
    federation_outbound: Outbound
    federation: FederationClient
    key_ring: KeyRing
    notary: Notary
    pdu_checks: PduChecks
    request_check: RequestCheck


@dataclass(frozen=True)
class ExchangeServices:
    """What goes to other servers and comes from them."""

    sender: Sender
    federation_news: FederationNews
    inbound: Inbound


@dataclass(frozen=True)
class ElsewhereServices:
    """What is done for this server's users at other servers."""

    remote_queries: RemoteQueries
    remote_keys: RemoteKeys
    ask_for_keys: AskForKeys
    backfill: Backfill
    find_elsewhere: FindElsewhere
    fetch_media: FetchMedia
    find_room: FindRoom
    spaces: Spaces
    join_over_federation: JoinOverFederation
    leave_room: LeaveRoom
    knock_on_room: KnockOnRoom


@dataclass(frozen=True)
class ServingServices:
    """What answers other servers."""

    server_access: ServerAccess
    served_events: ServedEvents
    served_devices: ServedDevices
    server_spaces: ServerSpaces
    serve_handshakes: ServeHandshakes
    serve_join: ServeJoin
    take_invite: TakeInvite
    exchange_invite: ExchangeInvite
    long_answers: Turns
    """Whose turn it is, by server, to get an answer that takes long."""


@dataclass(frozen=True)
class StoryServices:
    """Stories that cross the other groups."""

    change_profile: ChangeProfile
    set_state: SetState
    delayed_events: DelayedEvents
    server_notices: ServerNotices
    create_room: CreateRoom
    join_room: JoinRoom
    upgrade_room: UpgradeRoom
    see_presence: SeePresence
    publish_signing_keys: PublishSigningKeys
    sign_in_upstream: SignInUpstream
    dehydrate_device: DehydrateDevice


Group = (
    Ground
    | IdentityServices
    | SigningIn
    | EncryptionServices
    | MediaServices
    | PersonalServices
    | RoomServices
    | SyncServices
    | PushServices
    | ApplicationServiceServices
    | SearchServices
    | FederationServices
    | ServingServices
    | ExchangeServices
    | ElsewhereServices
    | StoryServices
)


@dataclass(frozen=True)
class Services(
    Ground,
    IdentityServices,
    SigningIn,
    EncryptionServices,
    MediaServices,
    PersonalServices,
    RoomServices,
    SyncServices,
    PushServices,
    ApplicationServiceServices,
    SearchServices,
    FederationServices,
    ServingServices,
    ExchangeServices,
    ElsewhereServices,
    StoryServices,
):
    """The services of one server. A new one is a line in its group here, and one in `hamrasan.server.services`."""


def join(*groups: Group) -> Services:
    """Return the services of all groups as one; raises `TypeError` if a group is missing."""
    values: dict[str, Any] = {
        field.name: getattr(group, field.name) for group in groups for field in fields(group)
    }
    return Services(**values)
