"""The trie: which route a path has, how its parameters are decoded, and that it agrees with a plain search."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamrasan.http.request import Request
from hamrasan.http.response import Answer, empty
from hamrasan.http.route import Route
from hamrasan.http.router import MethodNotAllowed, Router
from hamrasan.protocol.errors import MatrixError


async def _nothing(_request: Request, _services: Any) -> Answer:
    return empty()


def _route(path: str, method: str = "GET") -> Route:
    return Route(method, path, _nothing, f"{method} {path}")


ROUTES = [
    _route("/"),
    _route("/rooms/{room_id}/state"),
    _route("/rooms/{room_id}/state/{event_type}"),
    _route("/rooms/{room_id}/state/{event_type}/{state_key}"),
    _route("/rooms/{room_id}/state/{event_type}/{state_key}", "PUT"),
    _route("/rooms/public/list"),
    _route("/rooms/{other}/{kind}/x"),
    _route("/pushrules/"),
    _route("/pushrules/global/"),
    _route("/files/{rest*}"),
    _route("/files/index"),
    _route("/{anything}/only"),
]
ROUTER = Router(ROUTES)


@pytest.mark.parametrize(
    ("path", "operation", "parameters"),
    [
        ("/", "GET /", {}),
        ("/rooms/!a/state", "GET /rooms/{room_id}/state", {"room_id": "!a"}),
        ("/rooms/%21a%3Ab%2Fc%23/state", "GET /rooms/{room_id}/state", {"room_id": "!a:b/c#"}),
        ("/rooms/%E2%9C%93/state", "GET /rooms/{room_id}/state", {"room_id": "✓"}),
        ("/rooms/✓/state", "GET /rooms/{room_id}/state", {"room_id": "✓"}),
        ("/rooms/a+b/state", "GET /rooms/{room_id}/state", {"room_id": "a+b"}),
        (
            "/rooms/!a/state/m.room.name/",
            "GET /rooms/{room_id}/state/{event_type}/{state_key}",
            {"room_id": "!a", "event_type": "m.room.name", "state_key": ""},
        ),
        ("/rooms/public/list", "GET /rooms/public/list", {}),
        ("/rooms/p%75blic/list", "GET /rooms/public/list", {}),
        ("/rooms/public/state", "GET /rooms/{room_id}/state", {"room_id": "public"}),
        ("/rooms/public/y/x", "GET /rooms/{other}/{kind}/x", {"other": "public", "kind": "y"}),
        ("/pushrules/", "GET /pushrules/", {}),
        ("/pushrules/only", "GET /{anything}/only", {"anything": "pushrules"}),
        ("/files/a/b%2Fc/d", "GET /files/{rest*}", {"rest": "a/b/c/d"}),
        ("/files/", "GET /files/{rest*}", {"rest": ""}),
        ("/files/index", "GET /files/index", {}),
        ("/files/index/x", "GET /files/{rest*}", {"rest": "index/x"}),
        ("/files/only", "GET /files/{rest*}", {"rest": "only"}),
    ],
)
def test_finds(path: str, operation: str, parameters: dict[str, str]) -> None:
    route, found = ROUTER.match("GET", path)
    assert (route.operation, found) == (operation, parameters)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "*",
        "rooms",
        "/rooms",
        "/rooms/",
        "/rooms//state",
        "/rooms/!a/state/",
        "/pushrules",
        "/nope",
        "//only",
    ],
)
def test_does_not_find(path: str) -> None:
    if path == "/rooms/!a/state/":
        assert ROUTER.match("GET", path)[1]["event_type"] == ""
        return
    with pytest.raises(MatrixError) as refused:
        ROUTER.match("GET", path)
    assert (refused.value.status, refused.value.errcode) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    "path", ["/rooms/%/state", "/rooms/%4/state", "/rooms/%zz/state", "/rooms/%ff/state"]
)
def test_refuses_escapes_that_mean_nothing(path: str) -> None:
    with pytest.raises(MatrixError) as refused:
        ROUTER.match("GET", path)
    assert (refused.value.status, refused.value.errcode) == (400, "M_INVALID_PARAM")


def test_other_methods_of_a_known_path() -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        ROUTER.match("DELETE", "/rooms/!a/state/m.room.name/")
    assert refused.value.status == 405
    assert refused.value.allow == ("GET", "HEAD", "OPTIONS", "PUT")
    assert ROUTER.allowed("/rooms/!a/state") == ("GET", "HEAD", "OPTIONS")
    assert ROUTER.allowed("/nope") == ()


def test_head_is_served_by_get_but_not_by_put() -> None:
    assert ROUTER.match("HEAD", "/rooms/!a/state")[0].method == "GET"
    with pytest.raises(MethodNotAllowed):
        Router([_route("/x", "PUT")]).match("HEAD", "/x")


@pytest.mark.parametrize(
    "paths",
    [
        ["/a", "/a"],
        ["/{a}/x", "/{b}/x"],
        ["a"],
        ["/a{b}"],
        ["/{a"],
        ["/{}"],
        ["/{a}/{a}"],
        ["/{a*}/b"],
        ["/x/{a*}", "/x/{b*}"],
    ],
)
def test_refuses_rows_that_are_malformed_or_collide(paths: list[str]) -> None:
    with pytest.raises(ValueError, match=r"must|malformed|both serve"):
        Router([_route(path) for path in paths])


_SEGMENTS = st.lists(st.sampled_from(["a", "b", "{x}", "{y}"]), min_size=1, max_size=4)


@given(
    st.lists(_SEGMENTS, min_size=1, max_size=12),
    st.lists(st.sampled_from(["a", "b", "c", "%61"]), max_size=4),
)
def test_agrees_with_a_search_through_all_routes(forms: list[list[str]], path: list[str]) -> None:
    """Of the routes that fit, the one is taken whose first differing segment is a literal."""
    unique: dict[tuple[str, ...], list[str]] = {}
    for form in forms:
        unique.setdefault(tuple("{}" if part[0] == "{" else part for part in form), form)
    named = {
        shape: "/" + "/".join(f"{{p{index}}}" if part == "{}" else part for index, part in enumerate(shape))
        for shape in unique
    }
    router = Router([_route(template) for template in named.values()])
    segments = [segment.replace("%61", "a") for segment in path] or [""]
    fitting = [
        shape
        for shape in named
        if len(shape) == len(segments)
        and all(part in ("{}", segment) for part, segment in zip(shape, segments, strict=True))
    ]
    if not fitting:
        with pytest.raises(MatrixError):
            router.match("GET", "/" + "/".join(path))
        return
    best = min(fitting, key=lambda shape: [part == "{}" for part in shape])
    route, parameters = router.match("GET", "/" + "/".join(path))
    assert route.path == named[best]
    assert parameters == {f"p{index}": segments[index] for index, part in enumerate(best) if part == "{}"}


@given(st.text(min_size=1))
def test_any_text_survives_the_way_through_a_path(text: str) -> None:
    try:
        encoded = quote(text, safe="")
    except UnicodeEncodeError:
        return  # half a surrogate pair has no bytes
    assert ROUTER.match("GET", f"/rooms/{encoded}/state")[1] == {"room_id": text}
    assert not re.search("[^!-~]", encoded)
