"""The authorization rules of all room versions, pure (server-server API, "Authorisation rules").

needs:         auth_types, deciding_types        which state an event depends on
state:         AuthState, MapAuthState           the state as the rules read it
power_levels:  PowerLevels, CREATOR_LEVEL        parsed once, asked often
check:         check_auth, check_auth_events     raise NotAllowed
"""

from hamrasan.protocol.auth_rules.check import check_auth, check_auth_events
from hamrasan.protocol.auth_rules.errors import MissingEventError, NotAllowed
from hamrasan.protocol.auth_rules.needs import auth_types, deciding_types
from hamrasan.protocol.auth_rules.power_levels import CREATOR_LEVEL, Level, PowerLevels, creators_of
from hamrasan.protocol.auth_rules.state import AuthState, MapAuthState, join_rule_of

__all__ = [
    "CREATOR_LEVEL",
    "AuthState",
    "Level",
    "MapAuthState",
    "MissingEventError",
    "NotAllowed",
    "PowerLevels",
    "auth_types",
    "check_auth",
    "check_auth_events",
    "creators_of",
    "deciding_types",
    "join_rule_of",
]
