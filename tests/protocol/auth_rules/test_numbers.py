"""The rules' numbers, held against the lists in the specification's room versions."""

from dataclasses import asdict

import pytest

from hamrasan.protocol.auth_rules.numbers import rule_numbers
from hamrasan.protocol.room_versions import ROOM_VERSIONS

LISTS = {
    "1": {
        "auth_events": "2", "federate": "3", "aliases": "4", "member": "5", "join": "5.2", "join_otherwise": "5.2.6",
        "invite": "5.3", "leave": "5.4", "ban": "5.5", "unknown_membership": "5.6", "sender_joined": "6",
        "third_party_invite": "7", "level": "8", "state_key": "9", "levels_users": "10.1",
        "levels_property_changed": "10.3", "levels_entry_changed": "10.4", "levels_entry_added": "10.5",
        "levels_user_changed": "10.6", "levels_user_added": "10.7", "redaction": "11",
    },
    "6": {
        "auth_events": "2", "federate": "3", "member": "4", "join": "4.2", "invite": "4.3", "unknown_membership": "4.6",
        "sender_joined": "5", "third_party_invite": "6", "level": "7", "state_key": "8", "levels_users": "9.1",
        "levels_user_added": "9.7",
    },
    "7": {"join": "4.2", "join_otherwise": "4.2.6", "ban": "4.5", "knock": "4.6", "unknown_membership": "4.7"},
    "9": {
        "member_authorised": "4.2", "join": "4.3", "join_restricted": "4.3.5", "join_otherwise": "4.3.7",
        "invite": "4.4", "leave": "4.5", "ban": "4.6", "knock": "4.7", "unknown_membership": "4.8",
        "levels_users": "9.1", "levels_property_changed": "9.3",
    },
    "10": {
        "levels_integers": "9.1", "levels_maps": "9.2", "levels_users": "9.3", "levels_property_changed": "9.5",
        "levels_entry_changed": "9.6", "levels_entry_added": "9.7", "levels_user_changed": "9.8",
        "levels_user_added": "9.9",
    },
    "12": {
        "room_id": "2", "auth_events": "3", "federate": "4", "member": "5", "join": "5.3", "invite": "5.4",
        "leave": "5.5", "ban": "5.6", "knock": "5.7", "sender_joined": "6", "third_party_invite": "7", "level": "8",
        "state_key": "9", "levels_integers": "10.1", "levels_maps": "10.2", "levels_users": "10.3",
        "levels_creators": "10.4", "levels_property_changed": "10.6", "levels_entry_changed": "10.7",
        "levels_entry_added": "10.8", "levels_user_changed": "10.9", "levels_user_added": "10.10",
    },
}  # fmt: skip
SAME_AS = {"2": "1", "3": "1", "5": "1", "8": "9", "11": "10"}


@pytest.mark.parametrize("version", [*LISTS, *SAME_AS])
def test_numbers_are_those_of_the_version(version: str) -> None:
    numbers = asdict(rule_numbers(ROOM_VERSIONS[version]))
    expected = LISTS[SAME_AS.get(version, version)]
    assert {name: numbers[name] for name in expected} == expected
