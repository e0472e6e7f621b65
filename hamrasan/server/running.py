"""The life of a server: it opens its data folder, listens, and closes both again."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from contextlib import AsyncExitStack, suppress

from hamrasan.accounts.passwords import COST, PasswordCost
from hamrasan.accounts.upstream.providers import load_providers
from hamrasan.federation.names import Names, SystemNames
from hamrasan.flows.identity import Identity
from hamrasan.http.api.federation_routes import FEDERATION_ROUTES
from hamrasan.http.api.routes import METRICS_ROUTES, ROUTES
from hamrasan.http.application_service import identifies, recognises
from hamrasan.http.edge import Edge
from hamrasan.http.last_seen import notes_devices
from hamrasan.http.rate_limit import RateLimiter
from hamrasan.http.route import Auth
from hamrasan.http.servers import recognises_servers
from hamrasan.http.services import Ground, Services
from hamrasan.policy.application_services import ApplicationServices
from hamrasan.policy.registration_files import RegistrationsUnusable, load_registrations
from hamrasan.protocol.errors import MatrixError
from hamrasan.runtime.clock import Clock, SystemClock
from hamrasan.runtime.entropy import Entropy, SystemEntropy
from hamrasan.runtime.log import get_logger
from hamrasan.runtime.metrics import Metrics
from hamrasan.runtime.outbound import Outbound
from hamrasan.runtime.settings import Address, Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.server.federation import CertificateUnusable, certified, check_authorities
from hamrasan.server.folder import (
    claim_folder,
    open_old_keys,
    open_secrets_key,
    open_signing_key,
    open_vapid_key,
)
from hamrasan.server.observation import counting_commits, counting_failures, counting_refusals, watch
from hamrasan.server.services import build_services
from hamrasan.storage.health import JournalHealth
from hamrasan.storage.sqlite.store import Store, open_store

TASKS_GRACE_S = 1.0
"""How long background tasks may take to end."""
SWITCH_INTERVAL_S = 0.001
"""How long the loop may keep the interpreter from the journal's thread: a fifth of Python's default, since every commit
waits for it some times; measured as 10 % more sends and a shorter wait for each."""
COLLECTOR_THRESHOLDS = (50_000, 20, 1_000)
"""Garbage collection: young objects often enough, full collections (which stop the world) almost never."""
ANYWHERE = ("0.0.0.0", "::")
"""Hosts that mean every address of the machine; no browser can open them."""

_log = get_logger(__name__)


class CannotListen(Exception):
    """The server cannot listen at `address`; `reason` is the system's."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(f"The server cannot listen at {address}: {reason}")
        self.address = address
        self.reason = reason


class FederationListener:
    """Where only other servers are served (`federation_listen`)."""

    def __init__(self, services: Services, limiter: RateLimiter, tls: ssl.SSLContext | None) -> None:
        self.edge = Edge(
            FEDERATION_ROUTES,
            services,
            authenticators={Auth.SERVER: recognises_servers(services.request_check, limiter)},
            limiter=limiter,
            observe=services.metrics.count_request,
            clock=services.clock,
            trusted_proxies=services.settings.trusted_proxies,
        )
        self._tls = tls

    def reload(self, settings: Settings) -> None:
        """Take a new certificate for connections to come; if it cannot be used, the old one stays."""
        if self._tls is None or settings.federation_certificate is None:
            return
        try:
            certified(settings)
        except CertificateUnusable as error:
            _log.error("the certificate was not reloaded", file=str(error.path), reason=error.reason)
            return
        self._tls.load_cert_chain(settings.federation_certificate, settings.federation_key)


