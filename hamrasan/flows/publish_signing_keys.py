"""Publishing cross-signing keys, confirmed where it replaces others (client-server API, "Cross-signing")."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hamrasan.accounts.reauthentication import Reauthentication
from hamrasan.accounts.requester import Requester
from hamrasan.encryption.cross_signing import CrossSigning
from hamrasan.flows.oauth_tokens import OAuthTokens
from hamrasan.protocol.canonical_json import encode_canonical_checked


class PublishSigningKeys:
    """Publishes the cross-signing keys of somebody who is logged in."""

    def __init__(
        self, cross_signing: CrossSigning, reauthentication: Reauthentication, oauth_tokens: OAuthTokens
    ) -> None:
        self._cross_signing = cross_signing
        self._reauthentication = reauthentication
        self._oauth_tokens = oauth_tokens

    async def publish(
        self, requester: Requester, keys: Mapping[str, Any], *, auth: object, address: str, page: str
    ) -> None:
        """Publish keys, given by usage.

        Where that changes what the user has, it raises `InteractionNeeded` (401) until it is confirmed for just these
        keys: with the password, or on the account's page at the address `page` if the client logged in through
        OAuth 2.0 or there is no password ("OAuth authentication"). The first keys, and those that are there already,
        need no confirmation, and application services never ("Cross-signing" of their API). Raises besides what
        `CrossSigning.publish` raises.
        """
        user_id, is_service = requester.user_id, requester.application_service is not None
        if await self._cross_signing.publish(user_id, keys, confirmed=is_service):
            return
        action = f"publish signing keys {sha256(encode_canonical_checked(keys)).hexdigest()}"
        if await self._is_confirmed_in_browser(requester):
            confirmed = self._reauthentication.approved_in_browser(user_id, action, auth, page)
        else:
            confirmed = self._reauthentication.confirmed(user_id, action, auth, address)
        async with confirmed:
            await self._cross_signing.publish(user_id, keys, confirmed=True)

    async def _is_confirmed_in_browser(self, requester: Requester) -> bool:
        session = await self._oauth_tokens.session_of(requester.user_id, requester.device_id)
        return session is not None or not await self._reauthentication.is_possible(requester.user_id)
