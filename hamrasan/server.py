"""The server, put together by hand in the order of dependency; nothing else knows every part."""

from __future__ import annotations

import asyncio
import gc

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_view import AccountDataView
from hamrasan.accounts.filters import Filters
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.accounts.invite_permission import InvitePermission
from hamrasan.accounts.passwords import COST, PasswordCost
from hamrasan.accounts.presence import Presence
from hamrasan.accounts.profiles import Profiles
from hamrasan.accounts.push_rules import PushRules
from hamrasan.accounts.tags import Tags
from hamrasan.flows.change_profile import ChangeProfile
from hamrasan.flows.create_room import CreateRoom
from hamrasan.flows.identity import Hooks, Identity, IdentityStore, assemble_identity
from hamrasan.flows.see_presence import SeePresence
from hamrasan.http.api.routes import ROUTES
from hamrasan.http.edge import Edge
from hamrasan.http.last_seen import notes_devices
from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.services import Services
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.aliases import Aliases
from hamrasan.rooms.history import History
from hamrasan.rooms.membership import Membership
from hamrasan.rooms.messages import Messages
from hamrasan.rooms.new_rooms import NewRooms
from hamrasan.rooms.receipts import Receipts
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.relations import Relations
from hamrasan.rooms.rendering import Renderer
from hamrasan.rooms.reports import Reports
from hamrasan.rooms.timeline import Timeline
from hamrasan.rooms.typing import Typing
from hamrasan.runtime.clock import Clock, SystemClock
from hamrasan.runtime.entropy import Entropy, SystemEntropy
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.runtime.metrics import Metrics
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.sqlite.store import Store, open_store
from hamrasan.sync.composer import SyncComposer
from hamrasan.sync.notifier import Notifier
from hamrasan.sync.room_sections import RoomSections
from hamrasan.sync.shared_chunks import SharedChunks
from hamrasan.sync.unread import UnreadCounter

EPOCH_LETTERS = 8
"""Letters that name a run of the server in sync tokens."""
TASKS_GRACE_S = 1.0
"""How long background tasks may take to end."""
COLLECTOR_THRESHOLDS = (50_000, 20, 1_000)
"""Garbage collection: young objects often enough, full collections (which stop the world) almost never."""


def build_services(
    store: Store,
    settings: Settings,
    metrics: Metrics,
    tasks: TaskSupervisor,
    clock: Clock,
    entropy: Entropy,
    identity: Identity,
) -> Services:
    """Put the services of one server together over an open store."""
    journal = store.journal
    locks = KeyedLocks()
    account_data = AccountData(journal, store.account_data)
    ignored = IgnoredUsers(account_data)
    push_rules = PushRules(account_data, locks)
    presence = Presence(clock)
    journal.observe(presence.committed)
    profiles = Profiles(journal, store.profiles, store.accounts, locks)

    registry = RoomRegistry(journal, clock, store.events, store.state, store.rooms)
    history = History(store.state)
    renderer = Renderer(store.events, store.state, clock)
    typing = Typing(clock)
    access = RoomAccess(registry, store.rooms, history)

    notifier = Notifier(journal, store.rooms, store.events, store.receipts, typing)
    presence.on_change(lambda state: notifier.presence_changed(state.user_id))
    unread = UnreadCounter(store.events, store.state, store.receipts, push_rules, ignored)
    sections = RoomSections(
        store.events,
        store.state,
        store.receipts,
        renderer,
        history,
        typing,
        unread,
        ignored,
        SharedChunks(renderer, clock),
    )
    composer = SyncComposer(
        notifier,
        registry,
        sections,
        store.events,
        AccountDataView(store.account_data),
        typing,
        presence,
        ignored,
        clock,
        entropy.id(EPOCH_LETTERS),
    )
    new_rooms = NewRooms(registry, entropy, settings.server_name)
    aliases = Aliases(registry, access, store.rooms, settings.server_name)
    invite_permission = InvitePermission(account_data)
    membership = Membership(
        registry, access, store.rooms, store.accounts, profiles, invite_permission, settings.server_name
    )
    return Services(
        loop=asyncio.get_running_loop(),
        settings=settings,
        clock=clock,
        entropy=entropy,
        metrics=metrics,
        accounts=identity.accounts,
        authenticator=identity.authenticator,
        devices=identity.devices,
        tokens=identity.tokens,
        login_tokens=identity.login_tokens,
        openid_tokens=identity.openid_tokens,
        registration_tokens=identity.registration_tokens,
        reauthentication=identity.reauthentication,
        account_data=account_data,
        profiles=profiles,
        tags=Tags(account_data, locks),
        filters=Filters(journal, store.filters),
        push_rules=push_rules,
        ignored=ignored,
        invite_permission=invite_permission,
        presence=presence,
        open_session=identity.open_session,
        end_sessions=identity.end_sessions,
        register=identity.register,
        register_with_secret=identity.register_with_secret,
        login=identity.login,
        change_password=identity.change_password,
        deactivate_account=identity.deactivate_account,
        change_profile=ChangeProfile(profiles, registry, store.rooms, tasks),
        see_presence=SeePresence(presence, store.rooms),
        registry=registry,
        access=access,
        new_rooms=new_rooms,
        create_room=CreateRoom(registry, new_rooms, aliases, membership),
        messages=Messages(registry),
        membership=membership,
        aliases=aliases,
        history=history,
        renderer=renderer,
        timeline=Timeline(store.events, store.state, history, ignored),
        relations=Relations(store.events, store.rooms, renderer),
        receipts=Receipts(journal, access, store.events, store.receipts, account_data, clock),
        reports=Reports(journal, access, store.rooms, store.accounts, clock, settings.server_name),
        typing=typing,
        notifier=notifier,
        sync=composer,
    )


