"""The result as a person reads it: a table of medians with their range, ratios, and everything to judge them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.results import METRICS, Figure, Metric, Run, ratio, summarise

Figures = Mapping[tuple[str, int | None, str], Figure]

FAIRNESS = (
    "Same machine, same run; in each round the servers come one after another in random order, each pinned to "
    "one core, the generator on the other.",
    "Cells are the median over the rounds, with (lowest to highest) where there were several. CPU is user and "
    "system time of all of the server's processes, its database included.",
    "Rate limits and presence are off, push rules and the federation listener on, no TLS and no proxy; "
    "everybody registered through the same client API.",
    "W1 and W3 saturate the server, so their times are queueing times; the latency run tells what a person "
    "waits.",
)


def render(run: Run) -> str:
    """Return the whole report as Markdown."""
    servers = list(run.servers)
    figures = summarise(run.samples)
    parts = [
        f"# Benchmark, {run.scale} run of {run.started}",
        "",
        *_warnings(run),
        *_table(figures, servers),
        "",
    ]
    if any(figure.generator_bound for figure in figures.values()):
        parts += ["† set by the generator, which used more than 90 % of its core in every round.", ""]
    parts += ["## What did not come about", "", *(f"- {note}" for note in run.notes), ""] if run.notes else []
    parts += ["## How it was measured", "", *(f"- {line}" for line in FAIRNESS), ""]
    parts += [f"- {label}: {value}" for label, value in run.machine.items()]
    for name, facts in run.servers.items():
        parts += ["", f"### {name}", "", *(f"- {label}: {value}" for label, value in facts.items())]
    return "\n".join(parts) + "\n"


def _warnings(run: Run) -> list[str]:
    lines: list[str] = []
    measured = [sample for sample in run.samples if sample.workload != "start"]
    noisy = [sample for sample in measured if sample.idle_before is not None]
    if noisy:
        lines.append(
            f"**The machine was not quiet** before {len(noisy)} of {len(measured)} measurements: trust the CPU "
            "figures and the ratios more than the rates."
        )
    dropped = sum(sample.generator_bound for sample in measured)
    if dropped:
        lines.append(f"{dropped} of {len(measured)} measurements were dropped: the generator was the limit.")
    if run.scale != "full":
        lines.append("A quick run: good for a look while working, not for quoting.")
    classes = {facts["durability"][:1] for facts in run.servers.values() if facts}
    if len(classes) > 1:
        lines.append("**The servers promise different durability**: their sends must not be compared.")
    return [line for text in lines for line in (text, "")]


def _table(figures: Figures, servers: Sequence[str]) -> list[str]:
    compared = len(servers) == 2
    heads = ["figure", "unit", *servers, *([f"{servers[0]} is better by"] if compared else [])]
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * 2 + " ---: |" * (len(heads) - 2)]
    for metric in METRICS:
        sizes = {axis for key, axis, _ in figures if key == metric.key}
        for axis in sorted(sizes, key=lambda size: size or 0):
            found = [figures.get((metric.key, axis, server)) for server in servers]
            title = metric.title if axis is None else f"{metric.title}, {axis:,} {metric.axis}"
            cells = [title, metric.unit, *(_cell(figure) for figure in found)]
            if compared:
                cells.append(_ratio_cell(metric, found[0], found[1]))
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    text = format_number(figure.middle)
    if figure.rounds > 1:
        text += f" ({format_number(figure.low)} to {format_number(figure.high)})"
    return f"{text} †" if figure.generator_bound else text


def _ratio_cell(metric: Metric, ours: Figure | None, theirs: Figure | None) -> str:
    if ours is None or theirs is None:
        return "-"
    factor = ratio(metric, ours, theirs)
    return "-" if factor is None else f"{format_number(factor)} times"


def format_number(value: float) -> str:
    """Return a number with three significant digits, thousands separated; infinity is "never"."""
    if math.isinf(value):
        return "never"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 4)}f}"
