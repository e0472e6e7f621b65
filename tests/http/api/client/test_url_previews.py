"""Previews of pages, of a real web server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.gateways import HERE, Answer, Gateway, Received, gateway
from tests.media_files import opened, picture
from tests.running import Person, Running, refused, running

OPEN_HOST = "127.0.0.2"
"""The only private address that the server of these tests reaches."""
PREVIEW = "/_matrix/client/v1/media/preview_url"
HTML = (("Content-Type", "text/html; charset=utf-8"),)
PAGE = """<html><head><meta property="og:title" content="روزنامه"><meta property="og:image" content="cat.png">
<meta property="og:image:width" content="99999"></head></html>""".encode()


@pytest.fixture(name="site")
def a_site() -> Iterator[Gateway]:
    with gateway(OPEN_HOST) as own:
        yield own


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that makes previews, also of pages on this machine."""
    folder = tmp_path_factory.mktemp("previewing")
    with running(folder, url_previews=True, reachable_networks=(OPEN_HOST,)) as own:
        yield own


def preview(who: Person, url: str, **query: str) -> httpx.Response:
    return who.http.get(PREVIEW, params={"url": url, **query})


def answering(**pages: Answer) -> Callable[[Received], Answer]:
    """Return what answers with pages by the last part of their path."""

    def answer(received: Received) -> Answer:
        return pages.get(received.path.rpartition("/")[2].replace(".", "_"), Answer(404, b"", HTML))

    return answer


def asked_for(site: Gateway) -> list[str]:
    return [received.path for received in site.received]


def test_a_page_with_its_picture(server: Running, alice: Person, site: Gateway) -> None:
    content = picture((60, 40))
    site.answer = answering(page=Answer(200, PAGE, HTML), cat_png=Answer(200, content))
    answer = preview(alice, f"{site.base}/news/page#part", ts="1510610716656").json()
    assert answer["og:title"] == "روزنامه"
    assert answer["og:image:type"] == "image/png"
    assert (answer["og:image:width"], answer["og:image:height"]) == (60, 40)
    assert answer["matrix:image:size"] == len(content)
    address = answer["og:image"].removeprefix("mxc://")
    assert alice.http.get(f"/_matrix/client/v1/media/download/{address}").content == content
    assert asked_for(site) == ["/news/page", "/news/cat.png"]


def test_a_page_is_looked_at_once(server: Running, alice: Person, bob: Person, site: Gateway) -> None:
    site.answer = answering(page=Answer(200, PAGE, HTML), cat_png=Answer(200, picture()))
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda who=who: answers.append(preview(who, f"{site.base}/page").json()))
        for who in (alice, bob, alice)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1] == answers[2]
    assert asked_for(site) == ["/page", "/cat.png"]
    old = alice.get("/_matrix/media/v3/preview_url", url=f"{site.base}/page")
    assert old == answers[0]


def test_a_picture_that_is_none_is_left_out(server: Running, alice: Person, site: Gateway) -> None:
    for number, cat in enumerate([Answer(200, b"<svg onload=alert(1)>"), Answer(404), Answer(302)]):
        site.answer = answering(page=Answer(200, PAGE, HTML), cat_png=cat)
        assert preview(alice, f"{site.base}/{number}/page").json() == {"og:title": "روزنامه"}


def test_a_picture_is_its_own_preview(server: Running, alice: Person, site: Gateway) -> None:
    site.answer = answering(photo=Answer(200, picture((9, 8), "JPEG"), (("Content-Type", "image/jpeg"),)))
    answer = preview(alice, f"{site.base}/photo").json()
    assert (answer["og:image:width"], answer["og:image:type"]) == (9, "image/jpeg")


def test_other_files_have_nothing_to_say(server: Running, alice: Person, site: Gateway) -> None:
    site.answer = answering(
        x=Answer(200, b"%PDF", (("Content-Type", "application/pdf"),)), y=Answer(200, b"?")
    )
    assert preview(alice, f"{site.base}/x").json() == {}
    assert preview(alice, f"{site.base}/y").json() == {}


