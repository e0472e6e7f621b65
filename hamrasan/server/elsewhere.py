"""What is done for this server's users at other servers, put together in the order of dependency."""

from __future__ import annotations

from hamrasan.federation.handshakes import Handshakes
from hamrasan.federation.queries import RemoteQueries
from hamrasan.federation.remote_keys import RemoteKeys
from hamrasan.flows.ask_for_keys import AskForKeys
from hamrasan.flows.backfill import Backfill
from hamrasan.flows.fetch_media import FetchMedia
from hamrasan.flows.find_elsewhere import FindElsewhere
from hamrasan.flows.find_room import FindRoom
from hamrasan.flows.invite_elsewhere import InviteElsewhere
from hamrasan.flows.join_over_federation import JoinOverFederation
from hamrasan.flows.knock_on_room import KnockOnRoom
from hamrasan.flows.leave_room import LeaveRoom
from hamrasan.http.services import (
    ElsewhereServices,
    EncryptionServices,
    FederationServices,
    Ground,
    MediaServices,
    RoomServices,
)
from hamrasan.rooms.federated_events import FederatedEvents
from hamrasan.rooms.reception import Reception
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.spaces import Spaces
from hamrasan.server.exchange import build_gaps
from hamrasan.storage.sqlite.store import Store


def build_inviting(
    federation: FederationServices, registry: RoomRegistry, events: FederatedEvents, reception: Reception
) -> InviteElsewhere:
    """Return what invites users of other servers."""
    return InviteElsewhere(
        federation.federation, federation.own_keys, federation.key_ring, registry, events, reception
    )


def build_elsewhere(
    store: Store,
    ground: Ground,
    federation: FederationServices,
    encryption: EncryptionServices,
    media: MediaServices,
    rooms: RoomServices,
) -> ElsewhereServices:
    """Put the services together."""
    clock, name, client = ground.clock, ground.settings.server_name, federation.federation
    handshakes = Handshakes(client, federation.own_keys, clock)
    queries = RemoteQueries(client, clock)
    remote_keys = RemoteKeys(
        client, store.journal, store.remote_keys, store.cross_signing, rooms.registry, name
    )
    find_elsewhere = FindElsewhere(queries, rooms.membership, rooms.invitations, clock, name)
    return ElsewhereServices(
        remote_queries=queries,
        remote_keys=remote_keys,
        backfill=Backfill(client, federation.pdu_checks, rooms.reception, store.events, rooms.history, name),
        find_elsewhere=find_elsewhere,
        spaces=Spaces(rooms.discovery, find_elsewhere, store.state, clock, ground.entropy),
        ask_for_keys=AskForKeys(encryption.keys, encryption.key_query, remote_keys, store.cross_signing),
        fetch_media=FetchMedia(media.media, client, ground.outbound, name),
        find_room=FindRoom(rooms.aliases, rooms.registry, queries, name),
        join_over_federation=JoinOverFederation(
            handshakes,
            federation.pdu_checks,
            rooms.reception,
            rooms.registry,
            rooms.invitations,
            build_gaps(store, federation, rooms, name),
            name,
        ),
        leave_room=LeaveRoom(
            rooms.membership, rooms.registry, store.events, rooms.invitations, handshakes, clock, name
        ),
        knock_on_room=KnockOnRoom(rooms.membership, rooms.registry, rooms.invitations, handshakes, name),
    )
