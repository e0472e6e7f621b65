"""matrix-js-sdk sets pushers and push rules, and shows what one was notified of, against a server process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.clients.node import run_scenario
from tests.gateways import HERE, gateway
from tests.processes import server_process


def test_a_person_is_pushed_counted_and_shown_what_concerns_them(tmp_path: Path) -> None:
    with (
        server_process(tmp_path / "data", reachable_networks=",".join(HERE)) as server,
        gateway() as pushes,
    ):

        def pushed(question: dict[str, Any]) -> None:
            pushes.wait(lambda: pushes.events() == question["eventIds"])

        report = run_scenario(
            "notifications",
            {"pushed": pushed},
            url=server.url,
            names=["js-loud", "js-called"],
            gateway=pushes.url,
            keyword="چای",
            texts=["سلام", "وقت چای است", "بعداً"],
        )
        assert report["pushers"] == report["wanted"]
        said = report["said"]
        assert report["counts"] == [4, 2]
        assert report["listed"] == [said[1], said[3]], "what highlights, the oldest first"
        assert (report["content"], report["mentions"], report["left"]) == (0, False, 0)
        server.stop()
        assert server.complaints == []