class RunningServer:
    """A server that answers requests."""

    def __init__(
        self,
        store: Store,
        services: Services,
        identity: Identity,
        edge: Edge,
        metrics_edge: Edge | None,
        federation_listener: FederationListener | None,
        tasks: TaskSupervisor,
        limiter: RateLimiter,
        names: Names,
    ) -> None:
        self.store = store
        self.identity = identity
        self.services = services
        self.edge = edge
        self.metrics_edge = metrics_edge
        self.federation_listener = federation_listener
        self._names = names
        self._tasks = tasks
        self._limiter = limiter

    @property
    def url(self) -> str:
        """Where people open the server: its public address, else the one at which it listens."""
        settings = self.services.settings
        if settings.public_url is not None:
            return settings.public_url
        host = "localhost" if settings.listen.host in ANYWHERE else settings.listen.host
        return f"http://{Address(host, settings.listen.port or self.edge.addresses[0][1])}"

    def reload(self, settings: Settings) -> None:
        """Apply those settings that can change while the server runs."""
        self._limiter.enabled = settings.rate_limits
        self.identity.throttle.enabled = settings.rate_limits
        self.services.allowed_servers.replace(settings.federation_allowed, settings.federation_denied)
        if self.federation_listener is not None:
            self.federation_listener.reload(settings)
        self._reload_registrations()

    def _reload_registrations(self) -> None:
        """Read the files of application services anew; if one cannot be used, all stays as it was."""
        services = self.services
        try:
            registered = load_registrations(services.settings.data_dir, services.settings.server_name)
        except RegistrationsUnusable as error:
            _log.error("the application services were not reloaded", reason=str(error))
            return
        services.application_services.replace(registered)
        self._tasks.keep_running("application services", services.act_for_service.make_senders)
        self._tasks.keep_running("application services", services.service_dispatcher.update)

    async def close(self, drain_s: float) -> None:
        """Stop accepting, let begun answers finish for up to `drain_s` seconds, and close the store."""
        edges = [self.edge]
        if self.federation_listener is not None:
            edges.append(self.federation_listener.edge)
        await asyncio.gather(*(edge.shutdown(drain_s) for edge in edges))
        if self.metrics_edge is not None:
            await self.metrics_edge.shutdown(0)
        await self._tasks.close(TASKS_GRACE_S)
        with suppress(MatrixError):  # then some events are sent once more after the next start
            await self.services.sender.save()
        await self.services.sliding_sync.connections.keep()
        self.identity.close()
        await self.services.thumbnails.close()
        await self.services.url_previews.close()
        await self.services.workers.end()
        self.services.media.close()
        await self.services.outbound.close()
        await self.services.key_ring.close()
        await self.services.federation.close()
        await self._names.close()
        await self.store.close()


async def start_server(
    settings: Settings,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    password_cost: PasswordCost = COST,
    names: Names | None = None,
) -> RunningServer:
    """Open the data folder and listen; return once requests are accepted.

    `names` finds other servers; if not given, the machine's name servers do. After any error nothing is left open.
    Raises `StoreInUse` if another server has the folder, `StoreNewer`, `WrongServerName`, `SigningKeyDamaged`,
    `RegistrationsUnusable`, `ProvidersUnusable`, `CertificateUnusable`, `CannotListen`, `OSError` and `sqlite3.Error`
    if the folder or the database in it cannot be used.
    """
    clock, entropy, metrics = clock or SystemClock(), entropy or SystemEntropy(), Metrics()
    names = names or SystemNames()
    check_authorities(settings)
    tls = certified(settings)
    async with AsyncExitStack() as unwind:
        store = open_store(settings.data_dir, counting_commits(metrics))
        unwind.push_async_callback(store.close)
        outbound = Outbound(settings.reachable_networks)
        unwind.push_async_callback(outbound.close)
        await claim_folder(store, settings.server_name)
        ground = _ground(settings, store, clock, entropy, metrics, outbound)
        tasks = TaskSupervisor(counting_failures(metrics))
        services, identity = build_services(ground, store, tasks, names, password_cost)
        unwind.callback(identity.close)
        unwind.callback(services.media.close)
        unwind.push_async_callback(services.workers.end)
        await services.media.recover()
        await services.retention.load()
        await services.act_for_service.make_senders()
        limiter = RateLimiter(
            clock.monotonic, enabled=settings.rate_limits, on_limited=counting_refusals(metrics)
        )
        edge = _main_edge(services, limiter)
        unwind.push_async_callback(edge.shutdown, 0)
        await _listen(edge, settings.listen)
        metrics_edge = None
        if settings.metrics_listen is not None:
            metrics_edge = Edge(METRICS_ROUTES, services, clock=clock)
            unwind.push_async_callback(metrics_edge.shutdown, 0)
            await _listen(metrics_edge, settings.metrics_listen)
        federation_listener = None
        if settings.federation_listen is not None:
            federation_listener = FederationListener(services, limiter, tls)
            unwind.push_async_callback(federation_listener.edge.shutdown, 0)
            await _listen(federation_listener.edge, settings.federation_listen, tls)
        unwind.pop_all()
    watch(metrics, edge, lambda: services.registry.loaded_count)
    _begin_background_work(services, identity, tasks)
    _tune_interpreter()
    return RunningServer(
        store, services, identity, edge, metrics_edge, federation_listener, tasks, limiter, names
    )


