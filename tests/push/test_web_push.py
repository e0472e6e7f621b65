"""Web Push, from a device's subscription to the message that only it can read (RFC 8291, RFC 8292, MSC4174)."""

from __future__ import annotations

import os
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hamrasan.protocol.base64 import decode_base64, encode_base64_urlsafe
from hamrasan.push.activation import LIFETIME_S
from hamrasan.push.web_push import (
    MAX_PLAIN_BYTES,
    RECORD_BYTES,
    TOKEN_LIFETIME_S,
    TOKEN_REUSE_S,
    Vapid,
    is_point,
    key_from_text,
    key_to_text,
    new_key,
    seal,
)
from hamrasan.runtime.clock import SystemClock
from tests.gateways import Answer, Gateway, Received
from tests.http.edges import until
from tests.push.devices import APP, Device
from tests.push.pushing import mention
from tests.reading import room_path
from tests.running import Person, Running, answered, refused
from tests.worlds import ManualClock


def acknowledge(person: Person, token: str, app_id: str = APP) -> Any:
    return person.request("POST", "/pushers/ack", {"app_id": app_id, "ack_token": token})


def activated(person: Person) -> list[bool]:
    return [pusher["activated"] for pusher in person.get("/pushers")["pushers"]]


@pytest.fixture(name="device")
def _device(gateway: Gateway) -> Device:
    gateway.answer = lambda received: Answer(201, b"")
    return Device(gateway)


@pytest.fixture(name="room_id")
def _room(alice: Person, bob: Person) -> str:
    room_id = alice.create_room(preset="public_chat")
    bob.join(room_id)
    return room_id


