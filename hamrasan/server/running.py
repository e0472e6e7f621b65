"""The life of a server: it opens its data folder, listens, and closes both again."""

from __future__ import annotations

import gc

from hamrasan.accounts.passwords import COST, PasswordCost
from hamrasan.flows.identity import Hooks, Identity, IdentityStore, assemble_identity
from hamrasan.http.api.routes import ROUTES
from hamrasan.http.edge import Edge
from hamrasan.http.last_seen import notes_devices
from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.services import Services
from hamrasan.runtime.clock import Clock, SystemClock
from hamrasan.runtime.entropy import Entropy, SystemEntropy
from hamrasan.runtime.metrics import Metrics
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.server.services import build_services
from hamrasan.storage.sqlite.store import Store, open_store

TASKS_GRACE_S = 1.0
"""How long background tasks may take to end."""
COLLECTOR_THRESHOLDS = (50_000, 20, 1_000)
"""Garbage collection: young objects often enough, full collections (which stop the world) almost never."""


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
