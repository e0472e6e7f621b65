"""From method and path to a route, by a trie of segments: the cost follows the path, not the number of routes."""

from __future__ import annotations

from collections.abc import Iterable

from hamrasan.http.query import percent_decode
from hamrasan.http.route import Route
from hamrasan.protocol.errors import MatrixError

Match = tuple[Route, dict[str, str]]
"""A route and the decoded values of its path parameters."""


class MethodNotAllowed(MatrixError):
    """The path is known, the method is not (405 M_UNRECOGNIZED); `allow` names those that are."""

    def __init__(self, method: str, allow: tuple[str, ...]) -> None:
        super().__init__(
            405, "M_UNRECOGNIZED", f"This address does not take {method}, but {', '.join(allow)}."
        )
        self.allow = allow


def unrecognized() -> MatrixError:
    """The path is not known (404 M_UNRECOGNIZED)."""
    return MatrixError(404, "M_UNRECOGNIZED", "There is nothing at this address on this server.")


class _Node:
    """What may follow one prefix. `rest` holds the endpoints of a last `{name*}`.

    `forks` says that a segment may be read in more than one way here, so that the first may turn out wrong.
    """

    __slots__ = ("endpoints", "forks", "literals", "parameter", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.endpoints: _Endpoints = {}
        self.rest: _Endpoints = {}
        self.forks = False

    def settle(self) -> None:
        """Bring `forks` up to date after a change."""
        self.forks = bool(self.literals) + (self.parameter is not None) + bool(self.rest) > 1


_Endpoints = dict[str, tuple[Route, tuple[str, ...]]]
"""By method: a route and the names of its parameters in order."""
_Found = tuple[_Endpoints, list[str]]
"""The endpoints at a path, and the values of its parameters in order."""


class Router:
    """Finds routes. A literal segment goes before a parameter, a parameter before the rest of a path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Raises `ValueError` for two routes with the same method and form of path, and for a malformed path."""
        self._root = _Node()
        self._literal: dict[str, _Endpoints] = {}
        """The endpoints at paths without parameters, which are asked for most often."""
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        if not route.path.startswith("/"):
            raise ValueError(f"the path of {route.operation} must begin with a slash: {route.path!r}")
        node, names, segments = self._root, [], route.path[1:].split("/")
        takes_rest = False
        for index, segment in enumerate(segments):
            if not segment.startswith("{"):
                if "{" in segment or "}" in segment:
                    raise ValueError(f"a parameter must be a whole segment: {route.path!r}")
                child = node.literals.setdefault(segment, _Node())
                node.settle()
                node = child
                continue
            name = segment.removeprefix("{").removesuffix("}")
            takes_rest = name.endswith("*")
            name = name.removesuffix("*")
            last = index == len(segments) - 1
            if (
                not segment.endswith("}")
                or not name.isidentifier()
                or (takes_rest and not last)
                or name in names
            ):
                raise ValueError(f"the segment {segment!r} of {route.path!r} is malformed")
            names.append(name)
            if not takes_rest:
                child = node.parameter or _Node()
                node.parameter = child
                node.settle()
                node = child
        endpoints = node.rest if takes_rest else node.endpoints
        if route.method in endpoints:
            other = endpoints[route.method][0]
            raise ValueError(
                f"{route.operation} and {other.operation} both serve {route.method} {route.path}"
            )
        endpoints[route.method] = (route, tuple(names))
        if not names:
            self._literal[route.path] = endpoints
        node.settle()

    def match(self, method: str, path: str) -> Match:
        """Return the route of a request; HEAD is served by GET where it has no route of its own.

        `path` is as sent, without query. Raises 404 or 405 M_UNRECOGNIZED, and M_INVALID_PARAM for escapes that are
        not UTF-8. Segments are decoded after the split, so an id with an escaped slash stays one segment.
        """
        found = self._find(path)
        if found is None:
            raise unrecognized()
        endpoints, values = found
        endpoint = endpoints.get(method)
        if endpoint is None and method == "HEAD":
            endpoint = endpoints.get("GET")
        if endpoint is None:
            raise MethodNotAllowed(method, _allowed(endpoints))
        route, names = endpoint
        # There are as many names as values by construction, and having that checked costs more than the rest.
        return route, dict(zip(names, values))  # noqa: B905 - see above

    def allowed(self, path: str) -> tuple[str, ...]:
        """Return the methods that a path takes, none for an unknown one. Raises like `match` for bad escapes."""
        found = self._find(path)
        return () if found is None else _allowed(found[0])

    def _find(self, path: str) -> _Found | None:
        literal = self._literal.get(path)
        if literal is not None:
            return literal, []
        segments = path.split("/")
        # A path begins with a slash, so the first piece is empty; anything else is not a path ("*", "host:port").
        if segments[0] or len(segments) < 2:
            return None
        return _walk(self._root, segments, 1, [])


def _walk(node: _Node, segments: list[str], index: int, values: list[str]) -> _Found | None:
    """Follow `segments` from `index`. Only where the trie forks is there anything to try twice."""
    end = len(segments)
    while index < end:
        if node.forks:
            return _walk_fork(node, segments, index, values)
        segment = segments[index]
        index += 1
        child = node.literals.get(segment)
        if child is None:
            if "%" in segment:
                segment = percent_decode(segment)
                child = node.literals.get(segment)
            if child is None:
                child = node.parameter
                # Only a last segment may be empty: that is how a state key of "" is written.
                if child is None or not (segment or index == end):
                    return _take_rest(node, segments, index - 1, values)
                values.append(segment)
        node = child
    return (node.endpoints, values) if node.endpoints else None


def _walk_fork(node: _Node, segments: list[str], index: int, values: list[str]) -> _Found | None:
    segment = percent_decode(segments[index])
    found = None
    literal = node.literals.get(segment)
    if literal is not None:
        found = _walk(literal, segments, index + 1, values.copy())
    if found is None and node.parameter is not None and (segment or index == len(segments) - 1):
        found = _walk(node.parameter, segments, index + 1, [*values, segment])
    return found or _take_rest(node, segments, index, values)


def _take_rest(node: _Node, segments: list[str], index: int, values: list[str]) -> _Found | None:
    if not node.rest:
        return None
    return node.rest, [*values, "/".join(percent_decode(segment) for segment in segments[index:])]


def _allowed(endpoints: _Endpoints) -> tuple[str, ...]:
    methods = set(endpoints) | {"OPTIONS"}
    if "GET" in methods:
        methods.add("HEAD")
    return tuple(sorted(methods))
