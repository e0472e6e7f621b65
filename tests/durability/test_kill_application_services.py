"""What an application service is told survives SIGKILL: nothing is lost, and no transaction changes what it holds."""

from __future__ import annotations

import itertools
from pathlib import Path

import httpx

from tests.application_services import TRANSACTIONS, Says, Told, bridge
from tests.processes import server_process
from tests.running import answered

KILLS = 4
MESSAGES = 60
"""Between two kills."""


def test_nothing_is_lost_and_no_transaction_id_is_used_twice(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    answers = itertools.cycle([200, 200, 500, 200, 200, 200, 503])
    with (
        bridge(data_dir, "bridge", **{"org.matrix.msc3202": True}) as service,
        server_process(data_dir) as server,
    ):
        service.answer = lambda told: Says(next(answers) if told.path.startswith(TRANSACTIONS) else 404)
        anna = server.register("anna", checked=False)
        room_id = anna.create_room(preset="public_chat")
        with service.http(server.url) as http:
            answered(http.post(f"/join/{room_id}", json={}))
            assert http.put("/devices/BRIDGE", json={}).status_code == 201
        acknowledged: list[str] = []
        to_device: list[str] = []
        for round_number in range(KILLS):
            for number in range(MESSAGES):
                text = f"{round_number} {number}"
                anna.send(room_id, text)
                acknowledged.append(text)
                if number % 10 == 0:
                    messages = {service.bot: {"BRIDGE": {"text": text}}}
                    anna.put(f"/sendToDevice/m.test/{round_number}-{number}", {"messages": messages})
                    to_device.append(text)
            server.kill()
            server.start()
            anna.http.close()
            anna.http = httpx.Client(
                base_url=server.url, headers={"Authorization": f"Bearer {anna.token}"}, timeout=30
            )
        service.answer = lambda told: Says()
        anna.send(room_id, "the end")
        service.wait_for_text("the end")
        assert service.texts == [*acknowledged, "the end"]
        service.wait(lambda: len(service.to_device) >= len(to_device), "every message to the device")
        assert [message["content"]["text"] for message in service.to_device] == to_device
        assert_each_id_has_one_body(service.told)


def assert_each_id_has_one_body(told: list[Told]) -> None:
    """Fail if one transaction id came with two bodies."""
    bodies: dict[str, set[bytes]] = {}
    for request in told:
        if request.path.startswith(TRANSACTIONS):
            bodies.setdefault(request.path, set()).add(request.body)
    assert [path for path, found in bodies.items() if len(found) > 1] == []
