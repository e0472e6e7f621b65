"""Compiles what nearly every answer to `/sync` passes through, with mypyc, where `HAMRASAN_COMPILE=1` asks for it.

For wheels only: an editable installation runs the modules as they are. Needs a C compiler. Which modules is a list in
pyproject.toml; each of them runs the same without being compiled.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILE = "HAMRASAN_COMPILE"
"""The environment variable that asks for it."""
NEEDED = ("mypy>=2.4", "setuptools>=80")


class CompileHook(BuildHookInterface[Any]):
    """Puts the compiled modules into the wheel, beside their sources."""

    def dependencies(self) -> list[str]:
        """Return what the compiler needs: itself, and the packages whose types the modules use."""
        return [*NEEDED, *self.metadata.core.dependencies] if self._is_asked_for() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and make the wheel one for this Python and machine."""
        if version == "editable" or not self._is_asked_for():
            return
        compiled = Path(self.root) / "build" / "compiled"
        self._compile(compiled)
        for path in compiled.rglob("*.so"):
            build_data["force_include"][str(path)] = str(path.relative_to(compiled))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def _is_asked_for(self) -> bool:
        return self.target_name == "wheel" and os.environ.get(COMPILE) == "1"

    def _compile(self, into: Path) -> None:
        # Only here: who does not compile need not have them.
        from mypyc.build import mypycify  # noqa: PLC0415
        from setuptools import Distribution  # noqa: PLC0415

        working = Path.cwd()
        os.chdir(self.root)
        try:
            extensions = mypycify(
                ["--strict", *self.config["modules"]],
                opt_level="3",
                multi_file=True,
                target_dir=str(into.with_name("c")),
            )
            command = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(into), str(into.with_name("objects"))
            command.parallel = os.cpu_count()
            command.ensure_finalized()
            command.run()
        finally:
            os.chdir(working)
