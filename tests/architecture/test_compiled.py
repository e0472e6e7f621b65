"""The modules that wheels carry compiled obey the compiler's rules, which the interpreter does not know."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@cache
def compiled() -> tuple[Path, ...]:
    """Return the modules on the list."""
    hooks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]["hooks"]
    return tuple(ROOT / name for name in hooks["custom"]["modules"])


def classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]


def test_they_exist() -> None:
    assert compiled()
    assert [path for path in compiled() if not path.is_file()] == []


def test_no_class_of_theirs_is_extended_by_an_interpreted_one() -> None:
    theirs = {node.name for path in compiled() for node in classes(path)}
    protocols = {
        node.name
        for path in compiled()
        for node in classes(path)
        if "Protocol" in {ast.unparse(base) for base in node.bases}
    }
    extended = [
        f"{path.relative_to(ROOT)}: {node.name}({ast.unparse(base)})"
        for path in (ROOT / "hamrasan").rglob("*.py")
        if path not in compiled()
        for node in classes(path)
        for base in node.bases
        if ast.unparse(base) in theirs - protocols
    ]
    assert extended == []


def test_they_have_no_asynchronous_generator_and_no_struct() -> None:
    wrong = []
    for path in compiled():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and any(
                isinstance(inner, ast.Yield) for inner in ast.walk(node)
            ):
                wrong.append(f"{path.name}: {node.name} is an asynchronous generator")
            if isinstance(node, ast.ClassDef) and any("Struct" in ast.unparse(base) for base in node.bases):
                wrong.append(f"{path.name}: {node.name} is a class of msgspec")
    assert wrong == []
