"""Takes the forms of requests and answers out of a checkout of the Matrix specification.

    python -m tests.spec.extract PATH_TO_SPECIFICATION

Only what a machine checks is kept (paths, parameters, types, required members), no prose and no examples; the result
is `client_server.json` and `server_server.json` beside this file. Run it again when the specification has a new
version.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

CLIENT_SERVER, SERVER_SERVER = "client-server", "server-server"
TARGETS = {
    CLIENT_SERVER: Path(__file__).with_name("client_server.json"),
    SERVER_SERVER: Path(__file__).with_name("server_server.json"),
}
OF_SERVERS = "federation:"
"""Begins the name of an operation of the server-server API where the client-server API has one with the same name."""
METHODS = ("get", "put", "post", "delete", "patch")
KEPT = frozenset(
    (
        "type", "properties", "required", "items", "additionalProperties", "patternProperties", "enum", "const",
        "allOf", "anyOf", "oneOf", "pattern", "minimum", "maximum", "minItems", "maxItems",
    )
)  # fmt: skip
"""Keywords of JSON Schema that say something about the form."""
SCHEMAS = ("allOf", "anyOf", "oneOf")
MAPS = ("properties", "patternProperties")


class Extractor:
    """Collects schemas, each file's once."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self._files: dict[Path, Any] = {}
        self._names: dict[tuple[Path, str], str] = {}

    def load(self, path: Path) -> Any:
        if path not in self._files:
            self._files[path] = yaml.safe_load(path.read_text(encoding="utf-8"))
        return self._files[path]

    def schema(self, value: Any, base: Path) -> Any:
        """Return a schema with nothing but form, its references turned into names of definitions."""
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            siblings = {key: part for key, part in value.items() if key != "$ref"}
            reference = {"$ref": f"#/$defs/{self._definition(value['$ref'], base)}"}
            rest = self.schema(siblings, base)
            return {"allOf": [reference, rest]} if rest else reference
        kept: dict[str, Any] = {}
        for key, part in value.items():
            if key not in KEPT:
                continue
            if key in MAPS:
                kept[key] = {name: self.schema(inner, base) for name, inner in part.items()}
            elif key in SCHEMAS:
                kept[key] = [self.schema(inner, base) for inner in part]
            elif key in ("items", "additionalProperties"):
                kept[key] = self.schema(part, base)
            else:
                kept[key] = part
        return kept

    def _definition(self, reference: str, base: Path) -> str:
        file, _, pointer = reference.partition("#")
        path = (base.parent / file).resolve() if file else base
        key = (path, pointer)
        if key not in self._names:
            name = f"{path.stem}{pointer.replace('/', '.')}"
            while name in self.definitions:
                name += "_"
            self._names[key] = name
            self.definitions[name] = {}
            target = self.load(path)
            for step in filter(None, pointer.split("/")):
                target = target[step]
            self.definitions[name] = self.schema(target, path)
        return self._names[key]

    def operation(self, operation: dict[str, Any], path: Path) -> dict[str, Any]:
        """Return what an operation takes and answers."""
        parameters = [
            {
                "name": parameter["name"],
                "in": parameter["in"],
                "required": parameter.get("required", False),
                "schema": self.schema(parameter["schema"], path),
            }
            for parameter in (self._resolved(entry, path) for entry in operation.get("parameters", []))
        ]
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        responses = {}
        for status, response in operation["responses"].items():
            found = (
                self._resolved(response, path).get("content", {}).get("application/json", {}).get("schema")
            )
            responses[str(status)] = None if found is None else self.schema(found, path)
        return {
            "parameters": parameters,
            "body": None if body is None else self.schema(body, path),
            "authenticated": bool(operation.get("security")),
            "deprecated": bool(operation.get("deprecated")),
            "responses": responses,
        }

    def _resolved(self, value: dict[str, Any], base: Path) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        file, _, pointer = value["$ref"].partition("#")
        target = self.load((base.parent / file).resolve() if file else base)
        for step in filter(None, pointer.split("/")):
            target = target[step]
        found: dict[str, Any] = target
        return found


def extract(specification: Path, api: str) -> dict[str, Any]:
    """Return all operations of one of the APIs, and the schemas that they share."""
    extractor = Extractor()
    operations: dict[str, Any] = {}
    for path in sorted((specification / "data/api" / api).glob("*.yaml")):
        document = extractor.load(path.resolve())
        prefix = document["servers"][0]["variables"]["basePath"]["default"].rstrip("/")
        for template, methods in document["paths"].items():
            for method in METHODS:
                if method in methods:
                    found = methods[method]
                    operations[found["operationId"]] = {
                        "file": path.name,
                        "method": method.upper(),
                        "path": prefix + template,
                        **extractor.operation(found, path.resolve()),
                    }
    return {"operations": operations, "$defs": extractor.definitions}


def write(found: dict[str, Any], target: Path) -> None:
    """Write what was found as JSON with a line for each operation and definition."""
    text = json.dumps(found, ensure_ascii=False, indent=None, sort_keys=True, separators=(",", ":"))
    target.write_text(text.replace('},"', '},\n"') + "\n", encoding="utf-8")


if __name__ == "__main__":
    for_clients, for_servers = (extract(Path(sys.argv[1]), api) for api in TARGETS)
    for_servers["operations"] = {
        OF_SERVERS + name if name in for_clients["operations"] else name: operation
        for name, operation in for_servers["operations"].items()
    }
    write(for_clients, TARGETS[CLIENT_SERVER])
    write(for_servers, TARGETS[SERVER_SERVER])
