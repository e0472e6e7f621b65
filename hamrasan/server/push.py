"""The parts of push notifications, put together."""

from __future__ import annotations

from hamrasan.http.services import Ground, PushServices
from hamrasan.push.pushers import Pushers
from hamrasan.storage.sqlite.store import Store


def build_push(store: Store, ground: Ground) -> PushServices:
    """Put together what tells devices of news that do not ask."""
    return PushServices(pushers=Pushers(store.journal, store.push, ground.outbound, ground.clock))
