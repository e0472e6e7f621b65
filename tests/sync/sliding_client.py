"""A client that keeps what sliding sync tells it, by the rules of the proposal."""

from __future__ import annotations

from typing import Any

import orjson

from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.rendering import Reader
from hamrasan.sync.sliding.request import Extensions, ListConfig, RoomConfig, Selection, SlidingRequest
from hamrasan.sync.sliding.required_state import RequiredState
from tests.sync.world import World, device_of

EVERYTHING = RequiredState(frozenset({(None, None)}))


class SlidingClient:
    """One connection."""

    def __init__(self, world: World, who: str, conn_id: str = "main", limit: int = 100) -> None:
        self.world = world
        self.who = who
        self.conn_id = conn_id
        self.limit = limit
        self.required = EVERYTHING
        self.pos: str | None = None
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.pos = None
        self.rooms: dict[str, dict[str, Any]] = {}
        self.receipts: dict[str, dict[str, str]] = {}

    def request(
        self, ranges: tuple[tuple[int, int], ...] | None = None, limit: int | None = None
    ) -> SlidingRequest:
        config = RoomConfig(limit or self.limit, self.required)
        return SlidingRequest(
            Reader(self.who, device_of(self.who)),
            self.conn_id,
            self.pos,
            {"all": ListConfig(config, ranges, None)},
            {},
            Extensions(receipts=Selection(), account_data=Selection()),
        )

    async def sync(
        self,
        ranges: tuple[tuple[int, int], ...] | None = None,
        *,
        limit: int | None = None,
        lost: bool = False,
    ) -> None:
        """Ask once; a `lost` answer never arrives."""
        services = self.world.services
        stream = await services.notifier.stream(self.who)
        while True:
            request = self.request(ranges, limit)
            try:
                connection = await services.sliding_sync.connect(request)
                break
            except MatrixError as error:
                if error.errcode != "M_UNKNOWN_POS":
                    raise
                self.forget()
        turn = connection.begin()
        body = await services.sliding_sync.compose(request, stream, connection, turn, always=True)
        assert body is not None
        if not lost:
            self.apply(orjson.loads(body))

    def apply(self, answer: Any) -> None:
        self.pos = answer["pos"]
        for room_id, told in answer["rooms"].items():
            self._apply_room(room_id, told)
        for room_id, event in answer["extensions"].get("receipts", {"rooms": {}})["rooms"].items():
            for event_id, by_type in event["content"].items():
                for user_id in by_type.get("m.read", {}):
                    self.receipts.setdefault(room_id, {})[user_id] = event_id

    def _apply_room(self, room_id: str, told: Any) -> None:
        room = self.rooms.get(room_id)
        if room is None or told.get("initial"):
            room = self.rooms[room_id] = {"state": {}, "timeline": [], "whole": False}
        if told.get("limited") or told.get("expanded_timeline") or told.get("initial"):
            room["timeline"] = []
        room["timeline"] += [event["event_id"] for event in told.get("timeline", [])]
        for event in told.get("required_state", []):
            room["state"][event["type"], event["state_key"]] = event["event_id"]
        for name in ("name", "avatar", "joined_count", "invited_count", "is_dm", "membership", "bump_stamp"):
            if name in told:
                room[name] = told[name]
        if "heroes" in told:
            room["heroes"] = told["heroes"]
        if "stripped_state" in told:
            room["stripped"] = told["stripped_state"]

    def inside(self) -> dict[str, dict[str, Any]]:
        """Return the rooms that the client believes the user to be in, or invited to."""
        return {r: room for r, room in self.rooms.items() if room.get("membership") in ("join", "invite")}
