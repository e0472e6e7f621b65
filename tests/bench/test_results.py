"""How samples become figures, ratios, a table and charts."""

import math
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from bench.charts import write_charts
from bench.figures import median, percentile
from bench.report import format_number, render
from bench.results import METRICS, Figure, Run, Sample, ratio, summarise

METRIC = {metric.key: metric for metric in METRICS}


def sample(server: str, value: float, key: str = "w1.sends_per_s", share: float = 0.1) -> Sample:
    return Sample(server, key.partition(".")[0], 1, {key: value}, generator_share=share)


def run_with(samples: list[Sample]) -> Run:
    facts = {"version": "1", "durability": "D: fsync"}
    return Run("2026-01-01T00:00:00", "full", {"processor": "x"}, {"ours": facts, "theirs": facts}, samples)


def test_percentile_is_a_value_that_occurred() -> None:
    values = [5.0, 1.0, 3.0, 2.0, 4.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile([*values, math.inf], 1.0) == math.inf
    with pytest.raises(ValueError, match="needs values"):
        percentile([], 0.5)


def test_median_of_an_even_number_lies_between() -> None:
    assert median([4.0, 1.0, 3.0, 2.0]) == 2.5


def test_round_that_the_generator_set_does_not_count() -> None:
    figures = summarise([sample("ours", 100), sample("ours", 900, share=0.95), sample("ours", 120)])
    assert figures["w1.sends_per_s", None, "ours"] == Figure(110, 100, 120, 2, False)


def test_figure_of_only_such_rounds_is_marked_and_gives_no_ratio() -> None:
    figures = summarise([sample("ours", 900, share=0.95), sample("theirs", 30)])
    ours, theirs = (figures["w1.sends_per_s", None, name] for name in ("ours", "theirs"))
    assert ours.generator_bound
    assert ratio(METRIC["w1.sends_per_s"], ours, theirs) is None


@pytest.mark.parametrize(
    ("key", "ours", "theirs", "expected"),
    [
        ("w1.sends_per_s", 300.0, 30.0, 10.0),
        ("w1.cpu_us", 30.0, 300.0, 10.0),
        ("w3.wrong_percent", 0.0, 0.0, None),
        ("latency.p99_ms", 3.0, math.inf, None),
    ],
)
def test_ratio_says_how_much_better_ours_is(
    key: str, ours: float, theirs: float, expected: float | None
) -> None:
    figures = [Figure(value, value, value, 1, False) for value in (ours, theirs)]
    assert ratio(METRIC[key], *figures) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345.6, "12,346"), (1.234, "1.23"), (0.01234, "0.0123"), (0.0, "0"), (math.inf, "never")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert format_number(value) == text


def test_report_shows_figures_ratio_and_what_did_not_come_about() -> None:
    run = run_with([sample("ours", 3000), sample("theirs", 30)])
    run.notes.append("theirs, W2: 5,000 members not reached in 60 s")
    text = render(run)
    assert "| W1 sends, 10-member rooms | 1/s | 3,000 | 30.0 | 100 times |" in text
    assert "not reached in 60 s" in text
    assert "not quiet" not in text


def test_report_warns_of_noise_and_of_unequal_durability() -> None:
    run = run_with([msgspec.structs.replace(sample("ours", 3000), idle_before=0.4)])
    run.servers["theirs"] = {"durability": "O: none"}
    text = render(run)
    assert "not quiet** before 1 of 1" in text
    assert "promise different durability" in text


def test_charts_are_drawn_from_two_points_on(tmp_path: Path) -> None:
    points = {10: 1.5, 100: 1.6, 1000: 1.7}
    samples = [
        Sample("ours", "w2", 1, {"w2.p50_ms": value, "w2.cpu_us": 5.0}, axis=members)
        for members, value in points.items()
    ]
    samples.append(Sample("theirs", "w2", 1, {"w2.p50_ms": 20.0}, axis=10))
    written = write_charts(run_with(samples), tmp_path)
    assert [path.name for path in written] == ["send-time-by-members.svg", "send-cpu-by-members.svg"]
    svg = ElementTree.parse(written[0]).getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert len(svg.findall(f"{name}circle")) == 4
    assert [line.get("stroke") for line in svg.findall(f"{name}polyline")] == ["#0b7a75", "#c2410c"]


def test_run_survives_being_written_and_read() -> None:
    run = run_with([sample("ours", 3000)])
    assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run
