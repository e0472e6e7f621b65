"""Settings: where they come from, in which order, and what is said about wrong ones."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from hamrasan.runtime.settings import SETTINGS, Address, Problem, Settings, SettingsError, load_settings


def _problems(
    args: dict[str, str | None], environ: dict[str, str], file: Path | None = None
) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(args, environ, file)
    return caught.value.problems


def test_nothing_set_gives_the_defaults() -> None:
    assert load_settings({}, {}) == Settings()


def test_the_table_has_a_row_for_each_field_in_the_same_order() -> None:
    rows = [row.name for row in SETTINGS if not row.is_flag]
    assert rows == [item.name for item in fields(Settings)]


def test_every_default_is_something_that_could_have_been_written() -> None:
    for row in SETTINGS:
        if row.written_default is not None:
            assert row.kind.parse(row.written_default) == row.default


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text('server_name = "file.org"\nlog_level = "error"\nlisten = "file.org:1"\n')
    environ = {"HAMRASAN_SERVER_NAME": "environ.org", "HAMRASAN_LOG_LEVEL": "debug"}
    settings = load_settings({"server_name": "args.org", "log_level": None}, environ, file)
    assert settings.server_name == "args.org"
    assert settings.log_level == "debug"
    assert settings.listen == Address("file.org", 1)


def test_the_environment_can_name_the_file_and_the_command_line_another(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text('server_name = "one.org"')
    other.write_text('server_name = "other.org"')
    environ = {"HAMRASAN_CONFIG": str(one)}
    assert load_settings({}, environ).server_name == "one.org"
    assert load_settings({}, environ, other).server_name == "other.org"


def test_a_folder_in_a_file_is_relative_to_the_file_and_elsewhere_to_the_caller(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text('data_dir = "data"')
    assert load_settings({}, {}, file).data_dir == tmp_path / "data"
    assert load_settings({"data_dir": "data"}, {}, file).data_dir == Path("data")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:8008", Address("localhost", 8008)),
        ("[::1]:80", Address("::1", 80)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        ("*:8008", Address("0.0.0.0", 8008)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert load_settings({"listen": text}, {}).listen == address


@pytest.mark.parametrize("text", ["yes", "TRUE", "on", "1"])
def test_booleans_that_mean_yes(text: str) -> None:
    assert load_settings({}, {"HAMRASAN_RATE_LIMITS": text}).rate_limits is True


@pytest.mark.parametrize("text", ["no", "False", "off", "0"])
def test_booleans_that_mean_no(text: str) -> None:
    assert load_settings({}, {"HAMRASAN_RATE_LIMITS": text}).rate_limits is False


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("server_name", "not a name"),
        ("server_name", "x" * 231),
        ("server_name", ""),
        ("server_name", "example.org:port"),
        ("listen", "8008"),
        ("listen", "localhost:70000"),
        ("listen", "::1:8008"),
        ("public_url", "example.org"),
        ("public_url", "ftp://example.org"),
        ("public_url", "https://example.org/?a=b"),
        ("registration", "maybe"),
        ("registration_shared_secret", "short"),
        ("rate_limits", "perhaps"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("data_dir", ""),
        ("open_registration", "maybe"),
        ("trusted_proxies", "proxy.example.org"),
        ("trusted_proxies", "10.0.0.1/8"),
        ("trusted_proxies", "10.0.0.1,,10.0.0.2"),
        ("turn_uris", "stun:turn.example.org"),
        ("turn_uris", "turn:turn.example.org?transport=sctp"),
        ("turn_uris", "turn:turn.example.org,"),
        ("turn_shared_secret", "short"),
        ("livekit_service_url", "wss://livekit.example.org"),
    ],
)
def test_a_wrong_value_is_refused_with_its_option_and_what_would_be_right(name: str, text: str) -> None:
    (problem,) = _problems({name: text}, {})
    row = next(row for row in SETTINGS if row.name == name)
    assert problem.where == row.option
    assert problem.message == "problem.value"
    assert problem.expected == row.kind.expected
    assert problem.values["value"] == ("…" if row.secret else text)


def test_trusted_proxies_are_addresses_and_networks(tmp_path: Path) -> None:
    wanted = ("192.0.2.7/32", "10.0.0.0/8", "fd00::/8")
    assert load_settings({"trusted_proxies": "192.0.2.7, 10.0.0.0/8,fd00::/8"}, {}).trusted_proxies == wanted
    assert load_settings({"trusted_proxies": ""}, {}).trusted_proxies == ()
    file = tmp_path / "h.toml"
    file.write_text('trusted_proxies = ["192.0.2.7", "10.0.0.0/8", "fd00::/8"]')
    assert load_settings({}, {}, file).trusted_proxies == wanted


@pytest.mark.parametrize(
    ("in_file", "in_environ", "in_args", "registration"),
    [
        ({}, {}, {"open_registration": "true"}, "open"),
        ({}, {"HAMRASAN_OPEN_REGISTRATION": "yes"}, {}, "open"),
        ({"open_registration": "true"}, {}, {}, "open"),
        ({"registration": '"token"'}, {}, {"open_registration": "true"}, "open"),
        ({"open_registration": "true"}, {"HAMRASAN_REGISTRATION": "token"}, {}, "token"),
        ({"open_registration": "true"}, {"HAMRASAN_OPEN_REGISTRATION": "no"}, {}, "closed"),
        ({"registration": '"token"'}, {"HAMRASAN_OPEN_REGISTRATION": "no"}, {}, "token"),
        ({}, {"HAMRASAN_OPEN_REGISTRATION": "yes", "HAMRASAN_REGISTRATION": "open"}, {}, "open"),
    ],
)
def test_open_registration_is_short_for_a_registration_that_is_open(
    in_file: dict[str, str],
    in_environ: dict[str, str],
    in_args: dict[str, str | None],
    registration: str,
    tmp_path: Path,
) -> None:
    file = tmp_path / "h.toml"
    file.write_text("".join(f"{name} = {value}\n" for name, value in in_file.items()))
    assert load_settings(in_args, in_environ, file).registration == registration


@pytest.mark.parametrize(("short", "long"), [("true", "closed"), ("true", "token"), ("false", "open")])
def test_whoever_says_two_things_at_once_is_asked_which(short: str, long: str) -> None:
    (problem,) = _problems({"open_registration": short, "registration": long}, {})
    assert (problem.where, problem.message) == ("--open-registration", "problem.contradiction")


def test_a_secret_is_shown_neither_in_a_complaint_nor_in_the_settings() -> None:
    (problem,) = _problems({"registration_shared_secret": "tooshort"}, {})
    assert "tooshort" not in str(problem)
    assert "long-enough-secret" not in str(
        load_settings({"registration_shared_secret": "long-enough-secret"}, {})
    )


def test_a_wrong_value_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text('# mine\n\nserver_name = "example.org"\nlog_level = "loud"\n')
    (problem,) = _problems({}, {}, file)
    assert problem.where == f"{file}:4"


def test_an_unknown_name_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text('\nservername = "example.org"\nnonsense_xyz = 1\n')
    first, second, third = _problems({}, {"HAMRASAN_LISTN": "x:1"}, file)
    assert (first.where, first.message) == (f"{file}:2", "problem.unknown_similar")
    assert first.values["similar"] == "server_name"
    assert (second.where, second.message) == (f"{file}:3", "problem.unknown")
    assert (third.where, third.values["similar"]) == ("HAMRASAN_LISTN", "HAMRASAN_LISTEN")


def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "h.toml"
    file.write_text('server_name = "example.org"\nlisten = localhost\n')
    (problem,) = _problems({}, {}, file)
    assert (problem.where, problem.message) == (f"{file}:2", "problem.not_toml")


@pytest.mark.parametrize("text", ['[listen]\nhost = "x"', "[[listen]]\nport = 1", 'listen.host = "x"'])
def test_a_heading_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "h.toml"
    file.write_text("\n" + text)
    (problem,) = _problems({}, {}, file)
    assert (problem.where, problem.message) == (f"{file}:2", "problem.table")


def test_a_missing_file_and_one_that_is_no_text_are_told(tmp_path: Path) -> None:
    (problem,) = _problems({}, {}, tmp_path / "none.toml")
    assert problem.message == "problem.file_missing"
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    (problem,) = _problems({}, {}, binary)
    assert problem.message == "problem.file_unreadable"


def test_all_problems_are_told_at_once() -> None:
    assert len(_problems({"listen": "x"}, {"HAMRASAN_LOG_LEVEL": "x", "HAMRASAN_NOPE": "1"})) == 3


def test_other_programs_variables_are_left_alone() -> None:
    assert load_settings({}, {"PATH": "/bin", "HAMRASAN_LANG": "fa"}) == Settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().server_name = "other"  # type: ignore[misc]  # that this is refused is what is tested


def test_people_reach_the_server_at_its_public_url_or_where_it_listens() -> None:
    assert Settings().base_url == "http://localhost:8008"
    assert load_settings({"listen": "[::1]:80"}, {}).base_url == "http://[::1]:80"
    assert (
        load_settings({"public_url": "https://chat.example.org/"}, {}).base_url == "https://chat.example.org"
    )


def test_names_follow_from_the_name() -> None:
    for row in SETTINGS:
        assert re.fullmatch(r"HAMRASAN_[A-Z_]+", row.env)
        assert re.fullmatch(r"--[a-z-]+", row.option)


def test_contacts_are_addresses_and_users() -> None:
    written = "help@example.org, @help:elsewhere.org"
    assert load_settings({"support_contacts": written}, {}).support_contacts == (
        "help@example.org",
        "@help:elsewhere.org",
    )
    for wrong in ("nobody", "@nobody", "a@b, ", "https://example.org"):
        (problem,) = _problems({"support_contacts": wrong}, {})
        assert problem.expected == "expected.contacts"
