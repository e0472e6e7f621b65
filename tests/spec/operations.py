"""The operations of the specification's APIs, and whether an answer has the form that the specification gives it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_DOCUMENT = json.loads(Path(__file__).with_name("client_server.json").read_text(encoding="utf-8"))
_SERVER_DOCUMENT = json.loads(Path(__file__).with_name("server_server.json").read_text(encoding="utf-8"))
DEFINITIONS: dict[str, Any] = _DOCUMENT["$defs"]
SERVER_DEFINITIONS: dict[str, Any] = _SERVER_DOCUMENT["$defs"]
for _part in SERVER_DEFINITIONS["invite_event"]["allOf"]:
    # Events had an `origin` once, and no format of a room version has it; only this description still asks for one.
    if "origin" in _part.get("required", ()):
        _part["required"].remove("origin")
ERROR = {
    "type": "object",
    "properties": {"errcode": {"type": "string", "pattern": "^M_[A-Z0-9_]+$"}, "error": {"type": "string"}},
    "required": ["errcode", "error"],
}
"""The standard error response; the specification allows it for every status from 400 on."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the specification."""

    id: str
    file: str
    method: str
    path: str
    parameters: list[dict[str, Any]]
    body: dict[str, Any] | None
    authenticated: bool
    deprecated: bool
    responses: dict[str, dict[str, Any] | None]

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request is for this operation."""
        return method == self.method and _pattern(self.path).fullmatch(path) is not None


OPERATIONS: dict[str, Operation] = {
    name: Operation(name, **found) for name, found in _DOCUMENT["operations"].items()
}
SERVER_OPERATIONS: dict[str, Operation] = {
    name: Operation(name, **found) for name, found in _SERVER_DOCUMENT["operations"].items()
}
"""Those for other servers; their names are not among those for clients."""
ALL_OPERATIONS = OPERATIONS | SERVER_OPERATIONS


@lru_cache(None)
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in _parts(template))
    )


def _parts(template: str) -> list[str]:
    return re.split(r"(\{[^}]*\})", template)


LEFT_OUT = {("uploadCrossSigningKeys", "401"): "deleteDevice"}
"""Answers that only the text of an operation tells of, with an operation that describes the same answer."""


@lru_cache(None)
def _validator(operation_id: str, status: str) -> Draft202012Validator | None:
    described = LEFT_OUT.get((operation_id, status), operation_id)
    schema = ALL_OPERATIONS[described].responses.get(status)
    if schema is None:
        return None
    if "oneOf" in schema:
        # Where a general form and a special one are alternatives, what has the special form has both.
        schema = {"anyOf": schema["oneOf"], **{key: part for key, part in schema.items() if key != "oneOf"}}
    definitions = DEFINITIONS if described in OPERATIONS else SERVER_DEFINITIONS
    return Draft202012Validator({"$defs": definitions, "allOf": [schema]})


_ERROR_VALIDATOR = Draft202012Validator(ERROR)


def find_operation(method: str, path: str) -> Operation | None:
    """Return the operation that a request is for; of several that match, the one with the fewest parameters."""
    found = [operation for operation in ALL_OPERATIONS.values() if operation.matches(method, path)]
    return min(found, key=lambda operation: operation.path.count("{"), default=None)


def problems_of(method: str, path: str, status: int, body: bytes) -> list[str]:
    """Return what is wrong with the form of an answer; requests that the specification does not know are right."""
    operation = find_operation(method, path)
    if operation is None:
        return []
    if status == 206:
        status = 200  # a part of a file, where 200 would be all of it
    is_elsewhere = status == 502 and b'"M_CONNECTION_FAILED"' in body  # no fault of this server's
    if status >= 500 and str(status) not in operation.responses and not is_elsewhere:
        return [f"{operation.id} answered {status}: {body[:300]!r}"]
    try:
        value = json.loads(body)
    except ValueError:
        is_free = str(status) in operation.responses and operation.responses[str(status)] is None
        return (
            [] if is_free or not body else [f"{operation.id} answered {status} without JSON: {body[:300]!r}"]
        )
    validator = _validator(operation.id, str(status))
    if status >= 400 and (validator is None or _ERROR_VALIDATOR.is_valid(value)):
        # Everything can be refused with a standard error, also where the specification describes another refusal.
        validator = _ERROR_VALIDATOR
    if validator is None:
        return []
    return [
        f"{operation.id} answered {status}, at {error.json_path}: {error.message[:300]}"
        for error in validator.iter_errors(value)
    ]
