"""The parts of push notifications, put together."""

from __future__ import annotations

from hamrasan.http.services import Ground, PersonalServices, PushServices, RoomServices, SyncServices
from hamrasan.push.activation import Activations
from hamrasan.push.delivery import Delivery
from hamrasan.push.digests import Digests
from hamrasan.push.history import NotificationHistory
from hamrasan.push.invitations import InvitationPushes
from hamrasan.push.notification import Notifications
from hamrasan.push.pushers import Pushers
from hamrasan.push.reactor import FollowedThreads, PushReactor
from hamrasan.push.senders import GatewaySender, WebPushSender
from hamrasan.push.web_push import Vapid
from hamrasan.rooms.followers import EventFeed
from hamrasan.runtime.mailer import Mailer
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.server.observation import counting_pushes
from hamrasan.storage.ports.push import EMAIL, HTTP, WEB_PUSH
from hamrasan.storage.sqlite.store import Store


def build_push(
    store: Store,
    ground: Ground,
    feed: EventFeed,
    personal: PersonalServices,
    rooms: RoomServices,
    syncing: SyncServices,
    tasks: TaskSupervisor,
) -> PushServices:
    """Put together what tells devices of news that do not ask."""
    journal, clock = store.journal, ground.clock
    vapid = Vapid(ground.vapid_key, _contact(ground.settings), clock)
    web_push = WebPushSender(ground.outbound, vapid, ground.entropy)
    activations = Activations(journal, store.push, web_push, clock, ground.entropy, tasks)
    notifications = _notifications(store, rooms, syncing)
    digests = _digests(store, ground, notifications, tasks)
    openings = {WEB_PUSH: activations} | ({} if digests is None else {EMAIL: digests})
    pushers = Pushers(journal, store.push, ground.outbound, openings, clock)
    reactor = PushReactor(
        journal,
        feed,
        store.cursors,
        rooms.registry,
        store.rooms,
        store.state,
        pushers,
        personal.push_rules,
        personal.ignored,
        FollowedThreads(rooms.receipts, rooms.thread_subscriptions),
        clock,
    )
    InvitationPushes(journal, pushers, personal.push_rules, personal.ignored, tasks, clock)
    delivery = Delivery(
        journal,
        store.push,
        pushers,
        notifications,
        {HTTP: GatewaySender(ground.outbound), WEB_PUSH: web_push},
        clock,
        tasks,
        reactor.all_pushed,
        counting_pushes(ground.metrics),
    )
    ground.metrics.waiting_pushers.set_function(lambda: delivery.waiting)
    return PushServices(
        pushers=pushers,
        push_activations=activations,
        vapid=vapid,
        push_reactor=reactor,
        push_delivery=delivery,
        notification_history=_history(store, ground, personal, rooms),
        digests=digests,
    )


def _notifications(store: Store, rooms: RoomServices, syncing: SyncServices) -> Notifications:
    return Notifications(
        rooms.registry,
        store.events,
        store.state,
        store.receipts,
        rooms.receipts,
        syncing.badges,
        store.accounts,
        store.invitations,
    )


def _digests(
    store: Store, ground: Ground, notifications: Notifications, tasks: TaskSupervisor
) -> Digests | None:
    settings = ground.settings
    if settings.mail_server is None:
        return None
    sender = settings.mail_from or f"hamrasan@{settings.server_name.partition(':')[0]}"
    return Digests(
        store.journal,
        store.push,
        notifications,
        Mailer(settings.mail_server, sender),
        ground.signing_key,
        settings.base_url,
        settings.server_name,
        ground.clock,
        tasks,
    )


def _history(
    store: Store, ground: Ground, personal: PersonalServices, rooms: RoomServices
) -> NotificationHistory:
    return NotificationHistory(
        store.journal,
        rooms.registry,
        store.rooms,
        store.events,
        store.state,
        store.receipts,
        rooms.renderer,
        rooms.receipts,
        personal.push_rules,
        personal.ignored,
        FollowedThreads(rooms.receipts, rooms.thread_subscriptions),
        ground.clock,
    )


def _contact(settings: Settings) -> str:
    """Return the address at which those who run push services find the operator."""
    url = settings.base_url
    return url if url.startswith("https:") else f"https://{settings.server_name}"
