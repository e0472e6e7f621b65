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


def test_devices_and_people_verify_each_other_by_emoji(client_server: ServerProcess) -> None:
    report = run_scenario("verification", url=client_server.url, names=["sas-a", "sas-b"])
    shown = [*report["own"], report["devices"], report["people"]]
    assert [len(emoji.split(" ")) for emoji in shown] == [7] * 4


def test_a_new_device_reads_the_history_with_keys_from_the_backup(client_server: ServerProcess) -> None:
    texts = CONVERSATION[:4]
    report = run_scenario("key_backup", url=client_server.url, names=["bak-a", "bak-b"], texts=texts)
    assert report["history"] == list(texts)
    assert report["restored"] == {"total": 2, "imported": 2}
    assert report["last"]["body"] == texts[0]


def test_new_signing_keys_are_confirmed_and_noticed(client_server: ServerProcess) -> None:
    report = run_scenario("reset_keys", url=client_server.url, names=["new-a", "new-b"])
    assert (report["refused"], report["changed"]) == (1, True)


def test_a_dehydrated_device_takes_in_keys_while_there_is_no_other(client_server: ServerProcess) -> None:
    texts = CONVERSATION[:3]
    report = run_scenario("dehydration", url=client_server.url, names=["dry-a", "dry-b"], texts=texts)
    assert report["supported"]
    assert report["keys"] >= 1
    assert report["history"] == list(texts)
    assert report["dehydrated"] == 1
