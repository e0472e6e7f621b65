"""Relations between events: reading, threads, edits, bundles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.relations import (
    Relation,
    ThreadSummary,
    annotation_identity,
    bundled_relations,
    check_thread_root,
    duplicate_annotation,
    edited_content,
    latest_edit,
    relation_of,
    reply_target,
    thread_root_of,
    valid_edit,
)


@dataclass(frozen=True)
class Message:
    event_id: str = "$original"
    room_id: str = "!room:example.org"
    type: str = "m.room.message"
    sender: str = "@alice:example.org"
    state_key: str | None = None
    content: dict[str, Any] = field(default_factory=lambda: {"msgtype": "m.text", "body": "one"})
    origin_server_ts: int = 1000


def relating(rel_type: Any, event_id: Any = "$parent", **more: Any) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": rel_type, "event_id": event_id, **more}}


def edit(event_id: str = "$edit", ts: int = 2000, **changes: Any) -> Message:
    content = {"body": "* two", "m.new_content": {"body": "two"}, **relating("m.replace", "$original")}
    return replace(Message(event_id=event_id, origin_server_ts=ts, content=content), **changes)


@pytest.mark.parametrize(
    ("content", "relation"),
    [
        (relating("m.reference"), Relation("m.reference", "$parent")),
        (relating("m.annotation", key="👍"), Relation("m.annotation", "$parent", key="👍")),
        (relating("org.example", key="ignored"), Relation("org.example", "$parent")),
        (
            relating("m.thread", is_falling_back=True, **{"m.in_reply_to": {"event_id": "$last"}}),
            Relation("m.thread", "$parent", None, True, "$last"),
        ),
        (relating("m.thread", is_falling_back=1), Relation("m.thread", "$parent")),
        (relating("m.thread", **{"m.in_reply_to": {"event_id": 1}}), Relation("m.thread", "$parent")),
        (relating("m.annotation"), None),
        (relating("m.annotation", key=1), None),
        (relating(None), None),
        (relating(""), None),
        (relating("x" * 256), None),
        (relating("m.thread", None), None),
        (relating("m.thread", "parent"), None),
        (relating("m.thread", "$" + "x" * 255), None),
        ({"m.relates_to": {"m.in_reply_to": {"event_id": "$last"}}}, None),
        ({"m.relates_to": []}, None),
        ({}, None),
    ],
)
def test_relation_of(content: dict[str, Any], relation: Relation | None) -> None:
    assert relation_of(content) == relation


@pytest.mark.parametrize(
    ("relates_to", "target"),
    [
        ({"m.in_reply_to": {"event_id": "$last"}}, "$last"),
        ({"rel_type": "m.thread", "event_id": "$root", "m.in_reply_to": {"event_id": "$last"}}, "$last"),
        ({"m.in_reply_to": "$last"}, None),
        ({"m.in_reply_to": {}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_reply_target(relates_to: Any, target: str | None) -> None:
    assert reply_target({"m.relates_to": relates_to}) == target


class TestThreads:
    relations: ClassVar = {
        "$message": Relation("m.thread", "$root"),
        "$edit": Relation("m.replace", "$message"),
        "$reaction": Relation("m.annotation", "$edit"),
        "$deep": Relation("m.reference", "$reaction"),
        "$loop": Relation("m.reference", "$loop"),
        "$on_root": Relation("m.annotation", "$root"),
    }

    @pytest.mark.parametrize(
        ("event_id", "root"),
        [
            ("$message", "$root"),
            ("$edit", "$root"),
            ("$reaction", "$root"),
            ("$deep", None),
            ("$loop", None),
            ("$root", None),
            ("$on_root", None),
        ],
    )
    def test_root(self, event_id: str, root: str | None) -> None:
        assert thread_root_of(self.relations.get(event_id), self.relations.get) == root

    def test_a_reply_can_become_a_root_and_an_edit_cannot(self) -> None:
        check_thread_root({"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}})
        with pytest.raises(MatrixError) as caught:
            check_thread_root(relating("m.replace"))
        assert (caught.value.status, caught.value.errcode) == (400, "M_UNKNOWN")


def test_the_same_annotation_of_one_user_has_one_identity() -> None:
    thumb, heart = Relation("m.annotation", "$x", "👍"), Relation("m.annotation", "$x", "❤")
    identity = annotation_identity("m.reaction", "@a:x", thumb)
    assert identity == annotation_identity("m.reaction", "@a:x", thumb)
    others = {
        annotation_identity("m.reaction", "@b:x", thumb),
        annotation_identity("m.reaction", "@a:x", heart),
        annotation_identity("m.other", "@a:x", thumb),
        annotation_identity("m.reaction", "@a:x", Relation("m.thread", "$x")),
    }
    assert identity not in others
    assert None in others
    assert duplicate_annotation().errcode == "M_DUPLICATE_ANNOTATION"


class TestEdits:
    def test_valid(self) -> None:
        assert valid_edit(Message(), edit())

    @pytest.mark.parametrize(
        "changes",
        [
            {"sender": "@bob:example.org"},
            {"type": "m.sticker"},
            {"room_id": "!other:example.org"},
            {"state_key": ""},
            {"content": {"body": "two", **relating("m.replace", "$original")}},
            {"content": {"m.new_content": "two", **relating("m.replace", "$original")}},
            {"content": {"m.new_content": {}, **relating("m.replace", "$another")}},
            {"content": {"m.new_content": {}, **relating("m.reference", "$original")}},
            {"content": {}},
        ],
    )
    def test_invalid(self, changes: dict[str, Any]) -> None:
        assert not valid_edit(Message(), edit(**changes))

    def test_an_edit_cannot_be_edited_but_a_thread_message_can(self) -> None:
        assert not valid_edit(Message(content=relating("m.replace", "$first")), edit())
        assert valid_edit(Message(content=relating("m.thread", "$root")), edit())

    def test_state_cannot_be_edited(self) -> None:
        assert not valid_edit(Message(state_key=""), edit(state_key=""))

    def test_encrypted_events_are_edited_by_encrypted_events(self) -> None:
        secret = {"algorithm": "m.megolm.v1.aes-sha2", **relating("m.replace", "$original")}
        assert valid_edit(Message(type="m.room.encrypted"), edit(type="m.room.encrypted", content=secret))
        assert not valid_edit(Message(type="m.room.encrypted"), edit())

    def test_the_latest_is_the_newest_valid_one(self) -> None:
        edits = [
            edit("$a", 3000),
            edit("$c", 2000),
            edit("$b", 3000),
            edit("$z", 9000, sender="@bob:example.org"),
        ]
        latest = latest_edit(Message(), edits)
        assert latest is not None
        assert latest.event_id == "$b"
        assert latest_edit(Message(), []) is None

    def test_content_after_an_edit(self) -> None:
        original = {"body": "one", "formatted_body": "<b>one</b>", **relating("m.thread", "$root")}
        new = {"body": "two", "m.relates_to": {"rel_type": "m.reference", "event_id": "$x"}}
        changed = edited_content(original, {"m.new_content": new, **relating("m.replace", "$original")})
        assert changed == {"body": "two", **relating("m.thread", "$root")}
        assert edited_content({"body": "one"}, {"m.new_content": new}) == {"body": "two"}


def test_bundles() -> None:
    assert bundled_relations() is None
    assert bundled_relations(
        latest_replacement={"event_id": "$edit"},
        thread=ThreadSummary({"event_id": "$last"}, 7, True),
        references=["$one", "$two"],
    ) == {
        "m.replace": {"event_id": "$edit"},
        "m.thread": {"latest_event": {"event_id": "$last"}, "count": 7, "current_user_participated": True},
        "m.reference": {"chunk": [{"event_id": "$one"}, {"event_id": "$two"}]},
    }
