"""Rooms keep servers out, from the event on that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.rooms.server_acls import ServerAcls
from tests.rooms.engine import ALICE, Engine, on_engine, state


def test_a_room_without_a_list_lets_everybody_in(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        assert ServerAcls().allows(await engine.room(), "anywhere.example")

    on_engine(tmp_path, scenario)


def test_a_list_counts_from_its_event_on_and_a_later_one_replaces_it(tmp_path: Path) -> None:
    async def scenario(engine: Engine) -> None:
        room, acls = await engine.room(), ServerAcls()
        assert acls.allows(room, "evil.example")
        denies = {"allow": ["*"], "deny": ["evil.example"]}
        await engine.registry.send(room, state("m.room.server_acl", denies, ALICE))
        assert not acls.allows(room, "evil.example:8448")
        assert acls.allows(room, "good.example")
        with pytest.raises(MatrixError) as refusal:
            acls.check(room, "evil.example")
        assert (refusal.value.status, refusal.value.errcode) == (403, "M_FORBIDDEN")
        await engine.registry.send(room, state("m.room.server_acl", {"allow": ["*"]}, ALICE))
        assert acls.allows(room, "evil.example")

    on_engine(tmp_path, scenario)