class RunningServer:
    """A server that answers requests."""

    def __init__(
        self,
        store: Store,
        services: Services,
        identity: Identity,
        edge: Edge,
        tasks: TaskSupervisor,
        limiter: RateLimiter,
    ) -> None:
        self.store = store
        self.identity = identity
        self.services = services
        self.edge = edge
        self._tasks = tasks
        self._limiter = limiter

    def reload(self, settings: Settings) -> None:
        """Apply those settings that can change while the server runs."""
        self._limiter.enabled = settings.rate_limits
        self.identity.throttle.enabled = settings.rate_limits

    async def close(self, drain_s: float) -> None:
        """Stop accepting, let begun answers finish for up to `drain_s` seconds, and close the store."""
        await self.edge.shutdown(drain_s)
        await self._tasks.close(TASKS_GRACE_S)
        self.identity.close()
        await self.store.close()


async def start_server(
    settings: Settings,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    password_cost: PasswordCost = COST,
) -> RunningServer:
    """Open the data folder and listen; return once requests are accepted.

    Raises `StoreInUse` if another server has the folder, `OSError` if the address cannot be bound.
    """
    clock, entropy, metrics = clock or SystemClock(), entropy or SystemEntropy(), Metrics()
    tasks = TaskSupervisor(lambda name: metrics.failed_tasks.labels(name).inc())
    store = open_store(settings.data_dir)
    readers = IdentityStore(store.journal, store.accounts, store.tokens, store.devices)
    identity = assemble_identity(readers, settings, clock, entropy, tasks, Hooks(), password_cost)
    services = build_services(store, settings, metrics, tasks, clock, entropy, identity)
    limiter = RateLimiter(
        clock.monotonic,
        enabled=settings.rate_limits,
        on_limited=lambda limit: metrics.limited.labels(limit).inc(),
    )
    edge = Edge(
        ROUTES,
        services,
        authenticate=services.authenticator.authenticate,
        see=notes_devices(services.devices),
        limiter=limiter,
        clock=clock,
    )
    try:
        await edge.listen(settings.listen.host, settings.listen.port)
    except OSError:
        await edge.shutdown(0)
        await store.close()
        raise
    identity.start(tasks)
    _start_tasks(tasks, services)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    return RunningServer(store, services, identity, edge, tasks, limiter)


def _start_tasks(tasks: TaskSupervisor, services: Services) -> None:
    tasks.keep_running("loop_lag", services.metrics.watch_loop_lag)
    tasks.keep_running("presence", services.presence.keep_sweeping)
