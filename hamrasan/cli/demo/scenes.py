"""What happens in the demo: people of three providers talk in one room, and one provider is away for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from hamrasan.cli.demo.people import Person, RequestFailed
from hamrasan.cli.texts import Texts

ROOM = "meydan"
"""The square, where everybody comes by."""
MISSED = 20
"""Messages that are sent while a provider is away."""

Tell = Callable[[str], None]


async def gather_in_room(people: Sequence[Person], texts: Texts) -> str:
    """Let everybody make an account and come into one room; return its id."""
    for person in people:
        await person.enter()
    await people[0].make_room(ROOM, texts("demo.room"))
    alias = f"#{ROOM}:{people[0].provider.name}"
    rooms = [await person.join(alias) for person in people]
    for person in people:
        await person.catch_up()
    return rooms[0]


async def talk(people: Sequence[Person], room_id: str, texts: Texts, tell: Tell) -> list[float]:
    """Let each say something, and tell how long it took until the others had it; return these times in seconds."""
    lines = (texts("demo.line_1"), texts("demo.line_2"), texts("demo.line_3"))
    times: list[float] = []
    for speaker, line in zip(people, lines, strict=True):
        text = _once(line)
        others = [person for person in people if person is not speaker]
        hearing = [asyncio.ensure_future(other.hear(room_id, text)) for other in others]
        try:
            await asyncio.sleep(0.2)  # so that they listen already, as people do
            began = time.perf_counter()
            await speaker.say(room_id, text)
            took = [await heard - began for heard in hearing]
        finally:
            for task in hearing:
                task.cancel()
        times += took
        tell(texts("demo.said", who=_who(speaker, texts), text=line))
        for other, seconds in zip(others, took, strict=True):
            tell("    " + texts("demo.read", who=_who(other, texts), ms=round(seconds * 1000)))
    return times


async def be_away(people: Sequence[Person], room_id: str, texts: Texts, tell: Tell) -> float:
    """Stop the last provider, let the others talk on, start it again; return after how many seconds it has everything.

    Raises `RequestFailed` if anything is missing then, or in another order.
    """
    *present, absent = people
    await absent.provider.stop()
    tell(texts("demo.away", provider=_provider(absent, texts)))
    said = [_once(texts("demo.meanwhile", number=number)) for number in range(1, MISSED + 1)]
    for number, text in enumerate(said):
        # Each answers the one before, so there is one right order.
        await present[number % len(present)].say(room_id, text)
        for person in present:
            await person.hear(room_id, text)
    tell(texts("demo.undisturbed", count=len(said)))
    await absent.provider.start()
    began = time.perf_counter()
    tell(texts("demo.back", provider=_provider(absent, texts)))
    for text in said:
        await absent.hear(room_id, text)
    if absent.heard_of(said) != said:
        raise RequestFailed(f"{absent.provider.name}: {absent.heard_of(said)}")
    seconds = time.perf_counter() - began
    tell(
        texts("demo.caught_up", provider=_provider(absent, texts), count=len(said), seconds=f"{seconds:.1f}")
    )
    return seconds


def _once(line: str) -> str:
    """Return a line as it was never said before, also if the demo was run on this folder already."""
    return f"{line} ({time.time_ns() % 1_000_000_007})"


def _who(person: Person, texts: Texts) -> str:
    return texts("demo.who", name=person.name, provider=_provider(person, texts))


def _provider(person: Person, texts: Texts) -> str:
    match person.provider.label:
        case "peyk":
            return texts("demo.peyk")
        case "chapar":
            return texts("demo.chapar")
        case _:
            return texts("demo.ghasedak")
