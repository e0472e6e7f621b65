"""Asking for public keys, and for keys to begin a conversation with, wherever their owners are (client-server API, "Key
management"): here, and at other servers, each as long as the client wants to wait.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from hamrasan.encryption.key_query import Answer, KeyQuery, visible
from hamrasan.encryption.keys import Keys
from hamrasan.federation.remote_keys import MAX_TIMEOUT_S, Failures, RemoteKeys, UserKeys
from hamrasan.protocol.cross_signing import MASTER, SELF_SIGNING
from hamrasan.storage.ports.cross_signing import CrossSigningReader, KeySignatureRow


class AskForKeys:
    """Finds keys of users of this and of other servers."""

    def __init__(
        self, keys: Keys, key_query: KeyQuery, remote: RemoteKeys, cross_signing: CrossSigningReader
    ) -> None:
        self._keys = keys
        self._key_query = key_query
        self._remote = remote
        self._cross_signing = cross_signing

    async def query(
        self, reader: str, wanted: Mapping[str, Sequence[str]], timeout_s: float
    ) -> tuple[Answer, Failures]:
        """Return the keys of users and of their devices ("Query"), and the servers that did not answer in time.

        Raises `M_INVALID_PARAM` for too many users.
        """
        answer = await self._key_query.ask(reader, wanted)
        elsewhere = [user_id for user_id in wanted if not self._keys.is_local(user_id)]
        if not elsewhere:
            return answer, {}
        found, failures = await self._remote.of(elsewhere, min(timeout_s, MAX_TIMEOUT_S))
        made: dict[tuple[str, str], list[KeySignatureRow]] = defaultdict(list)
        for signature in await self._cross_signing.signatures_on(elsewhere, reader):
            made[signature.user_id, signature.key_id].append(signature)
        for user_id, keys in found.items():
            _add(answer, reader, user_id, keys, wanted[user_id], made)
        return answer, failures

    async def claim(
        self, wanted: Mapping[str, Mapping[str, str]], timeout_s: float
    ) -> tuple[dict[str, dict[str, dict[str, Any]]], Failures]:
        """Hand out a key of each device ("Claim"); return the keys, and the servers that did not answer in time.

        Raises `M_INVALID_PARAM` for too many devices.
        """
        elsewhere = {
            user_id: devices for user_id, devices in wanted.items() if not self._keys.is_local(user_id)
        }
        if not elsewhere:
            return await self._keys.claim(wanted), {}
        here, (there, failures) = await asyncio.gather(
            self._keys.claim(wanted), self._remote.claim(elsewhere, min(timeout_s, MAX_TIMEOUT_S))
        )
        return here | there, failures


def _add(
    answer: Answer,
    reader: str,
    user_id: str,
    keys: UserKeys,
    devices: Sequence[str],
    made: Mapping[tuple[str, str], Sequence[KeySignatureRow]],
) -> None:
    """Add the keys of another server's user to an answer, with the signatures that the reader may see."""
    shown: dict[str, Any] = {}
    for device_id, told in keys.devices.items():
        if devices and device_id not in devices:
            continue
        shown[device_id] = visible(told["keys"], user_id, reader, ())
        if "name" in told:
            shown[device_id]["unsigned"] = {"device_display_name": told["name"]}
    answer["device_keys"][user_id] = shown
    for usage in (MASTER, SELF_SIGNING):
        key = keys.cross_signing.get(usage)
        if key is not None:
            added = made.get((user_id, key.public_key), ())
            answer[f"{usage}_keys"][user_id] = visible(key.value, user_id, reader, added)
