"""Files of people who mean harm: each is kept and handed out so that it cannot do any, and the server goes on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import pytest

from hamrasan.http.file_headers import INLINE_TYPES
from tests.hostile_files import GROUPS, Hostile
from tests.media_files import opened, picture
from tests.running import Person, Running, answered, running

MEDIA = "/_matrix/client/v1/media"
PICTURES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
FEWEST = 100


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("attacked")) as server:
        yield server


def uploaded(who: Person, content: bytes, content_type: str) -> str:
    headers = {"Content-Type": content_type}
    uri: str = answered(who.http.post("/_matrix/media/v3/upload", content=content, headers=headers))[
        "content_uri"
    ]
    return uri.removeprefix("mxc://")


def check_download(who: Person, address: str, hostile: Hostile) -> None:
    answer = who.http.get(f"{MEDIA}/download/{address}")
    assert answer.status_code == 200, hostile.name
    assert answer.content == hostile.content, hostile.name
    assert answer.headers["Content-Type"] == hostile.content_type, hostile.name
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith(
        "sandbox; default-src 'none'; script-src 'none'"
    )
    harmless = hostile.content_type.partition(";")[0] in INLINE_TYPES
    assert answer.headers["Content-Disposition"] == ("inline" if harmless else "attachment"), hostile.name


def check_decodes(content: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what is odd in a file that is its own thumbnail
        opened(content)


def check_thumbnail(who: Person, address: str, hostile: Hostile, **query: str) -> None:
    answer = who.http.get(f"{MEDIA}/thumbnail/{address}", params={"width": "32", "height": "32", **query})
    assert answer.status_code in hostile.thumbnail, (hostile.name, answer.status_code, answer.content[:200])
    if answer.status_code == 200:
        assert answer.headers["Content-Type"] in PICTURES, hostile.name
        assert answer.headers["Content-Disposition"].startswith("inline; filename="), hostile.name
        check_decodes(answer.content)
    else:
        assert answer.json()["errcode"] == {400: "M_UNKNOWN", 413: "M_TOO_LARGE"}[answer.status_code]


def check_health(server: Running, who: Person) -> None:
    """Whatever came before, the server answers, makes thumbnails, and has nothing left over."""
    assert who.http.get("/health").status_code == 200
    address = uploaded(who, picture((200, 200)), "image/png")
    answer = who.http.get(f"{MEDIA}/thumbnail/{address}", params={"width": "96", "height": "96"})
    assert opened(answer.content).size == (200, 200)
    assert list((server.data_dir / "media" / "arriving").iterdir()) == []


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_hostile_files_do_no_harm(attacked: Running, group: Callable[[], Iterator[Hostile]]) -> None:
    mallory = attacked.register("mallory")
    for hostile in group():
        address = uploaded(mallory, hostile.content, hostile.content_type)
        check_download(mallory, address, hostile)
        check_thumbnail(mallory, address, hostile)
        check_thumbnail(mallory, address, hostile, method="crop", animated="true")
    check_health(attacked, mallory)


def test_there_are_enough_of_them_and_all_differ() -> None:
    names = [hostile.name for group in GROUPS for hostile in group()]
    assert len(names) >= FEWEST
    assert len(names) == len(set(names))