def test_redirects_are_followed_but_not_for_ever(server: Running, alice: Person, site: Gateway) -> None:
    def answer(received: Received) -> Answer:
        number = int(received.path.rpartition("/")[2])
        if number == 0:
            return Answer(200, b"<title>here</title>", HTML)
        return Answer(302, b"", (("Location", f"{number - 1}"),))

    site.answer = answer
    assert preview(alice, f"{site.base}/5").json() == {"og:title": "here"}
    refused(preview(alice, f"{site.base}/6"), 404, "M_NOT_FOUND")
    assert len(site.received) == 12


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, PAGE, HTML),
        Answer(500, PAGE, HTML),
        Answer(204, b"", HTML),
        Answer(302, b"", HTML),
        Answer(302, b"", (("Location", "ftp://127.0.0.1/"),)),
        Answer(302, b"", (("Location", "file:///etc/passwd"),)),
        Answer(302, b"", (("Location", "http://[::"),)),
        Answer(200, PAGE, (*HTML, ("Content-Encoding", "gzip"))),
        Answer(200, b" " * 3_200_000, HTML),
    ],
)
def test_what_is_no_page_is_not_found(server: Running, alice: Person, site: Gateway, answer: Answer) -> None:
    site.answer = lambda _: answer
    refused(preview(alice, f"{site.base}/page"), 404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://example.org/",
        "http://",
        "http://user:pass@example.org/",
        "javascript:alert(1)",
        "http://[::/",
        "https://example.org/" + "x" * 2_048,
        "http://example.org:99999/",
    ],
)
def test_addresses_that_are_none(server: Running, alice: Person, url: str) -> None:
    refused(preview(alice, url), 400, "M_INVALID_PARAM")


def test_the_address_has_to_be_given(server: Running, alice: Person) -> None:
    refused(alice.http.get(PREVIEW), 400, "M_MISSING_PARAM")
    refused(preview(alice, "http://example.org/", ts="yesterday"), 400, "M_INVALID_PARAM")


def test_no_previews_unless_the_operator_wants_them(fresh_server: Running, site: Gateway) -> None:
    alice = fresh_server.register("alice")
    refused(preview(alice, f"{site.base}/page"), 403, "M_FORBIDDEN")
    assert site.received == []


DISGUISES = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "127.0.0.1.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "10.0.0.1",
    "169.254.169.254",
    "[fe80::1%25lo]",
    "[fd00::1]",
    "224.0.0.1",
    "①②⑦.⓪.⓪.①",
]


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that makes previews of public pages only."""
    with running(tmp_path_factory.mktemp("closed"), url_previews=True) as own:
        yield own


@pytest.mark.parametrize("host", DISGUISES)
def test_private_addresses_are_not_reached_in_any_disguise(closed: Running, host: str) -> None:
    alice = closed.register("alice")
    with gateway("127.0.0.1") as inner:
        port = inner.base.rpartition(":")[2]
        refused(preview(alice, f"http://{host}:{port}/page"), 404, "M_NOT_FOUND")
        assert inner.received == []


@pytest.mark.parametrize("host", DISGUISES)
def test_nor_through_redirects_and_pictures(server: Running, alice: Person, site: Gateway, host: str) -> None:
    with gateway("127.0.0.1") as inner:
        port = inner.base.rpartition(":")[2]
        hidden = f"http://{host}:{port}/inner.png"
        page = f'<meta property="og:image" content="{hidden}"><title>outer</title>'.encode()
        site.answer = answering(
            page=Answer(200, page, HTML),
            redirect=Answer(302, b"", (("Location", quote(hidden, safe=":/[]%")),)),
        )
        refused(preview(alice, f"{site.base}/redirect"), 404, "M_NOT_FOUND")
        assert preview(alice, f"{site.base}/page").json() == {"og:title": "outer"}
        assert inner.received == []


def test_old_previews_go_with_their_pictures(tmp_path: Path, site: Gateway) -> None:
    site.answer = answering(page=Answer(200, PAGE, HTML), cat_png=Answer(200, picture((60, 40))))
    with running(tmp_path, url_previews=True, reachable_networks=HERE) as server:
        alice = server.register("alice")
        address = preview(alice, f"{site.base}/page").json()["og:image"].removeprefix("mxc://")
        thumbnail = alice.http.get(
            f"/_matrix/client/v1/media/thumbnail/{address}",
            params={"width": "32", "height": "32", "method": "crop"},
        )
        assert opened(thumbnail.content).size == (32, 32)
        services = server.server.services
        server.run(services.url_previews.sweep())
        assert alice.http.get(f"/_matrix/client/v1/media/download/{address}").status_code == 200
        now_ms = services.clock.now_ms()
        object.__setattr__(services.url_previews, "_clock", _Later(now_ms + 8 * 24 * 60 * 60 * 1000))
        server.run(services.url_previews.sweep())
        refused(alice.http.get(f"/_matrix/client/v1/media/download/{address}"), 404, "M_NOT_FOUND")
        assert list((tmp_path / "media").glob("??/*")) == []


class _Later:
    """A clock that stands still, later."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return 0.0
