"""Server administration over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.running import Person, Running, refused
from tests.sliding import Connection
from tests.syncing import WAIT_MS, stream_of, wait_for

KINDS = [("suspend", "suspended"), ("lock", "locked")]


def administrator(server: Running) -> Person:
    who = server.register("admin")
    server.run(server.server.services.accounts.set_admin(who.user_id, True))
    return who


def path_of(action: str, user_id: str) -> str:
    return f"/_matrix/client/v1/admin/{action}/{user_id}"


@pytest.mark.parametrize(("action", "member"), KINDS)
def test_an_administrator_moderates_and_takes_it_back(server: Running, action: str, member: str) -> None:
    admin, who = administrator(server), server.register()
    path = path_of(action, who.user_id)
    for value in (True, False):
        assert admin.get(path) == {member: not value}
        assert admin.put(path, {member: value}) == {member: value}
        assert admin.get(path) == {member: value}
        answer = who.request("GET", "/account/whoami")
        if value and action == "lock":
            refused(answer, 401, "M_USER_LOCKED")
        else:
            assert answer.status_code == 200


def test_who_waits_for_news_is_sent_away_when_the_account_is_locked(server: Running) -> None:
    admin, who, other = administrator(server), server.register(), server.register()
    room_id = other.create_room(preset="public_chat")
    who.join(room_id)
    since = who.sync()["next_batch"]
    sliding = Connection(who)
    sliding.sync()
    stream = stream_of(server, who)
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(who.request, "GET", "/sync", since=since, timeout=WAIT_MS),
            pool.submit(sliding.request, WAIT_MS),
        ]
        wait_for(server, lambda: len(stream.waiters) == 2)
        admin.put(path_of("lock", who.user_id), {"locked": True})
        other.send(room_id, "not for the eyes of whoever has the device now")
        for answer in waiting:
            assert refused(answer.result(), 401, "M_USER_LOCKED")["soft_logout"] is True
    admin.put(path_of("lock", who.user_id), {"locked": False})
    assert who.sync(since)["rooms"]["join"].keys() == {room_id}


@pytest.mark.parametrize(("action", "member"), KINDS)
def test_others_may_not_even_ask(server: Running, action: str, member: str) -> None:
    who, other = server.register(), server.register()
    for user_id in (other.user_id, who.user_id, f"@nobody:{server.name}", "@a:elsewhere.org", "nonsense"):
        refused(who.request("GET", path_of(action, user_id)), 403, "M_FORBIDDEN")
        refused(who.request("PUT", path_of(action, user_id), {member: True}), 403, "M_FORBIDDEN")
    assert other.get("/account/whoami")["user_id"] == other.user_id


@pytest.mark.parametrize(("action", "member"), KINDS)
def test_whom_an_administrator_cannot_moderate(server: Running, action: str, member: str) -> None:
    admin, colleague, gone = administrator(server), administrator(server), server.register()
    server.run(server.server.services.deactivate_account.by_administrator(gone.user_id, erase=False))
    cases: list[tuple[str, int, str]] = [
        (colleague.user_id, 403, "M_FORBIDDEN"),
        (admin.user_id, 403, "M_FORBIDDEN"),
        (gone.user_id, 404, "M_NOT_FOUND"),
        (f"@nobody:{server.name}", 404, "M_NOT_FOUND"),
        ("@alice:elsewhere.org", 400, "M_INVALID_PARAM"),
        ("nonsense", 400, "M_INVALID_PARAM"),
    ]
    for user_id, status, errcode in cases:
        refused(admin.request("PUT", path_of(action, user_id), {member: True}), status, errcode)
    refused(admin.request("GET", path_of(action, colleague.user_id)), 403, "M_FORBIDDEN")
    assert admin.get(path_of(action, admin.user_id)) == {member: False}
    assert colleague.get("/account/whoami")["user_id"] == colleague.user_id


@pytest.mark.parametrize(("body", "errcode"), [({}, "M_MISSING_PARAM"), ({"locked": "yes"}, "M_BAD_JSON")])
def test_bad_bodies_change_nothing(server: Running, body: dict[str, Any], errcode: str) -> None:
    admin, who = administrator(server), server.register()
    refused(admin.request("PUT", path_of("lock", who.user_id), body), 400, errcode)
    assert admin.get(path_of("lock", who.user_id)) == {"locked": False}


def test_where_a_user_was_seen(server: Running) -> None:
    admin, who, other = administrator(server), server.register(), server.register()
    path = f"/admin/whois/{who.user_id}"
    for seen in (who.get(path), admin.get(path)):
        assert seen["user_id"] == who.user_id
        (session,) = seen["devices"][who.device_id]["sessions"]
        assert [connection["ip"] for connection in session["connections"]] == ["127.0.0.1"]
    refused(other.request("GET", path), 403, "M_FORBIDDEN")
    refused(other.request("GET", f"/admin/whois/@nobody:{server.name}"), 403, "M_FORBIDDEN")
    refused(admin.request("GET", f"/admin/whois/@nobody:{server.name}"), 404, "M_NOT_FOUND")
