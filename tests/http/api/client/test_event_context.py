from __future__ import annotations

from tests.reading import bodies, ignore, leave, room_path, set_state, walk, with_filter
from tests.running import Person, Running, refused


def room_of_ten(alice: Person) -> tuple[str, list[str]]:
    """Create a room with ten messages, "0" to "9", and return their ids too."""
    room_id = alice.create_room(preset="public_chat")
    return room_id, [alice.send(room_id, str(number)) for number in range(10)]


def test_an_event_with_its_surroundings(server: Running) -> None:
    alice = server.register()
    room_id, ids = room_of_ten(alice)
    context = alice.get(room_path(room_id, "context", ids[5]), limit=4)
    assert context["event"]["event_id"] == ids[5]
    assert bodies(context["events_before"]) == ["4", "3"]
    assert bodies(context["events_after"]) == ["6", "7"]
    older = walk(alice, room_id, "b", **{"from": context["start"]})
    newer = walk(alice, room_id, "f", **{"from": context["end"]})
    assert bodies(older) == ["2", "1", "0"]
    assert bodies(newer) == ["8", "9"]


def test_the_limit_is_for_both_sides_together(server: Running) -> None:
    alice = server.register()
    room_id, ids = room_of_ten(alice)
    for limit, before, after in ((0, [], []), (1, [], ["6"]), (3, ["4"], ["6", "7"])):
        context = alice.get(room_path(room_id, "context", ids[5]), limit=limit)
        assert context["event"]["event_id"] == ids[5]
        assert (bodies(context["events_before"]), bodies(context["events_after"])) == (before, after)
        assert bodies(walk(alice, room_id, "f", **{"from": context["end"]}))[0] == str(6 + len(after))
    context = alice.get(room_path(room_id, "context", ids[5]))
    assert len(context["events_before"]) + len(context["events_after"]) == 5 + 4


def test_context_at_both_ends_of_a_room(server: Running) -> None:
    alice = server.register()
    room_id, ids = room_of_ten(alice)
    context = alice.get(room_path(room_id, "context", ids[9]), limit=4)
    assert context["events_after"] == []
    alice.send(room_id, "later")
    assert bodies(walk(alice, room_id, "f", **{"from": context["end"]})) == ["later"]
    first = walk(alice, room_id, "f")[0]["event_id"]
    context = alice.get(room_path(room_id, "context", first), limit=4)
    assert context["events_before"] == []
    assert walk(alice, room_id, "b", **{"from": context["start"]}) == []


def test_the_state_is_that_at_the_last_event(server: Running) -> None:
    alice = server.register()
    room_id = alice.create_room(name="first")
    early = alice.send(room_id, "early")
    set_state(alice, room_id, "m.room.name", {"name": "second"})
    alice.send(room_id, "late")

    def name_at(limit: int) -> str:
        state = alice.get(room_path(room_id, "context", early), limit=limit)["state"]
        names = [event["content"]["name"] for event in state if event["type"] == "m.room.name"]
        assert len(names) == 1
        return str(names[0])

    assert name_at(0) == "first"
    assert name_at(1) == "second"


def test_a_filter_is_for_what_stands_around_and_the_state_not_for_the_event(server: Running) -> None:
    alice = server.register()
    room_id, ids = room_of_ten(alice)
    wanted = with_filter(types=["m.room.create"])
    context = alice.get(room_path(room_id, "context", ids[5]), filter=wanted)
    assert context["event"]["event_id"] == ids[5]
    assert [event["type"] for event in context["events_before"]] == ["m.room.create"]
    assert context["events_after"] == []
    assert [event["type"] for event in context["state"]] == ["m.room.create"]


def test_lazy_loading_leaves_out_who_said_nothing(server: Running) -> None:
    alice, bob, carol = server.register(), server.register(), server.register()
    room_id, ids = room_of_ten(alice)
    bob.join(room_id)
    carol.join(room_id)
    said = bob.send(room_id, "hello")

    def members(event_id: str, **parts: bool) -> set[str]:
        path = room_path(room_id, "context", event_id)
        state = alice.get(path, limit=0, filter=with_filter(**parts))["state"]
        assert "m.room.create" in {event["type"] for event in state}
        return {event["state_key"] for event in state if event["type"] == "m.room.member"}

    assert members(said) == {alice.user_id, bob.user_id, carol.user_id}
    assert members(said, lazy_load_members=True) == {bob.user_id}
    assert members(ids[0], lazy_load_members=True) == {alice.user_id}


def test_ignored_users_are_left_out_around_an_event(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id, ids = room_of_ten(alice)
    bob.join(room_id)
    noise = bob.send(room_id, "noise")
    alice.send(room_id, "after")
    ignore(alice, bob)
    assert bodies(alice.get(room_path(room_id, "context", ids[9]))["events_after"]) == ["after"]
    assert alice.get(room_path(room_id, "context", noise))["event"]["event_id"] == noise


def test_context_ends_where_the_reader_left(server: Running) -> None:
    alice, bob = server.register(), server.register()
    room_id, ids = room_of_ten(alice)
    bob.join(room_id)
    leave(bob, room_id)
    hidden = alice.send(room_id, "hidden")
    context = bob.get(room_path(room_id, "context", ids[9]), limit=20)
    assert bodies(context["events_after"]) == []
    assert context["events_after"][-1]["content"] == {"membership": "leave"}
    refused(bob.request("GET", room_path(room_id, "context", hidden)), 404, "M_NOT_FOUND")
    assert walk(bob, room_id, "f", **{"from": context["end"]}) == []
