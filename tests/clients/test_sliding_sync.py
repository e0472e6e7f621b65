"""Clients of sliding sync: matrix-js-sdk's implementation, and the requests that Element X sends."""

from __future__ import annotations

from pathlib import Path

from tests.clients.node import run_scenario
from tests.processes import ServerProcess, server_process
from tests.reading import set_state
from tests.running import Person, refused
from tests.sliding import Connection, Json, state, texts

PAST = [f"past {number}" for number in range(8)]
SECRETS = ["سلام", "hello", "می‌خواهم"]


def test_matrix_js_sdk_lives_by_sliding_sync(client_server: ServerProcess) -> None:
    report = run_scenario(
        "sliding_sync",
        url=client_server.url,
        names=["sliding-one", "sliding-other"],
        past=PAST,
        texts=SECRETS,
    )
    seen = report["seen"]
    assert (seen["name"], seen["past"]) == ("old", PAST[-3:])
    assert seen["invited"] == {"name": "new", "membership": "invite"}
    assert seen["whole"] == PAST
    assert seen["unread"] == len(PAST) + 1
    for number, heard in enumerate(report["heard"]):
        assert [message["body"] for message in heard] == [SECRETS[number]] * 2


REQUIRED = [
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
    ["m.room.tombstone", ""],
    ["m.room.create", ""],
    ["m.room.history_visibility", ""],
    ["io.element.functional_members", ""],
    ["m.space.parent", "*"],
    ["m.space.child", "*"],
    ["org.matrix.msc3672.beacon_info", "*"],
]
"""What Element X asks for in its list of rooms."""
ROOM_LIST = {
    "account_data": {"enabled": True},
    "receipts": {"enabled": True, "rooms": ["*"]},
    "typing": {"enabled": True},
}
ROOMS = 45


def all_rooms(last: int) -> Json:
    return {
        "all_rooms": {"ranges": [[0, last]], "required_state": REQUIRED, "timeline_limit": 1, "filters": {}}
    }


class ElementX:
    """The two connections of the app, and the requests that it sends on them."""

    def __init__(self, person: Person) -> None:
        self.rooms = Connection(person, "room-list")
        self.encryption = Connection(person, "encryption")
        self.since: str | None = None
        self.known: dict[str, Json] = {}

    def list_rooms(self, last: int, timeout: int = 0, **subscriptions: Json) -> Json:
        more: Json = {"room_subscriptions": subscriptions} if subscriptions else {}
        answer = self.rooms.sync(timeout, lists=all_rooms(last), extensions=ROOM_LIST, **more)
        for room_id, room in answer["rooms"].items():
            assert (room_id not in self.known) is bool(room.get("initial")), "initial is told exactly once"
            self.known.setdefault(room_id, {}).update(room)
        return answer

    def encrypt(self, timeout: int = 0) -> Json:
        to_device: Json = {"enabled": True, "limit": 100}
        if self.since is not None:
            to_device["since"] = self.since
        answer = self.encryption.sync(timeout, extensions={"to_device": to_device, "e2ee": {"enabled": True}})
        extensions: Json = answer["extensions"]
        self.since = extensions.get("to_device", {}).get("next_batch", self.since)
        return extensions

    def come_up(self) -> None:
        """Show the first rooms, then load the others in growing portions."""
        count = self.list_rooms(19)["lists"]["all_rooms"]["count"]
        last = 19
        while last + 1 < count:
            last = min(last + 20, count - 1)
            self.list_rooms(last)


def test_the_way_of_element_x(client_server: ServerProcess) -> None:
    friend, owner = client_server.register("x-friend"), client_server.register("x-owner")
    features = owner.get("/_matrix/client/versions")["unstable_features"]
    assert features["org.matrix.simplified_msc3575"]
    room_ids = [friend.create_room(name=f"room {number}", preset="public_chat") for number in range(ROOMS)]
    for room_id in room_ids:
        owner.join(room_id)
    app = ElementX(owner)
    first = app.list_rooms(19)
    assert list(first["rooms"]) == room_ids[:-21:-1]
    assert first["extensions"]["account_data"]["global"]
    keys = app.encrypt()["e2ee"]
    assert keys["device_unused_fallback_key_types"] == []
    app.come_up()
    assert app.known.keys() == set(room_ids)
    for room in app.known.values():
        assert {("m.room.create", ""), ("m.room.name", ""), ("m.room.member", owner.user_id)} <= state(room)

    # The list is there; now the app waits.
    chosen = room_ids[3]
    before = {type: friend.send(chosen, type) for type in ("one", "two", "three")}
    answer = app.list_rooms(ROOMS - 1, 30_000)
    assert texts(answer["rooms"][chosen]) == ["three"]
    assert answer["rooms"][chosen]["limited"]

    # The room is opened: more of its timeline and of its state.
    subscription = {"required_state": [*REQUIRED, ["m.room.pinned_events", ""]], "timeline_limit": 20}
    set_state(friend, chosen, "m.room.pinned_events", {"pinned": [before["one"]]})
    answer = app.list_rooms(ROOMS - 1, 30_000, **{chosen: subscription})
    room = answer["rooms"][chosen]
    assert texts(room) == ["one", "two", "three"]
    assert room["unstable_expanded_timeline"]
    assert ("m.room.pinned_events", "") in state(room)
    friend.send(chosen, "four")
    room = app.list_rooms(ROOMS - 1, 30_000, **{chosen: subscription})["rooms"][chosen]
    assert (texts(room), room["num_live"]) == (["four"], 1)

    # A message for the device wakes the other connection only.
    friend.put("/sendToDevice/m.dummy/x", {"messages": {owner.user_id: {"*": {"n": 1}}}})
    assert [event["content"] for event in app.encrypt(30_000)["to_device"]["events"]] == [{"n": 1}]

    # The app is closed and opened again: it goes on from where it was, with a small window at first.
    friend.send(room_ids[0], "while it was closed")
    answer = app.list_rooms(19)
    assert list(answer["rooms"]) == [room_ids[0]]
    app.come_up()
    assert app.list_rooms(ROOMS - 1)["rooms"] == {}


def test_element_x_goes_on_over_a_restart_of_the_server(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server:
        owner = server.register("x-patient")
        room_id = owner.create_room()
        app = ElementX(owner)
        app.come_up()
        app.encrypt()
        server.restart()
        owner.send(room_id, "after")
        assert texts(app.list_rooms(19)["rooms"][room_id]) == ["after"]
        app.encrypt()
        server.kill()
        server.start()
        refused(app.rooms.request(lists=all_rooms(19)), 400, "M_UNKNOWN_POS")
        app.rooms.pos = None
        app.known.clear()
        app.come_up()
        assert app.known.keys() == {room_id}
