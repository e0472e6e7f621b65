"""How pushes of each kind are sent: what a request says, and what its answer means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.push.addresses import reach_of
from hamrasan.push.notification import Notification
from hamrasan.runtime.outbound import Outbound, OutboundAnswer, OutboundFailed
from hamrasan.storage.ports.push import PusherRow

TIMEOUT_S = 20.0
"""How long a gateway may take: it asks a push provider meanwhile."""
MAX_ANSWER_BYTES = 64 * 1024
"""An answer lists at most the push key that was sent."""
MAX_RETRY_AFTER_S = 60 * 60
"""A gateway may ask for patience, but not for ever."""
IDS_ONLY = "event_id_only"


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
