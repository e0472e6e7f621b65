"""The parts that answer other servers, put together."""

from __future__ import annotations

from hamrasan.encryption.served_devices import ServedDevices
from hamrasan.flows.ask_policy_server import AskPolicyServer
from hamrasan.flows.exchange_invite import ExchangeInvite
from hamrasan.flows.serve_handshakes import ServeHandshakes
from hamrasan.flows.serve_join import ServeJoin
from hamrasan.flows.take_invite import TakeInvite
from hamrasan.http.event_answers import LONG_AT_ONCE, LONG_WAITING
from hamrasan.http.services import (
    ElsewhereServices,
    EncryptionServices,
    FederationServices,
    Ground,
    RoomServices,
    ServingServices,
)
from hamrasan.rooms.served_events import ServedEvents
from hamrasan.rooms.server_access import ServerAccess
from hamrasan.rooms.server_history import ServerHistory
from hamrasan.rooms.server_spaces import ServerSpaces
from hamrasan.runtime.turns import Turns
from hamrasan.server.elsewhere import build_inviting
from hamrasan.storage.sqlite.store import Store


def build_serving(
    store: Store,
    ground: Ground,
    encryption: EncryptionServices,
    rooms: RoomServices,
    federation: FederationServices,
    elsewhere: ElsewhereServices,
) -> ServingServices:
    """Put together what other servers' requests are answered with."""
    events, registry = rooms.federated_events, rooms.registry
    access = ServerAccess(registry, rooms.server_acls, ground.settings.server_name)
    history = ServerHistory(store.state, store.serving, rooms.history, rooms.erasure, ground.clock)
    policies = AskPolicyServer(registry, federation.federation, federation.own_keys)
    registry.judge_with(policies.before_sending)
    rooms.reception.judge_with(policies.on_receipt)
    handshakes = ServeHandshakes(
        access,
        registry,
        rooms.discovery,
        events,
        rooms.reception,
        federation.pdu_checks,
        federation.own_keys,
    )
    return ServingServices(
        server_access=access,
        served_events=ServedEvents(registry, access, events, history, store.serving),
        served_devices=ServedDevices(encryption.key_query, store.devices),
        server_spaces=ServerSpaces(rooms.discovery, elsewhere.spaces, ground.clock),
        serve_handshakes=handshakes,
        serve_join=ServeJoin(handshakes, events),
        take_invite=TakeInvite(
            registry,
            rooms.server_acls,
            rooms.membership,
            rooms.invitations,
            federation.pdu_checks,
            federation.own_keys,
        ),
        long_answers=Turns(LONG_AT_ONCE, LONG_WAITING),
        exchange_invite=ExchangeInvite(
            access,
            registry,
            rooms.membership,
            build_inviting(federation, registry, events, rooms.reception),
            federation.federation,
            ground.settings.server_name,
        ),
    )
