"""All endpoints for other servers, in one table; modules have the names of the files of data/api/server-server."""

from __future__ import annotations

from hamrasan.http.api.federation import (
    backfill,
    content_repository,
    event_auth,
    events,
    invites_v1,
    invites_v2,
    joins_v1,
    joins_v2,
    keys_query,
    keys_server,
    knocks,
    leaving_v1,
    leaving_v2,
    openid,
    public_rooms,
    query,
    space_hierarchy,
    third_party_invite,
    transactions,
    user_devices,
    user_keys,
    version,
    wellknown,
)
from hamrasan.http.route import Route

FEDERATION_MODULES = (
    backfill,
    content_repository,
    event_auth,
    events,
    invites_v1,
    invites_v2,
    joins_v1,
    joins_v2,
    keys_query,
    keys_server,
    knocks,
    leaving_v1,
    leaving_v2,
    openid,
    public_rooms,
    query,
    space_hierarchy,
    third_party_invite,
    transactions,
    user_devices,
    user_keys,
    version,
    wellknown,
)

FEDERATION_ROUTES: list[Route] = [route for module in FEDERATION_MODULES for route in module.ROUTES]
"""Served beside the others, and alone by the listener of `federation_listen`."""
