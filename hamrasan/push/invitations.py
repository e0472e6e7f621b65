"""Notes that users are told of invites into rooms that this server is not in: there is no event of these to follow."""

from __future__ import annotations

from hamrasan.protocol.canonical_json import encode_json
from hamrasan.protocol.push_rules.defaults import default_ruleset
from hamrasan.protocol.push_rules.evaluate import compile_ruleset
from hamrasan.push.pushers import Pushers
from hamrasan.push.reactor import IgnoredBy, PushRulesOf
from hamrasan.rooms.invitations import as_room
from hamrasan.rooms.rule_evaluation import evaluate_rules
from hamrasan.rooms.timeline_event import TimelineEvent
from hamrasan.runtime.clock import Clock
from hamrasan.runtime.tasks import TaskSupervisor
from hamrasan.storage.ports.invitations import InvitationChanged, InvitationRow
from hamrasan.storage.ports.journal import Batch, Journal
from hamrasan.storage.ports.push import NewWaitingPush, PushesNoted


class InvitationPushes:
    """Evaluates the rules of those who are invited from outside."""

    def __init__(
        self,
        journal: Journal,
        pushers: Pushers,
        push_rules: PushRulesOf,
        ignored: IgnoredBy,
        tasks: TaskSupervisor,
        clock: Clock,
    ) -> None:
        self._journal = journal
        self._pushers = pushers
        self._push_rules = push_rules
        self._ignored = ignored
        self._tasks = tasks
        self._clock = clock
        journal.listen(InvitationChanged, self._changed)

    def _changed(self, item: InvitationChanged) -> None:
        row = item.row
        if row.membership == "invite" and row.user_id in self._pushers.users and not self._tasks.closing:
            self._tasks.spawn("push of an invitation", self._note(row))

    async def _note(self, row: InvitationRow) -> None:
        if row.sender in await self._ignored.ignored_by(row.user_id):
            return
        rules = await self._push_rules.compiled_for(row.user_id)
        room, stored = as_room(row)
        actions = evaluate_rules(
            room,
            TimelineEvent(stored),
            row.user_id,
            rules or compile_ruleset(default_ruleset(row.user_id)),
            None,
            None,
        )
        if actions.notify:
            tweaks = encode_json(dict(actions.tweaks))
            noted = NewWaitingPush(row.user_id, row.position, row.room_id, tweaks, self._clock.now_ms())
            await self._journal.submit(Batch([noted], feed=[PushesNoted((row.user_id,))]))
