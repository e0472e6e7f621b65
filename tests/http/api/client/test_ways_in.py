"""The requests with which clients begin, one after the other as they send them: each is answered with 200.

Where a client asks for something that need not be there, its step names the errcode that it takes for "no".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.running import PASSWORD, Person, Running, running

V3 = "/_matrix/client/v3"
V1 = "/_matrix/client/v1"
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"


class Step(NamedTuple):
    """One request; `{user}`, `{room}`, `{since}` and so on stand for what the client knows by then."""

    method: str
    path: str
    body: Any = None
    absent: str = ""
    """The errcode with which the server says that there is none, which the client expects."""


def log_in(**more: Any) -> Step:
    identifier = {"type": "m.id.user", "user": "{user}"}
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD, **more}
    return Step("POST", f"{V3}/login", body)


DISCOVERY = [
    Step("GET", "/.well-known/matrix/client"),
    Step("GET", "/_matrix/client/versions"),
    Step("GET", f"{V3}/login"),
]
KEYS = [
    Step("POST", f"{V3}/keys/upload", {}),
    Step("POST", f"{V3}/keys/query", {"device_keys": {"{user}": []}}),
    Step("GET", f"{V3}/room_keys/version", absent="M_NOT_FOUND"),
]
CINNY = [
    *DISCOVERY,
    Step("GET", f"{V1}/auth_metadata"),
    log_in(initial_device_display_name="Cinny Web"),
    Step("GET", f"{V3}/account/whoami"),
    *KEYS,
    Step("GET", f"{V3}/pushrules/"),
    Step("POST", f"{V3}/user/{{user}}/filter", {"room": {"state": {"lazy_load_members": True}}}),
    Step("GET", f"{V3}/sync?filter={{filter}}&timeout=0"),
    Step("GET", f"{V3}/capabilities"),
    Step("GET", f"{V1}/media/config"),
    Step("GET", f"{V3}/voip/turnServer"),
    Step("GET", f"{V3}/user/{{user}}/account_data/in.cinny.spaces", absent="M_NOT_FOUND"),
    Step("GET", f"{V3}/profile/{{user}}"),
    Step("GET", f"{V3}/thirdparty/protocols"),
    Step("GET", f"{V3}/rooms/{{room}}/members?not_membership=leave&at={{since}}"),
    Step("GET", f"{V3}/rooms/{{room}}/messages?dir=b&limit=80&from={{since}}"),
    Step("POST", f"{V3}/rooms/{{room}}/receipt/m.read/{{event}}", {"thread_id": "main"}),
    Step("GET", f"{V3}/pushers"),
    Step("GET", f"{V3}/devices"),
    Step("GET", f"{V3}/sync?filter={{filter}}&timeout=0&since={{since}}"),
]
FLUFFYCHAT = [
    *DISCOVERY,
    log_in(initial_device_display_name="FluffyChat android", refresh_token=True),
    Step("GET", f"{V3}/capabilities"),
    Step("GET", f"{V3}/account/whoami"),
    *KEYS,
    Step("POST", f"{V3}/user/{{user}}/filter", {"room": {"include_leave": True, "timeline": {"limit": 1}}}),
    Step("GET", f"{V3}/sync?filter={{filter}}&timeout=0&set_presence=online&full_state=false"),
    Step("GET", f"{V3}/profile/{{user}}"),
    Step("GET", f"{V3}/pushers"),
    Step("GET", f"{V3}/voip/turnServer"),
    Step("GET", f"{V1}/media/config"),
    Step("PUT", f"{V3}/presence/{{user}}/status", {"presence": "online"}),
    Step("GET", f"{V3}/rooms/{{room}}/members?at={{since}}"),
    Step("GET", f"{V3}/rooms/{{room}}/messages?from={{since}}&dir=b&limit=30"),
    Step("POST", f"{V3}/rooms/{{room}}/read_markers", {"m.fully_read": "{event}", "m.read": "{event}"}),
    Step("PUT", f"{V3}/rooms/{{room}}/typing/{{user}}", {"typing": True, "timeout": 30_000}),
    Step("GET", f"{V3}/sync?filter={{filter}}&timeout=0&since={{since}}"),
]
ENCRYPTION_SYNC = {
    "conn_id": "encryption",
    "extensions": {"to_device": {"enabled": True}, "e2ee": {"enabled": True}},
}
ROOM_LIST = {
    "conn_id": "room-list",
    "lists": {
        "all_rooms": {
            "ranges": [[0, 19]],
            "timeline_limit": 1,
            "required_state": [
                ["m.room.name", ""],
                ["m.room.encryption", ""],
                ["m.room.member", "$LAZY"],
                ["m.room.member", "$ME"],
                ["m.room.topic", ""],
                ["m.room.avatar", ""],
                ["m.room.canonical_alias", ""],
                ["m.room.power_levels", ""],
                ["org.matrix.msc3401.call.member", "*"],
                ["m.room.join_rules", ""],
                ["m.room.create", ""],
                ["m.room.history_visibility", ""],
                ["m.space.parent", "*"],
            ],
            "filters": {"not_room_types": ["m.space"]},
        }
    },
    "room_subscriptions": {"{room}": {"timeline_limit": 20, "required_state": [["*", "*"]]}},
    "extensions": {
        "account_data": {"enabled": True},
        "receipts": {"enabled": True, "rooms": ["*"]},
        "typing": {"enabled": True},
    },
}
"""What Element X asks of its two connections: one for keys, one for rooms."""
ELEMENT_X = [
    Step("GET", "/.well-known/matrix/client"),
    Step("GET", "/_matrix/client/versions"),
    Step("GET", f"{V1}/auth_metadata"),
    log_in(device_id="ELEMENTX", initial_device_display_name="Element X"),
    Step("GET", f"{V3}/account/whoami"),
    Step("GET", f"{V3}/user/{{user}}/account_data/m.secret_storage.default_key", absent="M_NOT_FOUND"),
    Step("GET", f"{V3}/user/{{user}}/account_data/m.media_preview_config", absent="M_NOT_FOUND"),
    *KEYS,
    Step("POST", f"{SLIDING}?timeout=0", ENCRYPTION_SYNC),
    Step("POST", f"{SLIDING}?timeout=0", ROOM_LIST),
    Step("GET", f"{V3}/capabilities"),
    Step("GET", f"{V3}/profile/{{user}}"),
    Step("GET", f"{V1}/media/config"),
    Step("GET", "/_matrix/client/unstable/org.matrix.msc4143/rtc/transports"),
    Step("GET", f"{V3}/devices/{{device}}"),
    Step("PUT", f"{V3}/user/{{user}}/account_data/io.element.recent_emoji", {"recent_emoji": []}),
    Step("GET", f"{V3}/rooms/{{room}}/context/{{event}}?limit=20"),
    Step("GET", f"{V1}/rooms/{{room}}/threads?include=all"),
    Step("GET", f"{V1}/rooms/{{room}}/relations/{{event}}?dir=b"),
]


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server as an operator sets one up for people: with an address and a TURN server."""
    folder: Path = tmp_path_factory.mktemp("equipped")
    turn = {"turn_uris": ("turn:turn.hamrasan.test",), "turn_shared_secret": "a secret of TURN servers"}
    with running(folder, public_url="https://hamrasan.test", **turn) as server:
        yield server


