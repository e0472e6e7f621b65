"""Long polling with sliding sync: what wakes a client, what does not, and requests that cross."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.reading import leave, room_path, set_state
from tests.running import Running, refused
from tests.sliding import EXPERIMENTAL, Connection, Json, every_room, texts
from tests.syncing import WAIT_MS, stream_of, wait_for

NAMES = ("to_device", "e2ee", "account_data", "receipts", "typing")
EXTENSIONS = {name: {"enabled": True} for name in NAMES}


class Scene:
    """Bob waits on a connection, in a room with Alice."""

    def __init__(self, server: Running, pool: ThreadPoolExecutor) -> None:
        self.server = server
        self.pool = pool
        self.alice, self.bob = server.register("alice"), server.register("bob")
        self.room_id = self.alice.create_room(preset="public_chat")
        set_state(self.alice, self.room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
        self.bob.join(self.room_id)
        self.first = self.alice.send(self.room_id, "first")
        self.alice.sync()
        self.connection = Connection(self.bob)
        self.connection.sync(lists=self.lists, extensions=EXTENSIONS)

    @property
    def lists(self) -> Json:
        return {"all": every_room()}

    def wait(self, **body: Any) -> Future[Json]:
        """Send a request that waits, and return when it is parked."""
        body = {"lists": self.lists, "extensions": EXTENSIONS, **body}
        stream = stream_of(self.server, self.bob)
        connection = Connection(self.bob, self.connection.conn_id)
        connection.pos = self.connection.pos
        answer = self.pool.submit(connection.sync, WAIT_MS, **body)
        wait_for(self.server, lambda: bool(stream.waiters) or answer.done())
        assert not answer.done(), answer.result()
        return answer


@pytest.fixture
def scene(server: Running) -> Iterator[Scene]:
    with ThreadPoolExecutor(4) as pool:
        yield Scene(server, pool)


Act = Callable[[Scene], Any]
WAKING: dict[str, tuple[Act, Callable[[Scene, Json], Any]]] = {
    "message": (
        lambda s: s.alice.send(s.room_id, "news"),
        lambda s, a: texts(a["rooms"][s.room_id]) == ["news"],
    ),
    "state": (
        lambda s: set_state(s.alice, s.room_id, "m.room.name", {"name": "new"}),
        lambda s, a: a["rooms"][s.room_id]["name"] == "new",
    ),
    "invite": (
        lambda s: s.alice.create_room(invite=[s.bob.user_id]),
        lambda s, a: a["lists"]["all"]["count"] == 2,
    ),
    "leaving on another device": (
        lambda s: leave(s.bob, s.room_id),
        lambda s, a: a["rooms"][s.room_id]["timeline"][-1]["content"]["membership"] == "leave",
    ),
    "typing": (
        lambda s: s.alice.put(room_path(s.room_id, "typing", s.alice.user_id), {"typing": True}),
        lambda s, a: s.room_id in a["extensions"]["typing"]["rooms"],
    ),
    "receipt": (
        lambda s: s.alice.post(room_path(s.room_id, "receipt", "m.read", s.first)),
        lambda s, a: s.room_id in a["extensions"]["receipts"]["rooms"],
    ),
    "own receipt": (
        lambda s: s.bob.post(room_path(s.room_id, "receipt", "m.read.private", s.first)),
        lambda s, a: a["rooms"][s.room_id]["notification_count"] == 0,
    ),
    "account data": (
        lambda s: s.bob.put(f"/user/{s.bob.user_id}/account_data/org.example", {}),
        lambda s, a: a["extensions"]["account_data"]["global"][0]["type"] == "org.example",
    ),
    "a direct chat": (
        lambda s: s.bob.put(f"/user/{s.bob.user_id}/account_data/m.direct", {s.alice.user_id: [s.room_id]}),
        lambda s, a: a["rooms"][s.room_id]["is_dm"] is True,
    ),
    "message to the device": (
        lambda s: s.alice.put("/sendToDevice/org.example/1", {"messages": {s.bob.user_id: {"*": {}}}}),
        lambda s, a: len(a["extensions"]["to_device"]["events"]) == 1,
    ),
    "devices": (
        lambda s: s.alice.put(f"/devices/{s.alice.device_id}", {"display_name": "new"}),
        lambda s, a: a["extensions"]["e2ee"]["device_lists"]["changed"] == [s.alice.user_id],
    ),
}


@pytest.mark.parametrize("kind", WAKING)
def test_news_wake_a_client_that_waits(scene: Scene, kind: str) -> None:
    act, expected = WAKING[kind]
    answer = scene.wait()
    act(scene)
    assert expected(scene, answer.result(20))


SILENT: dict[str, Act] = {
    "a room of others": lambda s: s.alice.send(s.alice.create_room(), "unheard"),
    "presence": lambda s: s.alice.put(f"/presence/{s.alice.user_id}/status", {"presence": "unavailable"}),
    "a profile of others": lambda s: s.server.register("carol").create_room(),
}


@pytest.mark.parametrize("kind", SILENT)
def test_what_is_none_of_ones_business_wakes_nobody(scene: Scene, kind: str) -> None:
    answer = scene.wait()
    SILENT[kind](scene)
    scene.alice.send(scene.room_id, "the first news")
    assert texts(answer.result(20)["rooms"][scene.room_id]) == ["the first news"]


def test_a_room_outside_of_the_windows_answers_nobody(scene: Scene) -> None:
    answer = scene.wait(lists={"all": every_room() | {"ranges": []}}, extensions={})
    stream = stream_of(scene.server, scene.bob)
    scene.alice.send(scene.room_id, "unseen")
    wait_for(scene.server, lambda: bool(stream.waiters))
    assert not answer.done()
    scene.connection.sync()
    assert answer.result(20)["rooms"] == {}


def test_a_wait_ends_with_its_time_and_the_same_position(scene: Scene) -> None:
    before = scene.connection.pos
    answer = scene.connection.sync(300, lists=scene.lists)
    assert answer == {"pos": before, "lists": {}, "rooms": {}, "extensions": {}}
    scene.alice.send(scene.room_id, "later")
    assert texts(scene.connection.rooms()[scene.room_id]) == ["later"]


def test_the_first_answer_waits_for_nothing(server: Running) -> None:
    nobody = server.register("nobody")
    assert Connection(nobody).sync(WAIT_MS, lists={"all": every_room()})["rooms"] == {}


def test_a_second_request_ends_the_first_one(scene: Scene) -> None:
    first = scene.wait()
    second = scene.connection.sync(lists={"wider": every_room()})
    ended = first.result(20)
    assert (ended["rooms"], ended["pos"] != second["pos"]) == ({}, True)
    scene.alice.send(scene.room_id, "for the second")
    assert texts(scene.connection.sync(lists=scene.lists)["rooms"][scene.room_id]) == ["for the second"]


def test_a_new_count_is_told_at_once(scene: Scene) -> None:
    counted = scene.connection.sync(WAIT_MS, lists={"all": every_room(), "more": every_room()})
    assert counted["lists"] == {"all": {"count": 1}, "more": {"count": 1}}


def test_who_logs_out_is_sent_away(scene: Scene) -> None:
    stream = stream_of(scene.server, scene.bob)
    pos = scene.connection.pos
    answer = scene.pool.submit(
        scene.bob.request, "POST", EXPERIMENTAL, {"lists": scene.lists}, pos=pos, timeout=WAIT_MS
    )
    wait_for(scene.server, lambda: bool(stream.waiters) or answer.done())
    scene.bob.post("/logout")
    refused(answer.result(20), 401, "M_UNKNOWN_TOKEN")
