"""What the architecture tests read: the project's files, and its Python as syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_NOT_OURS = frozenset(
    {".git", ".venv", ".venvs", "node_modules", "__pycache__", "hamrasan-data", "results", "dist", "site"}
)
_TEXT = frozenset(
    {".py", ".toml", ".md", ".sql", ".yml", ".yaml", ".json", ".js", ".ts", ".tsx", ".css", ".html", ".sh"}
)


def files(*folders: str, suffixes: frozenset[str] = frozenset({".py"})) -> Iterator[Path]:
    """Yield the project's own files with these suffixes in `folders` (everywhere, if none is named)."""
    for folder in folders or (".",):
        for path in sorted((ROOT / folder).rglob("*")):
            ours = not _NOT_OURS.intersection(path.relative_to(ROOT).parts)
            if ours and path.suffix in suffixes and path.is_file():
                yield path


def texts() -> Iterator[Path]:
    """Yield every text file of the project; scripts have no suffix."""
    yield from files(suffixes=_TEXT)
    yield from files("scripts", ".ci", suffixes=frozenset({""}))


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def place(path: Path, node: ast.AST | None = None) -> str:
    """Return where something stands, as `path:line`."""
    line = f":{node.lineno}" if isinstance(node, (ast.expr, ast.stmt)) else ""
    return f"{path.relative_to(ROOT)}{line}"
