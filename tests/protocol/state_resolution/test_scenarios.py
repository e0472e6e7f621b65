"""What happens when branches of a room meet: the stories that state resolution is there for.

Each runs in a room version of algorithm 2 and in one of 2.1, unless the difference between the two is the story.
"""

import pytest

from hamrasan.protocol.event import Event
from tests.protocol.factory import ALICE, BOB, CAROL, DAN, EVE, ZARA, World, public_world

LEVELS = ("m.room.power_levels", "")
JOIN_RULES = ("m.room.join_rules", "")


@pytest.fixture(params=["2", "6", "11", "12"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def levels(room: World, sender: str, **users: int) -> Event:
    """Set the levels of users by their localparts; Alice keeps hers."""
    own = {} if room.version.authorization.privileged_creators else {ALICE: 100}
    names = {"bob": BOB, "carol": CAROL, "dan": DAN}
    return room.sets_power_levels(sender, {**own, **{names[name]: level for name, level in users.items()}})


def assert_state(room: World, *events: Event) -> None:
    for event in events:
        assert event.key is not None
        assert room.state.get(event.key) == event.event_id, event.key


def member(user: str) -> tuple[str, str]:
    return ("m.room.member", user)


def test_branches_that_touch_different_things_add_up(version: str) -> None:
    left = public_world(version, BOB)
    right = left.fork()
    topic, joined = left.sets_topic(ALICE, "news"), right.joins(CAROL)
    assert_state(left.merged(right), topic, joined)


def test_the_later_of_two_topics_wins(version: str) -> None:
    left = public_world(version, BOB)
    right = left.fork()
    later, earlier = left.sets_topic(ALICE, "later", at=600), right.sets_topic(ALICE, "earlier", at=500)
    assert_state(left.merged(right), later)
    assert_state(right.merged(left), later)
    assert earlier.event_id not in left.merged(right).state.values()


def test_at_the_same_time_the_greater_id_wins(version: str) -> None:
    left = public_world(version, BOB)
    right = left.fork()
    topics = [left.sets_topic(ALICE, "one", at=500), right.sets_topic(ALICE, "two", at=500)]
    winner = max(topics, key=lambda event: event.event_id)
    assert_state(left.merged(right), winner)


def test_a_ban_beats_what_the_banned_does_meanwhile(version: str) -> None:
    left = public_world(version, BOB)
    own = {} if version == "12" else {ALICE: 100}
    more = {"events": {"m.room.power_levels": 50}}
    kept = left.sets_power_levels(ALICE, {**own, BOB: 50}, more)
    right = left.fork()
    ban = left.bans(ALICE, BOB)
    seized = right.sets_power_levels(BOB, {**own, BOB: 50, EVE: 50}, more)
    merged = left.merged(right)
    assert_state(merged, ban, kept)
    assert seized.event_id not in merged.state.values()


def test_a_demotion_beats_a_later_topic_of_the_demoted(version: str) -> None:
    left = public_world(version, BOB, levels={BOB: 50})
    right = left.fork()
    old_topic = left.sets_topic(ALICE, "old")
    right.add(old_topic)
    demotion = levels(left, ALICE, bob=0)
    right.sets_topic(BOB, "mine")
    assert_state(left.merged(right), demotion, old_topic)


def test_without_the_demotion_that_topic_wins(version: str) -> None:
    left = public_world(version, BOB, levels={BOB: 50})
    right = left.fork()
    right.add(left.sets_topic(ALICE, "old"))
    left.says(ALICE, "nothing")
    topic = right.sets_topic(BOB, "mine")
    assert_state(left.merged(right), topic)


def test_the_topic_of_a_banned_user_goes_back_to_the_one_before(version: str) -> None:
    start = public_world(version, BOB)
    first = start.sets_topic(ALICE, "first")
    long_branch, short_branch = start.fork(), start.fork()
    promoted = levels(long_branch, ALICE, bob=50)
    long_branch.sets_topic(BOB, "second")
    ban = long_branch.bans(ALICE, BOB)
    assert_state(long_branch.merged(short_branch), first, promoted, ban)


def test_who_joins_while_the_room_closes_stays_outside(version: str) -> None:
    left = public_world(version, BOB)
    right = left.fork()
    closed = left.sets_join_rule(ALICE, "invite")
    right.joins(EVE)
    merged = left.merged(right)
    assert_state(merged, closed)
    assert member(EVE) not in merged.state


def test_who_joined_before_the_room_closed_stays_inside(version: str) -> None:
    left = public_world(version, BOB)
    joined = left.joins(EVE)
    right = left.fork()
    closed = left.sets_join_rule(ALICE, "invite")
    renamed = right.joins(EVE, {"displayname": "Eve"})
    assert_state(left.merged(right), closed, renamed)
    assert joined.event_id not in left.merged(right).state.values()


def test_a_chain_of_levels_beside_the_common_one_is_kept(version: str) -> None:
    """Levels that one branch lacks, because it knows only the first of them, are not lost."""
    start = public_world(version, BOB, CAROL)
    own = {} if version == "12" else {ALICE: 100}
    more = {"events": {"m.room.power_levels": 50}}
    start.sets_power_levels(ALICE, {**own, BOB: 50}, more)
    branch, stale = start.fork(), start.fork()
    branch.sets_power_levels(BOB, {**own, BOB: 50, CAROL: 50}, more)
    last = branch.sets_power_levels(CAROL, {**own, BOB: 50, CAROL: 0}, more)
    assert_state(branch.merged(stale), last)


def test_of_two_changes_of_levels_the_more_powerful_senders_is_tried_first(version: str) -> None:
    left = public_world(version, BOB)
    own = {} if version == "12" else {ALICE: 100}
    more = {"events": {"m.room.power_levels": 50}}
    left.sets_power_levels(ALICE, {**own, BOB: 50}, more)
    right = left.fork()
    demoted = left.sets_power_levels(ALICE, {**own, BOB: 49}, more, at=900)
    right.sets_power_levels(BOB, {**own, BOB: 50, EVE: 50}, more, at=500)
    assert_state(left.merged(right), demoted)


def test_topics_are_ordered_by_the_levels_they_were_sent_under(version: str) -> None:
    """Two topics that both pass: the one under the newer levels wins, whatever the clocks say."""
    start = public_world(version, BOB)
    levels(start, ALICE, bob=50)
    old, new = start.fork(), start.fork()
    old.sets_topic(BOB, "under the old levels", at=9_000)
    levels(new, ALICE, bob=60)
    topic = new.sets_topic(BOB, "under the new levels", at=1_000)
    assert_state(old.merged(new), topic)


def test_a_long_story_with_two_meetings(version: str) -> None:
    start = public_world(version, BOB)
    start.sets_topic(ALICE, "one")
    own = {} if version == "12" else {ALICE: 100}
    more = {"events": {"m.room.power_levels": 50}}
    start.sets_power_levels(ALICE, {**own, BOB: 50}, more)
    left, right = start.fork(), start.fork()
    second = left.sets_topic(ALICE, "two")
    demotion = left.sets_power_levels(ALICE, {**own, BOB: 0}, more)
    right.sets_power_levels(BOB, {**own, BOB: 50, EVE: 1}, more)
    right.sets_topic(BOB, "three")
    merged = left.merged(right)
    assert_state(merged, second, demotion)
    joined = merged.joins(ZARA)
    onward = merged.fork()
    fourth = onward.sets_topic(ALICE, "four")
    assert_state(onward.merged(right, merged), fourth, demotion, joined)


def test_three_branches_meet_at_once(version: str) -> None:
    start = public_world(version, BOB, CAROL)
    one, two, three = start.fork(), start.fork(), start.fork()
    ban = one.bans(ALICE, BOB)
    two.joins(BOB, {"displayname": "Bob"})
    topic = three.sets_topic(ALICE, "news")
    assert_state(one.merged(two, three), ban, topic)


def test_levels_that_no_state_holds_decide_on_the_way_but_do_not_stay(version: str) -> None:
    """Bob's topic cites a promotion that all states forgot. It is in the auth difference, so it is tried again: the
    topic is judged by it, and the levels that all agree on come back in the end."""
    start = public_world(version, BOB, CAROL)
    agreed = start.events[start.state[LEVELS]]
    left, right = start.fork(), start.fork()
    levels(left, ALICE, bob=50)
    topic = left.sets_topic(BOB, "as moderator")
    left.state[LEVELS] = agreed.event_id
    right.sets_topic(ALICE, "before", at=0)
    assert_state(left.merged(right), agreed, topic)


def closed_room_whose_owner_left(version: str) -> tuple[World, list[dict[tuple[str, str], str]], list[Event]]:
    """The first problem of the proposal that became algorithm 2.1 (MSC4297): the owner closes the room and leaves;
    two members rename themselves; two servers hold, for what the other did, the state from before."""
    room = World(version)
    opened = room.sets_join_rule(ALICE, "public")
    bob, carol = room.joins(BOB), room.joins(CAROL)
    closed = room.sets_join_rule(ALICE, "invite")
    left = room.leaves(ALICE)
    branch = room.fork()
    new_bob = room.joins(BOB, {"displayname": "Bob"})
    new_carol = branch.joins(CAROL, {"displayname": "Carol"})
    common = [room.create, room.events[room.state[LEVELS]], left]
    states = [room.picks(*common, closed, new_bob, carol), room.picks(*common, opened, bob, new_carol)]
    return branch, states, [closed, left, new_bob, new_carol]


def test_algorithm_2_loses_the_join_rules_of_an_owner_who_left() -> None:
    room, states, (_closed, *others) = closed_room_whose_owner_left("11")
    room.state = room.resolved(states)
    assert_state(room, *others)
    assert JOIN_RULES not in room.state


def test_algorithm_2_1_keeps_them() -> None:
    room, states, expected = closed_room_whose_owner_left("12")
    room.state = room.resolved(states)
    assert_state(room, *expected)


def room_with_a_forgotten_promotion(
    version: str,
) -> tuple[World, list[dict[tuple[str, str], str]], list[Event]]:
    """The second problem (MSC4297): a server holds the first power levels beside the member who joined under the third,
    so that the second, which lead from one to the other, are in conflict nowhere."""
    room = World(version)
    joined = room.events[room.state[member(ALICE)]]
    opened = room.sets_join_rule(ALICE, "public")
    bob, carol = room.joins(BOB), room.joins(CAROL)
    first = room.events[room.state[LEVELS]]
    own = {} if version == "12" else {ALICE: 100}
    more = {"events": {"m.room.power_levels": 50}}
    room.sets_power_levels(ALICE, {**own, BOB: 50}, more)
    third = room.sets_power_levels(BOB, {**own, BOB: 50, CAROL: 50}, more)
    branch = room.fork()
    zara = room.joins(ZARA)
    branch.joins(EVE)
    eve = branch.joins(EVE, {"displayname": "Eve"})
    common = [room.create, joined, opened, bob, carol]
    states = [room.picks(*common, first, eve), room.picks(*common, third, zara)]
    return branch, states, [first, third, eve, zara]


def test_algorithm_2_resets_the_power_levels_to_the_first() -> None:
    room, states, (first, _third, eve, zara) = room_with_a_forgotten_promotion("11")
    room.state = room.resolved(states)
    assert_state(room, first, eve, zara)


def test_algorithm_2_1_tries_what_lies_between_and_keeps_the_last() -> None:
    room, states, (_first, third, eve, zara) = room_with_a_forgotten_promotion("12")
    room.state = room.resolved(states)
    assert_state(room, third, eve, zara)
