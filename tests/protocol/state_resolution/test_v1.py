"""State resolution of room version 1."""

from hashlib import sha1

from hamrasan.protocol.event import Event, event_from_pdu
from tests.protocol.factory import ALICE, BOB, CAROL, EVE, World, public_world

LEVELS = ("m.room.power_levels", "")
TOPIC = ("m.room.topic", "")


def at_depth(room: World, event: Event, depth: int) -> Event:
    """Give an event another depth, as another server may."""
    moved = event_from_pdu({**event.pdu, "depth": depth}, event.event_id, event.room_id)
    room.events[event.event_id] = moved
    return moved


def test_a_key_that_one_state_lacks_is_not_in_conflict() -> None:
    left = public_world("1", BOB)
    right = left.fork()
    joined = left.joins(EVE)
    right.sets_join_rule(ALICE, "invite")
    assert left.merged(right).state["m.room.member", EVE] == joined.event_id


def test_the_deepest_topic_that_is_allowed_wins() -> None:
    left = public_world("1", BOB, levels={BOB: 50})
    right = left.fork()
    deepest = at_depth(left, left.sets_topic(ALICE, "deep"), 50)
    at_depth(right, right.sets_topic(BOB, "shallow"), 40)
    assert left.merged(right).state[TOPIC] == deepest.event_id


def test_a_deeper_topic_that_is_not_allowed_loses() -> None:
    left = public_world("1", BOB, levels={BOB: 50})
    right = left.fork()
    allowed = at_depth(left, left.sets_topic(ALICE, "allowed"), 40)
    at_depth(right, right.sets_topic(BOB, "deeper"), 50)
    left.sets_power_levels(ALICE, {ALICE: 100, BOB: 0})
    for branch in (left, right):
        branch.state[LEVELS] = left.state[LEVELS]
    assert left.merged(right).state[TOPIC] == allowed.event_id


def test_at_the_same_depth_the_smaller_sha1_wins() -> None:
    left = public_world("1", BOB)
    right = left.fork()
    topics = [left.sets_topic(ALICE, "one"), right.sets_topic(ALICE, "two")]
    for event in topics:
        at_depth(left, event, 50)
    winner = min(topics, key=lambda event: sha1(event.event_id.encode()).hexdigest())
    assert left.merged(right).state[TOPIC] == right.merged(left).state[TOPIC] == winner.event_id


def test_power_levels_are_tried_from_the_lowest_depth_up_until_one_is_refused() -> None:
    start = public_world("1", BOB)
    more = {"events": {"m.room.power_levels": 50}}
    start.sets_power_levels(ALICE, {ALICE: 100, BOB: 50}, more)
    one, two, three = start.fork(), start.fork(), start.fork()
    lowest = at_depth(one, one.sets_power_levels(ALICE, {ALICE: 100, BOB: 0}, more), 20)
    at_depth(two, two.sets_power_levels(BOB, {ALICE: 100, BOB: 50, CAROL: 50}, more), 30)
    highest = at_depth(three, three.sets_power_levels(ALICE, {ALICE: 100, EVE: 1}, more), 40)
    assert one.merged(three).state[LEVELS] == highest.event_id
    assert one.merged(two, three).state[LEVELS] == lowest.event_id


def test_levels_are_settled_before_memberships() -> None:
    left = public_world("1", BOB, CAROL)
    right = left.fork()
    promotion = left.sets_power_levels(ALICE, {ALICE: 100, BOB: 50})
    ban = at_depth(left, left.bans(BOB, CAROL), 50)
    at_depth(right, right.joins(CAROL, {"displayname": "Carol"}), 40)
    state = left.merged(right).state
    assert (state[LEVELS], state["m.room.member", CAROL]) == (promotion.event_id, ban.event_id)


def test_memberships_are_judged_by_the_resolved_levels() -> None:
    left = public_world("1", BOB, CAROL, levels={BOB: 50})
    right = left.fork()
    demoted = left.sets_power_levels(ALICE, {ALICE: 100, BOB: 0})
    renamed = at_depth(left, left.joins(CAROL, {"displayname": "Carol"}), 40)
    at_depth(right, right.bans(BOB, CAROL), 50)
    state = left.merged(right).state
    assert (state[LEVELS], state["m.room.member", CAROL]) == (demoted.event_id, renamed.event_id)


def test_memberships_do_not_see_each_others_resolution() -> None:
    """Each starts from what the branches agree on, so a conflicting membership of the sender does not count."""
    left = public_world("1", BOB, CAROL, levels={BOB: 50})
    right = left.fork()
    at_depth(left, left.joins(BOB, {"displayname": "Bob"}), 40)
    at_depth(right, right.bans(ALICE, BOB), 30)
    renamed = at_depth(left, left.joins(CAROL, {"displayname": "Carol"}), 40)
    at_depth(right, right.joins(CAROL, {"displayname": "C."}), 41)
    state = left.merged(right).state
    assert state["m.room.member", CAROL] != renamed.event_id


def test_join_rules_are_settled_before_memberships() -> None:
    closed = World("1")
    at_depth(closed, closed.bans(ALICE, EVE), 30)
    at_depth(closed, closed.kicks(ALICE, EVE), 40)
    opened = closed.fork()
    rule = at_depth(opened, opened.sets_join_rule(ALICE, "public"), 41)
    joined = at_depth(opened, opened.joins(EVE), 50)
    state = opened.merged(closed).state
    assert (state["m.room.join_rules", ""], state["m.room.member", EVE]) == (rule.event_id, joined.event_id)


def test_if_none_is_allowed_the_shallowest_stays() -> None:
    left = public_world("1", BOB, levels={BOB: 50})
    right = left.fork()
    shallow = at_depth(left, left.sets_topic(BOB, "shallow"), 40)
    at_depth(right, right.sets_topic(BOB, "deep"), 50)
    demotion = left.sets_power_levels(ALICE, {ALICE: 100, BOB: 0})
    right.state[LEVELS] = demotion.event_id
    assert left.merged(right).state[TOPIC] == shallow.event_id


def test_auth_events_do_not_stand_in_for_missing_state() -> None:
    left = public_world("1", BOB, levels={BOB: 50})
    right = left.fork()
    shallow = at_depth(left, left.sets_topic(BOB, "shallow"), 40)
    at_depth(right, right.sets_topic(BOB, "deep"), 50)
    for branch in (left, right):
        del branch.state["m.room.member", BOB]
    assert left.merged(right).state[TOPIC] == shallow.event_id
