"""Asking for identity keys and cross-signing keys (client-server API, "Key management", "Cross-signing")."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from orjson import Fragment

from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.cross_signing import USAGES, USER_SIGNING
from hamrasan.protocol.errors import invalid_param
from hamrasan.protocol.identifiers import is_of_server
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.slices import Slices
from hamrasan.storage.ports.cross_signing import CrossSigningReader, KeySignatureRow
from hamrasan.storage.ports.encryption import EncryptionReader

MAX_QUERIED = 10_000
"""Users whose keys are asked for at once: everybody in a room of thousands. Clients ask for some hundreds at a time."""

Answer = dict[str, dict[str, Any]]
"""Members of the response: keys by user id, those of devices by device id below, as dictionaries or ready-made JSON."""


class KeyQuery:
    """Gives out public keys, with the signatures that the one who asks may see."""

    def __init__(
        self, encryption: EncryptionReader, cross_signing: CrossSigningReader, clock: Clock, server_name: str
    ) -> None:
        self._encryption = encryption
        self._cross_signing = cross_signing
        self._clock = clock
        self._server_name = server_name

    async def ask(self, reader: str, wanted: Mapping[str, Sequence[str]]) -> Answer:
        """Return the keys of users and of their devices; an empty list of devices means all ("Query").

        Users of other servers, and who has no keys, are left out. Raises `M_INVALID_PARAM` for too many users.
        """
        if len(wanted) > MAX_QUERIED:
            raise invalid_param(f"The keys of at most {MAX_QUERIED} users can be asked for at once.")
        local = [user_id for user_id in wanted if is_of_server(user_id, self._server_name)]
        added: dict[tuple[str, str], list[KeySignatureRow]] = defaultdict(list)
        for signature in await self._cross_signing.signatures_on(local, reader):
            added[signature.user_id, signature.key_id].append(signature)
        answer: Answer = {"device_keys": {user_id: {} for user_id in local}}
        answer |= {f"{usage}_keys": {} for usage in USAGES}
        slices = Slices(self._clock)
        for row in await self._encryption.device_keys(local):
            await slices.pause()
            user_id, device_id = row.user_id, row.device_id
            if not wanted[user_id] or device_id in wanted[user_id]:
                keys = visible(parse_json(row.keys), user_id, reader, added.get((user_id, device_id), ()))
                if row.display_name is not None:
                    keys["unsigned"] = {"device_display_name": row.display_name}
                answer["device_keys"][user_id][device_id] = keys
        for own in await self._cross_signing.keys_of(local):
            await slices.pause()
            if own.usage != USER_SIGNING or own.user_id == reader:
                signatures = added.get((own.user_id, own.key_id))
                # As it was published it has the user's own signatures only.
                shown = (
                    visible(parse_json(own.key), own.user_id, reader, signatures)
                    if signatures
                    else Fragment(own.key)
                )
                answer[f"{own.usage}_keys"][own.user_id] = shown
        return answer


def visible(
    stored: Mapping[str, Any], user_id: str, reader: str, added: Sequence[KeySignatureRow]
) -> dict[str, Any]:
    """Return a key with those signatures that a reader may see: those of the key's owner, and the reader's own."""
    keys = dict(stored)
    signatures = keys.get("signatures")
    if signatures or added:
        shown = {signer: made for signer, made in (signatures or {}).items() if signer in (user_id, reader)}
        for row in added:
            shown.setdefault(row.signer, {})[row.signer_key_id] = row.signature
        keys["signatures"] = shown
    return keys
