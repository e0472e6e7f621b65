"""The parts of push notifications, put together."""

from __future__ import annotations

from hamrasan.http.services import Ground, PersonalServices, PushServices, RoomServices, SyncServices
from hamrasan.push.delivery import Delivery
from hamrasan.push.history import NotificationHistory
from hamrasan.push.notification import Notifications
from hamrasan.push.pushers import HTTP, Pushers
from hamrasan.push.reactor import PushReactor
from hamrasan.push.senders import GatewaySender
from hamrasan.rooms.followers import EventFeed
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.server.observation import counting_pushes
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
    pushers = Pushers(journal, store.push, ground.outbound, clock)
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
        clock,
    )
    notifications = Notifications(
        rooms.registry, store.events, store.state, store.receipts, rooms.receipts, syncing.badges
    )
    delivery = Delivery(
        journal,
        store.push,
        pushers,
        notifications,
        {HTTP: GatewaySender(ground.outbound)},
        clock,
        tasks,
        reactor.all_pushed,
        counting_pushes(ground.metrics),
    )
    ground.metrics.waiting_pushers.set_function(lambda: delivery.waiting)
    history = NotificationHistory(
        journal,
        rooms.registry,
        store.rooms,
        store.events,
        store.state,
        store.receipts,
        rooms.renderer,
        rooms.receipts,
        personal.push_rules,
        personal.ignored,
        clock,
    )
    return PushServices(
        pushers=pushers, push_reactor=reactor, push_delivery=delivery, notification_history=history
    )
