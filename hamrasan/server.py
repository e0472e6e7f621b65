"""The server, put together by hand in the order of dependency; nothing else knows every part."""

from __future__ import annotations

import asyncio
import gc

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.accounts import Accounts
from hamrasan.accounts.authenticator import Authenticator, OutsideChanges
from hamrasan.accounts.filters import Filters
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.accounts.invite_permission import InvitePermission
from hamrasan.accounts.login_tokens import LoginTokens
from hamrasan.accounts.openid import OpenIdTokens
from hamrasan.accounts.passwords import Passwords
from hamrasan.accounts.presence import Presence
from hamrasan.accounts.profiles import Profiles
from hamrasan.accounts.push_rules import PushRules
from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.registration_tokens import RegistrationTokens
from hamrasan.accounts.tags import Tags
from hamrasan.accounts.throttle import LoginThrottle
from hamrasan.accounts.tokens import Tokens
from hamrasan.accounts.user_interactive import UserInteractive
from hamrasan.devices.devices import Devices
from hamrasan.flows.change_password import ChangePassword
from hamrasan.flows.change_profile import ChangeProfile
from hamrasan.flows.deactivate_account import DeactivateAccount
from hamrasan.flows.end_sessions import EndSessions
from hamrasan.flows.login import Login
from hamrasan.flows.open_session import OpenSession
from hamrasan.flows.register import Register
from hamrasan.flows.see_presence import SeePresence
from hamrasan.http.api.routes import CLIENT_ROUTES
from hamrasan.http.edge import Edge
from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.services import Services
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.history import History
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.rendering import Renderer
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
from hamrasan.sync.unread import UnreadCounter

EPOCH_LETTERS = 8
"""Letters that name a run of the server in sync tokens."""
PRESENCE_SWEEP_S = 1.0
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
) -> Services:
    """Put the services of one server together over an open store."""
    journal = store.journal
    locks = KeyedLocks()
    passwords = Passwords()
    throttle = LoginThrottle(clock, enabled=settings.rate_limits)
    accounts = Accounts(journal, store.accounts, passwords, throttle, clock, settings.server_name)
    interactive = UserInteractive(clock, entropy)
    reauthentication = Reauthentication(accounts, interactive)
    devices = Devices(journal, store.devices, clock, entropy)
    tokens = Tokens(journal, store.tokens, clock, entropy)
    login_tokens = LoginTokens(journal, store.tokens, clock, entropy)
    registration_tokens = RegistrationTokens(journal, store.tokens, clock, entropy)
    open_session = OpenSession(journal, devices, tokens)
    end_sessions = EndSessions(journal, devices, reauthentication)
    account_data = AccountData(journal, store.account_data)
    ignored = IgnoredUsers(account_data)
    push_rules = PushRules(account_data, locks)
    presence = Presence(clock)
    profiles = Profiles(journal, store.profiles, store.accounts, locks)

    registry = RoomRegistry(journal, clock, store.events, store.state, store.rooms)
    history = History(store.state)
    renderer = Renderer(store.events, store.state, clock)
    typing = Typing(clock)

    notifier = Notifier(journal, store.rooms, store.events, store.receipts, typing)
    presence.on_change(lambda state: notifier.presence_changed(state.user_id))
    unread = UnreadCounter(store.events, store.state, store.receipts, push_rules, ignored)
    sections = RoomSections(
        store.events, store.state, store.receipts, renderer, history, typing, unread, ignored
    )
    composer = SyncComposer(
        notifier,
        registry,
        sections,
        store.events,
        store.account_data,
        typing,
        presence,
        ignored,
        clock,
        entropy.id(EPOCH_LETTERS),
    )
    return Services(
        loop=asyncio.get_running_loop(),
        settings=settings,
        clock=clock,
        entropy=entropy,
        metrics=metrics,
        accounts=accounts,
        authenticator=Authenticator(journal, store.tokens, clock),
        devices=devices,
        tokens=tokens,
        login_tokens=login_tokens,
        openid_tokens=OpenIdTokens(journal, store.tokens, clock, entropy),
        registration_tokens=registration_tokens,
        reauthentication=reauthentication,
        account_data=account_data,
        profiles=profiles,
        tags=Tags(account_data, locks),
        filters=Filters(journal, store.filters),
        push_rules=push_rules,
        ignored=ignored,
        invite_permission=InvitePermission(account_data),
        presence=presence,
        open_session=open_session,
        end_sessions=end_sessions,
        register=Register(
            settings.registration, accounts, registration_tokens, interactive, open_session, entropy
        ),
        login=Login(accounts, login_tokens, open_session, reauthentication),
        change_password=ChangePassword(accounts, end_sessions, reauthentication),
        deactivate_account=DeactivateAccount(
            journal, store.accounts, accounts, end_sessions, reauthentication, tasks
        ),
        change_profile=ChangeProfile(profiles, registry, store.rooms, tasks),
        see_presence=SeePresence(presence, store.rooms),
        registry=registry,
        access=RoomAccess(registry, store.rooms, history),
        history=history,
        renderer=renderer,
        typing=typing,
        notifier=notifier,
        sync=composer,
    )


class RunningServer:
    """A server that answers requests."""

    def __init__(
        self, store: Store, services: Services, edge: Edge, tasks: TaskSupervisor, limiter: RateLimiter
    ) -> None:
        self.store = store
        self.services = services
        self.edge = edge
        self._tasks = tasks
        self._limiter = limiter

    def reload(self, settings: Settings) -> None:
        """Apply those settings that can change while the server runs."""
        self._limiter.enabled = settings.rate_limits

    async def close(self, drain_s: float) -> None:
        """Stop accepting, let begun answers finish for up to `drain_s` seconds, and close the store."""
        await self.edge.shutdown(drain_s)
        await self._tasks.close(TASKS_GRACE_S)
        await self.store.close()


async def start_server(
    settings: Settings, clock: Clock | None = None, entropy: Entropy | None = None
) -> RunningServer:
    """Open the data folder and listen; return once requests are accepted.

    Raises `StoreInUse` if another server has the folder, `OSError` if the address cannot be bound.
    """
    clock, entropy, metrics = clock or SystemClock(), entropy or SystemEntropy(), Metrics()
    tasks = TaskSupervisor(lambda name: metrics.failed_tasks.labels(name).inc())
    store = open_store(settings.data_dir)
    services = build_services(store, settings, metrics, tasks, clock, entropy)
    limiter = RateLimiter(
        clock.monotonic,
        enabled=settings.rate_limits,
        on_limited=lambda limit: metrics.limited.labels(limit).inc(),
    )
    edge = Edge(
        CLIENT_ROUTES,
        services,
        authenticate=services.authenticator.authenticate,
        limiter=limiter,
        clock=clock,
    )
    try:
        await edge.listen(settings.listen.host, settings.listen.port)
    except OSError:
        await edge.shutdown(0)
        await store.close()
        raise
    _start_tasks(tasks, services, store)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    return RunningServer(store, services, edge, tasks, limiter)


def _start_tasks(tasks: TaskSupervisor, services: Services, store: Store) -> None:
    outside = OutsideChanges(store.accounts, services.authenticator.forget_everything)
    tasks.keep_running("outside_changes", outside.watch)
    tasks.keep_running("loop_lag", services.metrics.watch_loop_lag)

    async def sweep_presence() -> None:
        while True:
            await asyncio.sleep(PRESENCE_SWEEP_S)
            services.presence.sweep()

    tasks.keep_running("presence", sweep_presence)
