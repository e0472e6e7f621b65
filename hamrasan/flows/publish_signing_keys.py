"""Publishing cross-signing keys, confirmed where it replaces others (client-server API, "Cross-signing")."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.requester import Requester
from hamrasan.encryption.cross_signing import CrossSigning
from hamrasan.protocol.canonical_json import encode_canonical_checked


class PublishSigningKeys:
    """Publishes the cross-signing keys of somebody who is logged in."""

    def __init__(self, cross_signing: CrossSigning, reauthentication: Reauthentication) -> None:
        self._cross_signing = cross_signing
        self._reauthentication = reauthentication

    async def publish(
        self, requester: Requester, keys: Mapping[str, Any], *, auth: object, address: str
    ) -> None:
        """Publish keys, given by usage.

        Where that changes what the user has, it raises `InteractionNeeded` (401) until it is confirmed for just these
        keys. The first keys, and those that are there already, need no confirmation, and application services never
        ("Cross-signing" of their API). Raises besides what `CrossSigning.publish` raises.
        """
        user_id, is_service = requester.user_id, requester.application_service is not None
        if await self._cross_signing.publish(user_id, keys, confirmed=is_service):
            return
        action = f"publish signing keys {sha256(encode_canonical_checked(keys)).hexdigest()}"
        async with self._reauthentication.confirmed(user_id, action, auth, address):
            await self._cross_signing.publish(user_id, keys, confirmed=True)
