"""What goes to other servers and comes from them, put together."""

from __future__ import annotations

from hamrasan.federation.edu_reception import EduReception
from hamrasan.federation.edus import EduWriter
from hamrasan.federation.inbound import Inbound
from hamrasan.federation.news import FederationNews
from hamrasan.federation.room_requests import RoomRequests
from hamrasan.federation.sender import Sender, SenderParts
from hamrasan.flows.end_invitation import EndInvitation
from hamrasan.flows.fill_gap import FillGap
from hamrasan.flows.receive_pdu import ReceivePdus
from hamrasan.http.services import (
    EncryptionServices,
    ExchangeServices,
    FederationServices,
    Ground,
    PersonalServices,
    RoomServices,
)
from hamrasan.rooms.followers import EventFeed
from hamrasan.rooms.known_events import KnownEvents
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.sqlite.store import Store


def build_exchange(
    store: Store,
    ground: Ground,
    feed: EventFeed,
    encryption: EncryptionServices,
    personal: PersonalServices,
    rooms: RoomServices,
    federation: FederationServices,
    tasks: TaskSupervisor,
) -> ExchangeServices:
    """Put together what sends to other servers and takes what they send."""
    own, clock = ground.settings.server_name, ground.clock
    sender = Sender(
        SenderParts(
            own=own,
            client=federation.federation,
            federated=rooms.federated_events,
            feed=feed,
            registry=rooms.registry,
            events=store.events,
            devices=store.devices,
            exchange=store.exchange,
            cursors=store.cursors,
            journal=store.journal,
            edus=EduWriter(personal.presence, store.exchange, store.encryption, store.cross_signing, clock),
            tasks=tasks,
            clock=clock,
        )
    )
    news = FederationNews(
        sender,
        rooms.typing,
        personal.presence,
        rooms.registry,
        store.devices,
        store.exchange,
        store.journal,
        clock,
        own,
    )
    inbound = _inbound(store, ground, encryption, personal, rooms, federation, tasks)
    metrics = ground.metrics
    metrics.destinations.set_function(lambda: sender.waiting)
    metrics.destinations_behind.set_function(lambda: sender.behind)
    metrics.waiting_pdus.set_function(lambda: inbound.waiting)
    return ExchangeServices(sender=sender, federation_news=news, inbound=inbound)


def build_gaps(store: Store, federation: FederationServices, rooms: RoomServices, own: str) -> FillGap:
    """Return what fetches events that are missing before others."""
    return FillGap(
        rooms.reception,
        RoomRequests(federation.federation, federation.pdu_checks),
        KnownEvents(store.events, store.federated_rooms),
        own,
    )


def _inbound(
    store: Store,
    ground: Ground,
    encryption: EncryptionServices,
    personal: PersonalServices,
    rooms: RoomServices,
    federation: FederationServices,
    tasks: TaskSupervisor,
) -> Inbound:
    own = ground.settings.server_name
    edus = EduReception(
        rooms.typing,
        rooms.receipts,
        personal.presence,
        encryption.to_device,
        rooms.registry,
        store.rooms,
        rooms.server_acls,
        store.journal,
        ground.clock,
    )
    gaps = build_gaps(store, federation, rooms, own)
    outside = EndInvitation(rooms.invitations, federation.pdu_checks, own)
    pdus = ReceivePdus(
        rooms.registry, rooms.reception, rooms.server_acls, federation.pdu_checks, gaps, outside, own
    )
    return Inbound(pdus.receive, edus, store.exchange, store.journal, ground.entropy, tasks)
