"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from bench.charts import write_charts
from bench.errors import BenchError
from bench.machine import Cores, choose_cores
from bench.procfs import pin
from bench.report import render
from bench.results import Run
from bench.run import Benchmark, Contender
from bench.scale import FULL, QUICK, Scale
from bench.servers import SERVERS
from bench.workloads import WORKLOADS
from hamrasan.runtime.descriptors import raise_descriptor_limit

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
CHARTS = ROOT / "docs" / "development" / "bench"

QUIET_WAIT_SECONDS = 120.0
"""How long to wait for a quiet machine; then the measurement goes on and says that it was not."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; return 0 when all was measured, 1 when notes say why not."""
    options = _parse(arguments)
    raise_descriptor_limit()  # thousands of connections, here and in the servers, which inherit the limit
    cores = Cores(options.server_core, options.generator_core)
    pin(0, [cores.generator])
    try:
        with tempfile.TemporaryDirectory(prefix="hamrasan-bench-") as temporary:
            base = options.data or Path(temporary)
            contenders = [Contender(SERVERS[name](), base / name) for name in options.servers]
            run = Benchmark(
                scale=options.scale,
                cores=cores,
                quiet_wait_seconds=options.quiet_wait,
                workloads=options.only,
                contenders=contenders,
                reuse=options.data is not None,
            ).execute()
    except BenchError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 1
    _write(run, options.charts)
    return 1 if run.notes else 0


def _write(run: Run, charts: Path | None) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    stem = RESULTS / f"{run.started[:19].replace(':', '')}-{run.scale}"
    stem.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    text = render(run)
    stem.with_suffix(".md").write_text(text)
    written = write_charts(run, charts or (CHARTS if run.scale == FULL.name else stem))
    sys.stdout.write(text)
    for path in (stem.with_suffix(".json"), stem.with_suffix(".md"), *written):
        sys.stderr.write(f"wrote {path}\n")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    cores = choose_cores()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_const", dest="scale", const=QUICK, default=FULL)
    parser.add_argument("--only", type=_names(WORKLOADS), default=list(WORKLOADS), metavar="w1,w3")
    parser.add_argument("--servers", type=_names(SERVERS), default=list(SERVERS), metavar="hamrasan,synapse")
    parser.add_argument("--rounds", type=int, help="instead of the scale's number")
    parser.add_argument("--fill-seconds", type=int, help="time limit for filling W2's rooms and W5's, each")
    parser.add_argument("--quiet-wait", type=float, default=QUIET_WAIT_SECONDS, metavar="SECONDS")
    parser.add_argument("--data", type=Path, help="keep the servers' data here, and use what is there")
    parser.add_argument("--charts", type=Path, help="directory for the SVG files")
    parser.add_argument("--server-core", type=int, default=cores.server)
    parser.add_argument("--generator-core", type=int, default=cores.generator)
    options = parser.parse_args(arguments)
    options.scale = _adjust(options.scale, options.rounds, options.fill_seconds)
    return options


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return [name for name in known if name in names]

    return parse


def _adjust(scale: Scale, rounds: int | None, fill_seconds: int | None) -> Scale:
    if rounds is not None:
        scale = replace(scale, rounds=rounds)
    if fill_seconds is not None:
        scale = replace(scale, flat_fill_seconds=fill_seconds, hub_fill_seconds=fill_seconds)
    return scale