def test_the_example_of_the_standard_comes_out_byte_by_byte() -> None:
    """RFC 8291, appendix A."""
    private = decode_base64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    body = seal(
        b"When I grow up, I want to be a watermelon",
        decode_base64(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        decode_base64("BTBZMqHH6r4Tts7J_aSIgg"),
        ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1()),
        decode_base64("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert encode_base64_urlsafe(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl"
        "7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_the_largest_message_fills_the_record(device: Device) -> None:
    plain = b'"' + b"x" * (MAX_PLAIN_BYTES - 2) + b'"'
    body = seal(plain, device.public, device.auth, new_key(), os.urandom(16))
    assert len(body) == RECORD_BYTES
    assert device.opened(Received("", {}, body)) == "x" * (MAX_PLAIN_BYTES - 2)


def test_only_points_of_the_curve_are_keys(device: Device) -> None:
    assert is_point(device.public)
    assert not is_point(device.public[:-1] + bytes([device.public[-1] ^ 1]))
    assert not is_point(b"\x02" + device.public[1:33])
    assert not is_point(b"")


def test_a_key_is_kept_as_text() -> None:
    key = new_key()
    assert key_from_text(key_to_text(key)).private_numbers() == key.private_numbers()
    other = ec.generate_private_key(ec.SECP384R1())
    for text in ("", "nonsense", key_to_text(other)):
        with pytest.raises(ValueError, match=r"\w"):
            key_from_text(text)


def verified(authorization: str, public_key: str) -> dict[str, Any]:
    """Return what a push service reads of a sender, once the signature is right."""
    scheme, _, rest = authorization.partition(" ")
    fields = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert (scheme, fields["k"]) == ("vapid", public_key)
    head, claims, signature = fields["t"].split(".")
    assert orjson.loads(decode_base64(head)) == {"typ": "JWT", "alg": "ES256"}
    raw = decode_base64(signature)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decode_base64(public_key))
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    found: dict[str, Any] = orjson.loads(decode_base64(claims))
    return found


def test_tokens_are_signed_for_one_service_and_used_again_for_a_while() -> None:
    clock = ManualClock()
    vapid = Vapid(new_key(), "https://example.org", clock)
    first = vapid.authorization("https://push.example.net")
    assert verified(first, vapid.public_key) == {
        "aud": "https://push.example.net",
        "exp": clock.now_ms() // 1000 + TOKEN_LIFETIME_S,
        "sub": "https://example.org",
    }
    other = vapid.authorization("https://other.example.net")
    assert verified(other, vapid.public_key)["aud"] == "https://other.example.net"
    clock.advance(TOKEN_REUSE_S - 1)
    assert vapid.authorization("https://push.example.net") == first
    clock.advance(1)
    assert vapid.authorization("https://push.example.net") != first


def test_a_message_reaches_the_device_sealed_once_it_is_activated(
    alice: Person, bob: Person, room_id: str, gateway: Gateway, device: Device
) -> None:
    capability = bob.get("/capabilities")["capabilities"]["m.webpush"]
    assert capability["enabled"] is True
    token = device.subscribe(bob, gateway)
    assert activated(bob) == [False]
    alice.send(room_id, "too early")
    assert answered(acknowledge(bob, token)) == {}
    assert activated(bob) == [True]
    said = mention(alice, room_id, {"user_ids": [bob.user_id]})
    received = gateway.first(2)[1]
    assert device.opened(received) == {
        "event_id": said,
        "room_id": room_id,
        "type": "m.room.message",
        "sender": alice.user_id,
        "prio": "high",
        "content": {
            "msgtype": "m.text",
            "body": "a secret for you",
            "m.mentions": {"user_ids": [bob.user_id]},
        },
        "counts": {"unread": 2},
        "tweaks": {"sound": "default", "highlight": True},
    }
    assert b"secret" not in received.body
    assert device.url.endswith(received.path)
    headers = received.headers
    assert (headers["content-encoding"], headers["urgency"]) == ("aes128gcm", "high")
    assert int(headers["ttl"]) > 0
    assert verified(headers["authorization"], capability["vapid"])["aud"] == gateway.base


def test_what_is_too_long_is_told_by_its_id(
    alice: Person, bob: Person, room_id: str, gateway: Gateway, device: Device
) -> None:
    acknowledge(bob, device.subscribe(bob, gateway))
    said = alice.send(room_id, "ب" * 4_000)
    assert device.opened(gateway.first(2)[1]) == {
        "event_id": said,
        "room_id": room_id,
        "prio": "high",
        "counts": {"unread": 1},
    }
    bob.post(room_path(room_id, "receipt", "m.read", said), {})
    badge = gateway.first(3)[2]
    assert device.opened(badge) == {"prio": "low", "counts": {"unread": 0}}
    assert (badge.headers["urgency"], badge.headers["topic"]) == ("low", "badge")


def test_with_ids_only_nothing_else_is_said_here_either(
    alice: Person, bob: Person, room_id: str, gateway: Gateway, device: Device
) -> None:
    acknowledge(bob, device.subscribe(bob, gateway, data={"format": "event_id_only"}))
    alice.send(room_id, "hi")
    assert device.opened(gateway.first(2)[1]).keys() == {"event_id", "room_id", "prio", "counts"}


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_subscription_that_ended_is_deleted(
    pushing: Running, alice: Person, bob: Person, room_id: str, gateway: Gateway, device: Device, status: int
) -> None:
    acknowledge(bob, device.subscribe(bob, gateway))
    gateway.answer = lambda received: Answer(status)
    alice.send(room_id, "hi")
    gateway.wait(lambda: len(gateway.received) == 2)
    pushing.run(until(lambda: pushing.server.services.push_delivery.waiting == 0))
    assert bob.get("/pushers")["pushers"] == []


def test_setting_it_again_activates_anew_only_if_it_goes_elsewhere(
    bob: Person, gateway: Gateway, device: Device
) -> None:
    first = device.subscribe(bob, gateway)
    second = device.subscribe(bob, gateway)
    assert first != second
    refused(acknowledge(bob, first), 400, "M_UNKNOWN_ACTIVATION_TOKEN")
    acknowledge(bob, second)
    assert bob.request("POST", "/pushers/set", device.wish(lang="en")).status_code == 200
    assert activated(bob) == [True]
    device.auth = os.urandom(16)
    acknowledge(bob, device.subscribe(bob, gateway))
    assert activated(bob) == [True]
    device.url += "x"
    device.subscribe(bob, gateway)
    assert activated(bob) == [False]


def test_only_the_right_token_in_time_activates(
    pushing: Running, alice: Person, bob: Person, gateway: Gateway, device: Device
) -> None:
    refused(acknowledge(bob, "x"), 404, "M_NOT_FOUND")
    token = device.subscribe(bob, gateway)
    refused(acknowledge(bob, "x"), 400, "M_UNKNOWN_ACTIVATION_TOKEN")
    refused(acknowledge(bob, token, "org.example.other"), 404, "M_NOT_FOUND")
    refused(acknowledge(alice, token), 404, "M_NOT_FOUND")
    refused(bob.request("POST", "/pushers/ack", {"app_id": APP}), 400, "M_MISSING_PARAM")
    late = pushing.server.services.clock.monotonic() + LIFETIME_S + 1
    with patch.object(SystemClock, "monotonic", lambda _: late):
        refused(acknowledge(bob, token), 400, "M_EXPIRED_ACTIVATION_TOKEN")
    assert activated(bob) == [False]
    assert answered(acknowledge(bob, token)) == {}
    refused(acknowledge(bob, token), 400, "M_UNKNOWN_ACTIVATION_TOKEN")
    assert activated(bob) == [True]


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"pushkey": "no point"}, "M_INVALID_PARAM"),
        ({"pushkey": encode_base64_urlsafe(b"\x04" + b"x" * 64)}, "M_INVALID_PARAM"),
        ({"data": {"auth": "AAAA"}}, "M_INVALID_PARAM"),
        ({"data": {"auth": 5}}, "M_INVALID_PARAM"),
        ({"data": {"auth": "?"}}, "M_INVALID_PARAM"),
        ({"data": {"url": "https://192.168.1.1/push"}}, "M_INVALID_PARAM"),
        ({"data": {"url": "http://example.org@127.0.0.1/"}}, "M_INVALID_PARAM"),
    ],
)
def test_wrong_subscriptions_are_refused(
    bob: Person, gateway: Gateway, device: Device, changes: dict[str, Any], errcode: str
) -> None:
    refused(bob.request("POST", "/pushers/set", device.wish(**changes)), 400, errcode)
    assert bob.get("/pushers")["pushers"] == []


def test_a_subscription_needs_its_secret(bob: Person, device: Device) -> None:
    wish = device.wish()
    del wish["data"]["auth"]
    assert "auth" in refused(bob.request("POST", "/pushers/set", wish), 400, "M_MISSING_PARAM")["error"]
