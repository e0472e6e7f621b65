"""Growth curves as SVG, written by hand: both axes logarithmic, one line for each server."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from bench.results import METRICS, Metric, Run, summarise

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 130, 56, 52

COLOURS = ("#0b7a75", "#c2410c", "#5b5bd6", "#a16207")
"""Told apart by people who do not see red and green apart; each line also has its name at its end."""

CHARTS: Mapping[str, str] = {
    "w2.p50_ms": "send-time-by-members",
    "w2.cpu_us": "send-cpu-by-members",
    "w2.join_ms": "join-time-by-members",
}
"""The metrics that are drawn, and the names of their files."""

Points = Sequence[tuple[float, float]]


def write_charts(run: Run, directory: Path) -> list[Path]:
    """Write the charts for which there are at least two points; return the files."""
    figures = summarise(run.samples)
    written: list[Path] = []
    for metric in METRICS:
        if metric.key not in CHARTS:
            continue
        curves: dict[str, list[tuple[float, float]]] = {name: [] for name in run.servers}
        for (key, axis, server), figure in figures.items():
            if key == metric.key and axis is not None and 0 < figure.middle < math.inf:
                curves[server].append((axis, figure.middle))
        if not any(len(points) > 1 for points in curves.values()):
            continue
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{CHARTS[metric.key]}.svg"
        path.write_text(draw(metric, {name: sorted(points) for name, points in curves.items()}))
        written.append(path)
    return written


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps a value of a logarithmic axis from whole powers of ten to pixels."""

    low: int
    high: int
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Scale:
        """Cover the values with whole powers of ten, at least one decade."""
        low = math.floor(math.log10(min(values)))
        return cls(low, max(low + 1, math.ceil(math.log10(max(values)))), start, end)

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def draw(metric: Metric, curves: Mapping[str, Points]) -> str:
    """Return one chart. `curves` has the points of each server, smallest first, all above zero.

    A server without points keeps its colour for itself, so that colours mean the same in all charts.
    """
    across = Scale.over([x for points in curves.values() for x, _ in points], LEFT, WIDTH - RIGHT)
    up = Scale.over([y for points in curves.values() for _, y in points], HEIGHT - BOTTOM, TOP)
    title = f"{metric.title} ({metric.unit})"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="system-ui, sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="16" font-weight="600" fill="#1a1a1a">{escape(title)}</text>',
        *_grid(across, up),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle" fill="#555555">'
        f"{escape(metric.axis or '')}</text>",
    ]
    for number, (name, points) in enumerate(curves.items()):
        if points:
            parts += _curve(
                name, [(across.at(x), up.at(y)) for x, y in points], COLOURS[number % len(COLOURS)]
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(across: Scale, up: Scale) -> list[str]:
    lines: list[str] = []
    for tick in up.ticks():
        y = up.at(tick)
        lines.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#dddddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="#555555">{tick:,g}</text>')
    for tick in across.ticks():
        x = across.at(tick)
        lines.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#eeeeee"/>')
        label = f"{tick:,.0f}"
        lines.append(
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="#555555">{label}</text>'
        )
    return lines


def _curve(name: str, pixels: Points, colour: str) -> list[str]:
    path = " ".join(f"{x},{y}" for x, y in pixels)
    last_x, last_y = pixels[-1]
    dots = [f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>' for x, y in pixels]
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
        *dots,
        f'<text x="{last_x + 10}" y="{last_y + 4}" font-weight="600" fill="{colour}">{escape(name)}</text>',
    ]