def told(value: Any, known: dict[str, str]) -> Any:
    """Return a value with what the client knows in place of its names."""
    if isinstance(value, str):
        for name, text in known.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {told(key, known): told(inner, known) for key, inner in value.items()}
    return value


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(CINNY, id="cinny"),
        pytest.param(FLUFFYCHAT, id="fluffychat"),
        pytest.param(ELEMENT_X, id="element-x"),
    ],
)
def test_a_client_finds_its_way_in(equipped: Running, steps: list[Step]) -> None:
    friend = equipped.register("friend")
    room_id = friend.create_room(preset="public_chat")
    event_id = friend.send(room_id, "hello")
    who = equipped.register("newcomer")
    who.join(room_id)
    known = {"user": who.user_id, "room": room_id, "event": event_id, "since": who.sync()["next_batch"]}
    with equipped.anonymous() as http:
        for step in steps:
            answer = http.request(step.method, told(step.path, known), json=told(step.body, known))
            if step.absent:
                assert (answer.status_code, answer.json()["errcode"]) == (404, step.absent), step
                continue
            assert answer.status_code == 200, (step, answer.text)
            if step.path == f"{V3}/login" and step.method == "POST":
                known["device"] = answer.json()["device_id"]
                http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            given = {"since": "next_batch", "filter": "filter_id"}
            known |= {name: answer.json()[key] for name, key in given.items() if key in answer.json()}


def test_a_server_without_a_public_address_says_so(alice: Person) -> None:
    assert alice.http.get("/.well-known/matrix/client").json()["errcode"] == "M_NOT_FOUND"
