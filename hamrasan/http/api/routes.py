"""All endpoints, in one table."""

from __future__ import annotations

from hamrasan.http.api.client import sync
from hamrasan.http.route import Route

CLIENT_MODULES = (sync,)

CLIENT_ROUTES: list[Route] = [route for module in CLIENT_MODULES for route in module.ROUTES]
