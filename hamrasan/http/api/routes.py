"""All endpoints, in one table."""

from __future__ import annotations

from hamrasan.http.api.client import (
    account_data,
    filter,
    presence,
    profile,
    pushrules,
    sync,
    tags,
    third_party_lookup,
    voip,
)
from hamrasan.http.route import Route

CLIENT_MODULES = (
    account_data,
    filter,
    presence,
    profile,
    pushrules,
    sync,
    tags,
    third_party_lookup,
    voip,
)

CLIENT_ROUTES: list[Route] = [route for module in CLIENT_MODULES for route in module.ROUTES]
