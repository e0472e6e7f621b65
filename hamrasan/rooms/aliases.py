"""Room aliases of this server (client-server API, "Room aliases")."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from hamrasan.accounts.accounts import Make
from hamrasan.policy.application_services import ApplicationServices
from hamrasan.protocol.errors import MatrixError, forbidden, invalid_param, not_found
from hamrasan.protocol.identifiers import parse_room_alias, parse_room_id
from hamrasan.protocol.visibility import WORLD_READABLE, parse_visibility
from hamrasan.rooms.access import RoomAccess
from hamrasan.rooms.new_event import NewEvent
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.storage.ports.journal import Batch
from hamrasan.storage.ports.rooms import AliasesChanged, DeleteAlias, PutAlias, RoomReader, RoomRow

CANONICAL_ALIAS = "m.room.canonical_alias"
MAX_NEW_ALIASES = 100
"""Aliases that one `m.room.canonical_alias` may add: each is looked up before the event is accepted."""
MAX_ALIASES_OF_ROOM = 1_000
"""Aliases of one room: an upgrade moves all of them in one commit."""


class AliasInUse(MatrixError):
    """The alias already points to a room."""

    def __init__(self, alias: str) -> None:
        super().__init__(409, "M_UNKNOWN", f"The room alias {alias} is already in use.")


class Aliases:
    """Creates, resolves and deletes aliases."""

    def __init__(
        self,
        registry: RoomRegistry,
        access: RoomAccess,
        rooms: RoomReader,
        application_services: ApplicationServices,
        make_alias: Make,
        server_name: str,
    ) -> None:
        self._registry = registry
        self._access = access
        self._rooms = rooms
        self._application_services = application_services
        self._make_alias = make_alias
        self._server_name = server_name
        self._claimed: set[str] = set()

    def with_localpart(self, localpart: str) -> str:
        """Return this server's alias with that localpart; raises `M_INVALID_PARAM` if it is none."""
        alias = f"#{localpart}:{self._server_name}"
        if ":" in localpart:
            raise invalid_param("The local part of a room alias must not contain ':'.")
        if any(character.isspace() for character in localpart):
            raise invalid_param("A room alias must not contain spaces.")
        parse_room_alias(alias)
        return alias

    def check_reserved(self, alias: str, service: str | None) -> None:
        """Raise `M_EXCLUSIVE` for an alias that is reserved for another than the application service that asks."""
        self._application_services.check_alias(alias, service)

    @asynccontextmanager
    async def claim(self, alias: str) -> AsyncIterator[None]:
        """Keep `alias` for the block, in which a `PutAlias` for it may become durable; raises `AliasInUse`.

        Two who want the same alias at the same time must not both reach the journal, where one would fail for all.
        """
        if alias in self._claimed:
            raise AliasInUse(alias)
        self._claimed.add(alias)
        try:
            if await self._rooms.alias(alias) is not None:
                raise AliasInUse(alias)
            yield
        finally:
            self._claimed.discard(alias)

    async def find(self, alias: str) -> RoomRow:
        """Return the room of an alias, which an application service may make when it is asked for.

        Raises `M_INVALID_PARAM` for what is none, `M_NOT_FOUND`, and 408 if a service that may know does not answer.
        """
        parse_room_alias(alias)
        if await self._rooms.alias(alias) is None:
            await self._make_alias(alias)
        return (await self._get(alias))[0]

    async def room_id_of(self, room_id_or_alias: str) -> str:
        """Return a room id as it is, and the room's id for an alias; raises as `find`."""
        if room_id_or_alias.startswith("#"):
            return (await self.find(room_id_or_alias)).room_id
        parse_room_id(room_id_or_alias)
        return room_id_or_alias

    async def of_room(self, room: Room) -> list[str]:
        """Return the aliases of a room on this server."""
        return await self._rooms.aliases(room.number)

    async def listed_for(self, room_id: str, user_id: str) -> list[str]:
        """Return the aliases of a room that the user is in, or that the world may read; else raise `M_FORBIDDEN`."""
        readable = await self._access.readable(room_id, user_id)
        visibility = parse_visibility(readable.room.content("m.room.history_visibility"))
        if not (readable.joined or visibility == WORLD_READABLE):
            raise forbidden("You are not in this room.")
        return await self.of_room(readable.room)

    async def create(self, alias: str, room_id: str, user_id: str, service: str | None = None) -> None:
        """Let `alias` point to a room that the user is in; `service` is the application service that asks, if any.

        Raises `M_INVALID_PARAM`, `M_EXCLUSIVE`, `M_FORBIDDEN`, `AliasInUse`.
        """
        localpart, server_name = parse_room_alias(alias)
        if server_name != self._server_name:
            raise invalid_param(f"Only aliases that end in ':{self._server_name}' can be created here.")
        self.with_localpart(localpart)
        self.check_reserved(alias, service)
        room = await self._access.joined(room_id, user_id)
        async with self.claim(alias):
            if len(await self._rooms.aliases(room.number)) >= MAX_ALIASES_OF_ROOM:
                raise forbidden(f"A room may have at most {MAX_ALIASES_OF_ROOM} aliases.")
            await self._registry.journal.submit(
                Batch([PutAlias(alias, room.number, user_id)], feed=[AliasesChanged(room.id)])
            )

    async def delete(self, alias: str, user_id: str, *, is_admin: bool, service: str | None = None) -> None:
        """Delete an alias.

        That may its creator, a server administrator, who may set the room's canonical alias, and the application
        service in whose namespace it is.

        The alias also goes from the room's `m.room.canonical_alias`, if the user may change that. Raises
        `M_INVALID_PARAM`, `M_NOT_FOUND`, `M_EXCLUSIVE`, `M_FORBIDDEN`.
        """
        row, creator = await self._get(alias)
        if not is_admin:
            self.check_reserved(alias, service)
        room = await self._registry.get(row.room_id)
        may_set = room.membership(user_id) == "join" and room.power_levels.of(
            user_id
        ) >= room.power_levels.to_send(CANONICAL_ALIAS, True)
        manages = self._application_services.manages_alias(alias, service)
        if not (is_admin or manages or may_set or user_id == creator):
            raise forbidden("Only its creator or somebody with rights in the room may delete this alias.")
        without = _without(room.content(CANONICAL_ALIAS), alias)
        event = None if without is None else NewEvent(CANONICAL_ALIAS, user_id, without, "")
        if event is None or not self._registry.allows(room, event):
            await self._registry.journal.submit(Batch([DeleteAlias(alias)], feed=[AliasesChanged(room.id)]))
            return
        decision = self._registry.begin(room)
        decision.add(event)
        decision.batch.writes.append(DeleteAlias(alias))
        decision.batch.feed.append(AliasesChanged(room.id))
        await self._registry.commit(room, decision)

    async def check_canonical(self, room: Room, content: Mapping[str, Any]) -> None:
        """Raise unless every alias that `content` adds to the room's `m.room.canonical_alias` points to the room.

        `M_INVALID_PARAM` for what is no alias, `M_BAD_ALIAS` for one that points elsewhere or nowhere.
        """
        added = listed_aliases(content) - listed_aliases(room.content(CANONICAL_ALIAS), strict=False)
        if len(added) > MAX_NEW_ALIASES:
            raise invalid_param(f"At most {MAX_NEW_ALIASES} aliases can be added at once.")
        for alias in sorted(added):
            parse_room_alias(alias)
            found = await self._rooms.alias(alias)
            if found is None or found[0].room != room.number:
                raise bad_alias(alias)

    async def _get(self, alias: str) -> tuple[RoomRow, str]:
        parse_room_alias(alias)
        found = await self._rooms.alias(alias)
        if found is None:
            raise not_found(f"The room alias {alias} is not known here.")
        return found


