"""Backups of room keys (client-server API, "Server-side key backups")."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import orjson

from hamrasan.encryption.key_backups import BackedUpKey
from hamrasan.http.request import Request
from hamrasan.http.response import Answer, Response, StreamResponse, empty, json_bytes, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services
from hamrasan.protocol.canonical_json import json_string
from hamrasan.protocol.errors import invalid_param
from hamrasan.storage.ports.key_backups import BackedUpKeyRow

Count = Annotated[int, msgspec.Meta(ge=0)]


class VersionBody(msgspec.Struct):
    """The body of `POST /room_keys/version` and `PUT /room_keys/version/{version}`."""

    algorithm: str
    auth_data: dict[str, Any]
    version: str | None = None


class KeyBody(msgspec.Struct):
    """A key in a backup."""

    first_message_index: Count
    forwarded_count: Count
    is_verified: bool
    session_data: dict[str, Any]

    def key(self) -> BackedUpKey:
        """Return it as the service takes it."""
        return BackedUpKey(
            self.first_message_index, self.forwarded_count, self.is_verified, self.session_data
        )


class RoomBody(msgspec.Struct):
    """The keys of a room."""

    sessions: dict[str, KeyBody]

    def keys(self) -> dict[str, BackedUpKey]:
        """Return them by session id."""
        return {session_id: key.key() for session_id, key in self.sessions.items()}


class RoomsBody(msgspec.Struct):
    """The keys of several rooms."""

    rooms: dict[str, RoomBody]


async def create_version(request: Request, services: Services) -> Response:
    """Begin a backup."""
    body = request.decode(VersionBody)
    version = await services.key_backups.create(request.requester.user_id, body.algorithm, body.auth_data)
    return ok({"version": version})


async def get_version(request: Request, services: Services) -> Response:
    """Describe a backup, or the current one."""
    user_id = request.requester.user_id
    backup, count = await services.key_backups.access(user_id, request.path.get("version"))
    return ok(
        {
            "algorithm": backup.algorithm,
            "auth_data": orjson.Fragment(backup.auth_data),
            "count": count,
            "etag": str(backup.etag),
            "version": str(backup.version),
        }
    )


async def update_version(request: Request, services: Services) -> Response:
    """Describe a backup anew."""
    body, version = request.decode(VersionBody), request.path["version"]
    if body.version not in (None, version):
        raise invalid_param("The versions in the address and in the body differ.")
    await services.key_backups.update(request.requester.user_id, version, body.algorithm, body.auth_data)
    return empty()


async def delete_version(request: Request, services: Services) -> Response:
    """Delete a backup with its keys."""
    await services.key_backups.delete(request.requester.user_id, request.path["version"])
    return empty()


async def put_keys(request: Request, services: Services) -> Response:
    """Put keys into the current backup: of rooms, of a room, or one."""
    path = request.path
    if "session_id" in path:
        rooms = {path["room_id"]: {path["session_id"]: request.decode(KeyBody).key()}}
    elif "room_id" in path:
        rooms = {path["room_id"]: request.decode(RoomBody).keys()}
    else:
        rooms = {room_id: room.keys() for room_id, room in request.decode(RoomsBody).rooms.items()}
    etag, count = await services.key_backups.put(
        request.requester.user_id, request.query.required("version"), rooms
    )
    return ok({"etag": etag, "count": count})


async def delete_keys(request: Request, services: Services) -> Response:
    """Delete keys of a backup: all, those of a room, or one."""
    path = request.path
    etag, count = await services.key_backups.delete_keys(
        request.requester.user_id,
        request.query.required("version"),
        path.get("room_id"),
        path.get("session_id"),
    )
    return ok({"etag": etag, "count": count})


async def get_keys(request: Request, services: Services) -> Answer:
    """Return the keys of a backup: of all rooms, of a room, or one."""
    user_id, version, path = request.requester.user_id, request.query.required("version"), request.path
    if "session_id" in path:
        key = await services.key_backups.key(user_id, version, path["room_id"], path["session_id"])
        return json_bytes(_written(key))
    await services.key_backups.access(user_id, version)
    pages = services.key_backups.keys(user_id, version, path.get("room_id"))
    return StreamResponse(200, _room(pages) if "room_id" in path else _rooms(pages))


async def _room(pages: AsyncIterator[list[BackedUpKeyRow]]) -> AsyncIterator[bytes]:
    """Write the keys of one room."""
    separator = b'{"sessions":{'
    async for page in pages:
        for key in page:
            yield b"%b%b:%b" % (separator, json_string(key.session_id), _written(key))
            separator = b","
    yield b"}}" if separator == b"," else separator + b"}}"


async def _rooms(pages: AsyncIterator[list[BackedUpKeyRow]]) -> AsyncIterator[bytes]:
    """Write the keys of all rooms, which come room by room."""
    yield b'{"rooms":{'
    room_id: str | None = None
    async for page in pages:
        for key in page:
            if key.room_id == room_id:
                before = b","
            else:
                before = b'%b%b:{"sessions":{' % (
                    b"" if room_id is None else b"}},",
                    json_string(key.room_id),
                )
                room_id = key.room_id
            yield b"%b%b:%b" % (before, json_string(key.session_id), _written(key))
    yield b"}}" if room_id is None else b"}}}}"


def _written(key: BackedUpKeyRow) -> bytes:
    return b'{"first_message_index":%d,"forwarded_count":%d,"is_verified":%b,"session_data":%b}' % (
        key.first_message_index,
        key.forwarded_count,
        b"true" if key.is_verified else b"false",
        key.session_data,
    )


_VERSIONS = "/_matrix/client/v3/room_keys/version"
_VERSION = _VERSIONS + "/{version}"
_KEYS = "/_matrix/client/v3/room_keys/keys"
_ROOM = _KEYS + "/{room_id}"
_SESSION = _ROOM + "/{session_id}"
_USER, _CLASS, _OBJECT = Auth.USER, RateClass.KEYS, Body.JSON_OBJECT

ROUTES = [
    Route("POST", _VERSIONS, create_version, "postRoomKeysVersion", _USER, _CLASS, _OBJECT),
    Route("GET", _VERSIONS, get_version, "getRoomKeysVersionCurrent", _USER, _CLASS),
    Route("GET", _VERSION, get_version, "getRoomKeysVersion", _USER, _CLASS),
    Route("PUT", _VERSION, update_version, "putRoomKeysVersion", _USER, _CLASS, _OBJECT),
    Route("DELETE", _VERSION, delete_version, "deleteRoomKeysVersion", _USER, _CLASS),
    Route("GET", _KEYS, get_keys, "getRoomKeys", _USER, _CLASS),
    Route("PUT", _KEYS, put_keys, "putRoomKeys", _USER, _CLASS, _OBJECT),
    Route("DELETE", _KEYS, delete_keys, "deleteRoomKeys", _USER, _CLASS),
    Route("GET", _ROOM, get_keys, "getRoomKeysByRoomId", _USER, _CLASS),
    Route("PUT", _ROOM, put_keys, "putRoomKeysByRoomId", _USER, _CLASS, _OBJECT),
    Route("DELETE", _ROOM, delete_keys, "deleteRoomKeysByRoomId", _USER, _CLASS),
    Route("GET", _SESSION, get_keys, "getRoomKeyBySessionId", _USER, _CLASS),
    Route("PUT", _SESSION, put_keys, "putRoomKeyBySessionId", _USER, _CLASS, _OBJECT),
    Route("DELETE", _SESSION, delete_keys, "deleteRoomKeyBySessionId", _USER, _CLASS),
]
