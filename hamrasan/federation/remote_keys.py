"""The keys of other servers' users (server-server API, "End-to-End Encryption", "Device Management"): asked of their
servers, kept while a room is shared, and outdated by every change that those servers tell of.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from hamrasan.federation.client import FederationClient
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.cross_signing import MASTER, SELF_SIGNING, CrossSigningKey, checked_cross_signing_key
from hamrasan.protocol.device_keys import checked_device_keys, checked_key
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.identifiers import is_of_server, server_name_of
from hamrasan.rooms.history import MEMBER
from hamrasan.rooms.registry import RoomRegistry
from hamrasan.rooms.room import Room
from hamrasan.runtime.shared_work import SharedWork
from hamrasan.runtime.tasks import ignore_failure
from hamrasan.storage.ports.cross_signing import (
    CrossSigningReader,
    DropCrossSigningKey,
    DropSignaturesOn,
    PutCrossSigningKey,
)
from hamrasan.storage.ports.journal import Batch, Journal, Position, Write
from hamrasan.storage.ports.remote_keys import OutdateRemoteDevices, PutRemoteDevices, RemoteKeyReader
from hamrasan.storage.ports.rooms import RoomEvents

DEFAULT_TIMEOUT_S = 10.0
"""How long other servers have to answer if the client says nothing (`POST /keys/query`)."""
MAX_TIMEOUT_S = 60.0
"""... and at most."""
MAX_SERVERS_AT_ONCE = 32
"""Servers that one request asks at the same time."""
MAX_USERS_OF_QUESTION = 250
"""Users whom one question to a server is about."""
MAX_DEVICES = 1_000
"""Devices of one user that are taken over; people have a handful."""
MAX_NAME_CHARS = 256
"""Of a device's name."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024

_QUERY = "/_matrix/federation/v1/user/keys/query"
_CLAIM = "/_matrix/federation/v1/user/keys/claim"


class UserKeys(NamedTuple):
    """The public keys of a user: by device id, an object with `keys` and perhaps `name`; and the cross-signing keys."""

    devices: Mapping[str, Mapping[str, Any]]
    cross_signing: Mapping[str, CrossSigningKey]
    """By usage: `master` and `self_signing`."""


NO_KEYS = UserKeys({}, {})
Failures = dict[str, dict[str, Any]]
"""Why a server could not be asked, by its name."""


