"""What application services are told and asked, put together."""

from __future__ import annotations

from hamrasan.appservices.client import ServiceClient
from hamrasan.appservices.delivery import DeliveryParts
from hamrasan.appservices.dispatcher import Dispatcher
from hamrasan.appservices.news import NewsSources
from hamrasan.appservices.ping import Ping
from hamrasan.appservices.third_party import ThirdPartyNetworks
from hamrasan.http.services import ApplicationServiceServices, Ground, PersonalServices, RoomServices
from hamrasan.rooms.followers import EventFeed
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.sqlite.store import Store


def build_appservices(
    store: Store,
    ground: Ground,
    client: ServiceClient,
    feed: EventFeed,
    personal: PersonalServices,
    rooms: RoomServices,
    tasks: TaskSupervisor,
) -> ApplicationServiceServices:
    """Put together what tells and asks bridges and bots."""
    sources = NewsSources(
        typing=rooms.typing,
        presence=personal.presence,
        clock=ground.clock,
        services=store.application_services,
        rooms=store.rooms,
        devices=store.devices,
        encryption=store.encryption,
        cursors=store.cursors,
    )
    parts = DeliveryParts(
        client=client,
        journal=store.journal,
        feed=feed,
        cursors=store.cursors,
        services=store.application_services,
        registry=rooms.registry,
        renderer=rooms.renderer,
        entropy=ground.entropy,
        sources=sources,
    )
    services = ground.application_services
    dispatcher = Dispatcher(services, parts, tasks, store.journal, rooms.typing, personal.presence)
    return ApplicationServiceServices(
        service_dispatcher=dispatcher,
        service_ping=Ping(services, client, dispatcher, ground.clock),
        third_party_networks=ThirdPartyNetworks(services, client),
    )
