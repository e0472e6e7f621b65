"""Registrations of application services, as an operator writes them into the data folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hamrasan.policy.registration_files import FOLDER

NAME = "hamrasan.test"


def registration(id: str = "bridge", **changes: Any) -> dict[str, Any]:
    """Return a registration whose users and aliases begin with `_<id>_`; `changes` replace its keys."""
    return {
        "id": id,
        "url": None,
        "as_token": f"as-token-of-{id}-0123456789",
        "hs_token": f"hs-token-of-{id}-0123456789",
        "sender_localpart": f"_{id}_bot",
        "namespaces": {
            "users": [{"regex": rf"@_{id}_.*:hamrasan\.test", "exclusive": True}],
            "aliases": [{"regex": rf"#_{id}_.*:hamrasan\.test", "exclusive": True}],
            "rooms": [],
        },
        **changes,
    }


def write_registration(data_dir: Path, values: dict[str, Any], file_name: str | None = None) -> Path:
    """Write a registration into a data folder and return its path."""
    folder = data_dir / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file_name or f"{values['id']}.yaml")
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path
