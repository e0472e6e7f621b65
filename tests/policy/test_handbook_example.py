"""The example registration of the handbook, in both languages, is one that a server works with."""

from __future__ import annotations

import re
from pathlib import Path

from hamrasan.policy.registration_files import FOLDER, load_registrations
from tests.running import answered, client, running

PAGES = Path(__file__).parents[2] / "docs/handbook/operators"
NAME = "example.org"


def example(page: str) -> str:
    """Return the registration that stands in a page."""
    (found,) = re.findall(
        r"^```yaml\n(.*?)^```$", (PAGES / page).read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found)


def test_both_languages_show_the_same() -> None:
    assert example("bridges.md") == example("bridges.fa.md")


def test_a_server_works_with_it(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "telegram.yaml").write_text(example("bridges.md"), "utf-8")
    (service,) = load_registrations(tmp_path, NAME)
    assert service.url == "http://localhost:29317"
    assert (service.receive_ephemeral, service.encrypts, service.rate_limited) == (True, True, False)
    assert service.has_user("@telegram_42:example.org")
    assert service.owns_alias("#telegram_news:example.org")
    with (
        running(tmp_path, server_name=NAME) as server,
        client(server.url, headers={"Authorization": f"Bearer {service.as_token}"}) as http,
    ):
        who = answered(http.get("/_matrix/client/v3/account/whoami"))
        assert who["user_id"] == "@telegrambot:example.org"
