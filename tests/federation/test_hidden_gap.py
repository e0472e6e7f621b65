"""An event that comes first after a while cites, and follows, what is not known: its past is fetched, not only its
authority.
"""

from __future__ import annotations

from urllib.parse import quote

from tests.federation.country import country
from tests.federation.test_with_synapse import bodies, join, membership, until


def test_what_was_said_before_an_event_with_unknown_authority_is_fetched() -> None:
    with country("a", "b") as (a, b):
        host, guest, other = a.register("host"), b.register("guest"), a.register("other")
        room_id = host.create_room(preset="public_chat")
        join(guest, room_id, a.name)
        until(lambda: membership(host, room_id, guest) == "join")
        b.stop()
        # Somebody of whom nobody there has heard comes in while the server is away, and is the first one it hears of.
        other.post(f"/join/{quote(room_id)}")
        said = [f"number {number}" for number in range(30)]
        for text in said:
            other.send(room_id, text)
        b.start()
        a.forgive(b)
        again = b.log_in(guest)
        until(lambda: said == [text for text in bodies(again, room_id) if text in said])
        assert membership(again, room_id, other) == "join"
