"""Whether a user takes invites (client-server API, "Invite permission")."""

from __future__ import annotations

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_cache import AccountDataCache
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError

INVITE_PERMISSION = "m.invite_permission_config"


def parse_blocks_invites(_user_id: str, content: bytes | None) -> bool:
    """Return whether an `m.invite_permission_config` blocks all invites; any other value of it lets them pass."""
    value = None if content is None else parse_json(content)
    return isinstance(value, dict) and value.get("default_action") == "block"


class InvitePermission:
    """Answers whether a user blocks invites, from memory once it was asked."""

    def __init__(self, account_data: AccountData) -> None:
        self._blocked = AccountDataCache(account_data, INVITE_PERMISSION, parse_blocks_invites)

    async def blocks(self, user_id: str) -> bool:
        """Return whether `user_id` takes no invites: none may be accepted for them, and none is shown in sync."""
        return await self._blocked.get(user_id)

    async def check_invite(self, user_id: str) -> None:
        """Raise 403 `M_INVITE_BLOCKED` if `user_id` takes no invites."""
        if await self.blocks(user_id):
            raise MatrixError(403, "M_INVITE_BLOCKED", f"{user_id} does not take invites.")
