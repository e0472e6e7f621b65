"""Valid requests, made from the specification's operations and from our own routes."""

from __future__ import annotations

import hashlib
import hmac
from random import Random
from typing import Any

from hamrasan.http.api.routes import ROUTES
from hamrasan.http.api.unserved import UNSERVED
from tests.fuzz import contents, shapes
from tests.fuzz.drafts import Draft, escape
from tests.fuzz.world import User, World
from tests.running import PASSWORD, SHARED_SECRET
from tests.spec.operations import OPERATIONS, Operation

WEIGHTS = {
    # What messengers do all day ...
    "sendMessage": 60, "setRoomStateWithKey": 40, "sync": 30, "getRoomEvents": 25, "joinRoom": 15, "joinRoomById": 15,
    "inviteUser": 15, "postReceipt": 15, "redactEvent": 12, "getRelatingEvents": 12, "defineFilter": 12,
    # ... and what costs a password hash, ends sessions, or makes something that stays for ever.
    "register": 1, "login": 2, "changePassword": 0.5, "deactivateAccount": 0.3, "logout": 0.5, "logout_all": 0.3,
    "deleteDevice": 1, "deleteDevices": 1, "createRoom": 4, "upgradeRoom": 0.7, "adminRegister": 0.7,
    "setAdminLockUser": 1, "setAdminSuspendUser": 1, "leaveRoom": 4, "forgetRoom": 3, "kick": 4, "ban": 3,
}  # fmt: skip
USUAL_WEIGHT = 6.0
MAKERS = frozenset({"createRoom", "upgradeRoom", "register", "adminRegister"})
"""What makes rooms and users."""
UNSERVED_WEIGHT = 0.5


def _own(method: str, path: str, operation: str) -> Operation:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    body = {"type": "object"} if method in ("POST", "PUT") else None
    return Operation(operation, "", method, path, parameters, body, False, False, {})


TARGETS: tuple[Operation, ...] = (
    *OPERATIONS.values(),
    *(_own(row.method, row.path, row.operation) for row in ROUTES if row.operation not in OPERATIONS),
)
"""Everything that is asked: what is served, what is not (and must be refused properly), and what is ours."""
_UNSERVED = {row.operation for row in UNSERVED}
_CHANCES = [
    WEIGHTS.get(target.id, UNSERVED_WEIGHT if target.id in _UNSERVED else USUAL_WEIGHT) for target in TARGETS
]


def valid(rng: Random, world: World) -> Draft:
    """Return a request with nothing wrong in it, as far as its form goes."""
    target = rng.choices(TARGETS, _CHANCES)[0]
    while world.is_full and target.id in MAKERS:
        target = rng.choices(TARGETS, _CHANCES)[0]
    return request_for(target, rng, world)


def request_for(target: Operation, rng: Random, world: World) -> Draft:
    """Return a valid request for an operation."""
    user = _requester(target, rng, world)
    values = {
        parameter["name"]: shapes.value(parameter["schema"], rng, world, user, parameter["name"])
        for parameter in target.parameters
        if parameter["in"] == "path"
    }
    _adjust(target, values, rng, world, user)
    draft = Draft(target.id, target.method, [])
    for index, part in enumerate(target.path.strip()[1:].split("/")):
        if part.startswith("{"):
            draft.parameters.append(index)
            part = escape(str(values.get(part[1:-1], contents.text(rng))))
        draft.segments.append(part)
    draft.query = _query(target, rng, world, user)
    if target.authenticated or rng.random() < 0.3:
        draft.headers.append(("Authorization", f"Bearer {user.token}".encode()))
        draft.user_id = user.user_id
    draft.body = _body(target, values, rng, world, user)
    if draft.body is not None or target.method in ("POST", "PUT"):
        draft.headers.append(("Content-Type", b"application/json"))
    return draft


def _requester(target: Operation, rng: Random, world: World) -> User:
    if "/admin/" in target.path:
        return rng.choice([user for user in world.active if user.admin] or world.active)
    return rng.choice(world.active)


def _adjust(target: Operation, values: dict[str, Any], rng: Random, world: World, user: User) -> None:
    """Put values into a path that go together."""
    match target.id:
        case "sendMessage":
            values["eventType"] = rng.choice(contents.MESSAGE_TYPES)
        case "setRoomStateWithKey" | "getRoomStateWithKey":
            values["eventType"] = rng.choice(contents.STATE_TYPES)
            values["stateKey"] = contents.state_key(values["eventType"], rng, world)
        case "setAdminLockUser" | "setAdminSuspendUser":
            # The administrators are needed to the end.
            others = [other.user_id for other in world.active if not other.admin]
            values["userId"] = rng.choice(others or [contents.NOBODY])


