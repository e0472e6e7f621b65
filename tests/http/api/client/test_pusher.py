"""Setting, listing and deleting pushers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hamrasan.push.pushers import MAX_APP_ID_CHARS, MAX_DATA_BYTES, MAX_PUSHERS, MAX_PUSHKEY_BYTES
from tests.gateways import HERE, gateway
from tests.push.devices import APP, Device
from tests.running import PASSWORD, Person, Running, answered, refused, running

URL = "https://push.example.org/_matrix/push/v1/notify"


def wish(**changes: Any) -> dict[str, Any]:
    return {
        "pushkey": "key",
        "app_id": "org.example.app",
        "kind": "http",
        "app_display_name": "App",
        "device_display_name": "گوشی",
        "lang": "fa",
        "data": {"url": URL, "format": "event_id_only", "custom": {"a": 1}},
        **changes,
    }


def put(person: Person, **changes: Any) -> None:
    assert person.post("/pushers/set", wish(**changes)) == {}


def listed(person: Person) -> list[dict[str, Any]]:
    pushers: list[dict[str, Any]] = person.get("/pushers")["pushers"]
    return pushers


def keys(person: Person) -> list[str]:
    return [pusher["pushkey"] for pusher in listed(person)]


def test_a_pusher_is_set_listed_changed_and_deleted(alice: Person) -> None:
    assert listed(alice) == []
    put(alice)
    assert listed(alice) == [wish()]
    put(alice, lang="en", profile_tag="work")
    put(alice, pushkey="other")
    assert listed(alice) == [wish(lang="en", profile_tag="work"), wish(pushkey="other")]
    gone = {"pushkey": "key", "app_id": "org.example.app", "kind": None}
    assert alice.post("/pushers/set", gone) == {}
    assert alice.post("/pushers/set", gone) == {}
    assert keys(alice) == ["other"]


def test_one_that_changed_hands_is_taken_from_others_unless_they_share_it(
    alice: Person, bob: Person, carol: Person
) -> None:
    key = f"of {alice.user_id}"
    put(alice, pushkey=key)
    put(alice, pushkey="mine alone " + key)
    put(bob, pushkey=key, append=True)
    assert (len(keys(alice)), keys(bob)) == (2, [key])
    put(carol, pushkey=key)
    assert (keys(alice), keys(bob), keys(carol)) == (["mine alone " + key], [], [key])


@pytest.mark.parametrize("name", ["pushkey", "app_id", "kind"])
def test_what_is_required_always(alice: Person, name: str) -> None:
    body = wish()
    del body[name]
    assert name in refused(alice.request("POST", "/pushers/set", body), 400, "M_MISSING_PARAM")["error"]
    assert listed(alice) == []


@pytest.mark.parametrize("name", ["app_display_name", "device_display_name", "lang", "data"])
def test_what_is_required_unless_a_pusher_is_deleted(alice: Person, name: str) -> None:
    body = wish()
    del body[name]
    assert name in refused(alice.request("POST", "/pushers/set", body), 400, "M_MISSING_PARAM")["error"]
    assert listed(alice) == []


@pytest.mark.parametrize(
    ("changes", "status", "errcode"),
    [
        ({"pushkey": ""}, 400, "M_INVALID_PARAM"),
        ({"pushkey": "ک" * (MAX_PUSHKEY_BYTES // 2 + 1)}, 400, "M_INVALID_PARAM"),
        ({"app_id": "x" * (MAX_APP_ID_CHARS + 1)}, 400, "M_INVALID_PARAM"),
        ({"app_id": ""}, 400, "M_INVALID_PARAM"),
        ({"app_id": 5}, 400, "M_BAD_JSON"),
        ({"kind": "smoke"}, 400, "M_INVALID_PARAM"),
        ({"lang": "x" * 256}, 400, "M_INVALID_PARAM"),
        ({"profile_tag": "x" * 256}, 400, "M_INVALID_PARAM"),
        ({"append": "yes"}, 400, "M_BAD_JSON"),
        ({"data": {}}, 400, "M_MISSING_PARAM"),
        ({"data": {"url": 5}}, 400, "M_INVALID_PARAM"),
        ({"data": {"url": URL, "format": 5}}, 400, "M_INVALID_PARAM"),
        ({"data": {"url": URL, "x": "x" * MAX_DATA_BYTES}}, 413, "M_TOO_LARGE"),
    ],
)
def test_wrong_values_are_refused(alice: Person, changes: Any, status: int, errcode: str) -> None:
    refused(alice.request("POST", "/pushers/set", wish(**changes)), status, errcode)
    assert listed(alice) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://push.example.org/_matrix/push/v1/notify",
        "https://push.example.org/",
        "https://push.example.org/_matrix/push/v1/notify/",
        "https://push.example.org/x/../_matrix/push/v1/notify",
        "https://push.example.org/_matrix/push/v1/notify#x",
        "https://user@push.example.org/_matrix/push/v1/notify",
        "https://user:word@push.example.org/_matrix/push/v1/notify",
        "https:///_matrix/push/v1/notify",
        "https://push.example.org:99999/_matrix/push/v1/notify",
        "https://push.example.org\\@x/_matrix/push/v1/notify",
        "https://push.example.org /_matrix/push/v1/notify",
        "https://push.example.org\n/_matrix/push/v1/notify",
        "https://پوش.example.org/_matrix/push/v1/notify",
        "https://127.0.0.1/_matrix/push/v1/notify",
        "https://[::1]/_matrix/push/v1/notify",
        "https://[::ffff:10.0.0.1]/_matrix/push/v1/notify",
        "https://169.254.169.254/_matrix/push/v1/notify",
        "https://[::1/_matrix/push/v1/notify",
        "ftp://push.example.org/_matrix/push/v1/notify",
        "",
        f"https://push.example.org/_matrix/push/v1/notify?{'x' * 2048}",
    ],
)
def test_only_gateways_that_the_specification_allows(alice: Person, url: str) -> None:
    refused(alice.request("POST", "/pushers/set", wish(data={"url": url})), 400, "M_INVALID_PARAM")
    assert listed(alice) == []


@pytest.fixture(name="lenient", scope="module")
def _lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("lenient"), reachable_networks=HERE) as server:
        yield server


def test_an_operator_may_allow_private_networks(lenient: Running) -> None:
    alice = lenient.register()
    put(alice, data={"url": "http://127.0.0.1:9/_matrix/push/v1/notify"})
    put(alice, data={"url": "https://127.0.0.1:9/_matrix/push/v1/notify"})
    for url in ("http://8.8.8.8", "https://10.0.0.1"):
        body = wish(data={"url": url + "/_matrix/push/v1/notify"})
        refused(alice.request("POST", "/pushers/set", body), 400, "M_INVALID_PARAM")


def test_a_user_has_not_any_number_of_pushers(alice: Person) -> None:
    for number in range(MAX_PUSHERS):
        put(alice, pushkey=f"{number}")
    refused(alice.request("POST", "/pushers/set", wish(pushkey="more")), 400, "M_INVALID_PARAM")
    put(alice, pushkey="5", lang="en")
    assert len(listed(alice)) == MAX_PUSHERS


def test_pushers_end_with_the_device_that_set_them_last(server: Running, alice: Person) -> None:
    tablet = server.log_in(alice)
    put(tablet, pushkey="tablet")
    put(tablet, pushkey="handed over")
    put(alice, pushkey="handed over")
    tablet.post("/logout")
    assert keys(alice) == ["handed over"]


def test_pushers_of_other_devices_end_with_a_new_password(server: Running, alice: Person) -> None:
    tablet = server.log_in(alice)
    put(tablet, pushkey="tablet")
    put(alice, pushkey="own")
    identifier = {"type": "m.id.user", "user": alice.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    body = {"new_password": "another long enough password", "logout_devices": False, "auth": auth}
    alice.post("/account/password", body)
    assert keys(alice) == ["own", "tablet"]
    auth["password"] = "another long enough password"
    alice.post("/account/password", {**body, "new_password": PASSWORD, "logout_devices": True, "auth": auth})
    assert keys(alice) == ["own"]


def test_pushers_need_a_user(server: Running) -> None:
    with server.anonymous() as http:
        refused(http.get("/_matrix/client/v3/pushers"), 401, "M_MISSING_TOKEN")
        refused(http.post("/_matrix/client/v3/pushers/set", json=wish()), 401, "M_MISSING_TOKEN")


def test_pushers_survive_a_restart(tmp_path: Any) -> None:
    with running(tmp_path) as server:
        alice = server.register()
        put(alice)
        token = alice.token
    with running(tmp_path) as server, server.anonymous() as http:
        answer = http.get("/_matrix/client/v3/pushers", headers={"Authorization": f"Bearer {token}"})
        assert answered(answer)["pushers"] == [wish()]


def test_a_subscription_to_web_push_is_used_once_it_was_confirmed(lenient: Running) -> None:
    alice = lenient.register()
    with gateway() as service:
        token = Device(service).subscribe(alice, service)
    assert [pusher["activated"] for pusher in listed(alice)] == [False]
    assert alice.post("/pushers/ack", {"app_id": APP, "ack_token": token}) == {}
    assert [pusher["activated"] for pusher in listed(alice)] == [True]
