"""The servers that can be measured, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.servers.base import Server
from bench.servers.hamrasan import Hamrasan
from bench.servers.synapse import Synapse

SERVERS: Mapping[str, Callable[[], Server]] = {"hamrasan": Hamrasan, "synapse": Synapse}
