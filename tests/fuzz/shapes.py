"""Values that the specification's schemas allow, with the names of things that exist where a name is asked for."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from hamrasan.protocol.push_rules.defaults import default_ruleset
from tests.fuzz import contents
from tests.fuzz.world import User, World
from tests.spec.operations import DEFINITIONS

SERVERS = ("hamrasan.test", "elsewhere.example", "127.0.0.1:1")
VERSIONS = ("3", "6", "7", "8", "9", "10", "10", "11", "11", "12", "12", "12", "1", "org.example.version")
RULES = tuple(rule["rule_id"] for rules in default_ruleset("@a:b")["global"].values() for rule in rules)

Maker = Callable[[Random, World, User], Any]


def user_id(rng: Random, world: World, user: User) -> str:
    """Return an id that exists, mostly that of the requester."""
    return user.user_id if rng.random() < 0.6 else world.draw("user", rng, contents.NOBODY)


def room_id(rng: Random, world: World, user: User) -> str:
    """Return an id that exists, mostly of a room that the requester is in."""
    if user.rooms and rng.random() < 0.8:
        return rng.choice(user.rooms)
    return world.draw("room", rng, contents.NO_ROOM)


def _from(kind: str, default: str) -> Maker:
    return lambda rng, world, user: world.draw(kind, rng, default)


def _of(*values: Any) -> Maker:
    return lambda rng, world, user: rng.choice(values)


def _text(rng: Random, world: World, user: User) -> str:
    return contents.text(rng)


def _room_or_alias(rng: Random, world: World, user: User) -> str:
    if rng.random() < 0.3:
        return world.draw("alias", rng, contents.NO_ALIAS)
    return world.draw("room", rng, contents.NO_ROOM)


def _new_alias(rng: Random, world: World, user: User) -> str:
    known = world.draw("alias", rng, contents.NO_ALIAS)
    return known if rng.random() < 0.5 else f"#alias-{world.number()}:hamrasan.test"


def _new_name(rng: Random, world: World, user: User) -> str:
    return f"name-{world.number()}"


def _auth(rng: Random, world: World, user: User) -> dict[str, Any]:
    proof: dict[str, Any] = {"session": world.draw("session", rng, "none")}
    if rng.random() < 0.5:
        return {"type": "m.login.dummy", **proof}
    identifier = {"type": "m.id.user", "user": user.user_id}
    proof |= {"type": "m.login.password", "identifier": identifier, "password": user.passwords[-1]}
    if rng.random() < 0.5:
        del proof["session"]
    return proof


def _identifier(rng: Random, world: World, user: User) -> dict[str, Any]:
    return {"type": "m.id.user", "user": user.user_id}


def _rule(rng: Random, world: World, user: User) -> str:
    return rng.choice((rng.choice(RULES), f"rule-{rng.randrange(20)}", user_id(rng, world, user)))


def _token(rng: Random, world: World, user: User) -> str:
    return world.draw("token", rng, "none")


def _filter(rng: Random, world: World, user: User) -> str:
    return world.draw(f"filter of {user.user_id}", rng, "0")


def _thread(rng: Random, world: World, user: User) -> str:
    return "main" if rng.random() < 0.5 else world.draw("event", rng, contents.NO_EVENT)


NAMED: dict[str, Maker] = {
    "userId": user_id, "user_id": user_id, "userid": user_id, "sender": user_id, "senders": user_id,
    "not_senders": user_id, "invite": user_id, "additional_creators": user_id, "user": user_id,
    "roomId": room_id, "room_id": room_id, "rooms": room_id, "not_rooms": room_id, "room": room_id,
    "roomIdOrAlias": _room_or_alias, "roomAlias": _new_alias, "alias": _new_alias,
    "eventId": _from("event", contents.NO_EVENT), "event_id": _from("event", contents.NO_EVENT),
    "m.fully_read": _from("event", contents.NO_EVENT), "m.read": _from("event", contents.NO_EVENT),
    "m.read.private": _from("event", contents.NO_EVENT), "thread_id": _thread,
    "since": _from("since", "none"), "from": _token, "to": _token, "at": _token, "before": _token, "after": _token,
    "filterId": _filter, "deviceId": _from("device", "NONE"), "device_id": _from("device", "NONE"),
    "devices": _from("device", "NONE"), "token": _from("login_token", "none"),
    "refresh_token": _from("refresh", "none"), "session": _from("session", "none"), "nonce": _from("nonce", "none"),
    "server": _of(*SERVERS), "via": _of(*SERVERS), "id_server": _of(*SERVERS),
    "eventType": _of(*contents.MESSAGE_TYPES, *contents.STATE_TYPES), "types": _of("m.*", "m.room.message", "*"),
    "not_types": _of("m.reaction", "org.*"), "type": _of("m.direct", "org.example.data", "m.ignored_user_list"),
    "relType": _of("m.annotation", "m.thread", "m.replace", "m.reference"), "tag": _of("m.favourite", "u.work"),
    "keyName": _of("displayname", "avatar_url", "m.tz", "org.example.field"), "scope": _of("global"),
    "ruleId": _rule, "protocol": _of("irc", "telegram"), "txnId": lambda rng, world, user: f"t{rng.randrange(5000)}",
    "new_version": _of(*VERSIONS), "room_version": _of(*VERSIONS), "username": _new_name, "room_alias_name": _new_name,
"limit": _of(0, 1, 5, 20, 1000, 2**53 - 1), "timeout": _of(0, 1, 200),
    "ts": _of(0, 1, 1_700_000_000_000, 2**53 - 1), "password": lambda rng, world, user: user.passwords[-1],
    "order": _of(0, 1, 0.5), "event_fields": _of("content.body", "type", "content.m\\.relates_to", "sender"),
    "actions": _of("notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"}),
    "stateKey": _text,
}  # fmt: skip
"""Makers by the names of parameters and members; lists take the maker for their items."""


OBJECTS: dict[str, Maker] = {"auth": _auth, "identifier": _identifier}
"""The same for objects."""


def value(
    schema: dict[str, Any], rng: Random, world: World, user: User, name: str = "", depth: int = 0
) -> Any:
    """Return a value that a schema allows."""
    schema = merged(schema)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = rng.choice(kind)
    if kind == "array":
        items = schema.get("items", {"type": "string"})
        return [value(items, rng, world, user, name, depth + 1) for _ in range(rng.randrange(4))]
    if "enum" in schema:
        return rng.choice(schema["enum"])
    if name in NAMED and kind not in ("boolean", "object"):
        return NAMED[name](rng, world, user)
    if name in OBJECTS:
        return OBJECTS[name](rng, world, user)
    if kind == "object" or "properties" in schema:
        return _object(schema, rng, world, user, depth)
    match kind:
        case "boolean":
            return rng.random() < 0.5
        case "integer" | "number":
            return rng.choice((0, 1, 10, 2**31))
        case "null":
            return None
        case "string":
            return contents.text(rng)
        case _:
            return contents.anything(rng)


def _object(schema: dict[str, Any], rng: Random, world: World, user: User, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    required = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        if name in required or rng.random() < (0.5 if depth < 3 else 0.1):
            found[name] = value(inner, rng, world, user, name, depth + 1)
    if schema.get("additionalProperties") is not False and rng.random() < 0.1:
        found[f"org.example.{rng.randrange(9)}"] = contents.anything(rng)
    return found


def merged(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with its references and `allOf` resolved into one object; of `oneOf` and `anyOf` the first."""
    if "$ref" in schema:
        return merged(DEFINITIONS[schema["$ref"].removeprefix("#/$defs/")])
    parts = [*schema.get("allOf", ()), *schema.get("oneOf", ())[:1], *schema.get("anyOf", ())[:1]]
    if not parts:
        return schema
    result = {key: part for key, part in schema.items() if key not in ("allOf", "oneOf", "anyOf")}
    for part in map(merged, parts):
        properties = {**part.get("properties", {}), **result.get("properties", {})}
        required = [*part.get("required", ()), *result.get("required", ())]
        result = {**part, **result}
        if properties:
            result |= {"properties": properties, "required": required}
    return result
