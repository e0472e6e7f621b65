"""Messages that expire in rooms of another server ("m.room.retention"): also those that were fetched from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hamrasan.runtime.settings import Duration
from tests.federation.across import seen, texts
from tests.federation.country import Member, country
from tests.reading import room_path, set_state
from tests.rooms_over_http import join_any
from tests.running import Person, answered, refused

Pair = tuple[Member, Member]


@pytest.fixture
def brief() -> Iterator[Pair]:
    """Two servers whose operators let messages be as short-lived as rooms want."""
    with country("a", "b", shortest_message_lifetime=Duration(0)) as (a, b):
        yield a, b


def expire(member: Member, owner: Person, reader: Person, room_id: str) -> None:
    """Let what the server has of a room expire, in which `owner` decides and `reader` is on the server."""
    path = room_path(room_id, "state", "m.room.retention")
    set_state(owner, room_id, "m.room.retention", {"max_lifetime": 1})
    seen(lambda: reader.request("GET", path).json().get("max_lifetime") == 1)
    clock = member.services.clock
    before = clock.now_ms()
    seen(lambda: clock.now_ms() > before + 1)
    member.run(member.services.retention.sweep())
    set_state(owner, room_id, "m.room.retention", {"max_lifetime": 10**12})
    seen(lambda: reader.request("GET", path).json().get("max_lifetime") != 1)


def test_what_was_fetched_from_before_the_join_expires_and_is_not_fetched_again(brief: Pair) -> None:
    a, b = brief
    ali, bahar = a.register("ali"), b.register("bahar")
    room_id = ali.create_room(preset="public_chat")
    sent = [ali.send(room_id, text) for text in ("one", "two")]
    answered(join_any(bahar, room_id, via="a.test"))
    assert texts(bahar, room_id) == ["one", "two"], "fetched from the other server"
    expire(b, ali, bahar, room_id)
    ali.send(room_id, "later")
    assert seen(lambda: "later" in texts(bahar, room_id))
    for _ in range(2):
        assert texts(bahar, room_id) == ["later"]
        for event_id in sent:
            refused(bahar.request("GET", room_path(room_id, "event", event_id)), 404, "M_NOT_FOUND")
            stored = b.run(b.running.server.store.events.by_id(event_id))
            assert stored is not None
            assert (stored.content, stored.redacted_by) == (b"{}", "expired")
    assert texts(ali, room_id) == ["one", "two", "later"], "the other server sweeps when it likes"


def test_what_has_expired_is_not_fetched(brief: Pair) -> None:
    a, b = brief
    ali, bahar = a.register("ali"), b.register("bahar")
    room_id = ali.create_room(preset="public_chat")
    old = ali.send(room_id, "from before")
    answered(join_any(bahar, room_id, via="a.test"))
    ali.send(room_id, "since then")
    seen(lambda: bahar.sync()["rooms"]["join"][room_id]["timeline"]["events"])
    expire(b, ali, bahar, room_id)
    assert texts(bahar, room_id) == []
    assert b.run(b.running.server.store.events.by_id(old)) is None
