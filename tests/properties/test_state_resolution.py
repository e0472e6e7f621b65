"""What state resolution promises for every room, however its branches part and meet."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hamrasan.protocol.state_resolution import resolve, split_states
from tests.properties.naive_resolution import NaiveResolution
from tests.properties.room_histories import History, histories

ALL = ("1", "2", "6", "11", "12")
SINCE_2 = ALL[1:]


@given(history=histories(SINCE_2), data=st.data())
@settings(deadline=None)
def test_it_does_what_the_specification_says(history: History, data: st.DataObject) -> None:
    world, states = history
    members = sorted(i for i in world.events if world.events[i].type == "m.room.member")
    rejected = set(data.draw(st.lists(st.sampled_from(members), max_size=2)))
    expected = NaiveResolution(world.version, states, world.events, rejected).result()
    assert resolve(world.version, states, world.events, rejected=rejected) == expected


@given(history=histories(ALL), data=st.data())
@settings(deadline=None)
def test_order_and_repetition_of_the_states_make_no_difference(history: History, data: st.DataObject) -> None:
    world, states = history
    answer = world.resolved(states)
    shuffled = data.draw(
        st.permutations([*states, *data.draw(st.lists(st.sampled_from(states), max_size=3))])
    )
    ids = data.draw(st.permutations(sorted(world.events)))
    events = {event_id: world.events[event_id] for event_id in ids}
    assert resolve(world.version, [dict(state) for state in shuffled], events) == answer


@given(history=histories(ALL))
@settings(deadline=None)
def test_what_all_agree_on_stays_and_every_event_stands_at_its_key(history: History) -> None:
    world, states = history
    answer = world.resolved(states)
    unconflicted, conflicted = split_states(states)
    assert unconflicted.items() <= answer.items()
    assert all(world.events[event_id].key == key for key, event_id in answer.items())
    if not conflicted:
        assert answer == unconflicted


@given(history=histories(("1",)))
@settings(deadline=None)
def test_algorithm_1_chooses_among_what_the_states_have(history: History) -> None:
    world, states = history
    answer = world.resolved(states)
    assert answer.keys() == {key for state in states for key in state}
    assert all(any(state.get(key) == event_id for state in states) for key, event_id in answer.items())


@given(history=histories(ALL))
@settings(deadline=None)
def test_resolving_an_answer_again_changes_nothing(history: History) -> None:
    world, states = history
    answer = world.resolved(states)
    assert world.resolved([answer]) == answer
    assert world.resolved([answer, dict(answer)]) == answer


@given(history=histories(SINCE_2))
@settings(deadline=None)
def test_a_chain_at_hand_gives_the_same_answer(history: History) -> None:
    world, states = history
    naive = NaiveResolution(world.version, states, world.events)
    chain = naive.chain(split_states(states)[0].values())
    assert resolve(world.version, states, world.events, unconflicted_chain=chain) == world.resolved(states)
