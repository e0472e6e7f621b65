from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.running import Running, refused

ROOM = "!room:hamrasan.test"


def rule(kind: str, rule_id: str, part: str = "") -> str:
    """Return the path of a rule, or of a part of it."""
    return f"/pushrules/global/{kind}/{quote(rule_id, safe='')}{part}"


def test_a_new_user_has_the_predefined_rules(server: Running) -> None:
    alice = server.register()
    everything = alice.get("/pushrules/")
    assert alice.get("/pushrules/global/") == everything["global"]
    assert everything["global"]["override"][0]["rule_id"] == ".m.rule.master"
    mention = alice.get(rule("override", ".m.rule.is_user_mention"))
    assert mention["conditions"][0]["value"] == alice.user_id


def test_a_rule_is_added_read_changed_and_deleted(server: Running) -> None:
    alice = server.register()
    cake = rule("content", "cake")
    assert alice.put(cake, {"pattern": "cake*lie", "actions": ["notify"]}) == {}
    assert alice.get(cake) == {
        "rule_id": "cake",
        "default": False,
        "enabled": True,
        "pattern": "cake*lie",
        "actions": ["notify"],
    }
    assert alice.get(cake + "/enabled") == {"enabled": True}
    assert alice.put(cake + "/enabled", {"enabled": False}) == {}
    assert alice.get(cake + "/enabled") == {"enabled": False}
    assert alice.put(cake + "/actions", {"actions": [{"set_tweak": "highlight"}]}) == {}
    assert alice.get(cake + "/actions") == {"actions": [{"set_tweak": "highlight"}]}
    assert alice.delete(cake) == {}
    refused(alice.request("GET", cake), 404, "M_NOT_FOUND")


def test_rules_stand_where_before_and_after_say(server: Running) -> None:
    alice = server.register()
    body = {"pattern": "x", "actions": []}
    alice.put(rule("content", "b"), body)
    alice.put(rule("content", "a"), body)
    alice.put(rule("content", "c"), body, after="b")
    alice.put(rule("content", "between"), body, before="b")
    rules = alice.get("/pushrules/global/")["content"]
    assert [each["rule_id"] for each in rules] == ["a", "between", "b", "c"]
    answer = alice.request("PUT", rule("content", "d"), body, before="none")
    assert "none" in refused(answer, 400, "M_UNKNOWN")["error"]


def test_a_first_sync_shows_the_rules_of_who_never_changed_them(server: Running) -> None:
    alice = server.register()
    rules = [
        event["content"]
        for event in alice.sync()["account_data"]["events"]
        if event["type"] == "m.push_rules"
    ]
    assert rules == [alice.get("/pushrules/")]


def test_a_change_reaches_sync_with_all_rules(server: Running) -> None:
    alice = server.register()
    since = alice.sync()["next_batch"]
    alice.put(rule("room", ROOM), {"actions": []})
    (event,) = alice.sync(since)["account_data"]["events"]
    assert event == {"type": "m.push_rules", "content": alice.get("/pushrules/")}


@pytest.mark.parametrize("part", ["", "/enabled", "/actions"])
def test_rules_and_kinds_that_do_not_exist_are_not_found_or_refused(server: Running, part: str) -> None:
    alice = server.register()
    refused(alice.request("GET", rule("content", "none", part)), 404, "M_NOT_FOUND")
    refused(alice.request("GET", rule("nokind", "none", part)), 400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "errcode"),
    [
        ("PUT", rule("content", ".mine"), {"pattern": "x", "actions": []}, 400, "M_INVALID_PARAM"),
        ("PUT", rule("content", "a/b"), {"pattern": "x", "actions": []}, 400, "M_INVALID_PARAM"),
        ("PUT", rule("content", "a\\b"), {"pattern": "x", "actions": []}, 400, "M_INVALID_PARAM"),
        ("PUT", rule("content", "x"), {"actions": []}, 400, "M_MISSING_PARAM"),
        ("PUT", rule("content", "x"), {"pattern": "x"}, 400, "M_MISSING_PARAM"),
        ("PUT", rule("override", "x"), {"conditions": {}, "actions": []}, 400, "M_BAD_JSON"),
        ("PUT", rule("content", "none", "/enabled"), {"enabled": True}, 404, "M_NOT_FOUND"),
        ("PUT", rule("override", ".m.rule.master", "/enabled"), {"enabled": "yes"}, 400, "M_BAD_JSON"),
        ("PUT", rule("override", ".m.rule.master", "/actions"), {}, 400, "M_MISSING_PARAM"),
        ("DELETE", rule("override", ".m.rule.master"), None, 400, "M_INVALID_PARAM"),
        ("DELETE", rule("content", "none"), None, 404, "M_NOT_FOUND"),
    ],
)
def test_a_bad_change_is_refused_and_changes_nothing(
    server: Running, method: str, path: str, body: Any, status: int, errcode: str
) -> None:
    alice = server.register()
    before = alice.get("/pushrules/")
    refused(alice.request(method, path, body), status, errcode)
    assert alice.get("/pushrules/") == before
