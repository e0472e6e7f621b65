"""Encrypted conversations of real clients: what they write reaches every device, and the server cannot read it."""

from __future__ import annotations

from tests.clients.node import run_scenario
from tests.clients.texts import CONVERSATION
from tests.processes import ServerProcess


def test_people_converse_encrypted_on_several_devices(client_server: ServerProcess) -> None:
    texts = CONVERSATION[:6]
    report = run_scenario("encrypted", url=client_server.url, names=["enc-a", "enc-b"], texts=texts)
    one, other = report["users"]
    senders = [one, other, other]
    assert len(report["heard"]) == len(texts)
    for number, heard in enumerate(report["heard"]):
        expected = {"body": texts[number], "sent": "m.room.encrypted", "sender": senders[number % 3]}
        assert heard["as"] == [expected] * 3
