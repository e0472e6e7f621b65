"""Administrators delete files."""

from __future__ import annotations

import pytest

from tests.media_files import picture
from tests.running import Person, Running, answered, refused

ADMIN = "/_synapse/admin/v1/media"
MEDIA = "/_matrix/client/v1/media"
SIZE = {"width": "96", "height": "96", "method": "crop"}


@pytest.fixture
def boss(fresh_server: Running) -> Person:
    who = fresh_server.register("boss")
    fresh_server.run(fresh_server.server.services.accounts.set_admin(who.user_id, True))
    return who


def uploaded(who: Person, content: bytes) -> str:
    uri: str = answered(who.http.post("/_matrix/media/v3/upload", content=content))["content_uri"]
    return uri.removeprefix("mxc://")


def test_a_file_is_deleted_for_everybody_with_its_thumbnails(fresh_server: Running, boss: Person) -> None:
    alice, bob = fresh_server.register("alice"), fresh_server.register("bob")
    address = uploaded(alice, picture((400, 300)))
    assert alice.http.get(f"{MEDIA}/thumbnail/{address}", params=SIZE).status_code == 200
    answer = boss.delete(f"{ADMIN}/{address}")
    assert answer == {"deleted_media": [address.partition("/")[2]], "total": 1}
    refused(bob.http.get(f"{MEDIA}/download/{address}"), 404, "M_NOT_FOUND")
    refused(bob.http.get(f"{MEDIA}/thumbnail/{address}", params=SIZE), 404, "M_NOT_FOUND")
    assert list((fresh_server.data_dir / "media").glob("??/*")) == []
    refused(boss.request("DELETE", f"{ADMIN}/{address}"), 404, "M_NOT_FOUND")


def test_the_same_bytes_of_others_stay(fresh_server: Running, boss: Person) -> None:
    alice, bob = fresh_server.register("alice"), fresh_server.register("bob")
    mine, theirs = uploaded(alice, b"the same"), uploaded(bob, b"the same")
    boss.delete(f"{ADMIN}/{mine}")
    assert bob.http.get(f"{MEDIA}/download/{theirs}").content == b"the same"


def test_only_administrators_delete(fresh_server: Running, boss: Person) -> None:
    alice = fresh_server.register("alice")
    address = uploaded(alice, b"x")
    refused(alice.request("DELETE", f"{ADMIN}/{address}"), 403, "M_FORBIDDEN")
    refused(boss.request("DELETE", f"{ADMIN}/elsewhere.example/x"), 404, "M_NOT_FOUND")
    refused(boss.request("DELETE", f"{ADMIN}/hamrasan.test/a.b"), 400, "M_INVALID_PARAM")
    assert alice.http.get(f"{MEDIA}/download/{address}").content == b"x"
