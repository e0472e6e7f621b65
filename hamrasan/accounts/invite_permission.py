"""Whose invites a user takes (client-server API, "Invite permission"; MSC4155 for lists of users and servers)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from hamrasan.accounts.account_data import AccountData
from hamrasan.accounts.account_data_cache import AccountDataCache
from hamrasan.accounts.ignored import IgnoredUsers
from hamrasan.protocol.canonical_json import parse_json
from hamrasan.protocol.errors import MatrixError
from hamrasan.protocol.globs import compile_glob

INVITE_PERMISSION = "m.invite_permission_config"
INVITE_LISTS = "org.matrix.msc4155.invite_permission_config"
MAX_PATTERNS = 500
"""Patterns of one list that count: each is tried with every invite."""

Verdict = Literal["allow", "ignore", "block"]
"""Of an invite: it is shown, it exists without being shown, or it is refused."""
Hidden = Callable[[str], bool]
"""Whether an invite by this user is not shown."""

_Test = Callable[[str], bool]
_Rule = tuple[Verdict, bool, Sequence[_Test]]
"""What a list means, whether it is one of servers, and its patterns."""
_LISTS: tuple[tuple[str, Verdict, bool], ...] = (
    ("allowed_users", "allow", False),
    ("ignored_users", "ignore", False),
    ("blocked_users", "block", False),
    ("allowed_servers", "allow", True),
    ("ignored_servers", "ignore", True),
    ("blocked_servers", "block", True),
)
"""The lists in the order in which they are asked; the first that matches decides."""


def parse_blocks_invites(_user_id: str, content: bytes | None) -> bool:
    """Return whether an `m.invite_permission_config` blocks all invites; any other value of it lets them pass."""
    value = None if content is None else parse_json(content)
    return isinstance(value, dict) and value.get("default_action") == "block"


def parse_invite_lists(_user_id: str, content: bytes | None) -> Sequence[_Rule]:
    """Return the rules of MSC4155. Clients write them freely: what is malformed means nothing."""
    value = None if content is None else parse_json(content)
    if not isinstance(value, dict) or value.get("enabled") is False:
        return ()
    found = [(verdict, of_servers, _patterns(value.get(name))) for name, verdict, of_servers in _LISTS]
    return tuple(rule for rule in found if rule[2])


def _patterns(value: Any) -> Sequence[_Test]:
    patterns = value if isinstance(value, list) else []
    return tuple(compile_glob(item) for item in patterns[:MAX_PATTERNS] if isinstance(item, str))


class InvitePermission:
    """Answers what becomes of invites, from memory once it was asked."""

    def __init__(self, account_data: AccountData) -> None:
        self._blocked = AccountDataCache(account_data, INVITE_PERMISSION, parse_blocks_invites)
        self._lists = AccountDataCache(account_data, INVITE_LISTS, parse_invite_lists)

    async def verdict(self, user_id: str, sender: str) -> Verdict:
        """Return what becomes of an invite of `user_id` by `sender`."""
        if await self._blocked.get(user_id):
            return "block"
        return _decide(await self._lists.get(user_id), sender)

    async def check_invite(self, user_id: str, sender: str) -> None:
        """Raise 403 `M_INVITE_BLOCKED` if `user_id` takes no invites by `sender`."""
        if await self.verdict(user_id, sender) == "block":
            raise MatrixError(403, "M_INVITE_BLOCKED", f"{user_id} does not take your invites.")

    async def hidden_from(self, user_id: str) -> Hidden:
        """Return which invites are not shown to `user_id`."""
        if await self._blocked.get(user_id):
            return lambda _sender: True
        rules = await self._lists.get(user_id)
        return lambda sender: _decide(rules, sender) != "allow"


class HiddenInvites:
    """Knows which invites are not shown: those that are not permitted, and those by users who are ignored."""

    def __init__(self, permission: InvitePermission, ignored: IgnoredUsers) -> None:
        self._permission = permission
        self._ignored = ignored

    async def hidden_from(self, user_id: str) -> Hidden:
        """Return which invites are not shown to `user_id`."""
        ignored = await self._ignored.ignored_by(user_id)
        refused = await self._permission.hidden_from(user_id)
        return lambda sender: sender in ignored or refused(sender)


def _decide(rules: Sequence[_Rule], sender: str) -> Verdict:
    for verdict, of_servers, tests in rules:
        subject = sender.partition(":")[2] if of_servers else sender
        if any(test(subject) for test in tests):
            return verdict
    return "allow"
