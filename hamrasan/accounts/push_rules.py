"""Push rules of users (client-server API, "Push Rules: API"), kept as the global account data `m.push_rules`.

Kept is what clients see, so that /sync needs to know nothing of rules. Rules are always read through the predefined
ones of today: what a later version of the specification adds reaches everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hamrasan.accounts.account_data import PUSH_RULES, AccountData
from hamrasan.accounts.account_data_cache import AccountDataCache
from hamrasan.protocol.canonical_json import encode_json, parse_json
from hamrasan.protocol.errors import too_large
from hamrasan.protocol.push_rules import edit
from hamrasan.protocol.push_rules.defaults import Ruleset, default_ruleset
from hamrasan.protocol.push_rules.evaluate import CompiledRuleset, compile_ruleset
from hamrasan.protocol.push_rules.stored import ruleset_from_stored, stored_form
from hamrasan.runtime.keyed_locks import KeyedLocks
from hamrasan.storage.ports.user_data import GLOBAL

MAX_RULESET_BYTES = 1024 * 1024
"""All rules of a user as JSON: room for several thousand muted rooms. Each change sends all of them to each device."""


def read_ruleset(user_id: str, content: bytes | None) -> Ruleset:
    """Return the rules that a user has, from what is kept (None for a user who changed nothing)."""
    if content is None:
        return default_ruleset(user_id)
    return ruleset_from_stored(stored_form(parse_json(content), user_id), user_id)


def compile_changed(user_id: str, content: bytes | None) -> CompiledRuleset | None:
    """Return a user's rules ready for evaluation, None if they are the predefined ones."""
    if content is None:
        return None
    changes = stored_form(parse_json(content), user_id)
    return compile_ruleset(ruleset_from_stored(changes, user_id)) if changes else None


class PushRules:
    """Reads and changes users' push rules."""

    def __init__(self, account_data: AccountData, locks: KeyedLocks) -> None:
        self._account_data = account_data
        self._locks = locks
        self._compiled = AccountDataCache(account_data, PUSH_RULES, compile_changed)

    async def compiled_for(self, user_id: str) -> CompiledRuleset | None:
        """Return a user's rules ready for evaluation, None if they are the predefined ones.

        From memory, without input or output, if asked since the user last changed them.
        """
        return await self._compiled.get(user_id)

    async def ruleset(self, user_id: str) -> Ruleset:
        """Return all rules of a user: `{"global": {kind: [rule, ...]}}`."""
        return read_ruleset(user_id, await self._account_data.load(user_id, GLOBAL, PUSH_RULES))

    async def content_of(self, user_id: str) -> bytes:
        """Return the content of the account data `m.push_rules`, which exists for users who changed nothing, too."""
        return encode_json(await self.ruleset(user_id))

    async def rule(self, user_id: str, kind: str, rule_id: str) -> dict[str, Any]:
        """Return a rule; raises `M_NOT_FOUND`, `M_INVALID_PARAM` for an unknown kind."""
        return edit.find_rule(await self.ruleset(user_id), kind, rule_id)

    async def put(
        self, user_id: str, kind: str, rule_id: str, body: Any, before: str | None, after: str | None
    ) -> None:
        """Add or change a rule of the user's own; raises as `hamrasan.protocol.push_rules.edit.put_rule`."""
        await self._change(user_id, lambda rules: edit.put_rule(rules, kind, rule_id, body, before, after))

    async def delete(self, user_id: str, kind: str, rule_id: str) -> None:
        """Delete a rule of the user's own; raises `M_NOT_FOUND` or `M_INVALID_PARAM`."""
        await self._change(user_id, lambda rules: edit.delete_rule(rules, kind, rule_id))

    async def set_enabled(self, user_id: str, kind: str, rule_id: str, body: Any) -> None:
        """Enable or disable any rule, as `body` says; raises `M_NOT_FOUND` or an error of the body."""
        await self._change(user_id, lambda rules: edit.set_enabled(rules, kind, rule_id, body))

    async def set_actions(self, user_id: str, kind: str, rule_id: str, body: Any) -> None:
        """Change the actions of any rule, as `body` says; raises `M_NOT_FOUND` or an error of the body."""
        await self._change(user_id, lambda rules: edit.set_actions(rules, kind, rule_id, body))

    async def enable_thread_rules(self, user_id: str) -> None:
        """Let what happens in a thread depend on whether the user follows it (MSC4306)."""
        await self._change(user_id, edit.enable_thread_rules)

    async def _change(self, user_id: str, change: Callable[[Ruleset], Ruleset]) -> None:
        async with self._locks(user_id):
            rules = await self.ruleset(user_id)
            changed = change(rules)
            if changed == rules:
                return
            content = encode_json(changed)
            if len(content) > MAX_RULESET_BYTES:
                raise too_large(
                    f"All push rules of a user may have at most {MAX_RULESET_BYTES} bytes together."
                )
            await self._account_data.put(user_id, GLOBAL, PUSH_RULES, content)
