"""What a workload is given."""

from __future__ import annotations

from dataclasses import dataclass

from bench.machine import Cores
from bench.results import Sample
from bench.scale import Scale
from bench.servers.base import RunningServer
from bench.world import World


@dataclass(frozen=True, slots=True)
class Context:
    """A running server with its world, in one round. `tag` makes transaction ids and marks unique."""

    running: RunningServer
    world: World
    scale: Scale
    cores: Cores
    round: int
    tag: str

    def sample(
        self, workload: str, values: dict[str, float], axis: int | None = None, generator_share: float = 0.0
    ) -> Sample:
        """Return the figures as a sample of this server and round."""
        named = {f"{workload}.{key}": value for key, value in values.items()}
        return Sample(
            server=self.running.server.name,
            workload=workload,
            round=self.round,
            values=named,
            axis=axis,
            generator_share=generator_share,
        )