class RemoteKeys:
    """Asks for keys, and remembers them."""

    def __init__(
        self,
        client: FederationClient,
        journal: Journal,
        reader: RemoteKeyReader,
        cross_signing: CrossSigningReader,
        registry: RoomRegistry,
        server_name: str,
    ) -> None:
        self._client = client
        self._registry = registry
        self._journal = journal
        self._reader = reader
        self._cross_signing = cross_signing
        self._server_name = server_name
        self._under_way: SharedWork[dict[str, UserKeys]] = SharedWork()
        """When a key changes, everybody in a room asks for it at the same time."""
        journal.listen(RoomEvents, self._committed)

    async def of(
        self, user_ids: Sequence[str], timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> tuple[dict[str, UserKeys], Failures]:
        """Return the keys of other servers' users, and which servers did not answer.

        Of those the last that is known is returned, if anything is.
        """
        known = await self._known(user_ids)
        fresh = {user_id: keys for user_id, (keys, outdated) in known.items() if not outdated}
        wanted: dict[str, list[str]] = defaultdict(list)
        for user_id in sorted(user_ids):
            if user_id not in fresh:
                wanted[server_name_of(user_id)].append(user_id)
        shared = await self._reader.shared_with(
            [u for users in wanted.values() for u in users], self._server_name
        )

        async def ask(server: str) -> dict[str, UserKeys]:
            found: dict[str, UserKeys] = {}
            for start in range(0, len(wanted[server]), MAX_USERS_OF_QUESTION):
                users = wanted[server][start : start + MAX_USERS_OF_QUESTION]
                found |= await self._under_way.do(
                    f"{server} {' '.join(users)}", partial(self._ask, server, users, shared, timeout_s)
                )
            return found

        answers, failures = await _ask_all(wanted, ask, timeout_s)
        found = {user_id: keys for user_id, (keys, _) in known.items()} | fresh
        for answer in answers:
            found |= answer
        return found, failures

    async def claim(
        self, wanted: Mapping[str, Mapping[str, str]], timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> tuple[dict[str, dict[str, dict[str, Any]]], Failures]:
        """Have other servers hand out a key of each device; return the keys, and which servers did not answer."""
        by_server: dict[str, dict[str, Mapping[str, str]]] = defaultdict(dict)
        for user_id, devices in wanted.items():
            by_server[server_name_of(user_id)][user_id] = devices

        async def ask(server: str) -> dict[str, dict[str, dict[str, Any]]]:
            answer = await self._client.post(
                server,
                _CLAIM,
                body={"one_time_keys": by_server[server]},
                timeout_s=timeout_s,
                max_bytes=MAX_ANSWER_BYTES,
            )
            return _claimed(answer.get("one_time_keys"), by_server[server])

        answers, failures = await _ask_all(by_server, ask, timeout_s)
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for answer in answers:
            found |= answer
        return found, failures

    # Asking.

    async def _known(self, user_ids: Sequence[str]) -> dict[str, tuple[UserKeys, bool]]:
        """Return what is kept of users, and whether it is outdated."""
        rows = await self._reader.devices(user_ids)
        signing: dict[str, dict[str, CrossSigningKey]] = defaultdict(dict)
        for row in await self._cross_signing.keys_of([row.user_id for row in rows]):
            signing[row.user_id][row.usage] = CrossSigningKey(row.key_id, parse_json(row.key))
        return {
            row.user_id: (UserKeys(parse_json(row.devices), signing[row.user_id]), row.outdated)
            for row in rows
        }

    async def _ask(
        self, server: str, user_ids: list[str], shared: set[str], timeout_s: float
    ) -> dict[str, UserKeys]:
        """Ask a server for the keys of its users, and keep those of users with whom a room is shared."""
        upto = self._journal.durable
        answer = await self._client.post(
            server,
            _QUERY,
            body={"device_keys": {user_id: [] for user_id in user_ids}},
            timeout_s=timeout_s,
            max_bytes=MAX_ANSWER_BYTES,
        )
        found = {user_id: _user_keys(answer, user_id) for user_id in user_ids}
        await self._keep({user_id: keys for user_id, keys in found.items() if user_id in shared}, upto)
        return found

    async def _keep(self, found: Mapping[str, UserKeys], upto: Position) -> None:
        known: dict[str, dict[str, str]] = defaultdict(dict)
        for row in await self._cross_signing.keys_of(list(found)):
            known[row.user_id][row.usage] = row.key_id
        writes: list[Write] = []
        for user_id, keys in found.items():
            writes.append(PutRemoteDevices(user_id, encode_json(keys.devices), upto))
            for usage in (MASTER, SELF_SIGNING):
                writes += _signing_key(
                    user_id, usage, known[user_id].get(usage), keys.cross_signing.get(usage)
                )
        if writes:
            await self._journal.submit(Batch(writes))

    # What is kept is right only as long as a room is shared.

    def _committed(self, item: RoomEvents) -> None:
        for stored in item.events:
            if (
                stored.type == MEMBER
                and stored.state_key is not None
                and is_of_server(stored.state_key, self._server_name)
                and b'"membership":"join"' not in stored.content
                and (room := self._registry.loaded(item.room_id)) is not None
                and (others := self._left_alone(room))
            ):
                with suppress(MatrixError):  # the server is stopping, or full
                    done = self._journal.submit(Batch([OutdateRemoteDevices(user_id) for user_id in others]))
                    done.add_done_callback(ignore_failure)

    def _left_alone(self, room: Room) -> list[str]:
        """Return other servers' users in a room that the last user of this server has left."""
        if self._server_name in room.servers:
            return []
        return [user_id for user_id, member in room.members.items() if member.membership == "join"]


async def _ask_all(
    servers: Iterable[str], ask: Callable[[str], Awaitable[Any]], timeout_s: float
) -> tuple[list[Any], Failures]:
    """Ask servers at the same time; return the answers, and why others gave none."""
    slots = asyncio.Semaphore(MAX_SERVERS_AT_ONCE)
    failures: Failures = {}

    async def one(server: str) -> Any:
        try:
            async with asyncio.timeout(timeout_s), slots:
                return await ask(server)
        except TimeoutError:
            failures[server] = {"errcode": "M_UNKNOWN", "error": "The server did not answer in time."}
        except MatrixError as error:
            failures[server] = error.body()
        return None

    answers = await asyncio.gather(*(one(server) for server in servers))
    return [answer for answer in answers if answer is not None], failures


def _signing_key(user_id: str, usage: str, known: str | None, now: CrossSigningKey | None) -> list[Write]:
    """Return what makes `now` the user's key for a usage; signatures on another one mean nothing any more."""
    writes: list[Write] = []
    if known is not None and (now is None or now.public_key != known):
        writes.append(DropSignaturesOn(user_id, known))
    if now is not None:
        writes.append(PutCrossSigningKey(user_id, usage, now.public_key, now.encoded()))
    elif known is not None:
        writes.append(DropCrossSigningKey(user_id, usage))
    return writes


def _user_keys(answer: Mapping[str, Any], user_id: str) -> UserKeys:
    """Return what an answer says of a user; what has not the right form, or is not theirs, is left out."""
    devices: dict[str, Mapping[str, Any]] = {}
    for device_id, told in list(_objects(_of(answer.get("device_keys"), user_id)))[:MAX_DEVICES]:
        try:
            keys: dict[str, Any] = {"keys": parse_json(checked_device_keys(told, user_id, device_id))}
        except MatrixError:
            continue
        name = _of(told, "unsigned").get("device_display_name")
        if isinstance(name, str):
            keys["name"] = name[:MAX_NAME_CHARS]
        devices[device_id] = keys
    signing: dict[str, CrossSigningKey] = {}
    for usage in (MASTER, SELF_SIGNING):
        told = _of(answer.get(f"{usage}_keys"), user_id)
        if told:
            try:
                signing[usage] = checked_cross_signing_key(told, user_id, usage)
            except MatrixError:
                continue
    return UserKeys(devices, signing)


def _claimed(answer: Any, wanted: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return those keys of an answer that were asked for."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for user_id, devices in wanted.items():
        for device_id, algorithm in devices.items():
            keys = _of(_of(answer, user_id), device_id)
            for name, key in keys.items():
                try:
                    if checked_key(name, key)[0] != algorithm:
                        continue
                except MatrixError:
                    continue
                found.setdefault(user_id, {})[device_id] = {name: key}
                break
    return found


def _of(value: Any, name: str) -> dict[str, Any]:
    """Return the object under a name, an empty one if there is none."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _objects(value: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    return ((name, item) for name, item in value.items() if isinstance(item, dict))
