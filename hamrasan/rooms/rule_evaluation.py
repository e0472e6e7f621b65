"""What readers' push rules make of a room's event (client-server API, "Push Rules")."""

from __future__ import annotations

from hamrasan.protocol.push_rules.conditions import RuleContext
from hamrasan.protocol.push_rules.evaluate import CompiledRuleset, PushActions, evaluate
from hamrasan.rooms.room import Room
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.storage.ports.rooms import INVITES, MENTIONS_ROOM, MENTIONS_SOMEONE, NOTIFIES


def evaluate_rules(
    room: Room,
    event: TimelineEvent,
    user_id: str,
    rules: CompiledRuleset,
    display_name: str | None,
    subscribed: bool | None,
) -> PushActions:
    """Return what a reader's rules do for an event.

    `display_name` is what the reader is called in the room, `subscribed` says whether they follow the event's thread
    (None for an event in none); where no rule asks for it (`CompiledRuleset.asks_threads`) it may be None, too.
    """
    stored = event.stored
    levels = room.power_levels
    context = RuleContext(
        user_id=user_id,
        member_count=room.joined,
        sender_power_level=levels.of(stored.sender),
        display_name=display_name,
        notification_levels=levels.notifications,
        subscribed=subscribed,
    )
    fields = {
        "type": stored.type,
        "sender": stored.sender,
        "room_id": room.id,
        "event_id": stored.event_id,
        "origin_server_ts": stored.origin_server_ts,
        "content": event.content,
    }
    if stored.state_key is not None:
        fields["state_key"] = stored.state_key
    return evaluate(rules, fields, context)


def by_predefined_rules(event: TimelineEvent, user_id: str) -> tuple[bool, bool]:
    """Return (notifies, highlights) under the predefined rules, from the flags that the event got when it was sent."""
    flags = event.stored.flags
    if not flags:
        return False, False
    if flags & INVITES and event.stored.state_key == user_id:
        return True, False
    if flags & MENTIONS_SOMEONE:
        mentions = event.content.get("m.mentions")
        mentioned = mentions.get("user_ids") if isinstance(mentions, dict) else None
        if isinstance(mentioned, list) and user_id in mentioned:
            return True, True
    if flags & MENTIONS_ROOM:
        return True, True
    return bool(flags & NOTIFIES), False
