"""The providers that people may sign in with: one file for each in the data folder, `providers/NAME.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

FOLDER = "providers"
MAX_PROVIDERS = 20
"""Each is a button on the page."""

_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ProvidersUnusable(Exception):
    """The file `path` describes no provider; `line` names what is missing or wrong in it."""

    def __init__(self, path: Path, line: str) -> None:
        super().__init__(f"{path}: {line}")
        self.path = path
        self.line = line


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider, as its file says."""

    name: str
    """What stands on the button."""
    issuer: str
    client_id: str
    client_secret: str | None = None
    """None: the provider knows this server by its address alone."""
    scopes: tuple[str, ...] = ("openid", "profile")
    localpart_claim: str = "preferred_username"
    """What of the provider's answer becomes the user name."""
    sign_up: bool = True
    """Whether people without an account get one."""
    id: str = ""
    """The file's name; in addresses."""


def load_providers(data_dir: Path) -> dict[str, Provider]:
    """Return the providers by id, in the order of their files' names. Raises `ProvidersUnusable`, `OSError`."""
    folder = data_dir / FOLDER
    paths = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    if len(paths) > MAX_PROVIDERS:
        raise ProvidersUnusable(folder, f"> {MAX_PROVIDERS}")
    return {path.stem: _load(path) for path in paths}


def _load(path: Path) -> Provider:
    if not _ID.fullmatch(path.stem):
        raise ProvidersUnusable(path, path.name)
    try:
        said = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProvidersUnusable(path, str(error)) from None
    try:
        provider = msgspec.convert({**said, "id": path.stem}, Provider)
    except msgspec.ValidationError as error:
        raise ProvidersUnusable(path, str(error)) from None
    if not is_safe_url(provider.issuer) or "?" in provider.issuer:
        raise ProvidersUnusable(path, "issuer")
    if "openid" not in provider.scopes:
        raise ProvidersUnusable(path, "scopes")
    return provider


def is_safe_url(url: object) -> bool:
    """Tell whether requests to this address can be read by nobody else: `https`, or on this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.fragment or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
