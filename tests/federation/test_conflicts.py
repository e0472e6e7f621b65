"""Servers that are cut off from each other go on, contradict each other, and agree again once they meet."""

from __future__ import annotations

from typing import Any

import pytest

from hamrasan.rooms.verify import verify_rooms
from tests.federation.country import Member, country
from tests.federation.talking import share_room, wait_until
from tests.running import Person

MEMBER = "m.room.member"


def state_of(person: Person, room_id: str) -> dict[tuple[str, str], str]:
    """Return the ids of a room's state as somebody in it sees it."""
    return {(e["type"], e["state_key"]): e["event_id"] for e in person.get(f"/rooms/{room_id}/state")}


def put_state(person: Person, room_id: str, kind: str, content: dict[str, Any], key: str = "") -> None:
    """Try to set state: perhaps the sender has lost the right to, and does not know."""
    response = person.request("PUT", f"/rooms/{room_id}/state/{kind}/{key}", content)
    assert response.status_code in (200, 403), response.text


def problems(member: Member) -> list[Any]:
    """Return what a check of everything that a server has stored finds wrong."""
    store = member.running.server.store
    found = member.run(verify_rooms(store.rooms, store.events, store.state, store.federated_rooms))
    return list(found.problems)


class Client:
    """A client that knows a room's state by what `/sync` tells of it, beginning with the first answer."""

    def __init__(self, person: Person, room_id: str) -> None:
        self.person, self.room_id = person, room_id
        self.since: str | None = None
        self.state: dict[tuple[str, str], str] = {}

    def sync(self) -> None:
        answer = self.person.sync(self.since, use_state_after="true")
        self.since = answer["next_batch"]
        room = answer.get("rooms", {}).get("join", {}).get(self.room_id, {})
        for event in room.get("state_after", {}).get("events", []):
            self.state[event["type"], event["state_key"]] = event["event_id"]


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_a_conflict_made_on_purpose_heals(version: str) -> None:
    with country("a", "b", "c") as members:
        a, b, c = members
        ali, bahar, cyrus = a.register("ali"), b.register("bahar"), c.register("cyrus")
        dara, elham = b.register("dara"), c.register("elham")
        room_id = share_room(a.name, ali, bahar, cyrus, dara, elham, room_version=version)
        users = {bahar.user_id: 50, cyrus.user_id: 50}
        own = {} if version == "12" else {ali.user_id: 100}
        put_state(ali, room_id, "m.room.power_levels", {"users": {**own, **users}})
        people = (ali, bahar, cyrus)
        clients = [Client(person, room_id) for person in people]
        wait_until(lambda: state_of(bahar, room_id) == state_of(cyrus, room_id) == state_of(ali, room_id))
        for client in clients:
            client.sync()
        others = {person: person.sync()["next_batch"] for person in (dara, elham)}
        for one, other in ((a, b), (b, c), (a, c)):
            one.cut_off(other)
        # Everybody does something that the others would not have it.
        put_state(ali, room_id, "m.room.power_levels", {"users": {**own, cyrus.user_id: 50}})
        put_state(ali, room_id, "m.room.topic", {"topic": "of ali"})
        bahar.send(room_id, "of bahar")
        put_state(bahar, room_id, "m.room.topic", {"topic": "of bahar"})
        put_state(bahar, room_id, "m.room.name", {"name": "of bahar"})
        bahar.post(f"/rooms/{room_id}/ban", {"user_id": elham.user_id})
        dara.send(room_id, "of dara")
        put_state(cyrus, room_id, "m.room.power_levels", {"users": {**own, **users, elham.user_id: 10}})
        put_state(cyrus, room_id, "m.room.name", {"name": "of cyrus"})
        cyrus.post(f"/rooms/{room_id}/ban", {"user_id": dara.user_id})
        elham.send(room_id, "of elham")
        for one, other in ((a, b), (b, c), (a, c)):
            one.reconnect(other)
        for person in people:
            person.send(room_id, f"{person.user_id} is back")
        wait_until(lambda: _agree(people, room_id))
        # Whoever speaks now speaks for all: what is said joins the branches, and nothing changes any more.
        ali.send(room_id, "together")
        wait_until(lambda: all("together" in _texts(person, room_id) for person in people))
        agreed = state_of(ali, room_id)
        assert [state_of(person, room_id) for person in people] == [agreed] * 3
        for client in clients:
            client.sync()
            assert client.state == agreed
        # Who was banned, be it by a branch that came late, hears of it.
        put_out = [
            person for person in others if agreed[MEMBER, person.user_id] == _ban(ali, room_id, person)
        ]
        assert put_out
        for person in put_out:
            assert room_id in person.sync(others[person])["rooms"]["leave"]
            assert room_id not in person.get("/joined_rooms")["joined_rooms"]
        assert [problems(member) for member in members] == [[], [], []]


def _ban(seen_by: Person, room_id: str, person: Person) -> str | None:
    """Return the id of the event by which somebody is banned, None if they are not."""
    events = seen_by.get(f"/rooms/{room_id}/state")
    found = [e for e in events if (e["type"], e["state_key"]) == (MEMBER, person.user_id)]
    return found[0]["event_id"] if found[0]["content"]["membership"] == "ban" else None


def _texts(person: Person, room_id: str) -> list[str]:
    chunk = person.get(f"/rooms/{room_id}/messages", dir="b", limit=100)["chunk"]
    return [event["content"]["body"] for event in chunk if "body" in event["content"]]


def _agree(people: tuple[Person, ...], room_id: str) -> bool:
    first, *others = (state_of(person, room_id) for person in people)
    return all(each == first for each in others)
