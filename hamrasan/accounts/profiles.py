"""Profiles (client-server API, "Profiles"): what users tell everybody about themselves."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from hamrasan.accounts.accounts import Make, nothing_is_made
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import MatrixError, bad_json, invalid_param, not_found
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.accounts import AccountReader
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.user_data import (
    DeleteProfileField,
    ProfileChanged,
    ProfileReader,
    PutProfileField,
)

DISPLAY_NAME = "displayname"
AVATAR_URL = "avatar_url"
TIME_ZONE = "m.tz"
PROPAGATED = frozenset({DISPLAY_NAME, AVATAR_URL})
"""Fields that membership events of the user repeat ("Events on Change of Profile Information")."""

MAX_PROFILE_BYTES = 65_535
"""A whole profile as JSON "MUST be under 64 KiB" (`PUT /profile/{userId}/{keyName}`)."""
MAX_KEY_BYTES = 255
"""The name of a field (the same endpoint, `M_KEY_TOO_LARGE`)."""
MAX_DISPLAY_NAME_CHARS = 256
"""Every membership event of the user repeats the name, and every client shows it on one line."""
MAX_AVATAR_URL_CHARS = 1_000
"""Every membership event repeats it; a server name and a media id take at most 511."""

_CUSTOM_KEY = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+")
"""A namespaced name in the "Common Namespaced Identifier Grammar". The endpoint's own pattern has no hyphen, but the
grammar to which its text refers has. Names with `m.` that are not defined yet come from newer clients and are taken.
"""
_MXC = re.compile(r"mxc://[^/\s]+/[^/\s]+")
_TIME_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,29}(/[A-Za-z][A-Za-z0-9_+-]{0,29}){0,3}")
"""The form of names in the IANA Time Zone Database; which of them exist changes from one release to the next."""


class Names(NamedTuple):
    """What membership events say of a user."""

    displayname: str | None
    avatar_url: str | None


class Profiles:
    """Reads and changes the profiles of this server's users."""

    def __init__(
        self,
        journal: Journal,
        reader: ProfileReader,
        accounts: AccountReader,
        locks: KeyedLocks,
        make_user: Make = nothing_is_made,
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._accounts = accounts
        self._locks = locks
        self._make_user = make_user

    async def get(self, user_id: str) -> bytes:
        """Return the whole profile as JSON object; raises `M_NOT_FOUND` if there is no such user."""
        await self._check_exists(user_id)
        return _join(await self._reader.of(user_id))

    async def get_field(self, user_id: str, field: str) -> bytes:
        """Return an object with one field; raises `M_NOT_FOUND` if there is no such user or field."""
        await self._check_exists(user_id)
        value = await self._reader.field(user_id, field)
        if value is None:
            raise not_found(f"The profile of {user_id} has no field '{field}'.")
        return _join({field: value})

    async def names(self, user_id: str) -> Names:
        """Return display name and avatar of a user, as new membership events repeat them."""
        fields = await self._reader.of(user_id)
        return Names(_text(fields.get(DISPLAY_NAME)), _text(fields.get(AVATAR_URL)))

    async def set_field(self, user_id: str, field: str, value: Any) -> bool:
        """Set a field and return whether that changed anything. An empty name or avatar takes the field out.

        Raises `M_KEY_TOO_LARGE` or `M_INVALID_PARAM` for a name that no field may have, `M_BAD_JSON` for a value that
        the field may not have, `M_PROFILE_TOO_LARGE` if the profile would become too large.
        """
        check_key(field)
        if field in PROPAGATED and value == "":
            return await self.delete_field(user_id, field)
        check_value(field, value)
        data = encode_json(value)
        async with self._locks(user_id):
            fields = await self._reader.of(user_id)
            if fields.get(field) == data:
                return False
            fields[field] = data
            profile = _join(fields)
            if len(profile) > MAX_PROFILE_BYTES:
                raise MatrixError(
                    400, "M_PROFILE_TOO_LARGE", f"A profile may have at most {MAX_PROFILE_BYTES} bytes."
                )
            parse_json(profile)  # the value stands one level deeper now, perhaps too deep to be read again
            await self._journal.submit(
                Batch([PutProfileField(user_id, field, data)], feed=[ProfileChanged(user_id, field, data)])
            )
        return True

    async def delete_field(self, user_id: str, field: str) -> bool:
        """Take a field out and return whether it was there; raises as `set_field` for the name."""
        check_key(field)
        async with self._locks(user_id):
            if await self._reader.field(user_id, field) is None:
                return False
            await self._journal.submit(
                Batch([DeleteProfileField(user_id, field)], feed=[ProfileChanged(user_id, field, None)])
            )
        return True

    async def _check_exists(self, user_id: str) -> None:
        account = await self._accounts.account(user_id)
        if account is None and await self._make_user(user_id):
            account = await self._accounts.account(user_id)
        if account is None or account.deactivated:
            raise not_found(f"There is no user {user_id} on this server.")


def check_key(field: str) -> None:
    """Raise `M_KEY_TOO_LARGE` or `M_INVALID_PARAM` unless a profile may have a field of this name."""
    if len(field.encode()) > MAX_KEY_BYTES:
        raise MatrixError(
            400, "M_KEY_TOO_LARGE", f"The name of a profile field may have at most {MAX_KEY_BYTES} bytes."
        )
    if field not in PROPAGATED and not _CUSTOM_KEY.fullmatch(field):
        raise invalid_param(
            f"'{field}' cannot be a profile field; names of one's own look like 'com.example.field'."
        )


def check_value(field: str, value: Any) -> None:
    """Raise `M_BAD_JSON` unless the field may have this value."""
    if field == DISPLAY_NAME:
        if not isinstance(value, str):
            raise bad_json("The display name must be a string.")
        if len(value) > MAX_DISPLAY_NAME_CHARS:
            raise bad_json(f"The display name may have at most {MAX_DISPLAY_NAME_CHARS} characters.")
    elif field == AVATAR_URL:
        if not isinstance(value, str) or not _MXC.fullmatch(value):
            raise bad_json("The avatar must be an mxc:// URI.")
        if len(value) > MAX_AVATAR_URL_CHARS:
            raise bad_json(f"The avatar's URI may have at most {MAX_AVATAR_URL_CHARS} characters.")
    elif field == TIME_ZONE and not (isinstance(value, str) and _TIME_ZONE.fullmatch(value)):
        raise bad_json(
            "The time zone must be a name from the IANA Time Zone Database, such as 'Asia/Tehran'."
        )


def _join(fields: dict[str, bytes]) -> bytes:
    """Return the JSON object of a profile; the values are copied as they are."""
    return orjson.dumps({name: orjson.Fragment(value) for name, value in fields.items()})


def _text(value: bytes | None) -> str | None:
    text = None if value is None else parse_json(value)
    return text if isinstance(text, str) else None
