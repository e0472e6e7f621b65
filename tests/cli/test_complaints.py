"""Problems with settings, told with their place, their reason and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from hamrasan.cli.complaints import about_settings
from hamrasan.cli.settings import PLACE_SETTINGS, setting_options, settings_loader
from hamrasan.cli.texts import Language, Texts
from hamrasan.runtime.settings import SETTINGS, Address, SettingsError


def _complaint(language: Language, config: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        settings_loader({"config": str(config)})()
    return about_settings(caught.value, Texts(language))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "hamrasan.toml"
    file.write_text('server_nam = "example.org"\nlog_level = "loud"\n')
    return file


def test_each_problem_has_its_line_its_reason_and_what_would_be_right(config: Path) -> None:
    assert _complaint("en", config).splitlines() == [
        "The settings cannot be used:",
        f"  {config}:1: there is no setting 'server_nam'. Did you mean 'server_name'?",
        f"  {config}:2: 'log_level' cannot be 'loud'.",
        "    Possible is: debug, info, warning or error",
    ]


def test_the_same_in_persian(config: Path) -> None:
    complaint = _complaint("fa", config)
    assert f"{config}:1: تنظیمی به نام «server_nam» نداریم. منظورتان «server_name» بود؟" in complaint
    assert "آنچه می‌شود نوشت: debug یا info یا warning یا error" in complaint


def test_options_become_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAMRASAN_SERVER_NAME", "example.org")
    settings = settings_loader({"config": None, "listen": "localhost:1"})()
    assert (settings.listen, settings.server_name) == (Address("localhost", 1), "example.org")


def test_there_is_an_option_for_every_setting_or_for_those_that_are_named() -> None:
    texts = Texts("en")
    every = {option.name for option in setting_options(texts)}
    assert every == {"config", *(row.name for row in SETTINGS)}
    assert {option.name for option in setting_options(texts, PLACE_SETTINGS)} == {"config", *PLACE_SETTINGS}
