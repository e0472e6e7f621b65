"""State resolution of all room versions, pure (room versions, "State resolution").

resolve(version, state_sets, events, *, rejected=frozenset(), unconflicted_chain=None) -> dict[StateKey, str]
split_states(state_sets) -> (unconflicted, conflicted)     what to load before resolving
"""

from hamrasan.protocol.auth_rules.errors import MissingEventError
from hamrasan.protocol.state_resolution.conflicts import split_states
from hamrasan.protocol.state_resolution.resolve import resolve

__all__ = ["MissingEventError", "resolve", "split_states"]
