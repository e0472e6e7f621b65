"""What was acknowledged reaches the other server whatever is killed: all of it, once, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.federation.authority import Authority
from tests.federation.talking import messages, share_room
from tests.processes import ServerProcess, free_port
from tests.running import Person

KILLS = 3
MESSAGES = 60
"""Before each kill."""


class Post(ServerProcess):
    """A server process that others reach, under the address at which it listens for them."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        federation_port = free_port()
        certificate = authority.certify("127.0.0.1")
        self.name = f"127.0.0.1:{federation_port}"
        super().__init__(
            folder,
            server_name=self.name,
            federation_listen=self.name,
            federation_certificate=str(certificate.certificate),
            federation_key=str(certificate.key),
            federation_ca=str(authority.file),
            reachable_networks="127.0.0.0/8",
        )

    def met_again(self, person: Person) -> Person:
        """Return somebody with a new connection, after the server was started anew."""
        person.http.close()
        person.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {person.token}"}, timeout=30
        )
        return person


@pytest.fixture
def posts(tmp_path: Path) -> Iterator[tuple[Post, Post]]:
    authority = Authority(tmp_path)
    with ExitStack() as stack:
        both = Post(tmp_path / "a", authority), Post(tmp_path / "b", authority)
        for post in both:
            stack.callback(post.close)
            post.start()
        yield both


@pytest.mark.timeout(180)
@pytest.mark.parametrize("killed", ["sender", "receiver", "both"])
def test_nothing_is_lost_by_a_kill(posts: tuple[Post, Post], killed: str) -> None:
    a, b = posts
    alice, bob = a.register("alice", checked=False), b.register("bob", checked=False)
    room_id = share_room(a.name, alice, bob)
    sent: list[str] = []
    for round_number in range(KILLS):
        sent += [alice.send(room_id, f"{round_number} {number}") for number in range(MESSAGES)]
        for post, person in ((a, alice), (b, bob)):
            if killed in ("both", "sender" if post is a else "receiver"):
                post.kill()
                post.start()
                post.met_again(person)
    sent.append(alice.send(room_id, "the end"))
    bob.send(room_id, "I am here")  # so the other side knows, and tries again
    found = messages(bob, room_id, len(sent) + 1)
    assert [event["event_id"] for event in found if event["sender"] == alice.user_id] == sent
    assert a.complaints + b.complaints == []
