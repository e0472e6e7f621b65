"""Registration files: what is right is taken, and of what is wrong file, line, key and remedy are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hamrasan.policy.application_services import ApplicationService
from hamrasan.policy.registration_files import (
    FOLDER,
    MAX_FILE_BYTES,
    RegistrationsUnusable,
    load_registrations,
)
from tests.registrations import NAME, registration, write_registration


def problems(data_dir: Path) -> list[tuple[str, str, str | None]]:
    """Return (place, message, expectation) of everything that is wrong in a folder."""
    with pytest.raises(RegistrationsUnusable) as caught:
        load_registrations(data_dir, NAME)
    return [(item.where.rpartition("/")[2], item.message, item.expected) for item in caught.value.problems]


def written(data_dir: Path, text: str) -> None:
    (data_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    (data_dir / FOLDER / "x.yaml").write_text(text, "utf-8")


def loaded(data_dir: Path, **changes: Any) -> ApplicationService:
    write_registration(data_dir, registration(**changes))
    (service,) = load_registrations(data_dir, NAME)
    return service


def test_a_folder_without_registrations_has_none(tmp_path: Path) -> None:
    assert load_registrations(tmp_path, NAME) == []


def test_everything_is_taken_from_the_file(tmp_path: Path) -> None:
    service = loaded(
        tmp_path,
        url="http://localhost:29317/sub/",
        protocols=["irc", "gitter"],
        rate_limited=True,
        receive_ephemeral=True,
        **{"org.matrix.msc3202": True, "io.element.msc4190": True},
    )
    assert (service.id, service.url, service.sender) == (
        "bridge",
        "http://localhost:29317/sub",
        "@_bridge_bot:hamrasan.test",
    )
    assert service.protocols == ("irc", "gitter")
    assert (service.rate_limited, service.receive_ephemeral, service.encrypts) == (True, True, True)
    assert service.as_token not in repr(service)
    assert service.hs_token not in repr(service)


def test_what_may_be_missing_has_its_default(tmp_path: Path) -> None:
    service = loaded(tmp_path, namespaces={})
    assert (service.url, service.users, service.protocols) == (None, (), ())
    assert (service.rate_limited, service.receive_ephemeral, service.encrypts) == (False, False, False)


def test_older_names_of_keys_are_understood(tmp_path: Path) -> None:
    assert loaded(tmp_path, **{"de.sorunome.msc2409.push_ephemeral": True}).receive_ephemeral


@pytest.mark.parametrize(
    ("changes", "message", "expected"),
    [
        ({"id": ""}, "value", "text"),
        ({"id": 12}, "value", "text"),
        ({"id": "x" * 256}, "value", "text"),
        ({"url": "localhost:29317"}, "value", "url"),
        ({"url": "ftp://localhost"}, "value", "url"),
        ({"url": "http://localhost:99999"}, "value", "url"),
        ({"url": "http://me:secret@localhost"}, "value", "url"),
        ({"url": 12}, "value", "url"),
        ({"as_token": "short"}, "value", "token"),
        ({"as_token": None}, "value", "token"),
        ({"hs_token": "with a space in the middle"}, "value", "token"),
        ({"hs_token": "با نویسه‌هایی که در سربرگ نمی‌آیند"}, "value", "token"),
        ({"sender_localpart": "@bot:example.org"}, "value", "localpart"),
        ({"sender_localpart": "x" * 256}, "value", "localpart"),
        ({"namespaces": []}, "value", "namespaces"),
        ({"namespaces": {"people": []}}, "value", "namespaces"),
        ({"namespaces": {"users": {}}}, "value", "namespace"),
        ({"namespaces": {"users": ["@_x_.*"]}}, "value", "namespace"),
        ({"namespaces": {"users": [{"regex": "@x", "exclusive": "yes"}]}}, "value", "namespace"),
        ({"namespaces": {"users": [{"regex": "@(", "exclusive": True}]}}, "pattern", "pattern"),
        ({"namespaces": {"rooms": [{"regex": "!(?!a)", "exclusive": True}]}}, "pattern", "pattern"),
        ({"namespaces": {"aliases": [{"regex": r"#(a)\1", "exclusive": True}]}}, "pattern", "pattern"),
        ({"rate_limited": "no"}, "value", "boolean"),
        ({"protocols": "irc"}, "value", "strings"),
        ({"protocols": [""]}, "value", "strings"),
        ({"recieve_ephemeral": True}, "unknown_similar", None),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str, expected: str | None
) -> None:
    write_registration(tmp_path, {**registration(), **changes}, "x.yaml")
    ((where, found, wanted),) = problems(tmp_path)
    assert where.startswith("x.yaml:")
    assert found == f"registration.{message}"
    assert wanted == (None if expected is None else f"registration_expected.{expected}")


@pytest.mark.parametrize("name", ["id", "url", "as_token", "hs_token", "sender_localpart", "namespaces"])
def test_what_is_missing_is_named(tmp_path: Path, name: str) -> None:
    values = registration()
    del values[name]
    write_registration(tmp_path, values, "x.yaml")
    ((where, message, expected),) = problems(tmp_path)
    assert (where, message) == ("x.yaml:1", "registration.missing")
    assert expected is not None


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("id: a\nurl: [\n", "x.yaml:3", "not_yaml"),
        ("just a sentence", "x.yaml:1", "table"),
        ("- a\n- b\n", "x.yaml:1", "table"),
        ("", "x.yaml:1", "table"),
        ("id: !!python/object:os.system x\n", "x.yaml:1", "not_yaml"),
        ("#" * (MAX_FILE_BYTES + 1), "x.yaml:1", "too_large"),
    ],
)
def test_what_is_no_registration_at_all_is_named(tmp_path: Path, text: str, where: str, message: str) -> None:
    written(tmp_path, text)
    assert problems(tmp_path) == [(where, f"registration.{message}", None)]


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("")
    assert problems(tmp_path) == [(FOLDER, "registration.unreadable", None)]


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    written(tmp_path, "")
    (tmp_path / FOLDER / "x.yaml").write_bytes(b"\xff\xfe")
    assert problems(tmp_path) == [("x.yaml:1", "registration.unreadable", None)]


def test_lines_are_those_of_the_keys(tmp_path: Path) -> None:
    written(
        tmp_path,
        "id: a\n"
        "url: null\n"
        "as_token: 0123456789abcdef-a\n"
        "hs_token: 0123456789abcdef-b\n"
        "sender_localpart: bot\n"
        "rate_limited: maybe\n"
        "namespaces:\n"
        "  users:\n"
        "    - exclusive: true\n"
        "      regex: '@('\n"
        "id: b\n",
    )
    assert [(where, message) for where, message, _ in problems(tmp_path)] == [
        ("x.yaml:11", "registration.duplicate_key"),
        ("x.yaml:10", "registration.pattern"),
        ("x.yaml:6", "registration.value"),
    ]


def test_anchors_within_themselves_and_bombs_of_anchors_end(tmp_path: Path) -> None:
    written(tmp_path, "id: &a [*a]\nnamespaces: &b {users: *b}\n")
    assert problems(tmp_path)
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    bomb += "id: *a11\nurl: *a11\nnamespaces: *a11\n"
    written(tmp_path, bomb)
    assert problems(tmp_path)


@pytest.mark.parametrize("name", ["id", "as_token", "sender_localpart"])
def test_two_files_with_the_same_id_token_or_user_are_refused(tmp_path: Path, name: str) -> None:
    one, other = registration("one"), registration("two")
    other[name] = one[name]
    write_registration(tmp_path, one, "1.yaml")
    write_registration(tmp_path, other, "2.yaml")
    with pytest.raises(RegistrationsUnusable) as caught:
        load_registrations(tmp_path, NAME)
    (problem,) = caught.value.problems
    assert problem.message == "registration.in_use"
    assert (problem.values["name"], problem.values["other"].rpartition("/")[2]) == (name, "1.yaml")
    assert one["as_token"] not in str(caught.value)


def test_a_wrong_token_is_not_repeated(tmp_path: Path) -> None:
    write_registration(tmp_path, registration(as_token="hunter2"))
    with pytest.raises(RegistrationsUnusable) as caught:
        load_registrations(tmp_path, NAME)
    assert "hunter2" not in str(caught.value)


def test_what_is_no_yaml_by_its_name_is_not_read(tmp_path: Path) -> None:
    write_registration(tmp_path, registration("one"), "one.yml")
    write_registration(tmp_path, registration("two"), "two.yaml.bak")
    assert [service.id for service in load_registrations(tmp_path, NAME)] == ["one"]


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write_registration(tmp_path, registration(url="x", as_token="y"), "1.yaml")
    write_registration(tmp_path, registration(id=""), "2.yaml")
    assert len(problems(tmp_path)) == 3
