"""Contents of events and texts as people and clients write them."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.world import World

TEXTS = (
    "سلام، حال شما چطور است؟",
    "hello",
    "",
    " ",
    "می\u200cخواهم",
    "👩\u200d👩\u200d👧",
    "\u202eevil\u202c",
    "a\u0000b",
    "\ufeffstart",
    "e\u0301\u0301\u0301",
    "'; DROP TABLE events; --",
    "<script>alert(1)</script>",
    "%s %n {0} ${x}",
    "../../etc/passwd",
    "x" * 300,
    "line\r\nX-Injected: 1",
    "\U0010ffff\ufffe\u061c",
)
NOBODY = "@nobody:elsewhere.example"
NO_ROOM = "!nothing:hamrasan.test"
NO_EVENT = "$" + "A" * 43
NO_ALIAS = "#nothing:hamrasan.test"
MESSAGE = "m.room.message"
MESSAGE_TYPES = (
    MESSAGE,
    MESSAGE,
    MESSAGE,
    "m.reaction",
    "m.sticker",
    "m.room.encrypted",
    "org.example.thing",
)
STATE_TYPES = (
    "m.room.name", "m.room.topic", "m.room.avatar", "m.room.join_rules", "m.room.history_visibility",
    "m.room.guest_access", "m.room.power_levels", "m.room.member", "m.room.canonical_alias", "m.room.pinned_events",
    "m.room.server_acl", "m.room.third_party_invite", "m.room.encryption", "m.room.tombstone", "m.room.create",
    "m.space.child", "org.example.state",
)  # fmt: skip
JOIN_RULES = ("public", "invite", "knock", "restricted", "knock_restricted", "private")
MEMBERSHIPS = ("join", "invite", "leave", "ban", "knock")
LEVELS = (0, 1, 25, 50, 99, 100)


def text(rng: Random) -> str:
    """Return something that somebody may have typed."""
    return rng.choice(TEXTS)


def anything(rng: Random, depth: int = 0) -> Any:
    """Return any JSON that events may hold."""
    kind = rng.randrange(8 if depth < 4 else 5)
    match kind:
        case 0:
            return text(rng)
        case 1:
            return rng.choice((0, -1, 1, 2**53 - 1, -(2**53 - 1), rng.randrange(10_000)))
        case 2:
            return rng.random() < 0.5
        case 3:
            return None
        case 4:
            return rng.choice(({}, []))
        case 5:
            return [anything(rng, depth + 1) for _ in range(rng.randrange(4))]
        case _:
            return {text(rng)[:50]: anything(rng, depth + 1) for _ in range(rng.randrange(4))}


def message(event_type: str, rng: Random, world: World) -> dict[str, Any]:
    """Return the content of a message event."""
    if event_type == "m.reaction":
        return {
            "m.relates_to": {**_target(rng, world), "rel_type": "m.annotation", "key": rng.choice("👍❤٪")}
        }
    if event_type == "m.room.encrypted":
        return {
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": "AwgA",
            "session_id": "s",
            "sender_key": "k",
        }
    if event_type == "org.example.thing":
        return {"thing": anything(rng)}
    content: dict[str, Any] = {"msgtype": rng.choice(("m.text", "m.emote", "m.notice")), "body": text(rng)}
    match rng.randrange(8):
        case 0:
            content["m.relates_to"] = {**_target(rng, world), "rel_type": "m.thread", "is_falling_back": True}
        case 1:
            content["m.new_content"] = {"msgtype": "m.text", "body": text(rng)}
            content["m.relates_to"] = {**_target(rng, world), "rel_type": "m.replace"}
        case 2:
            content["m.relates_to"] = {"m.in_reply_to": _target(rng, world)}
        case 3:
            content["m.relates_to"] = {**_target(rng, world), "rel_type": "m.reference"}
        case 4:
            content["m.mentions"] = {
                "user_ids": [world.draw("user", rng, NOBODY)],
                "room": rng.random() < 0.5,
            }
        case 5:
            content["extra"] = anything(rng)
    return content


def _target(rng: Random, world: World) -> dict[str, Any]:
    return {"event_id": world.draw("event", rng, NO_EVENT)}


def _power_levels(rng: Random, world: World) -> dict[str, Any]:
    # Rarely more than a change of one number, or every room is soon one in which nobody may do anything.
    users = {user.user_id: 100 for user in world.active[:4]}
    users[world.draw("user", rng, NOBODY)] = rng.choice(LEVELS)
    wanted = {"users": users, "events_default": 0, "state_default": 50}
    if rng.random() < 0.3:
        wanted[rng.choice(("ban", "kick", "invite", "redact", "users_default"))] = rng.choice(LEVELS)
    if rng.random() < 0.3:
        wanted["events"] = {rng.choice(STATE_TYPES): rng.choice(LEVELS)}
    return wanted


def _join_rules(rng: Random, world: World) -> dict[str, Any]:
    allow = [{"type": "m.room_membership", "room_id": world.draw("room", rng, NO_ROOM)}]
    return {"join_rule": rng.choice(JOIN_RULES), **({"allow": allow} if rng.random() < 0.4 else {})}


def _member(rng: Random, world: World) -> dict[str, Any]:
    return {"membership": rng.choice(MEMBERSHIPS), "displayname": text(rng), "reason": text(rng)}


def _canonical_alias(rng: Random, world: World) -> dict[str, Any]:
    alias = world.draw("alias", rng, NO_ALIAS)
    return rng.choice(({}, {"alias": alias}, {"alias": alias, "alt_aliases": [alias]}))


Maker = Callable[[Random, World], dict[str, Any]]
_STATES: dict[str, Maker] = {
    "m.room.name": lambda rng, world: {"name": text(rng)},
    "m.room.topic": lambda rng, world: {"topic": text(rng)},
    "m.room.avatar": lambda rng, world: {"url": "mxc://hamrasan.test/abc"},
    "m.room.join_rules": _join_rules,
    "m.room.history_visibility": lambda rng, world: {
        "history_visibility": rng.choice(("world_readable", "shared", "invited", "joined"))
    },
    "m.room.guest_access": lambda rng, world: {"guest_access": rng.choice(("can_join", "forbidden"))},
    "m.room.power_levels": _power_levels,
    "m.room.member": _member,
    "m.room.canonical_alias": _canonical_alias,
    "m.room.pinned_events": lambda rng, world: {"pinned": [world.draw("event", rng, NO_EVENT)]},
    "m.room.server_acl": lambda rng, world: {
        "allow": ["*"],
        "deny": ["evil.example"],
        "allow_ip_literals": False,
    },
    "m.room.encryption": lambda rng, world: {"algorithm": "m.megolm.v1.aes-sha2"},
    "m.room.tombstone": lambda rng, world: {"body": text(rng), "replacement_room": NO_ROOM},
    "m.space.child": lambda rng, world: {"via": ["hamrasan.test"], "order": "a"},
}


def state(event_type: str, rng: Random, world: World) -> dict[str, Any]:
    """Return the content of a state event."""
    maker = _STATES.get(event_type)
    return {"value": anything(rng)} if maker is None else maker(rng, world)


def state_key(event_type: str, rng: Random, world: World) -> str:
    """Return a state key that goes with a type."""
    if event_type == "m.room.member":
        return world.draw("user", rng, NOBODY)
    if event_type == "m.space.child":
        return world.draw("room", rng, NO_ROOM)
    if event_type.startswith("org.") or event_type == "m.room.third_party_invite":
        return rng.choice(("", "key", text(rng)))
    return ""


def json_text(value: Any) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False)
