"""How pushes of each kind are sent: what a request says, and what its answer means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from hamrasan.protocol.base64 import decode_base64
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.push.addresses import reach_of
from hamrasan.push.notification import HIGH, LOW, Notification
from hamrasan.push.web_push import MAX_PLAIN_BYTES, SALT_BYTES, Vapid, new_key, seal
from hamrasan.runtime.entropy import Entropy
from hamrasan.runtime.outbound import Outbound, OutboundAnswer, OutboundFailed
from hamrasan.storage.ports.push import PusherRow

TIMEOUT_S = 15.0
"""How long a gateway may take: it asks a push provider meanwhile."""
MAX_ANSWER_BYTES = 64 * 1024
"""An answer lists at most the push key that was sent."""
MAX_RETRY_AFTER_S = 60 * 60
"""A gateway may ask for patience, but not for ever."""
IDS_ONLY = "event_id_only"
_IDS = ("event_id", "room_id", "prio", "counts")
"""What is said of an event whatever its size."""
TTL_S = 24 * 60 * 60
"""How long a push service keeps a message for a device that is off: as long as a notification is worth being sent."""
BADGE_TOPIC = "badge"
"""Of the numbers of unread messages that wait for a device only the last one matters (RFC 8030, section 5.4)."""
_URGENCY = {HIGH: "high", LOW: "normal"}
"""RFC 8030, section 5.3."""
_SUBSCRIPTION_ENDED = (403, 404, 410)
"""RFC 8030, section 7.3, and the proposal."""


class Result(NamedTuple):
    """What came of a push."""

    kind: Literal["sent", "gone", "failed"]
    """`gone`: the pusher is not known at the other end any more."""
    reason: str = ""
    """Of a failure, for the log."""
    retry_after_s: float = 0.0
    """When the other end wants to be asked again, at the earliest."""


SENT = Result("sent")
GONE = Result("gone")


class Sender(Protocol):
    """Sends pushes of one kind."""

    async def send(self, row: PusherRow, told: Notification, tweaks: Mapping[str, Any] | None) -> Result:
        """Tell a pusher of an event, or (without `tweaks`) of how much is unread."""


class GatewaySender:
    """Sends to push gateways (push gateway API)."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def send(self, row: PusherRow, told: Notification, tweaks: Mapping[str, Any] | None) -> Result:
        """Make one request; an answer that says nothing of rejected keys counts as one without."""
        data = parse_json(row.data)
        url = data.pop("url")
        device: dict[str, Any] = {
            "app_id": row.app_id,
            "pushkey": row.pushkey,
            "pushkey_ts": row.pushkey_ts // 1000,
            "data": data,
        }
        if tweaks and data.get("format") != IDS_ONLY:
            device["tweaks"] = dict(tweaks)
        try:
            answer = await self._outbound.send(
                "POST",
                url,
                body=encode_json({"notification": {**told, "devices": [device]}}),
                headers={"Content-Type": "application/json"},
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_ANSWER_BYTES,
                reach=reach_of(url),
            )
        except OutboundFailed as error:
            return Result("failed", str(error))
        if not 200 <= answer.status < 300:
            return Result("failed", f"status {answer.status}", retry_after(answer))
        return GONE if row.pushkey in _rejected(answer.body) else SENT


class WebPushSender:
    """Sends to push services of browsers and phones, sealed for the device (RFC 8030, MSC4174)."""

    def __init__(self, outbound: Outbound, vapid: Vapid, entropy: Entropy) -> None:
        self._outbound = outbound
        self._vapid = vapid
        self._entropy = entropy

    async def send(self, row: PusherRow, told: Notification, tweaks: Mapping[str, Any] | None) -> Result:
        """Make one request; what is too long for Web Push is told by its id only."""
        urgency = _URGENCY[told.get("prio", HIGH)]
        if tweaks is None:
            return await self.send_object(row, told, "low", BADGE_TOPIC)
        if len(encode_json({**told, "tweaks": tweaks})) > MAX_PLAIN_BYTES:
            told = {name: told[name] for name in _IDS if name in told}
        elif tweaks and parse_json(row.data).get("format") != IDS_ONLY:
            told = {**told, "tweaks": tweaks}
        return await self.send_object(row, told, urgency)

    async def send_object(
        self, row: PusherRow, message: Mapping[str, Any], urgency: str, topic: str | None = None
    ) -> Result:
        """Send a JSON object; a later one of the same `topic` takes the place of one that is still on its way."""
        data = parse_json(row.data)
        url = data["url"]
        headers = {
            "Authorization": self._vapid.authorization(_origin_of(url)),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_S),
            "Urgency": urgency,
        }
        if topic is not None:
            headers["Topic"] = topic
        body = seal(
            encode_json(message),
            decode_base64(row.pushkey),
            decode_base64(data["auth"]),
            new_key(),
            self._entropy.bytes(SALT_BYTES),
        )
        try:
            answer = await self._outbound.send(
                "POST",
                url,
                body=body,
                headers=headers,
                timeout_s=TIMEOUT_S,
                max_bytes=MAX_ANSWER_BYTES,
                reach=reach_of(url),
            )
        except OutboundFailed as error:
            return Result("failed", str(error))
        if 200 <= answer.status < 300:
            return SENT
        if answer.status in _SUBSCRIPTION_ENDED:
            return GONE
        return Result("failed", f"status {answer.status}", retry_after(answer))


def _origin_of(url: str) -> str:
    """Return the origin of a URL, without the port if it is the scheme's own (RFC 6454, section 6.2)."""
    parts = urlsplit(url)
    own_port = {"https": ":443", "http": ":80"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(own_port)}"


def retry_after(answer: OutboundAnswer) -> float:
    """Return for how many seconds a server wants to be left alone (RFC 9110, section 10.2.3); dates are not read."""
    text = answer.headers.get("retry-after", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return 0.0
    return float(min(int(text), MAX_RETRY_AFTER_S))


def _rejected(body: bytes) -> list[Any]:
    try:
        value = parse_json(body)
    except MatrixError:
        return []
    rejected = value.get("rejected") if isinstance(value, dict) else None
    return rejected if isinstance(rejected, list) else []
