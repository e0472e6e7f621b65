"""Messages of users who had themselves erased (client-server API, "Account deactivation", `erase`)."""

from __future__ import annotations

from typing import Any

from tests.reading import V1, leave, relate, reply_in_thread, room_path, set_state, walk, with_filter
from tests.running import PASSWORD, Person, Running
from tests.syncing import joined, wait_for


def deactivate(server: Running, person: Person, *rooms: str, erase: bool) -> None:
    """End an account, and wait until its user has left the rooms."""
    identifier = {"type": "m.id.user", "user": person.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    person.post("/account/deactivate", {"auth": auth, "erase": erase})
    registry = server.server.services.registry
    for room_id in rooms:
        room = server.run(registry.get(room_id))
        wait_for(server, lambda: room.membership(person.user_id) == "leave")  # noqa: B023 - waited for at once


class Scene:
    """Erin, who is called so, has written in a public room; Alice was there, and Late comes after the erasure."""

    def __init__(self, server: Running, *, erase: bool = True) -> None:
        self.server = server
        self.alice, self.erin, self.late = (server.register(name) for name in ("alice", "erin", "late"))
        self.erin.put(f"/profile/{self.erin.user_id}/displayname", {"displayname": "ارین"})
        self.room_id = self.alice.create_room(preset="public_chat")
        self.erin.join(self.room_id)
        self.said = self.erin.send(self.room_id, "personal")
        self.answer = self.alice.send(self.room_id, "an answer")
        self.erase = erase

    def end(self) -> None:
        deactivate(self.server, self.erin, self.room_id, erase=self.erase)

    def contents(self, person: Person) -> dict[str, Any]:
        """Return the contents of Erin's events and Alice's answer as a person pages through them."""
        events = walk(person, self.room_id, "b", limit=5)
        wanted = (self.said, self.answer)
        return {event["event_id"]: event["content"] for event in events if event["event_id"] in wanted}


def test_who_comes_after_the_erasure_gets_redacted_messages(server: Running) -> None:
    scene = Scene(server)
    scene.end()
    scene.late.join(scene.room_id)
    assert scene.contents(scene.late)[scene.said] == {}
    assert scene.contents(scene.late)[scene.answer]["body"] == "an answer"
    timeline = joined(scene.late.sync(filter=with_filter(room={"timeline": {"limit": 50}})), scene.room_id)
    shown = {event["event_id"]: event["content"] for event in timeline["timeline"]["events"]}
    assert shown[scene.said] == {}
    assert scene.late.get(room_path(scene.room_id, "event", scene.said))["content"] == {}
    assert scene.late.get(room_path(scene.room_id, "context", scene.answer))["event"]["content"]["body"]
    assert "ارین" not in str(scene.late.get(room_path(scene.room_id, "context", scene.said), limit=50))
    assert "ارین" not in str(walk(scene.late, scene.room_id, "f", limit=3))
    assert "ارین" not in str(scene.late.sync())


def test_who_had_access_before_keeps_it(server: Running) -> None:
    scene = Scene(server)
    before = scene.contents(scene.alice)
    assert before[scene.said]["body"] == "personal"
    scene.end()
    assert scene.contents(scene.alice) == before
    timeline = joined(scene.alice.sync(filter=with_filter(room={"timeline": {"limit": 50}})), scene.room_id)
    shown = {event["event_id"]: event["content"] for event in timeline["timeline"]["events"]}
    assert shown[scene.said] == before[scene.said]


def test_who_had_access_keeps_it_after_going_away_and_coming_back(server: Running) -> None:
    scene = Scene(server)
    scene.late.join(scene.room_id)
    leave(scene.late, scene.room_id)
    scene.end()
    scene.late.join(scene.room_id)
    assert scene.contents(scene.late)[scene.said]["body"] == "personal"


def test_who_was_there_only_before_the_message_has_no_access(server: Running) -> None:
    scene = Scene(server)
    scene.late.join(scene.room_id)
    leave(scene.late, scene.room_id)
    said = scene.erin.send(scene.room_id, "later")
    scene.end()
    scene.late.join(scene.room_id)
    assert scene.late.get(room_path(scene.room_id, "event", said))["content"] == {}
    assert scene.late.get(room_path(scene.room_id, "event", scene.said))["content"]["body"] == "personal"


def test_an_account_that_ends_without_erasure_leaves_its_messages(server: Running) -> None:
    scene = Scene(server, erase=False)
    scene.end()
    scene.late.join(scene.room_id)
    assert scene.contents(scene.late)[scene.said]["body"] == "personal"


def test_state_of_the_room_stays_for_everybody(server: Running) -> None:
    alice, erin, late = (server.register(name) for name in ("alice", "erin", "late"))
    room_id = erin.create_room(preset="public_chat", name="باغ")
    alice.join(room_id)
    set_state(erin, room_id, "m.room.topic", {"topic": "گل"})
    deactivate(server, erin, room_id, erase=True)
    late.join(room_id)
    state = joined(late.sync(filter=with_filter(room={"timeline": {"limit": 1}})), room_id)["state"]["events"]
    contents = {event["type"]: event["content"] for event in state if event["state_key"] == ""}
    assert contents["m.room.topic"] == {"topic": "گل"}
    assert contents["m.room.name"] == {"name": "باغ"}


def test_what_is_bundled_with_other_events_is_redacted_too(server: Running) -> None:
    scene = Scene(server)
    root = scene.alice.send(scene.room_id, "root")
    reply_in_thread(scene.erin, scene.room_id, root, "personal reply")
    new: dict[str, Any] = {"m.new_content": {"msgtype": "m.text", "body": "personal edit"}}
    relate(scene.erin, scene.room_id, scene.said, "m.replace", "* personal edit", **new)
    scene.end()
    scene.late.join(scene.room_id)
    events = {event["event_id"]: event for event in walk(scene.late, scene.room_id, "b", limit=50)}
    thread = events[root]["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["content"]) == (1, {})
    assert "m.replace" not in events[scene.said]["unsigned"].get("m.relations", {})
    everything = [
        events,
        scene.late.sync(),
        scene.late.request("GET", f"{V1}{room_path(scene.room_id, 'threads')}").json(),
        scene.late.request("GET", f"{V1}{room_path(scene.room_id, 'relations', root)}").json(),
        scene.late.request("GET", f"{V1}{room_path(scene.room_id, 'relations', scene.said)}").json(),
    ]
    assert "personal" not in str(everything)
    assert "personal edit" in str(walk(scene.alice, scene.room_id, "b", limit=50))


def test_the_form_of_federation_is_redacted_too(server: Running) -> None:
    scene = Scene(server)
    scene.end()
    scene.late.join(scene.room_id)
    answer = scene.late.sync(filter=with_filter(event_format="federation", room={"timeline": {"limit": 50}}))
    assert "personal" not in str(answer)
    assert "an answer" in str(answer)


def test_who_looks_into_a_public_room_from_outside_gets_redacted_messages(server: Running) -> None:
    scene = Scene(server)
    set_state(
        scene.alice, scene.room_id, "m.room.history_visibility", {"history_visibility": "world_readable"}
    )
    said = scene.erin.send(scene.room_id, "personal again")
    scene.end()
    assert scene.late.get(room_path(scene.room_id, "event", said))["content"] == {}
