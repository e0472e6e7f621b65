"""What is kept for push notifications: pushers, and what waits to be pushed to them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from hamrasan.storage.ports.journal import Position

HTTP = "http"
"""Kind of a pusher that sends to a push gateway."""
WEB_PUSH = "webpush"
"""Kind of a pusher that sends to a push service by Web Push (MSC4174)."""


EMAIL = "email"
"""Kind of a pusher that sends word of unread messages by e-mail."""


class PusherId(NamedTuple):
    """What tells pushers apart."""

    user_id: str
    app_id: str
    pushkey: str


class PusherRow(NamedTuple):
    """A pusher; as a write, it takes the place of the one with the same id, but for how far that has come.

    Nothing is written if it has a device that does not exist: that was logged out meanwhile.
    """

    user_id: str
    app_id: str
    pushkey: str
    kind: str
    app_display_name: str
    device_display_name: str
    profile_tag: str | None
    lang: str
    data: bytes
    """JSON object, as the client gave it."""
    device_id: str
    """The device that set the pusher; it goes with the device. Empty: an application service did, as no device."""
    pushkey_ts: int
    activated: bool
    """Whether anything is pushed to it (see `ActivatePusher`)."""
    sent_upto: Position
    """Everything up to this position was pushed, or need not be."""
    badge: int
    """The number of unread messages that it was last told."""

    @property
    def id(self) -> PusherId:
        """What tells this pusher from others."""
        return PusherId(self.user_id, self.app_id, self.pushkey)


class DeletePusher(NamedTuple):
    """The pusher is gone."""

    user_id: str
    app_id: str
    pushkey: str


class DeletePushersOfOthers(NamedTuple):
    """The pushers of all other users for the same application and device are gone ("append": false)."""

    app_id: str
    pushkey: str
    user_id: str


class DeletePushersOfUser(NamedTuple):
    """All pushers of the user are gone, with what waits for them."""

    user_id: str


class ActivatePusher(NamedTuple):
    """The pusher's other end has shown that it gets what is sent; what came before is not pushed."""

    sent_upto: Position
    user_id: str
    app_id: str
    pushkey: str


class NotePushed(NamedTuple):
    """A pusher has come as far as this."""

    sent_upto: Position
    badge: int
    user_id: str
    app_id: str
    pushkey: str


class NoteMailed(NamedTuple):
    """A pusher for e-mail has come as far as this; it was sent a mail at a time (0: it was not)."""

    mailed_ts: int
    sent_upto: Position
    user_id: str
    app_id: str
    pushkey: str


class NewWaitingPush(NamedTuple):
    """An event notifies a user who has pushers. If that is known already, nothing is written."""

    user_id: str
    position: Position
    """The event's."""
    room_id: str
    tweaks: bytes
    """JSON object (client-server API, "Actions")."""
    noted_ts: int


class ForgetWaitingPushes(NamedTuple):
    """What all active pushers of the user have passed is forgotten; all of it if there are none."""

    user_id: str


class TrimWaitingPushes(NamedTuple):
    """All but the last `kept` of what waits for the user is given up."""

    user_id: str
    kept: int


class PushersChanged(NamedTuple):
    """Feed: the user has got a pusher, or has one less."""

    user_id: str


class PushesNoted(NamedTuple):
    """Feed: something new waits to be pushed to these users."""

    user_ids: tuple[str, ...]


class PushReader(Protocol):
    """Reads pushers and what waits for them."""

    async def users_with_pushers(self) -> list[str]:
        """Return everybody who has a pusher."""

    async def pushers(self, user_id: str) -> list[PusherRow]:
        """Return the user's pushers."""

    async def pusher(self, pusher: PusherId) -> PusherRow | None:
        """Return one pusher."""

    async def due_mails(self, mailed_before_ts: int, noted_before_ts: int, limit: int) -> list[PusherRow]:
        """Return at most `limit` active pushers for e-mail for which something waits since a time.

        Those that were sent a mail after `mailed_before_ts` are not due.
        """

    async def others_with(self, app_id: str, pushkey: str, user_id: str) -> list[str]:
        """Return the users other than `user_id` who have a pusher for the same application and device."""

    async def waiting(self, user_id: str, after: Position, limit: int) -> list[NewWaitingPush]:
        """Return the last `limit` of what waits for a user after a position, the oldest first."""

    async def users_waited_for(self, after: str, limit: int) -> list[str]:
        """Return at most `limit` users with ids above `after` for whom something waits, in the order of ids."""
