"""Push rules (client-server API, "Push Rules: API")."""

from __future__ import annotations

from hamrasan.http.request import Request
from hamrasan.http.response import Response, empty, json_bytes, ok
from hamrasan.http.route import Auth, Body, RateClass, Route
from hamrasan.http.services import Services


async def get_all(request: Request, services: Services) -> Response:
    """Return all rulesets of the requester; there is one, `global`."""
    return json_bytes(await services.push_rules.content_of(request.requester.user_id))


async def get_global(request: Request, services: Services) -> Response:
    """Return the ruleset `global`."""
    rules = await services.push_rules.ruleset(request.requester.user_id)
    return ok(rules["global"])


async def get_rule(request: Request, services: Services) -> Response:
    """Return one rule."""
    return ok(await services.push_rules.rule(*_rule(request)))


async def put_rule(request: Request, services: Services) -> Response:
    """Add or change a rule of the requester's own."""
    before, after = request.query.one("before"), request.query.one("after")
    await services.push_rules.put(*_rule(request), request.json(), before, after)
    return empty()


async def delete_rule(request: Request, services: Services) -> Response:
    """Delete a rule of the requester's own."""
    await services.push_rules.delete(*_rule(request))
    return empty()


async def get_enabled(request: Request, services: Services) -> Response:
    """Return whether a rule is enabled."""
    rule = await services.push_rules.rule(*_rule(request))
    return ok({"enabled": rule["enabled"]})


async def set_enabled(request: Request, services: Services) -> Response:
    """Enable or disable a rule."""
    await services.push_rules.set_enabled(*_rule(request), request.json())
    return empty()


async def get_actions(request: Request, services: Services) -> Response:
    """Return the actions of a rule."""
    rule = await services.push_rules.rule(*_rule(request))
    return ok({"actions": rule["actions"]})


async def set_actions(request: Request, services: Services) -> Response:
    """Change the actions of a rule."""
    await services.push_rules.set_actions(*_rule(request), request.json())
    return empty()


def _rule(request: Request) -> tuple[str, str, str]:
    """Return user, kind and id of the rule that the address names."""
    return request.requester.user_id, request.path["kind"], request.path["rule_id"]


_ALL = "/_matrix/client/v3/pushrules/"
_GLOBAL = _ALL + "global/"
_RULE = _GLOBAL + "{kind}/{rule_id}"
_READ, _CHANGE = RateClass.READS, RateClass.ACCOUNT

ROUTES = [
    Route("GET", _ALL, get_all, "getPushRules", Auth.USER, _READ),
    Route("GET", _GLOBAL, get_global, "getPushRulesGlobal", Auth.USER, _READ),
    Route("GET", _RULE, get_rule, "getPushRule", Auth.USER, _READ),
    Route("PUT", _RULE, put_rule, "setPushRule", Auth.USER, _CHANGE, Body.JSON_OBJECT),
    Route("DELETE", _RULE, delete_rule, "deletePushRule", Auth.USER, _CHANGE),
    Route("GET", _RULE + "/enabled", get_enabled, "isPushRuleEnabled", Auth.USER, _READ),
    Route("PUT", _RULE + "/enabled", set_enabled, "setPushRuleEnabled", Auth.USER, _CHANGE, Body.JSON_OBJECT),
    Route("GET", _RULE + "/actions", get_actions, "getPushRuleActions", Auth.USER, _READ),
    Route("PUT", _RULE + "/actions", set_actions, "setPushRuleActions", Auth.USER, _CHANGE, Body.JSON_OBJECT),
]