def _ground(
    settings: Settings, store: Store, clock: Clock, entropy: Entropy, metrics: Metrics, outbound: Outbound
) -> Ground:
    """Read from the data folder what everything stands on."""
    return Ground(
        loop=asyncio.get_running_loop(),
        settings=settings,
        clock=clock,
        entropy=entropy,
        metrics=metrics,
        signing_key=open_signing_key(settings.data_dir, entropy),
        old_keys=open_old_keys(settings.data_dir),
        providers=load_providers(settings.data_dir),
        secrets_key=open_secrets_key(settings.data_dir, entropy),
        application_services=ApplicationServices(load_registrations(settings.data_dir, settings.server_name)),
        health=JournalHealth(store.journal, clock.monotonic),
        outbound=outbound,
        vapid_key=open_vapid_key(settings.data_dir),
    )


def _begin_background_work(services: Services, identity: Identity, tasks: TaskSupervisor) -> None:
    identity.start(tasks)
    tasks.keep_running("application services", services.service_dispatcher.update)
    tasks.keep_running("room_index", services.room_index.load)
    tasks.keep_running("oauth clients", services.oauth_clients.keep_forgetting)
    tasks.keep_running("delayed events", services.delayed_events.keep_sending)
    tasks.keep_running("retention", services.retention.keep_sweeping)
    tasks.keep_running("loop_lag", services.metrics.watch_loop_lag)
    tasks.keep_running("push reactor", services.push_reactor.run)
    tasks.keep_running("push delivery", services.push_delivery.run)
    if services.digests is not None:
        tasks.keep_running("mail digests", services.digests.run)
    tasks.keep_running("search index", services.indexer.run)
    tasks.keep_running("federation events", services.sender.run)
    tasks.keep_running("federation news", services.federation_news.run)
    tasks.keep_running("staged events", services.inbound.resume)
    tasks.keep_running("presence", services.presence.keep_sweeping)
    tasks.keep_running("media", services.media.keep_sweeping)
    tasks.keep_running("url_previews", services.url_previews.keep_sweeping)
    tasks.keep_running("to_device", services.to_device.keep_forgetting)


def _tune_interpreter() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def _main_edge(services: Services, limiter: RateLimiter) -> Edge:
    return Edge(
        [*ROUTES, *FEDERATION_ROUTES],
        services,
        authenticate=services.act_for_service.authenticate,
        recall=services.authenticator.recall,
        identify=identifies(services.act_for_service),
        authenticators={
            Auth.ENTRY: recognises(services.act_for_service),
            Auth.SERVER: recognises_servers(services.request_check, limiter),
        },
        see=notes_devices(services.devices),
        limiter=limiter,
        observe=services.metrics.count_request,
        clock=services.clock,
        trusted_proxies=services.settings.trusted_proxies,
    )


async def _listen(edge: Edge, address: Address, tls: ssl.SSLContext | None = None) -> None:
    try:
        await edge.listen(address.host, address.port, tls=tls)
    except OSError as error:
        raise CannotListen(address, error.strerror or str(error)) from error