def _query(target: Operation, rng: Random, world: World, user: User) -> list[tuple[str, str]]:
    query = []
    for parameter in target.parameters:
        if parameter["in"] == "query" and (parameter["required"] or rng.random() < 0.4):
            name = parameter["name"]
            values = _values(target, name, parameter["schema"], rng, world, user)
            query += [(escape(name), escape(value)) for value in values]
    return query


def _values(
    target: Operation, name: str, schema: dict[str, Any], rng: Random, world: World, user: User
) -> list[str]:
    if name == "filter":
        if target.id == "sync" and rng.random() < 0.5:
            return [str(shapes.NAMED["filterId"](rng, world, user))]
        definition = "sync_filter" if target.id == "sync" else "room_event_filter"
        return [_text(shapes.value({"$ref": f"#/$defs/{definition}"}, rng, world, user))]
    if target.id == "getPublicRooms" and name == "since":
        return [world.draw("token", rng, "none")]
    if target.id == "sync" and name == "timeout":
        return [rng.choice(("0", "1", "200"))]
    value = shapes.value(schema, rng, world, user, name)
    if isinstance(value, list):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        return []
    return [_text(value)]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(contents.json_text(value))


def _body(target: Operation, values: dict[str, Any], rng: Random, world: World, user: User) -> Any:
    match target.id:
        case "sendMessage":
            return contents.message(values["eventType"], rng, world)
        case "setRoomStateWithKey":
            return contents.state(values["eventType"], rng, world)
        case "setAccountData" | "setAccountDataPerRoom" | "setProfileField":
            return _stored(target, values, rng, world)
        case "queryPublicRooms":
            # Its `since` is another than that of `/sync`.
            return {
                **shapes.value(target.body or {}, rng, world, user),
                "since": world.draw("token", rng, "none"),
            }
        case "createRoom":
            return _room(target, rng, world, user)
        case "login":
            return _login(rng, world, user)
        case "register":
            auth = {"type": "m.login.dummy"} if rng.random() < 0.7 else None
            name = {"username": f"fuzzed-{world.number()}", "password": PASSWORD}
            return {**name, "auth": auth} if auth else name
        case "changePassword":
            wanted = shapes.value(target.body or {}, rng, world, user)
            return {**wanted, "new_password": f"{PASSWORD} {world.number()}"}
        case "adminRegister":
            return _signed(rng, world)
        case _ if target.body is not None:
            return shapes.value(target.body, rng, world, user)
        case _:
            return {} if target.method == "POST" else None


def _stored(target: Operation, values: dict[str, Any], rng: Random, world: World) -> dict[str, Any]:
    if target.id == "setProfileField":
        return {values["keyName"]: rng.choice((contents.text(rng), "mxc://hamrasan.test/abc"))}
    if values["type"] == "m.direct":
        return {world.draw("user", rng, contents.NOBODY): [world.draw("room", rng, contents.NO_ROOM)]}
    if values["type"] == "m.ignored_user_list":
        return {"ignored_users": {world.draw("user", rng, contents.NOBODY): {}}}
    return {"data": contents.anything(rng)}


def _room(target: Operation, rng: Random, world: World, user: User) -> dict[str, Any]:
    wanted: dict[str, Any] = shapes.value(target.body or {}, rng, world, user)
    for doubtful in ("invite_3pid", "creation_content", "power_level_content_override"):
        if rng.random() < 0.8:
            wanted.pop(doubtful, None)
    if "initial_state" in wanted:
        types = rng.sample(contents.STATE_TYPES, 2)
        wanted["initial_state"] = [
            {"type": kind, "state_key": "", "content": contents.state(kind, rng, world)} for kind in types
        ]
    if rng.random() < 0.6:
        wanted["preset"] = "public_chat"
    return wanted


def _login(rng: Random, world: World, user: User) -> dict[str, Any]:
    if rng.random() < 0.2:
        return {"type": "m.login.token", "token": world.draw("login_token", rng, "none")}
    wanted: dict[str, Any] = {"type": "m.login.password", "password": user.passwords[-1]}
    wanted["identifier"] = {"type": "m.id.user", "user": user.user_id}
    if rng.random() < 0.3:
        wanted["device_id"] = f"DEVICE{rng.randrange(30)}"
    if rng.random() < 0.3:
        wanted["refresh_token"] = True
    return wanted


def _signed(rng: Random, world: World) -> dict[str, Any]:
    nonce, name = world.draw("nonce", rng, "none"), f"operator-{world.number()}"
    text = "\0".join((nonce, name, PASSWORD, "notadmin"))
    mac = hmac.new(SHARED_SECRET.encode(), text.encode(), hashlib.sha1).hexdigest()
    return {"nonce": nonce, "username": name, "password": PASSWORD, "mac": mac}
