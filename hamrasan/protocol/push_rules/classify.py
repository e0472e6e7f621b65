"""What an event means to everybody who keeps the predefined push rules, found once and without looking at any reader.

This is what makes a send cost the same in a room of two and of a million: instead of evaluating rules per member,
the event carries what the predefined rules (`defaults.py`) would say. The specification has no predefined rule that
searches the text for names since v1.17, so nothing here depends on a reader's display name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hamrasan.protocol.globs import fold_case

MAX_MENTIONS = 1000
"""Users of one event that are highlighted. Each costs a row, and nobody writes a thousand names into a message."""

MESSAGE, ENCRYPTED, CALL_INVITE = "m.room.message", "m.room.encrypted", "m.call.invite"
MEMBER, TOMBSTONE = "m.room.member", "m.room.tombstone"
REACTION, SERVER_ACL = "m.reaction", "m.room.server_acl"

_NOTIFYING = frozenset((MESSAGE, ENCRYPTED, CALL_INVITE))
"""Types for which an underride rule notifies."""
_SPECIAL = _NOTIFYING | {MEMBER, TOMBSTONE, REACTION, SERVER_ACL}
"""Types that any predefined rule names."""


class EventNotice(NamedTuple):
    """What the predefined rules yield for an event. For a reader the caller goes through these in order:

    1. the sender gets nothing;
    2. `invites` gets a notification without highlight;
    3. a member of `mentions` gets a notification with highlight;
    4. if `highlights_room`, everybody gets a notification with highlight, but where `needs_room_power` only if the
       sender's power level reaches `notifications.room`;
    5. everybody else gets a notification (without highlight) if `notifies`.
    """

    notifies: bool
    highlights_room: bool = False
    needs_room_power: bool = False
    mentions: tuple[str, ...] = ()
    """Mentioned users without the sender, each once, at most `MAX_MENTIONS`."""
    invites: str | None = None
    """The user whom this event invites."""


NOTIFYING = EventNotice(True)
SILENT = EventNotice(False)
_TOMBSTONE = EventNotice(True, highlights_room=True)


def classify(event_type: str, state_key: str | None, content: Mapping[str, Any], sender: str) -> EventNotice:
    """Return what the predefined push rules make of an event ("Predefined Rules"), for all readers at once.

    The rules compare types without regard to case, hence so does this. `content` is a plain JSON value.
    """
    msgtype = content.get("msgtype")
    if msgtype != "m.text" and isinstance(msgtype, str) and fold_case(msgtype) == "m.notice":
        return SILENT
    kind = event_type if event_type in _SPECIAL else fold_case(event_type)
    if kind == MEMBER:
        return _classify_member(state_key, content, sender)
    tombstone = kind == TOMBSTONE and state_key == ""
    mentions = content.get("m.mentions")
    if mentions and isinstance(mentions, dict):
        mentioned = _mentioned_users(mentions.get("user_ids"), sender)
        mentions_room = mentions.get("room") is True
        if mentioned or mentions_room:
            return EventNotice(
                notifies=tombstone or _notifies(kind, content),
                highlights_room=tombstone or mentions_room,
                needs_room_power=mentions_room and not tombstone,
                mentions=mentioned,
            )
    if tombstone:
        return _TOMBSTONE
    return NOTIFYING if _notifies(kind, content) else SILENT


def _notifies(kind: str, content: Mapping[str, Any]) -> bool:
    """Return whether an event notifies readers whom it does not mention: the suppressing rules, then underride."""
    if kind not in _NOTIFYING:
        return False
    relates_to = content.get("m.relates_to")
    return not (isinstance(relates_to, dict) and relates_to.get("rel_type") == "m.replace")


def _mentioned_users(user_ids: Any, sender: str) -> tuple[str, ...]:
    """Return the users of `m.mentions.user_ids` who are not the sender; anything but strings is ignored."""
    if not isinstance(user_ids, list):
        return ()
    unique = dict.fromkeys(user_id for user_id in user_ids if isinstance(user_id, str) and user_id != sender)
    return tuple(unique)[:MAX_MENTIONS]


def _classify_member(state_key: str | None, content: Mapping[str, Any], sender: str) -> EventNotice:
    """Membership events notify nobody but the invited user."""
    membership = content.get("membership")
    if (
        state_key
        and state_key != sender
        and isinstance(membership, str)
        and fold_case(membership) == "invite"
    ):
        return EventNotice(False, invites=state_key)
    return SILENT
