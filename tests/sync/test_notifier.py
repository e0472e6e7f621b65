"""Who is woken when."""

from __future__ import annotations

import asyncio
from functools import partial

from hamrasan.protocol.errors import MatrixError
from hamrasan.sync.notifier import WAKE_SECONDS, WAKES_BETWEEN_LOOKS
from tests.sync.world import World, in_world
from tests.worlds import ManualClock

ALICE, BOB = "@alice:example.org", "@bob:example.org"


class NotedWaiter:
    """A parked request that notes when it is woken, and when it is sent away."""

    device_id = "ALICE"

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes
        self.woken = asyncio.Event()

    def wake(self) -> None:
        self._notes.append("woken")
        self.woken.set()

    def end(self, error: MatrixError) -> None:
        self._notes.append("ended")


def _answered(notes: list[str], sending: asyncio.Future[str]) -> None:
    notes.append(f"answered {sending.result()[0]}")


def test_those_who_send_are_answered_before_anybody_is_woken() -> None:
    async def scenario(world: World) -> None:
        notifier = world.services.notifier
        room_id = await world.room(ALICE)
        stream = await notifier.stream(ALICE)
        for _ in range(20):
            notes: list[str] = []
            waiter = NotedWaiter(notes)
            notifier.park(stream, waiter)
            sending = asyncio.ensure_future(world.say(room_id, ALICE))
            # A connection writes the answer in the same way: when the task of the request is done.
            sending.add_done_callback(partial(_answered, notes))
            await asyncio.wait_for(asyncio.gather(sending, waiter.woken.wait()), 20)
            assert notes == ["answered $", "woken"]

    in_world(scenario)


class BrokenWaiter:
    """A parked request whose answer cannot be composed."""

    device_id = "ALICE"

    def wake(self) -> None:
        raise RuntimeError("broken")

    def end(self, error: MatrixError) -> None:
        raise RuntimeError("broken")


def test_a_waiter_that_fails_holds_up_nobody_then_or_later() -> None:
    async def scenario(world: World) -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: failures.append(context["exception"])
        )
        notifier = world.services.notifier
        room_id = await world.room(ALICE)
        await world.member(room_id, BOB, "join")
        streams = [await notifier.stream(user_id) for user_id in (ALICE, BOB)]
        for _ in range(3):
            waiter = NotedWaiter([])
            notifier.park(streams[0], BrokenWaiter())
            notifier.park(streams[1], BrokenWaiter())
            notifier.park(streams[1], waiter)
            await world.say(room_id, ALICE)
            await asyncio.wait_for(waiter.woken.wait(), 20)
        assert len(failures) == 6

    in_world(scenario)


class SlowWaiter(NotedWaiter):
    """A parked request whose answer takes a while."""

    def __init__(self, notes: list[str], clock: ManualClock, seconds: float) -> None:
        super().__init__(notes)
        self._clock = clock
        self._seconds = seconds

    def wake(self) -> None:
        self._clock.advance(self._seconds)
        super().wake()


def test_those_who_wake_many_leave_time_for_others() -> None:
    async def scenario(world: World) -> None:
        notifier, loop = world.services.notifier, asyncio.get_running_loop()
        room_id = await world.room(ALICE)
        stream = await notifier.stream(ALICE)
        notes: list[str] = []
        count = WAKES_BETWEEN_LOOKS * 5
        waiters = [SlowWaiter(notes, world.clock, WAKE_SECONDS / 8) for _ in range(count)]
        for waiter in waiters:
            notifier.park(stream, waiter)

        def other_work() -> None:
            if len(notes) < count:
                notes_then.append(len(notes))
                loop.call_soon(other_work)

        notes_then: list[int] = []
        await world.say(room_id, ALICE)
        loop.call_soon(other_work)
        for waiter in waiters:
            await asyncio.wait_for(waiter.woken.wait(), 20)
        assert sorted(set(notes_then)) == list(range(0, count, WAKES_BETWEEN_LOOKS))

    in_world(scenario)
