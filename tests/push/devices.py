"""Devices that subscribe to Web Push."""

from __future__ import annotations

import os
from typing import Any

import http_ece
import orjson
from cryptography.hazmat.primitives.asymmetric import ec

from hamrasan.protocol.base64 import encode_base64_urlsafe
from hamrasan.push.web_push import public_bytes
from tests.gateways import Gateway, Received
from tests.running import Person

APP = "org.example.web"


class Device:
    """A browser that has subscribed."""

    def __init__(self, gateway: Gateway) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public = public_bytes(self.key)
        self.auth = os.urandom(16)
        self.url = gateway.push_resource()

    def opened(self, received: Received) -> Any:
        """Return the message in a request to the push service."""
        return orjson.loads(
            http_ece.decrypt(received.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        )

    def wish(self, **changes: Any) -> dict[str, Any]:
        data = {"url": self.url, "auth": encode_base64_urlsafe(self.auth)}
        return {
            "kind": "webpush",
            "pushkey": encode_base64_urlsafe(self.public),
            "app_id": APP,
            "app_display_name": "App",
            "device_display_name": "Browser",
            "lang": "fa",
            **changes,
            "data": {**data, **changes.get("data", {})},
        }

    def subscribe(self, person: Person, gateway: Gateway, **changes: Any) -> str:
        """Set the pusher; return the token that the device was sent."""
        before = len(gateway.accepted)
        answer = person.request("POST", "/pushers/set", self.wish(**changes))
        assert (answer.status_code, answer.json()) == (201, {})
        message = self.opened(gateway.first(before + 1)[before])
        assert message.keys() == {"app_id", "ack_token"}
        assert message["app_id"] == APP
        token: str = message["ack_token"]
        return token