def bad_alias(alias: str) -> MatrixError:
    """The alias in an `m.room.canonical_alias` does not point to the room."""
    return MatrixError(400, "M_BAD_ALIAS", f"The alias {alias} does not point to this room.")


def listed_aliases(content: Mapping[str, Any], *, strict: bool = True) -> set[str]:
    """Return the aliases in an `m.room.canonical_alias`; if `strict`, raise `M_INVALID_PARAM` for a wrong form."""
    alias, alternatives = content.get("alias"), content.get("alt_aliases")
    listed: Iterable[Any] = alternatives if isinstance(alternatives, list) else ()
    if strict:
        if alternatives is not None and not isinstance(alternatives, list):
            raise invalid_param("'alt_aliases' must be an array of room aliases.")
        if any(not isinstance(item, str) for item in ("" if alias is None else alias, *listed)):
            raise invalid_param("A room alias must be a string.")
    return {item for item in (alias, *listed) if isinstance(item, str) and item}


def _without(content: Mapping[str, Any], alias: str) -> dict[str, Any] | None:
    """Return `content` of an `m.room.canonical_alias` without `alias`, None if that is not in it."""
    if alias not in listed_aliases(content, strict=False):
        return None
    changed = dict(content)
    if changed.get("alias") == alias:
        del changed["alias"]
    if isinstance(changed.get("alt_aliases"), list):
        changed["alt_aliases"] = [item for item in changed["alt_aliases"] if item != alias]
    return changed
