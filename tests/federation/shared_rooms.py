"""Rooms that several servers of a country share, for tests of what goes on in them: made without a handshake."""

from __future__ import annotations

from typing import Any

from hamrasan.http.services import Services
from hamrasan.protocol.event import Event
from hamrasan.protocol.hashing import event_id_of, seal
from hamrasan.protocol.room_versions import RoomVersion, room_version
from hamrasan.protocol.signing import sign_event
from tests.federation.country import Member
from tests.running import Person


def share_room(resident: Member, creator: Person, *guests: tuple[Member, Person], **options: Any) -> str:
    """Let somebody create a public room, and people of other servers come into it; return its id."""
    room_id = creator.create_room(preset="public_chat", **options)
    for server, person in guests:
        bring_in(resident, server, person, room_id)
    return room_id


def bring_in(resident: Member, server: Member, person: Person, room_id: str) -> None:
    """Let somebody of another server join a room through `resident`."""
    version, template = resident.run(_template(resident.services, room_id, person.user_id))
    signed = server.run(_finished(server.services, template, version))
    state, chain = resident.run(_accepted(resident.services, room_id, signed, version))
    server.run(_seeded(server.services, room_id, version, state, chain, signed))


async def _template(services: Services, room_id: str, user_id: str) -> tuple[RoomVersion, dict[str, Any]]:
    room = await services.registry.get(room_id)
    pdu = await services.federated_events.template(
        room, "m.room.member", user_id, user_id, {"membership": "join"}
    )
    return room.version, pdu


async def _finished(services: Services, pdu: dict[str, Any], version: RoomVersion) -> dict[str, Any]:
    """Return an event hashed and signed by the server."""
    seal(pdu, version)
    return sign_event(pdu, version, services.settings.server_name, services.signing_key)


async def _accepted(
    services: Services, room_id: str, pdu: dict[str, Any], version: RoomVersion
) -> tuple[list[Any], list[Any]]:
    """Take a join in; return the state before it and its auth chain."""
    room = await services.registry.get(room_id)
    event = await services.pdu_checks.check_pdu(pdu, version, room_id=room_id)
    await services.reception.add(room, event, forward=True)
    federated = services.federated_events
    ids = list((await federated.state_before(room, event_id_of(pdu, version))).values())
    state, chain = await federated.pdus(ids), await federated.pdus(await federated.auth_chain(ids))
    return list(state.values()), list(chain.values())


async def _seeded(
    services: Services,
    room_id: str,
    version: RoomVersion,
    state: list[Any],
    chain: list[Any],
    joined: dict[str, Any],
) -> None:
    async def checked(pdus: list[Any]) -> list[Event]:
        found = await services.pdu_checks.check_pdus(pdus, room_version(version.id), room_id=room_id)
        assert not found.refused, found.refused
        return found.events

    (join,) = await checked([joined])
    await services.reception.seed(room_id, version.id, await checked(state), await checked(chain), join)
