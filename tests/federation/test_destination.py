"""What a server is still to be told: a model of sending, failing, overflowing and catching up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hamrasan.federation.destination import MAX_PDUS, MAX_QUEUED, Destination, OutgoingEvent, Plan
from hamrasan.storage.ports.exchange import DropLag, PutLag
from hamrasan.storage.ports.rooms import StoredEvent
from hamrasan.storage.ports.user_data import READ, UNTHREADED, ReceiptChanged


def event(position: int) -> OutgoingEvent:
    stored = StoredEvent(
        position, 1, f"${position}", "m", None, "@a:b", 1, 1, b"{}", b"{}", 0, 0, None, None, None, None
    )
    return OutgoingEvent("!r", stored)


def receipt(position: int, user_id: str = "@a:b") -> ReceiptChanged:
    return ReceiptChanged(position, "!r", user_id, READ, UNTHREADED, f"${position}", 1, position, 1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("note"), st.integers(1, MAX_QUEUED + 50)),
        st.tuples(st.just("send"), st.integers(1, 5)),
        st.tuples(st.just("fail"), st.just(1)),
        st.tuples(st.just("note while sending"), st.integers(1, MAX_QUEUED + 50)),
    ),
    max_size=30,
)


@given(STEPS)
def test_a_server_gets_every_event_in_order_and_the_cursor_never_runs_ahead(
    steps: list[tuple[str, int]],
) -> None:
    destination = Destination("b")
    noted: list[int] = []
    got: list[int] = []

    def note(count: int) -> None:
        for _ in range(count):
            noted.append(len(noted) + 1)
            destination.note_event(event(noted[-1]))

    def plan() -> None:
        if destination.is_behind and destination.plan is None:
            upto = noted[-1] if noted else 0
            destination.plan = Plan([p for p in noted if destination.sent_upto < p <= upto], upto)

    def send(meanwhile: int = 0) -> None:
        plan()
        if destination.plan is not None:
            chosen = list(destination.plan.positions[:MAX_PDUS])
            note(meanwhile)
            got.extend(chosen)
            destination.has_planned(chosen[-1] if chosen else None)
        else:
            events = destination.next_events()
            note(meanwhile)
            got.extend(each.position for each in events)
            destination.has_events(events)

    for step, count in steps:
        if step == "note":
            note(count)
        elif step == "fail":
            destination.fall_behind()
        elif step == "send":
            for _ in range(count):
                send()
        else:
            send(count)
        floor = destination.floor
        assert set(range(1, (len(noted) if floor is None else floor) + 1)) <= set(got), "nothing is forgotten"
        assert len(destination.events) <= MAX_QUEUED
    for _ in range(len(noted)):
        if not destination.has_work:
            break
        send()
    assert not destination.has_work
    assert destination.floor is None
    assert list(dict.fromkeys(got)) == noted == sorted(set(got))


def test_receipts_and_devices_hold_the_cursor_back() -> None:
    destination = Destination("b")
    destination.note_receipt(receipt(7))
    destination.note_devices("@a:b", 5)
    assert destination.floor == 4
    destination.note_devices("@a:b", 9)
    assert destination.floor == 6
    destination.note_receipt(receipt(12))
    assert destination.floor == 8
    assert destination.has_work


def test_a_cursor_of_its_own_goes_when_there_is_nothing_more() -> None:
    destination = Destination("b", 10)
    assert destination.cursor_write() == PutLag("b", 10)
    destination.noted = 20
    destination.plan = Plan([12, 20], 25)
    destination.has_planned(12)
    assert destination.cursor_write() == PutLag("b", 12)
    destination.has_planned(20)
    assert not destination.is_behind
    assert destination.cursor_write() == DropLag("b")
    assert destination.cursor_write() is None


def test_what_comes_while_it_catches_up_is_part_of_the_next_plan() -> None:
    destination = Destination("b", 10)
    destination.plan = Plan([12], 15)
    destination.note_event(event(16))
    destination.has_planned(12)
    assert destination.is_behind
    assert destination.sent_upto == 15
    assert not destination.events
