"""A server's services on a real store, and clients that keep what `/sync` tells them."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from hamrasan.accounts.passwords import PasswordCost
from hamrasan.federation.names import SystemNames
from hamrasan.http.services import Ground
from hamrasan.policy.application_services import ApplicationServices
from hamrasan.protocol.filters import parse_filter
from hamrasan.protocol.signing import SigningKey
from hamrasan.push.web_push import new_key
from hamrasan.rooms.new_event import NewEvent, Transaction
from hamrasan.rooms.rendering import Reader
from hamrasan.rooms.room import Room
from hamrasan.rooms.tokens import SyncToken, parse_sync_token
from hamrasan.runtime.metrics import Metrics
from hamrasan.runtime.outbound import Outbound
from hamrasan.runtime.settings import Settings
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.server import build_services
from hamrasan.storage.health import JournalHealth
from hamrasan.storage.ports.rooms import RoomRow
from hamrasan.storage.sqlite.store import open_store
from hamrasan.sync.request import SyncRequest
from tests.worlds import ManualClock, SeededEntropy

SERVER = "example.org"
CHEAP = PasswordCost(memory_kib=8, passes=1, lanes=1)
_txns = itertools.count()


class World:
    """One server, which can be started anew on the same data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.clock = ManualClock()
        self._open()

    def _open(self) -> None:
        self.store = open_store(self.data_dir)
        self.tasks = TaskSupervisor()
        ground = Ground(
            loop=asyncio.get_running_loop(),
            settings=Settings(server_name=SERVER),
            clock=self.clock,
            entropy=SeededEntropy(),
            metrics=Metrics(),
            application_services=ApplicationServices(),
            signing_key=SigningKey("ed25519:a_1", bytes(32)),
            old_keys=(),
            secrets_key=bytes(32),
            providers={},
            health=JournalHealth(self.store.journal, self.clock.monotonic),
            outbound=Outbound(),
            vapid_key=new_key(),
        )
        self.services, self._identity = build_services(ground, self.store, self.tasks, SystemNames(), CHEAP)

    async def close(self) -> None:
        await self.tasks.close(1)
        await self.store.close()

    async def restart(self, *, crash: bool = False) -> None:
        """Stop, in order or not, and start with nothing in memory."""
        if not crash:
            await self.services.sliding_sync.connections.keep()
        await self.close()
        self._open()

    async def room(self, creator: str, *, join_rule: str = "public", visibility: str | None = None) -> str:
        """Make a room of version 11 with the usual first events."""
        registry = self.services.registry
        number = await registry.next_number()
        room = Room(RoomRow(number, f"!room{number}:{SERVER}", "11", creator))
        decision = registry.begin(room)
        decision.add(NewEvent("m.room.create", creator, {"room_version": "11"}, ""))
        decision.add(NewEvent("m.room.member", creator, {"membership": "join"}, creator))
        decision.add(NewEvent("m.room.power_levels", creator, {"users": {creator: 100}, "invite": 0}, ""))
        decision.add(NewEvent("m.room.join_rules", creator, {"join_rule": join_rule}, ""))
        if visibility is not None:
            content = {"history_visibility": visibility}
            decision.add(NewEvent("m.room.history_visibility", creator, content, ""))
        await registry.create(room, decision)
        return room.id

    async def send(
        self, room_id: str, sender: str, type: str, content: Mapping[str, Any], state_key: str | None = None
    ) -> str:
        """Add an event, as somebody's device named after them."""
        room = await self.services.registry.get(room_id)
        txn = None if state_key is not None else Transaction(device_of(sender), f"t{next(_txns)}")
        return await self.services.registry.send(room, NewEvent(type, sender, content, state_key, txn))

    async def say(self, room_id: str, sender: str, body: str = "سلام") -> str:
        return await self.send(room_id, sender, "m.room.message", {"msgtype": "m.text", "body": body})

    async def member(self, room_id: str, sender: str, membership: str, who: str | None = None) -> str:
        target = who or sender
        return await self.send(room_id, sender, "m.room.member", {"membership": membership}, target)

    async def sync(self, who: str, since: SyncToken | None = None, **wanted: Any) -> dict[str, Any] | None:
        """Return an answer to /sync as JSON, None if there is nothing new."""
        chosen = wanted.pop("filter", {})
        request = SyncRequest(
            reader=Reader(who, wanted.pop("device", device_of(who))),
            since=since,
            filter=parse_filter(chosen),
            full_state=wanted.pop("full_state", False),
            state_after=wanted.pop("state_after", False),
        )
        assert not wanted, wanted
        stream = await self.services.notifier.stream(who)
        quick = self.services.sync.quick(request, stream)
        body = await self.services.sync.compose(request, stream)
        composed = None if body is None else orjson.loads(body)
        if quick is not None:
            assert _without_empty(orjson.loads(quick)) == _without_empty(composed)
        return composed


def _without_empty(answer: Any) -> Any:
    """Return the rooms of an answer without sections that say nothing."""
    return {
        room_id: {name: part for name, part in section.items() if part != {"events": []}}
        for room_id, section in answer["rooms"]["join"].items()
    }


def device_of(user_id: str) -> str:
    return user_id[1:].partition(":")[0].upper()


class Client:
    """What a client knows of its rooms from the answers it got, by the rules of the specification."""

    def __init__(self, world: World, who: str, **options: Any) -> None:
        self.world = world
        self.who = who
        self.options = options
        self.since: SyncToken | None = None
        self.state: dict[str, dict[tuple[str, str], str]] = {}
        self.timelines: dict[str, list[str]] = {}
        self.unread: dict[str, int] = {}
        self.invited: set[str] = set()

    async def sync(self) -> None:
        """Ask once, and take over what is new."""
        if self.since is not None:
            self.since = self.world.services.sync.current_token(self.since)
        answer = await self.world.sync(self.who, self.since, **self.options)
        if answer is not None:
            self.apply(answer)

    def apply(self, answer: dict[str, Any]) -> None:
        self.since = parse_sync_token(answer["next_batch"])
        rooms = answer.get("rooms", {})
        for room_id, section in rooms.get("join", {}).items():
            self.invited.discard(room_id)
            self._apply_room(room_id, section)
        for room_id in rooms.get("invite", {}):
            self.invited.add(room_id)
        for room_id in rooms.get("leave", {}):
            self.invited.discard(room_id)
            self.state.pop(room_id, None)
            self.timelines.pop(room_id, None)

    def _apply_room(self, room_id: str, section: dict[str, Any]) -> None:
        state = self.state.setdefault(room_id, {})
        timeline = section.get("timeline", {"events": []})
        after = section.get("state_after")
        events = after["events"] if after is not None else section.get("state", {}).get("events", [])
        if after is None:
            events = [*events, *timeline["events"]]
        for event in events:
            if "state_key" in event:
                state[(event["type"], event["state_key"])] = event["event_id"]
        if timeline.get("limited"):
            self.timelines[room_id] = []
        self.timelines.setdefault(room_id, []).extend(event["event_id"] for event in timeline["events"])
        if "unread_notifications" in section:
            self.unread[room_id] = section["unread_notifications"]["notification_count"]


def in_world(scenario: Callable[[World], Awaitable[None]]) -> None:
    """Run a scenario on a server of its own."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            world = World(Path(folder))
            try:
                await scenario(world)
            finally:
                await world.close()

    asyncio.run(main())
